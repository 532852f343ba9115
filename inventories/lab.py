"""The laboratory: two droplets that exist as a twin on this machine."""

from inventories.model import (
    ControllerKey,
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

ALICE = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIE9gH+6XagwkugRg3iE3Zi1ga4LrhyIwHAljkP1mg7v+ alice@lab.example"

# The value is generated for each twin, outside the clone.
deploy = User(
    name="deploy",
    keys=(ControllerKey(),),
    sudo=True,
    console_password=Secret(name="console_password"),
)
alice = User(name="alice", keys=(ALICE,))
time = Time(servers=("ntp1.lab.example", "ntp2.lab.example"))

environment = Environment(
    name="lab",
    domain="lab.example",
    in_twin=True,
    controllers=("192.0.2.10/32", "2001:db8::10/128"),
    hosts=(
        # Everyone may knock at this one's SSH: what fail2ban is for.
        Host(
            name="edge1",
            os="debian12",
            address="198.51.100.11/24",
            users=Users(accounts=(deploy, alice)),
            firewall=Firewall(
                extra=(Opening.port(9100, "tcp", "metrics of this host", ("192.0.2.10/32",)),),
            ),
            updates=Updates(reboot_at="03:30"),
            sysctl=Sysctl(settings={"net.ipv4.tcp_keepalive_time": "600"}),
            time=time,
            journal=Journal(max_use_mb=200),
        ),
        # SSH for the office only, over both families.
        Host(
            name="edge2",
            os="debian13",
            address="198.51.100.12/24",
            address6="2001:db8:100::12/64",
            users=Users(accounts=(deploy,)),
            ssh=Ssh(sources=("203.0.113.0/28", "2001:db8:203::/64")),
            fail2ban=Fail2ban(never=("203.0.113.0/28", "2001:db8:203::/64")),
            updates=Updates(reboot_at="04:30", blocked=("docker-ce",)),
            time=time,
            swap=Swap(size_mb=128),
        ),
    ),
)

hosts = environment.inventory()
