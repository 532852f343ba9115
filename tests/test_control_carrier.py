"""The sheet for a carrier: all that it must know of us, from the declaration, and no secret."""

from __future__ import annotations

import json

import pytest
from declared import environment
from declared_telephony import DID, OTHER_DID, exchange, pbx, registering, route, tenant, trunk
from declared_tunnels import peer, swan

from control.carrier import sheet
from control.console import Console
from control.errors import TrunklineError
from control.peer import peer as show
from control.target import Target
from inventories.model import Trunk

FULL = exchange(
    trunks=(trunk(), registering()),
    tenants=(
        tenant(routes=(route(), route("+1", trunk="usco", caller_id="+12025550123"))),
        tenant("us", trunk="usco", dids=(OTHER_DID,), routes=()),
    ),
)


def target(*, tunnel: bool = False) -> Target:
    """Return an environment with two trunks, and a tunnel where that is asked for."""
    its = environment(pbx(FULL, **({"strongswan": swan(peer())} if tunnel else {})), in_twin=True)
    return Target(its, "lab", its.hosts)


def rows(its: Trunk) -> list[str]:
    """Return a sheet's rows as lines."""
    chosen = target()
    return [": ".join(row) for row in sheet(chosen, chosen.hosts[0], its)]


def test_a_carrier_that_knows_our_address_is_told_it_with_ports_numbers_and_codecs() -> None:
    assert rows(FULL.trunks[0]) == [
        ": Our server: edge1.lab.example, 198.51.100.11",
        "Signalling: Transport: SIP over UDP, port 5060",
        "Signalling: You know us by: our address 198.51.100.11",
        "Signalling: Our calls go to: sip.carrier.test, port 5060",
        "Signalling: Your calls come from: 203.0.113.76, 203.0.113.77",
        "Voices: Our address and ports: 198.51.100.11, UDP 10000-10099",
        "Voices: Codecs, in this order: G.711 mu-law (PCMU), G.711 A-law (PCMA)",
        "Voices: DTMF: RFC 4733",
        f"Numbers: They ring here: {DID}",
        "Numbers: Our calls show: +442079460123",
        "Limits: Calls at once: 10",
        "Limits: New calls a minute: 30",
        "Limits: Longest call: 3600 s",
    ]


def test_a_carrier_where_we_register_is_told_as_whom_and_at_which_proxies() -> None:
    told = rows(FULL.trunks[1])
    assert told[2:6] == [
        "Signalling: You know us by: registration as trunkline, for 300 s",
        "Signalling: Our calls go to (primary): sip1.us.test, port 5060",
        "Signalling: Our calls go to (backup): sip2.us.test, port 5060",
        "Signalling: Your calls come from: anywhere: none is declared",
    ]
    assert "Numbers: Our calls show: +12025550123" in told


def test_trunks_are_shown_beside_tunnels_and_alone(capsys: pytest.CaptureFixture[str]) -> None:
    show(target(tunnel=True), Console())
    both = capsys.readouterr().out
    assert "VPN Type" in both
    assert "didco, the carrier of edge1" in both
    show(target(), Console())
    assert "VPN Type" not in capsys.readouterr().out
    show(target(tunnel=True), Console(as_json=True), name="usco")
    events = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert {each["peer"] for each in events if each["event"] == "field"} == {"usco"}


def test_a_name_that_nobody_declares_is_told() -> None:
    with pytest.raises(TrunklineError, match="--peer names moon, which nobody declares"):
        show(target(tunnel=True), Console(), name="moon")
