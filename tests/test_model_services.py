"""Services that contradict each other, or let the world in, are refused with one exact sentence."""

from __future__ import annotations

import pytest
from declared import ONLY_V6, SSH, Bait, Declare, Rows, environment, extra, host, refused, trap

from inventories.model import (
    Fail2ban,
    Firewall,
    Forward,
    Jail,
    Journal,
    Opening,
    PortRange,
    Ssh,
    Swap,
    Sysctl,
    Time,
)

TUNNEL = Forward(source="10.1.0.0/16", destination="10.2.0.0/16", why="tunnel")
SERVICES: Rows = {
    "an opening that a service has": (
        lambda: environment(host(firewall=extra(Opening.port(22, "tcp", "also SSH")))),
        "edge1 firewall.extra[0]: tcp 22 (also SSH) opens what ssh opens already, wanted each port"
        " opened by one; take it out, ssh says who may reach it",
    ),
    "an opening around SSH's limit": (
        lambda: environment(
            host(ssh=Ssh(sources=("203.0.113.0/28",)), firewall=extra(Opening.port(22, "tcp", "back door")))
        ),
        "edge1 firewall.extra[0]: tcp 22 (back door) opens to the world what ssh.sources limits,"
        " wanted each port opened by one; take it out, ssh says who may reach it",
    ),
    "one port opened twice": (
        lambda: environment(
            host(firewall=extra(Opening.port(80, "tcp", "web"), Opening.port(80, "tcp", "www")))
        ),
        "edge1 firewall.extra[1]: tcp 80 (www) opens what tcp 80 (web) opens already, wanted each"
        " opening once; put the two into one",
    ),
    "Redis for the world": (
        lambda: environment(host(firewall=extra(Opening.port(6379, "tcp", "cache")))),
        "edge1 firewall.extra[0]: tcp 6379 (cache) opens Redis (tcp 6379) to the world, wanted the"
        " networks that need it; add sources=(...), or take it out",
    ),
    "AMI within a range for the world": (
        lambda: environment(
            host(firewall=extra(Opening(ports=PortRange(first=5030, last=5040), protocol="tcp", why="sip")))
        ),
        "edge1 firewall.extra[0]: tcp 5030-5040 (sip) opens Asterisk's AMI (tcp 5038) to the world,"
        " wanted the networks that need it; add sources=(...), or take it out",
    ),
    "an opening for IPv6 on a host without": (
        lambda: environment(host(firewall=extra(Opening.port(80, "tcp", "web", ONLY_V6)))),
        "edge1 firewall.extra[0].sources: tcp 80 (web) admits only IPv6 networks on a host without"
        " IPv6, wanted a source that can reach it; add an IPv4 network, or address6 to this host",
    ),
    "two services on one port": (
        lambda: trap(bait=Bait(ports=(Opening.port(22, "tcp", "bait"),))),
        "edge1 firewall.bait: tcp 22 (bait) overlaps tcp 22 (SSH) of ssh, wanted ports of its own"
        " for each service; move bait or ssh to another port",
    ),
    "a forward between two families": (
        lambda: environment(
            host(firewall=Firewall(forwards=(Forward(source="10.0.0.0/8", destination="fd00::/8", why="x"),)))
        ),
        "edge1 firewall.forwards[0]: from 10.0.0.0/8 to fd00::/8, wanted two networks of one family;"
        " write one Forward for each family",
    ),
    "an opening limited to everyone": (
        lambda: environment(host(firewall=extra(Opening.port(80, "tcp", "web", ("0.0.0.0/0",))))),
        "edge1 firewall.extra[0].sources: 0.0.0.0/0 is everyone, wanted who may reach it; name their"
        " networks, or leave sources out to admit everyone",
    ),
    "a forward twice": (
        lambda: environment(host(firewall=Firewall(forwards=(TUNNEL, TUNNEL)))),
        "edge1 firewall.forwards[1]: from 10.1.0.0/16 to 10.2.0.0/16 stands here twice, wanted each"
        " forward once; take one of the two out",
    ),
    "a forward to itself": (
        lambda: environment(
            host(
                firewall=Firewall(
                    forwards=(Forward(source="10.0.0.0/8", destination="10.1.0.0/16", why="x"),)
                )
            )
        ),
        "edge1 firewall.forwards[0]: from 10.0.0.0/8 to 10.1.0.0/16, wanted two networks that share"
        " no address; correct one of the two",
    ),
    "everyone exempt from bans": (
        lambda: environment(host(fail2ban=Fail2ban(never=("0.0.0.0/0",)))),
        "edge1 fail2ban.never: 0.0.0.0/0 would keep most attackers from being banned, wanted a"
        " prefix of /16 or longer; name the networks of the people who are meant",
    ),
    "a longest ban shorter than the first": (
        lambda: environment(host(fail2ban=Fail2ban(max_ban_time=60))),
        "edge1 fail2ban.max_ban_time: 60 s is shorter than the first ban of sshd (3600 s), wanted at"
        " least 3600; raise max_ban_time, a week is 604800",
    ),
    "a jail that protects nothing": (
        lambda: trap(bait=Bait(jail=Jail(name="bait", filter="bait", openings=()))),
        "edge1 fail2ban.bait: the jail bait protects no port, wanted the openings that a banned"
        " address loses; give the jail its service's openings",
    ),
    "a ban shorter than its own memory": (
        lambda: trap(bait=Bait(jail=Jail(name="bait", filter="bait", openings=(SSH,), ban_time=60))),
        "edge1 fail2ban.bait: a ban of 60 s ends before the 600 s that tries count for, wanted a"
        " ban_time of at least find_time; raise ban_time",
    ),
    "two jails of one name": (
        lambda: trap(bait=Bait(jail=Jail(name="sshd", filter="bait", openings=(SSH,)))),
        "edge1 fail2ban.sshd: two services bring a jail named sshd, wanted one jail of each name;"
        " rename one of the two",
    ),
    "a setting that contradicts a service": (
        lambda: environment(
            host(swap=Swap(size_mb=128), sysctl=Sysctl(settings={"vm.swappiness": "60"})),
        ),
        "edge1 sysctl.vm.swappiness: 60, but swap needs 10, wanted 10; take vm.swappiness out of"
        " settings, or change swap",
    ),
    "two services that contradict each other": (
        lambda: trap(swap=Swap(size_mb=128), bait=Bait(kernel=(("vm.swappiness", "1"),))),
        "edge1 sysctl.vm.swappiness: swap needs 10 but bait needs 1, wanted one value; change one of them",
    ),
    "IPv6 switched off below its address": (
        lambda: environment(
            host(
                address6="2001:db8:100::11/64",
                sysctl=Sysctl(settings={"net.ipv6.conf.all.disable_ipv6": 1}),
            )
        ),
        "edge1 sysctl.net.ipv6.conf.all.disable_ipv6: 1 takes away the address 2001:db8:100::11,"
        " wanted IPv6 on a host that has address6; take it out of settings, or address6 out of the"
        " host",
    ),
    "a ping that is answered and is not": (
        lambda: environment(host(sysctl=Sysctl(settings={"net.ipv4.icmp_echo_ignore_all": "1"}))),
        "edge1 sysctl.net.ipv4.icmp_echo_ignore_all: 1 leaves every ping unanswered, wanted what"
        " firewall.answer_ping says; take it out of settings, or set answer_ping=False",
    ),
    "replies that die on their way": (
        lambda: environment(host(sysctl=Sysctl(settings={"net.ipv4.ip_default_ttl": "1"}))),
        "edge1 sysctl.net.ipv4.ip_default_ttl: 1 lets replies die on their way, wanted 32 to 255"
        " hops; take it out of settings, 64 is the kernel's own",
    ),
    "no time server": (
        lambda: environment(host(time=Time(servers=()))),
        "edge1 time.servers: no server, wanted at least one; name one, or leave servers out for the"
        " public pool",
    ),
    "a journal as large as the disk": (
        lambda: environment(host(disk_mb=2048, journal=Journal(max_use_mb=2000))),
        "edge1 journal.max_use_mb: 2000 MiB of log and 500 MiB kept free fill the disk of 2048 MiB,"
        " wanted limits that leave room for the system; lower max_use_mb, or correct disk_mb",
    ),
    "a journal and swap that leave no room": (
        lambda: environment(host(disk_mb=2048, journal=Journal(max_use_mb=600), swap=Swap(size_mb=1024))),
        "edge1 journal.max_use_mb: 600 MiB of log and 500 MiB kept free beside 1024 MiB of swap fill the"
        " disk of 2048 MiB, wanted limits that leave room for the system; lower max_use_mb, or correct"
        " disk_mb",
    ),
    "more swap than half the disk": (
        lambda: environment(host(disk_mb=2048, swap=Swap(size_mb=1025))),
        "edge1 swap.size_mb: 1025 MiB of swap on a disk of 2048 MiB, wanted half of the disk at"
        " most; lower it to 1024 or less, or correct disk_mb",
    ),
}


@pytest.mark.parametrize(("declare", "sentence"), SERVICES.values(), ids=SERVICES)
def test_services_that_do_not_go_together_are_refused_with_their_sentence(
    declare: Declare, sentence: str
) -> None:
    assert refused(declare) == [sentence]
