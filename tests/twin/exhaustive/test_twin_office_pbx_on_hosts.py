"""The PBX behind an office's gateway, where the environment knows telephony: it answers SIP for real."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from asterisk_site import declared

from inventories.model import Environment, Host
from tests.twin.offices_site import HQ, site, vpn
from twin.twin import Twin

TOP = Path(__file__).resolve().parents[3]


@pytest.fixture(scope="module")
def twin(lab: Environment) -> Iterator[Twin]:
    """A twin of a host with a tunnel, which has telephony as well."""
    host = vpn("vpn1", "198.51.100.31/24", HQ)
    one = site(host).model_copy(update={"hosts": (Host.model_validate(declared(host)),)})
    twin = Twin(one, f"{os.environ.get('TRUNKLINE_TWIN', 'lab')}-office-pbx")
    twin.erase()
    try:
        twin.up()
        yield twin
    finally:
        twin.erase()


def seen(twin: Twin, probe: str, *more: str) -> dict[str, object]:
    """Return what a probe finds from the gateway."""
    office = twin.office("hq")
    argv = [sys.executable, "-m", f"verify.probes.{probe}", office.pbx, "--json", *more]
    with twin.spawn(office.office.gateway, argv, cwd=TOP, stdout=subprocess.PIPE, text=True) as looking:
        found: dict[str, object] = json.loads(looking.communicate(timeout=60)[0])
    return found


def test_the_office_s_pbx_answers_sip_over_udp_and_tcp(twin: Twin) -> None:
    for way in ("UDP", "TCP"):
        (look,) = seen(twin, "sip", "--transport", way)["looks"]
        assert look["answers"][-1]["status"] == 200, look


def test_a_call_to_the_office_is_answered_and_heard_there(twin: Twin) -> None:
    found = seen(twin, "call", "--seconds", "2")
    assert found["status"] == 200, found
    call = twin.office("hq").behind.calls()[-1]
    assert (call.status, call.answered, call.source) == (200, True, twin.office("hq").pbx)
    assert min(call.sent, call.received) > 50


def test_a_pbx_that_knows_nobody_or_is_mute_still_answers_pings(twin: Twin) -> None:
    office = twin.office("hq")
    try:
        office.behind.forget()
        assert asked(twin) == 401
        office.behind.mute()
        assert asked(twin) == 0
        assert seen(twin, "ping")["answers"]
    finally:
        office.restore()
    assert asked(twin) == 200


def asked(twin: Twin) -> int:
    """Return what the PBX answers to OPTIONS, 0 for nothing."""
    (look,) = seen(twin, "sip")["looks"]
    return int(look["answers"][-1]["status"])
