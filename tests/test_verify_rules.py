"""The kernel's rules are followed as the kernel follows them, whoever wrote them and wherever they stand."""

from __future__ import annotations

from ipaddress import IPv4Network, ip_address

import pytest

from inventories.model import Opening
from verify.packet import Packet
from verify.regions import ports, sources
from verify.rules import Fate, Table, canonical, fates, rule, tables

SAVED = """
*filter
:INPUT DROP [0:0]
:FORWARD DROP [0:0]
:OUTPUT ACCEPT [0:0]
:before - [0:0]
:logging - [0:0]
:not-local - [0:0]
:user - [0:0]
{first}
-A INPUT -j before
-A INPUT -j user
-A INPUT -m limit --limit 3/min --limit-burst 10 -j LOG --log-prefix "[UFW BLOCK] "
-A before -i lo -j ACCEPT
-A before -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A before -m conntrack --ctstate INVALID -j logging
-A before -m conntrack --ctstate INVALID -j DROP
-A before -p icmp -m icmp --icmp-type 8 -j ACCEPT
-A before -p udp -m udp --sport 67 --dport 68 -j ACCEPT
-A before -j not-local
-A logging -m conntrack --ctstate INVALID -m limit --limit 3/min -j RETURN
-A logging -j LOG --log-prefix "[UFW BLOCK] "
-A not-local -m addrtype --dst-type LOCAL -j RETURN
-A not-local -j DROP
-A user -p tcp -m tcp --dport 22 -j ACCEPT
-A user -s 192.0.2.0/28 -p tcp -m multiport --dports 9100,9200:9210 -j ACCEPT
COMMIT
"""
STRANGER, OFFICE = ip_address("203.0.113.66"), ip_address("192.0.2.7")
HERE = ip_address("198.51.100.11")


def table(first: str = "") -> Table:
    """Return the filter table with some rules before all others."""
    return tables(SAVED.format(first=first))["filter"]


def packet(
    protocol: str = "tcp", port: int = 22, source: object = STRANGER, source_port: int = 40000
) -> Packet:
    """Return a packet that comes in from outside."""
    return Packet(ip_address(str(source)), HERE, protocol, port, source_port)


def verdicts(rules: Table, seen: Packet) -> set[str]:
    """Return what may become of a packet."""
    return {fate.verdict for fate in fates(rules, "INPUT", seen)}


@pytest.mark.parametrize(
    ("seen", "verdict"),
    [
        (packet(), "ACCEPT"),
        (packet(port=23), "DROP"),
        (packet("udp", 22), "DROP"),
        (packet(port=9100), "DROP"),
        (packet(port=9100, source=OFFICE), "ACCEPT"),
        (packet(port=9205, source=OFFICE), "ACCEPT"),
        (packet(port=9211, source=OFFICE), "DROP"),
        (packet("icmp", 0), "ACCEPT"),
        (packet("udp", 68, source_port=67), "ACCEPT"),
        (packet("udp", 68), "DROP"),
    ],
    ids=str,
)
def test_a_packet_meets_the_fate_the_kernel_gives_it(seen: Packet, verdict: str) -> None:
    assert verdicts(table(), seen) == {verdict}


@pytest.mark.parametrize(
    ("first", "seen", "verdict"),
    [
        ("-A INPUT -p tcp -m tcp --dport 8888 -j ACCEPT", packet(port=8888), "ACCEPT"),
        ("-A INPUT -s 203.0.113.0/24 -j DROP", packet(), "DROP"),
        ("-A INPUT ! -s 192.0.2.0/24 -p tcp -j REJECT --reject-with tcp-reset", packet(), "REJECT"),
        ("-A INPUT -i eth+ -p udp -j ACCEPT", packet("udp", 5), "ACCEPT"),
        ("-A INPUT -i tun0 -j ACCEPT", packet(port=23), "DROP"),
        ("-A INPUT -m iprange --src-range 203.0.113.60-203.0.113.70 -j ACCEPT", packet(port=23), "ACCEPT"),
        ("-A INPUT -j ACCEPT", packet(port=1), "ACCEPT"),
        ("-A INPUT -g user", packet(port=23), "DROP"),
    ],
)
def test_a_rule_before_all_others_decides(first: str, seen: Packet, verdict: str) -> None:
    assert verdicts(table(first), seen) == {verdict}


@pytest.mark.parametrize("condition", ["-m mark --mark 0x1", "-m limit --limit 3/min", "-m recent --set"])
def test_what_cannot_be_judged_may_happen_and_may_not(condition: str) -> None:
    seen = fates(table(f"-A INPUT -p tcp {condition} -j ACCEPT"), "INPUT", packet(port=23))
    assert {fate.verdict for fate in seen} == {"ACCEPT", "DROP"}


def test_the_deciding_rule_is_named() -> None:
    first = "-A INPUT -p tcp -m tcp --dport 8888 -j ACCEPT"
    assert fates(table(first), "INPUT", packet(port=8888)) == (Fate("ACCEPT", first),)
    assert fates(table(), "INPUT", packet(port=23)) == (Fate("DROP", "policy of INPUT"),)


def test_without_any_rules_everything_is_let_in() -> None:
    assert verdicts({}, packet()) == {"ACCEPT"}


def test_a_loop_of_chains_ends_as_unknown() -> None:
    looped = tables("*filter\n:INPUT DROP [0:0]\n:a - [0:0]\n-A INPUT -j a\n-A a -j a\nCOMMIT\n")["filter"]
    assert "UNKNOWN" in verdicts(looped, packet())


def test_a_table_that_iptables_cannot_show_is_refused() -> None:
    with pytest.raises(ValueError, match="cannot show"):
        tables("# Table `filter' is incompatible, use 'nft' tool.\n")


def test_a_log_prefix_with_spaces_and_dashes_is_no_condition() -> None:
    assert rule('-A x -j LOG --log-prefix "a -p tcp --dport 1 " --log-level 4').conditions == ()


@pytest.mark.parametrize(
    ("written", "kept"),
    [
        ("-A u -p tcp --dport 22 -j ACCEPT", "-A u -p tcp -m tcp --dport 22 -j ACCEPT"),
        (
            "-A u -p tcp -s 192.0.2.10 --dport 9 -j ACCEPT",
            "-A u -s 192.0.2.10/32 -p tcp -m tcp --dport 9 -j ACCEPT",
        ),
    ],
)  # fmt: skip
def test_one_rule_reads_the_same_in_ufws_file_and_in_the_kernel(written: str, kept: str) -> None:
    assert canonical(written) == canonical(kept)


def test_two_different_rules_do_not_read_the_same() -> None:
    assert canonical("-A u -p tcp --dport 22 -j ACCEPT") != canonical("-A u -p udp --dport 22 -j ACCEPT")


def test_one_address_stands_for_each_region_of_sources() -> None:
    found = sources(4, [table()], [IPv4Network("192.0.2.0/29"), IPv4Network("198.18.0.0/15")])
    groups = [
        tuple(str(n) for n in ("192.0.2.0/28", "192.0.2.0/29", "198.18.0.0/15") if a in IPv4Network(n))
        for a in found
    ]
    assert sorted(groups) == sorted(
        [(), ("192.0.2.0/28", "192.0.2.0/29"), ("192.0.2.0/28",), ("198.18.0.0/15",)]
    )
    assert found[0] == STRANGER


def test_both_sides_of_every_edge_of_ports_are_looked_at() -> None:
    found = ports([table()], [Opening.port(443, "tcp", "web")])
    assert {21, 22, 23, 442, 443, 444, 9099, 9100, 9199, 9200, 9210, 9211} <= set(found)
