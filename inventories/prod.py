"""Production: an example to copy. Replace the addresses, the names and the keys by your own.

`invoke lint --env prod` names every place that still holds an example. A host that is reached through
another one gets its jump host in ~/.ssh/config (`ProxyJump`), never here: how you get there is yours.
"""

from inventories.model import (
    Environment,
    Fail2ban,
    Firewall,
    Host,
    Journal,
    Opening,
    Secret,
    Ssh,
    Swap,
    Sysctl,
    Time,
    Updates,
    User,
    Users,
)

ALICE = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIE9gH+6XagwkugRg3iE3Zi1ga4LrhyIwHAljkP1mg7v+ alice@example.com"
BOB = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIFJpaBUHRYAs83zc0hNe14hrrbhqLMFPQl2Xos6Lcn2e bob@example.com"
OFFICE = "203.0.113.0/28"
OFFICE6 = "2001:db8:203::/48"
MONITOR = "203.0.113.40/32"

# When SSH is lost, the provider's console is the way in, and it asks for a password. SSH itself takes none.
# `invoke secrets.generate console_password --env prod --length 20` makes one that can still be typed.
deploy = User(
    name="deploy",
    keys=(ALICE, BOB),
    sudo=True,
    console_password=Secret(name="console_password"),
)
alice = User(name="alice", keys=(ALICE,), sudo=True)
bob = User(name="bob", keys=(BOB,))

users = Users(accounts=(deploy, alice))
office_only = Ssh(sources=(OFFICE, OFFICE6))
office_never = Fail2ban(never=(OFFICE, OFFICE6))
time = Time(servers=("0.pool.ntp.org", "1.pool.ntp.org", "2.pool.ntp.org"), zone="Europe/Berlin")
metrics = Firewall(extra=(Opening.port(9100, "tcp", "metrics, for the monitoring host", (MONITOR,)),))

environment = Environment(
    name="prod",
    domain="example.com",
    controllers=("203.0.113.10/32", "2001:db8:203::10/128"),
    hosts=(
        # The one way in from everywhere: a port of its own, and bans for those who guess.
        Host(
            name="jump1",
            os="debian13",
            address="198.51.100.10/24",
            address6="2001:db8:100::10/64",
            group="jump",
            users=Users(accounts=(deploy, alice, bob)),
            ssh=Ssh(port=2222, max_auth_tries=2, login_grace=20, allow_tcp_forwarding=True),
            fail2ban=office_never,
            time=time,
            updates=Updates(reboot_at="02:00"),
        ),
        # web1 is the canary of web2: it comes first, and web2 only when all is well.
        Host(
            name="web1",
            os="ubuntu24.04",
            address="198.51.100.21/24",
            address6="2001:db8:100::21/64",
            group="web",
            memory_mb=4096,
            disk_mb=81920,
            users=users,
            ssh=office_only,
            firewall=metrics,
            fail2ban=office_never,
            time=time,
            updates=Updates(reboot_at="03:00"),
            journal=Journal(max_use_mb=2000, max_retention_days=90),
            swap=Swap(size_mb=2048),
        ),
        Host(
            name="web2",
            os="ubuntu22.04",
            address="198.51.100.22/24",
            address6="2001:db8:100::22/64",
            group="web",
            memory_mb=4096,
            disk_mb=81920,
            users=users,
            ssh=office_only,
            firewall=metrics,
            fail2ban=office_never,
            time=time,
            updates=Updates(reboot_at="04:00"),
            journal=Journal(max_use_mb=2000, max_retention_days=90),
            swap=Swap(size_mb=2048),
        ),
        # Calls must not drop: this one reboots by hand only.
        Host(
            name="pbx1",
            os="debian12",
            address="198.51.100.31/24",
            group="pbx",
            memory_mb=2048,
            disk_mb=51200,
            users=users,
            ssh=Ssh(sources=(OFFICE,)),
            firewall=metrics,
            fail2ban=Fail2ban(never=(OFFICE,), max_ban_time=30 * 24 * 3600),
            time=time,
            sysctl=Sysctl(settings={"net.core.rmem_max": "8388608", "net.core.wmem_max": "8388608"}),
        ),
    ),
)

hosts = environment.inventory()
