"""The laboratory: two droplets that exist as a twin on this machine."""

from ipaddress import IPv4Interface, IPv4Network, IPv6Interface, IPv6Network

from inventories.model import ControllerKey, Environment, Host, Swap, Time, User, Users

users = Users(accounts=(User(name="deploy", keys=(ControllerKey(),), sudo=True),))
time = Time(servers=("ntp1.lab.example", "ntp2.lab.example"))

environment = Environment(
    name="lab",
    domain="lab.example",
    in_twin=True,
    controllers=(IPv4Network("192.0.2.10/32"), IPv6Network("2001:db8::10/128")),
    hosts=(
        Host(
            name="edge1",
            os="debian12",
            address=IPv4Interface("198.51.100.11/24"),
            users=users,
            time=time,
        ),
        Host(
            name="edge2",
            os="debian13",
            address=IPv4Interface("198.51.100.12/24"),
            address6=IPv6Interface("2001:db8:100::12/64"),
            users=users,
            time=time,
            swap=Swap(size_mb=128),
        ),
    ),
)

hosts = environment.inventory()
