"""What a banned address loses: exactly the jail's ports, each in its own protocol."""

from __future__ import annotations

from typing import Literal

import pytest

from deploys.fail2ban import Banned
from inventories.model import Jail, Opening, PortRange

Ports = tuple[int, int, Literal["tcp", "udp"]]


def jail(*openings: Ports) -> Banned:
    """Return a jail over some ports, as the telephony's will be."""
    found = [Opening(ports=PortRange(first=a, last=b), protocol=p, why="SIP") for a, b, p in openings]
    return Banned(Jail(name="sip", filter="asterisk", openings=tuple(found)))


@pytest.mark.parametrize(
    ("openings", "actions"),
    [
        (((5061, 5061, "tcp"),), [("sip-tcp", "multiport", "5061", "tcp")]),
        (
            ((5060, 5060, "udp"), (5060, 5061, "tcp"), (10000, 10199, "udp")),
            [
                ("sip-udp", "multiport", "5060,10000:10199", "udp"),
                ("sip-tcp", "multiport", "5060:5061", "tcp"),
            ],
        ),
        (((1, 65535, "udp"),), [("sip-udp", "allports", "1:65535", "udp")]),
    ],
)
def test_a_jail_bans_each_protocol_from_its_own_ports_alone(
    openings: tuple[Ports, ...], actions: list[tuple[str, str, str, str]]
) -> None:
    found = jail(*openings).actions
    assert [(each.name, each.type, each.ports, each.protocol) for each in found] == actions


def test_a_port_that_two_openings_share_is_banned_once() -> None:
    (action,) = jail((5060, 5060, "udp"), (5060, 5060, "udp")).actions
    assert action.ports == "5060"
