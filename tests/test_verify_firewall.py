"""The stranger's view of a host: what is open and should not be, what is not, and what nobody can tell."""

from __future__ import annotations

from typing import Literal

import pytest

from inventories.model import Firewall, Host, Opening, load
from verify import test_firewall as firewall
from verify.seen_ports import Ports
from verify.test_firewall import filters, wrong_fates
from verify.verdict import Failed, NotProven

LAB = load("lab")
HOST = LAB.hosts[0]
SEEN = Ports(frozenset({22}), "1-65535", "port 22")


def judged(host: Host, seen: Ports) -> None:
    """Let the check judge what a stranger saw."""
    firewall.test_stranger_reaches_exactly_the_declared(host, LAB, {"198.51.100.11": seen}, {})


def opening(protocol: Literal["tcp", "udp"], *sources: str) -> Host:
    """Return the host with one more opening."""
    extra = (Opening.port(5060, protocol, "SIP", sources),)
    return HOST.model_copy(update={"firewall": Firewall(extra=extra)})


def test_what_is_seen_as_declared_holds() -> None:
    judged(HOST, SEEN)


@pytest.mark.parametrize("sources", [(), ("192.0.2.10/32",)])
def test_a_udp_opening_is_not_proven_and_does_not_gate(sources: tuple[str, ...]) -> None:
    with pytest.raises(NotProven, match="udp 5060") as ended:
        judged(opening("udp", *sources), SEEN)
    assert not ended.value.gates


@pytest.mark.parametrize("ports", [{22, 8080}, set()])
def test_an_open_port_too_many_and_one_too_few_fail_before_anything_else(ports: set[int]) -> None:
    with pytest.raises(Failed):
        judged(opening("udp"), Ports(frozenset(ports), "1-65535", "ping"))


def test_where_nothing_answers_nothing_is_proven() -> None:
    limited = LAB.hosts[1]
    with pytest.raises(NotProven, match="nothing of"):
        judged(limited, Ports(frozenset(), "1-65535", ""))


RULES = """*filter
:INPUT DROP [0:0]
-A INPUT -p tcp -m tcp --dport 22 -j ACCEPT
-A INPUT -p icmp -m icmp --icmp-type 8 -j ACCEPT
{more}
COMMIT
"""


@pytest.mark.parametrize(
    ("rule", "wrong"),
    [
        ("-A INPUT -p udp -m udp --dport 5060 -j ACCEPT", []),
        ("-A INPUT -p tcp -m tcp --dport 5060 -j ACCEPT", ["tcp port 5060", "udp port 5060"]),
        ("", ["udp port 5060"]),
        ("-A INPUT -p udp -m udp --dport 5060:5061 -j ACCEPT", ["udp port 5061"]),
    ],
)
def test_the_kernels_rules_are_held_against_udp_openings_as_well(rule: str, wrong: list[str]) -> None:
    live = {"iptables": {"4": RULES.format(more=rule), "6": "*filter\n:INPUT DROP [0:0]\nCOMMIT\n"}}
    table = filters(live)[4]  # type: ignore[arg-type]
    found = list(wrong_fates(table, 4, opening("udp"), LAB, "eth0"))
    assert sorted({each.partition(" from ")[0] for each in found}) == wrong
