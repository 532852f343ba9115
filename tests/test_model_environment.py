"""Hosts that do not go together are refused with one exact sentence."""

from __future__ import annotations

from datetime import date

import pytest
from declared import ONLY_V6, Declare, Rows, environment, host, real, refused, second

from inventories.model import Ssh, Time, Updates, neighbours

HOSTS: Rows = {
    "two hosts of one name": (
        lambda: environment(host(), host(address="198.51.100.13/24")),
        "edge1 name: two hosts are named edge1, wanted a name of its own; rename one of the two",
    ),
    "two hosts at one address": (
        lambda: environment(host(), second(address="198.51.100.11/24")),
        "edge2 address: 198.51.100.11 is also the address of edge1, wanted an address of its own;"
        " correct one of the two",
    ),
    "networks that overlap": (
        lambda: environment(host(), second(address="198.51.100.12/25")),
        "edge2 address: 198.51.100.0/25 overlaps 198.51.100.0/24 of edge1, wanted the same network"
        " or another one; correct the prefix length of one of the two",
    ),
    "the network's own address": (
        lambda: environment(host(address="198.51.100.0/24")),
        "edge1 address: 198.51.100.0 is the network address of 198.51.100.0/24, wanted the address"
        " of a host; write the server's own address",
    ),
    "the broadcast address": (
        lambda: environment(host(address="198.51.100.255/24")),
        "edge1 address: 198.51.100.255 is the broadcast address of 198.51.100.0/24, wanted the"
        " address of a host; write the server's own address",
    ),
    "a loopback address": (
        lambda: environment(host(address="127.0.0.1/8")),
        "edge1 address: 127.0.0.1 is not an address others can reach; write the server's public one",
    ),
    "a name of the twin's own": (
        lambda: environment(host("stranger")),
        "stranger name: stranger means something else here, wanted a name of its own; rename the host",
    ),
    "a name too long for DNS": (
        lambda: environment(domain=".".join(("a" * 62,) * 4)),
        "edge1 name: edge1.aaaaaaaaaaaaaaaaaaaaaaaa... is longer than a name in DNS may be, wanted 253"
        " characters at most; shorten the domain",
    ),
    "a group named as a host": (
        lambda: environment(host(group="edge1")),
        "edge1 group: edge1 is the name of a host, wanted a name for what the group's hosts do;"
        " rename the group",
    ),
    "the whole world as controller": (
        lambda: environment(controllers=("0.0.0.0/0",)),
        "environment controllers[0]: 0.0.0.0/0 would admit strangers to SSH and never ban them,"
        " wanted a prefix of /16 or longer; name the addresses that deploys come from",
    ),
    "the controller at a host's address": (
        lambda: environment(controllers=("198.51.100.11/32",)),
        "environment controllers[0]: 198.51.100.11/32 is also the address of edge1, wanted an"
        " address of its own; give the twin's controller another one",
    ),
    "a controller that cannot reach the host": (
        lambda: environment(controllers=("2001:db8::10/128",)),
        "edge1 ssh.sources: only IPv6 controllers (2001:db8::10/128) for a host without IPv6, wanted"
        " a controller that can reach it; add an IPv4 network to controllers, or address6 to this host",
    ),
    "SSH limited to everyone": (
        lambda: environment(host(ssh=Ssh(sources=("0.0.0.0/0",)))),
        "edge1 ssh.sources: 0.0.0.0/0 is everyone, wanted who may reach SSH; name their networks, or"
        " leave sources empty to admit everyone",
    ),
    "SSH limited to IPv6 on a host without": (
        lambda: environment(host(ssh=Ssh(sources=ONLY_V6))),
        "edge1 ssh.sources: only IPv6 networks (2001:db8::/64) on a host without IPv6, wanted a"
        " source that can reach it; add the IPv4 network of the same people, or address6 to this host",
    ),
    "one time server twice": (
        lambda: environment(host(time=Time(servers=("ntp.lab.example", "ntp.lab.example")))),
        "edge1 time.servers[1]: ntp.lab.example stands here twice, wanted each server once; take one"
        " of the two out",
    ),
    "a documentation address for a real server": (
        lambda: real(address="198.51.100.11/24"),
        "edge1 address: 198.51.100.11/24 is a documentation address, wanted an address that exists;"
        " replace it by your own (RFC 5737, RFC 3849)",
    ),
    "a documentation network among the sources": (
        lambda: real(ssh=Ssh(sources=("9.9.7.0/24", "203.0.113.0/24"))),
        "edge1 ssh.sources[1]: 203.0.113.0/24 is a documentation address, wanted an address that"
        " exists; replace it by your own (RFC 5737, RFC 3849)",
    ),
    "an example's time server": (
        lambda: real(time=Time(servers=("ntp.example.net",))),
        "edge1 time.servers[0]: ntp.example.net is an example name, wanted a server that gives the"
        " time; name your provider's, or leave servers out for the public pool",
    ),
}


@pytest.mark.parametrize(("declare", "sentence"), HOSTS.values(), ids=HOSTS)
def test_hosts_that_do_not_go_together_are_refused_with_their_sentence(
    declare: Declare, sentence: str
) -> None:
    assert refused(declare) == [sentence]


class Later(date):
    """A clock in 2031."""

    @classmethod
    def today(cls) -> Later:
        """Return a day after the last of Debian 13's long-term support."""
        return cls(2031, 1, 1)


def test_a_release_without_security_updates_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(neighbours, "date", Later)
    assert refused(environment) == [
        "edge1 os: debian13 gets no security updates since 2030-06-30, wanted a supported release;"
        " upgrade the server, then change os"
    ]


def test_a_group_that_may_reboot_at_one_time_is_refused_and_an_hour_apart_it_is_not() -> None:
    at = Updates(reboot_at="03:30")
    alone = host("lone", address="198.51.100.13/24", group="other", updates=at)
    sentence = (
        "updates.reboot_at: every host of the group edge may reboot at 03:30, wanted one host of a group at a"
        " time; give each host of the group another minute, an hour apart"
    )
    together = refused(lambda: environment(host(updates=at), second(updates=at), alone))
    assert together == [f"edge1 {sentence}", f"edge2 {sentence}"]
    apart = environment(host(updates=at), second(updates=Updates(reboot_at="04:30")), alone)
    elsewhere = environment(host(updates=at), second(updates=at, time=Time(zone="Asia/Tokyo")), alone)
    assert [*apart.lint(), *elsewhere.lint()] == []
