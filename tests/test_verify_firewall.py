"""The stranger's view of a host: what is open and should not be, what is not, and what nobody can tell."""

from __future__ import annotations

from typing import Any, Literal

import pytest

from inventories.model import Firewall, Host, Opening, PortRange, load
from verify import test_firewall as firewall
from verify.probes.rtp import UdpRange
from verify.seen_ports import Ports
from verify.test_firewall import filters, wrong_fates
from verify.udp_openings import UdpSeen
from verify.verdict import Failed, NotProven

LAB = load("lab")
HOST = LAB.hosts[0]
SEEN = Ports(frozenset({22}), "1-65535", "port 22")


def judged(host: Host, seen: Ports, udp: UdpSeen | None = None) -> dict[str, Any]:
    """Let the check judge what a stranger saw; return its evidence."""
    evidence: dict[str, Any] = {}
    look = firewall.test_stranger_reaches_exactly_the_declared
    look(host, LAB, {"198.51.100.11": seen}, udp or UdpSeen(), evidence)
    return evidence


def opening(protocol: Literal["tcp", "udp"], *sources: str) -> Host:
    """Return the host with one more opening."""
    extra = (Opening.port(5060, protocol, "SIP", sources),)
    return HOST.model_copy(update={"firewall": Firewall(extra=extra)})


def test_what_is_seen_as_declared_holds() -> None:
    judged(HOST, SEEN)


def udp(place: str = "stranger", source: str = "203.0.113.66", **states: str) -> UdpRange:
    """Return what one place saw of the host's UDP ports; the neighbours of 5060 are closed."""
    return UdpRange("198.51.100.11", place, source, **{"closed": "5059,5061", **states})  # type: ignore[arg-type]


CONTROLLER = ("controller", "192.0.2.10")
OPEN, CLOSED = {"open": "5060"}, {"closed": "5059-5061"}


@pytest.mark.parametrize(
    ("sources", "seen"),
    [
        ((), [udp(**OPEN), udp(*CONTROLLER, **OPEN)]),
        (("192.0.2.10/32",), [udp(**CLOSED), udp(*CONTROLLER, **OPEN)]),
    ],
)
def test_udp_ports_that_every_place_finds_as_declared_hold(
    sources: tuple[str, ...], seen: list[UdpRange]
) -> None:
    judged(opening("udp", *sources), SEEN, UdpSeen(tuple(seen)))


@pytest.mark.parametrize(
    ("sources", "seen", "words"),
    [
        ((), udp(**CLOSED), "udp 5060 of 198.51.100.11 is closed to the stranger"),
        ((), udp(one_way="5060"), "whom its answers do not reach"),
        ((), udp(open="5060-5061", closed="5059"), "udp 5061 of 198.51.100.11 is open to the stranger"),
        (("192.0.2.10/32",), udp(**OPEN), "udp 5060 of 198.51.100.11 is open to the stranger"),
        (("192.0.2.10/32",), udp(*CONTROLLER, **CLOSED), "is closed to the controller"),
    ],
)
def test_a_udp_port_that_is_not_as_declared_fails(
    sources: tuple[str, ...], seen: UdpRange, words: str
) -> None:
    with pytest.raises(Failed, match=words):
        judged(opening("udp", *sources), SEEN, UdpSeen((seen,)))


def test_a_held_port_is_proven_by_its_daemons_answer_only() -> None:
    seen = udp(held="5060")
    with pytest.raises(NotProven, match="held by a process") as ended:
        judged(opening("udp"), SEEN, UdpSeen((seen,)))
    assert not ended.value.gates
    judged(opening("udp"), SEEN, UdpSeen((seen,), frozenset({("stranger", "198.51.100.11", 5060)})))


def test_ports_of_a_range_that_calls_have_just_now_are_told_and_hide_nothing() -> None:
    voices = Opening(ports=PortRange(first=10000, last=10003), protocol="udp", why="voices")
    host = HOST.model_copy(update={"firewall": Firewall(extra=(voices,))})
    beside = {"closed": "9999,10004"}
    busy = udp(open="10000-10001", held="10002-10003", **beside)
    evidence = judged(host, SEEN, UdpSeen((busy,)))
    assert evidence["in use meanwhile"] == ["udp 10002-10003 of 198.51.100.11 from the stranger"]
    with pytest.raises(NotProven, match=r"10000-10003 of \S+: held"):
        judged(host, SEEN, UdpSeen((udp(held="10000-10003", **beside),)))
    with pytest.raises(Failed, match=r"udp 10001 of \S+ is closed"):
        judged(host, SEEN, UdpSeen((udp(open="10000", held="10002-10003", closed="9999,10001,10004"),)))


def test_a_limited_port_that_no_place_may_reach_is_not_proven_and_does_not_gate() -> None:
    with pytest.raises(NotProven, match="nobody looks from") as ended:
        judged(opening("udp", "203.0.113.8/32"), SEEN, UdpSeen((udp(**CLOSED), udp(*CONTROLLER, **CLOSED))))
    assert not ended.value.gates


@pytest.mark.parametrize(
    "seen", [UdpSeen(), UdpSeen(error="no"), UdpSeen((udp(unproven="5060", why="the control lost 9 of 9"),))]
)
def test_what_could_not_be_told_of_udp_is_not_proven_and_gates(seen: UdpSeen) -> None:
    with pytest.raises(NotProven) as ended:
        judged(opening("udp"), SEEN, seen)
    assert ended.value.gates


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
