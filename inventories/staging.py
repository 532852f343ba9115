"""Staging: an example to copy. Replace the addresses, the names and the keys by your own.

One small server of each kind, so that a release meets both distributions before production does.
"""

from inventories.model import Environment, Host, Secret, Swap, Updates, User, Users

ALICE = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIE9gH+6XagwkugRg3iE3Zi1ga4LrhyIwHAljkP1mg7v+ alice@example.com"
BOB = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIFJpaBUHRYAs83zc0hNe14hrrbhqLMFPQl2Xos6Lcn2e bob@example.com"

# For the provider's console, when SSH is lost: `invoke secrets.generate console_password --env staging`.
deploy = User(
    name="deploy",
    keys=(ALICE, BOB),
    sudo=True,
    console_password=Secret(name="console_password"),
)
users = Users(
    accounts=(
        deploy,
        User(name="alice", keys=(ALICE,), sudo=True),
        User(name="bob", keys=(BOB,)),
    )
)

environment = Environment(
    name="staging",
    domain="staging.example.com",
    controllers=("203.0.113.10/32",),
    hosts=(
        Host(
            name="web1",
            os="ubuntu24.04",
            address="198.51.100.21/24",
            group="web",
            users=users,
            updates=Updates(reboot_at="03:00"),
            swap=Swap(size_mb=1024),
        ),
        Host(
            name="pbx1",
            os="debian12",
            address="198.51.100.22/24",
            group="pbx",
            users=users,
            updates=Updates(reboot_at="04:00"),
        ),
    ),
)

hosts = environment.inventory()
