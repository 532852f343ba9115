"""A value that does not fit its field is refused with one exact sentence."""

from __future__ import annotations

import pytest
from declared import Declare, Rows, environment, extra, host, made, refused

from inventories.model import (
    Compose,
    Docker,
    Firewall,
    Host,
    Journal,
    Opening,
    PortRange,
    Ssh,
    Swap,
    Sysctl,
    Time,
    Updates,
)

FIELDS: Rows = {
    "port too high": (
        lambda: environment(host(ssh=Ssh(port=70000))),
        "edge1 ssh.port: 70000 is not a port (1-65535); choose a free port, 22 is the usual one",
    ),
    "port in words": (
        lambda: environment(host(ssh=Ssh(port="ssh"))),
        "edge1 ssh.port: 'ssh' is not a port (1-65535); choose a free port, 22 is the usual one",
    ),
    "unknown field": (
        lambda: environment(host(ssh=made(Ssh, prot=22))),
        "edge1 ssh.prot: 'prot' is not a field of Ssh; did you mean port?",
    ),
    "unknown field, nothing like it": (
        lambda: environment(host(journal=made(Journal, colour="red"))),
        "edge1 journal.colour: 'colour' is not a field of Journal; its fields are max_use_mb,"
        " keep_free_mb, max_retention_days",
    ),
    "missing field": (
        lambda: environment(made(Host, name="edge1", os="debian13", address="198.51.100.11/24")),
        "edge1 users: nothing is declared, wanted a value; add users=... to this Host",
    ),
    "unknown release": (
        lambda: environment(host(os="debian11")),
        "edge1 os: 'debian11' is not one of 'debian12', 'debian13', 'debian-testing', 'ubuntu22.04' or"
        " 'ubuntu24.04'; did you mean debian13?",
    ),
    "another record": (
        lambda: environment(host(fail2ban=Ssh())),
        "edge1 fail2ban: an Ssh record is not a Fail2ban record; write Fail2ban(...)",
    ),
    "address out of range": (
        lambda: environment(host(address="198.51.100.300/24")),
        "edge1 address: '198.51.100.300/24' is not an IPv4 address with its network's prefix; write"
        ' it as "198.51.100.11/24"',
    ),
    "address without its prefix": (
        lambda: environment(host(address="198.51.100.11")),
        "edge1 address: '198.51.100.11' is not an address with its network's prefix; write"
        " 198.51.100.11/ and the prefix length that the provider names",
    ),
    "host name with a dot": (
        lambda: environment(host("edge1.lab")),
        "edge1.lab name: 'edge1.lab' is not a host name; use up to 31 small letters, digits and"
        " inner hyphens, a letter first",
    ),
    "group in capitals": (
        lambda: environment(host(group="Web")),
        "edge1 group: 'Web' is not a group's name; use small letters, digits, hyphens and"
        " underscores, a letter first",
    ),
    "too little disk": (
        lambda: environment(host(disk_mb=10)),
        "edge1 disk_mb: 10 is not a size in MiB, 2048 or more; write the disk of the server",
    ),
    "a network with host bits": (
        lambda: environment(host(ssh=Ssh(sources=("192.0.2.0/24", "203.0.113.7/24")))),
        "edge1 ssh.sources[1]: '203.0.113.7/24' is not a network; write 203.0.113.0/24 for the"
        " network or 203.0.113.7/32 for the address",
    ),
    "one network instead of a tuple": (
        lambda: environment(host(ssh=Ssh(sources="203.0.113.0/24"))),
        "edge1 ssh.sources: '203.0.113.0/24' is not a tuple; put the items in parentheses, with a"
        " comma after each",
    ),
    "a range that runs backwards": (
        lambda: environment(
            host(firewall=extra(Opening(ports=PortRange(first=20, last=10), protocol="udp", why="x")))
        ),
        "edge1 firewall.extra[0].ports: 20-10 is not a range of ports; write the lower port as"
        " first, the higher as last",
    ),
    "an unknown protocol": (
        lambda: environment(host(firewall=extra(made(Opening.port, port=80, protocol="http", why="web")))),
        "edge1 firewall.extra[0].protocol: 'http' is not one of 'tcp' or 'udp'; choose one of them",
    ),
    "too many tries": (
        lambda: environment(host(ssh=Ssh(max_auth_tries=99))),
        "edge1 ssh.max_auth_tries: 99 is not a number of tries (1-10); 3 is a good one",
    ),
    "yes instead of True": (
        lambda: environment(host(firewall=Firewall(answer_ping="perhaps"))),
        "edge1 firewall.answer_ping: 'perhaps' is not True or False; write one of them, without quotes",
    ),
    "a time that no clock shows": (
        lambda: environment(host(updates=Updates(reboot_at="25:00"))),
        "edge1 updates.reboot_at: '25:00' is not a time of day; write it as \"03:30\"",
    ),
    "a zone that does not exist": (
        lambda: environment(host(time=Time(zone="Europe/Berlino"))),
        "edge1 time.zone: 'Europe/Berlino' is not a time zone; write it as timedatectl"
        " list-timezones does: Europe/Berlin",
    ),
    "a time server with a scheme": (
        lambda: environment(host(time=Time(servers=("ntp://time.lab.example",)))),
        "edge1 time.servers[0]: 'ntp://time.lab.example' is not a host name or an address; write it"
        " as ntp.example.net, with no port or scheme",
    ),
    "a sysctl key with slashes": (
        lambda: environment(host(sysctl=Sysctl(settings={"net/ipv4/ip_forward": "1"}))),
        "edge1 sysctl.settings[net/ipv4/ip_forward]: 'net/ipv4/ip_forward' is not a sysctl key;"
        " write it with dots, as sysctl -a shows it",
    ),
    "a sysctl value over two lines": (
        lambda: environment(host(sysctl=Sysctl(settings={"kernel.panic": "1\nkernel.sysrq = 1"}))),
        "edge1 sysctl.settings[kernel.panic]: '1\\nkernel.sysrq = 1' is not a sysctl value; write it"
        ' in quotes, as sysctl -n shows it, on one line: "1"',
    ),
    "a swap file without its path": (
        lambda: environment(host(swap=Swap(size_mb=128, path="swapfile"))),
        "edge1 swap.path: 'swapfile' is not the whole path of a file; write it as /swapfile",
    ),
    "a swap file that a reboot wipes": (
        lambda: environment(host(swap=Swap(size_mb=128, path="/run/swapfile"))),
        "edge1 swap.path: '/run/swapfile' is not a file on the disk that lasts; write it as /swapfile",
    ),
    "a package with a version": (
        lambda: environment(host(updates=Updates(blocked=("nginx=1.2",)))),
        "edge1 updates.blocked[0]: 'nginx=1.2' is not the name of a Debian package; write the name"
        " alone, without a version",
    ),
    "an environment in capitals": (
        lambda: environment(name="LAB"),
        "environment name: 'LAB' is not an environment's name; use up to 16 small letters, digits"
        " and hyphens, a letter first",
    ),
    "a domain of one label": (
        lambda: environment(domain="lab"),
        "environment domain: 'lab' is not a domain name; write two or more labels in small letters,"
        " such as lab.example",
    ),
    "no controller": (
        lambda: environment(controllers=()),
        "environment controllers: nothing is in it, wanted at least one; name it in the parentheses,"
        " with a comma after it",
    ),
    "no stack": (
        lambda: environment(host(docker=Docker(), compose=Compose(stacks=()))),
        "edge1 compose.stacks: nothing is in it, wanted at least one; name it in the parentheses,"
        " with a comma after it",
    ),
}


@pytest.mark.parametrize(("declare", "sentence"), FIELDS.values(), ids=FIELDS)
def test_a_value_that_does_not_fit_is_refused_with_its_sentence(declare: Declare, sentence: str) -> None:
    assert refused(declare) == [sentence]
