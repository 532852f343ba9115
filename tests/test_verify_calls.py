"""Telephony's looks from outside are read as they are meant, and judged: what is wrong is said in a line."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from declared_telephony import DID, OTHER_DID, pbx, registering, route, telephony, tenant, trunk

from inventories.model import Environment, Limits, Recording
from twin.sip_heard import Call
from verify import calls, sip_asked
from verify import test_asterisk_calls as inside
from verify import test_asterisk_outside as outside
from verify import test_asterisk_upsets as upsets
from verify.calls import Made, Recorded, Rung
from verify.probes.rtp import UdpRange
from verify.sip_asked import Asked, Reply
from verify.udp_openings import UdpSeen
from verify.verdict import Failed, Judgement, NotProven, Warned

CALL = Call(
    number=DID, caller="+12025550100", source="203.0.113.76", status=200, statuses=(100, 200), answered=True,
    at=0.0, seconds=2.0, ended="carrier", offered=("ulaw",), codec="ulaw", sent=100, received=99,
    media="198.51.100.11:10010", heard_from="198.51.100.11:10010", contact="sip:198.51.100.11:5060",
    via="", identity="", call_id="1",
)  # fmt: skip
RUNG = Rung(
    "didco", DID, "sales", CALL, (DID, f"assistant,sales,{DID}"), (Recorded("/a.wav", 32044, 2.0, 9000),)
)
REPLY = Reply("controller", "UDP", "OPTIONS", "sip:echo@pbx", 401, "challenged", (), (), {})
SOUND: dict[str, Any] = {
    "hearing": "both ways", "sent": 300, "echoed": 300, "loss": 0.0, "round_trip_ms": [0.2, 0.3, 9.0],
    "path_jitter_ms": 0.2, "far_loss": 0, "declared": "198.51.100.11:10002", "declared_private": False,
    "seen_from": ["198.51.100.11:10002"], "intruder_sent": 50, "intruder_got": 0, "intruder_heard": 0,
    "quality": {"mos": 4.36},
}  # fmt: skip
ECHO: dict[str, Any] = {"status": 200, "why": "", "setup_seconds": 0.1, "ended": "we hung up", "sound": SOUND}


def one(**more: Any) -> Environment:
    """Return an environment of one exchange with a recording tenant."""
    return telephony(tenants=(tenant(recording=Recording(quota_mb=7000)),), **more)


def ended(check: Callable[..., None], *given: Any) -> Judgement | None:
    """Return how a check ends; None: it holds."""
    try:
        check(*given, {})
    except Judgement as judgement:
        return judgement
    return None


def test_what_is_dialled_begins_as_the_route_and_is_not_barred() -> None:
    assert sip_asked.dialled(route("+44")) == "+442079460555"
    assert sip_asked.dialled(route("+1")) == "+12025550199"
    assert sip_asked.dialled(route("+1212")) == "+12125550199"
    assert sip_asked.dialled(route("+49")) == "+495550199"
    awkward = route("+8").model_copy(update={"prefix": "+8"})
    assert not any(sip_asked.dialled(awkward).startswith(each) for each in awkward.barred)


def test_what_the_carrier_is_asked_for_is_stripped_and_prepended() -> None:
    assert calls.sent_as(route("+1", strip=1, prepend="00"), "+12025550199") == "0012025550199"
    assert calls.sent_as(route("+44"), "+442079460555") == "+442079460555"


def test_where_we_register_the_customer_s_name_is_shown_and_the_caller_asserted() -> None:
    told = {"caller": "trunkline", "identity": "+442079460123"}
    assert calls.shown_as(registering(), route()) == told
    assert calls.shown_as(trunk(), route())["caller"] == "+442079460123"


def test_names_and_numbers_outside_are_those_of_the_declaration() -> None:
    asterisk = sip_asked.exchange(one().hosts[0])
    assert sip_asked.names(asterisk) == ("echo", "verify", DID, "didco", "trunkline-nobody")
    assert sip_asked.outside(asterisk, in_twin=True) == ("+442079460555", "112", "911", "999")


def test_outside_a_twin_nobody_is_dialled_whom_one_could_disturb() -> None:
    """Where a number outside can be reached although it must not, a try is a call."""
    asterisk = sip_asked.exchange(
        telephony(tenants=(tenant(routes=(route(), route("+1212"), route("+49"))),)).hosts[0]
    )
    assert sip_asked.outside(asterisk, in_twin=False) == ("+442079460555", "+12125550199")


def test_the_channel_of_a_call_is_told_from_others() -> None:
    rows = [
        "Local/1@out-sales-0;1!out-sales!1!1!Up!Milliwatt!!!!!3!!",
        f"PJSIP/didco-9!from-didco!{OTHER_DID}!5!Up!Stasis!assistant,support,{OTHER_DID}!1!!!3!2!!1.9",
        f"PJSIP/didco-8!from-didco!{DID}!5!Up!Stasis!assistant,sales,{DID}!1!!!3!2!!1.8",
    ]
    channels = [row.split("!") for row in rows]
    assert calls._where(channels, DID) == (DID, f"assistant,sales,{DID}")
    assert calls._where(channels[:2], DID) == ("", "")


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"call": None, "error": "nobody is registered"}, "nobody is registered"),
        ({"call": replace(CALL, answered=False, status=404)}, "404"),
        ({"where": ("", "")}, "rings at no application"),
        ({"where": (DID, f"assistant,support,{DID}")}, "rings at assistant,support"),
        ({"call": replace(CALL, ended="pbx", seconds=0.02)}, "hung up on"),
        ({"call": replace(CALL, received=0)}, "0 to the carrier"),
        ({"call": replace(CALL, sent=10)}, "10 packets to the PBX"),
    ],
)
def test_a_number_that_does_not_ring_as_declared_fails(wrong: dict[str, Any], says: str) -> None:
    assert ended(inside.test_each_number_rings_at_its_tenant, (RUNG,)) is None
    judged = ended(inside.test_each_number_rings_at_its_tenant, (RUNG, replace(RUNG, **wrong)))
    assert isinstance(judged, Failed)
    assert says in judged.seen


@pytest.mark.parametrize(
    ("recorded", "says"),
    [
        ((), "0 new recordings"),
        ((Recorded("/a.wav", 44, 0.0, 0),), "0.00 s (44 bytes)"),
        ((Recorded("/a.wav", 80044, 5.0, 9000),), "5.00 s"),
        ((Recorded("/a.wav", 32044, 2.0, 0),), "silent"),
    ],
)
def test_a_recording_that_does_not_hold_the_call_fails(recorded: tuple[Recorded, ...], says: str) -> None:
    host = one().hosts[0]
    assert ended(inside.test_recordings_hold_what_was_said, host, (RUNG,)) is None
    judged = ended(inside.test_recordings_hold_what_was_said, host, (replace(RUNG, recorded=recorded),))
    assert isinstance(judged, Failed)
    assert says in judged.seen


def test_where_nobody_can_be_called_by_a_trunk_nothing_is_proven() -> None:
    judged = ended(inside.test_each_number_rings_at_its_tenant, (RUNG, replace(RUNG, call=None, absent=True)))
    assert isinstance(judged, NotProven)
    assert not judged.gates
    made = Made("sales", route(), "+442079460555", trunk(), None, absent=True)
    assert isinstance(ended(inside.test_calls_go_out_as_declared, (made,)), NotProven)


def test_a_call_out_shows_number_and_caller() -> None:
    shown = replace(CALL, number="+442079460555", caller="+442079460123", identity="+442079460123")
    made = Made("sales", route(), "+442079460555", trunk(), shown, 0.4)
    assert ended(inside.test_calls_go_out_as_declared, (made,)) is None
    other = replace(made, call=replace(shown, caller="anonymous"))
    judged = ended(inside.test_calls_go_out_as_declared, (other,))
    assert isinstance(judged, Failed)
    assert "anonymous" in judged.seen
    assert isinstance(ended(inside.test_calls_go_out_as_declared, (replace(made, call=None),)), Failed)


@pytest.mark.parametrize(
    ("check", "wrong", "kind"),
    [
        (inside.test_echo_is_heard_both_ways, {"hearing": "they do not hear us"}, Failed),
        (inside.test_echo_is_heard_both_ways, {"seen_from": ["198.51.100.99:9"]}, Failed),
        (inside.test_voices_are_good, {"loss": 0.1}, Failed),
        (inside.test_voices_are_good, {"quality": {"mos": 3.2}}, Warned),
        (inside.test_voices_are_good, {"round_trip_ms": [1.0, 400.0, 500.0]}, Warned),
        (inside.test_second_source_is_not_heard, {"intruder_heard": 3}, Failed),
        (inside.test_second_source_is_not_heard, {"intruder_sent": 0}, NotProven),
    ],
)
def test_a_bad_echo_is_judged(check: Callable[..., None], wrong: dict[str, Any], kind: type) -> None:
    assert ended(check, ECHO) is None
    assert isinstance(ended(check, {**ECHO, "sound": {**SOUND, **wrong}}), kind)


def test_an_echo_that_does_not_answer_fails() -> None:
    judged = ended(inside.test_echo_is_heard_both_ways, {**ECHO, "status": 488, "why": "488", "sound": None})
    assert isinstance(judged, Failed)


def asked(**more: Any) -> Asked:
    """Return what a host answers that gives nothing away."""
    bare = tuple(replace(REPLY, uri=f"sip:{name}@pbx") for name in ("echo", "trunkline-nobody"))
    given = {"bare": bare, "known": (), "stranger": (), "carriers": {}, "outward": (), "unseen": ()}
    return Asked(**{**given, **more})


def test_names_that_can_be_told_apart_fail() -> None:
    check = outside.test_known_and_unknown_names_get_the_same_answer
    nonces = (("www-authenticate", f'Digest realm="a", nonce="{n}", opaque="{n}"') for n in "xy")
    bare = tuple(replace(r, headers=(h,)) for r, h in zip(asked().bare, nonces, strict=True))
    assert ended(check, asked(bare=bare)) is None
    for other in (replace(bare[0], status=200), replace(bare[0], headers=(("server", "here"),))):
        assert isinstance(ended(check, asked(bare=(other, bare[1]))), Failed)
    ready = tuple(replace(each, status=404) for each in bare)
    assert isinstance(ended(check, asked(bare=ready)), Failed)


def test_a_stranger_who_gets_more_than_a_challenge_fails() -> None:
    check, closed, open_ = outside.test_stranger_gets_no_more_than_a_challenge, one(), one(trunks=(
        trunk(), registering()))  # fmt: skip
    silent, challenged = replace(REPLY, status=0), REPLY
    assert ended(check, closed.hosts[0], asked(stranger=(silent,)), closed) is None
    assert isinstance(ended(check, closed.hosts[0], asked(stranger=(challenged,)), closed), Failed)
    assert ended(check, open_.hosts[0], asked(stranger=(challenged,)), open_) is None
    answered = replace(REPLY, status=404)
    assert isinstance(ended(check, open_.hosts[0], asked(stranger=(answered,)), open_), Failed)
    assert isinstance(ended(check, open_.hosts[0], asked(), open_), NotProven)


def test_an_address_of_a_carrier_that_is_refused_fails() -> None:
    check, host = outside.test_every_carrier_address_is_answered, one().hosts[0]
    right = {address: (replace(REPLY, status=200),) for address in ("203.0.113.76", "203.0.113.77")}
    assert ended(check, host, asked(carriers=right)) is None
    wrong = {**right, "203.0.113.77": (replace(REPLY, status=403),)}
    assert isinstance(ended(check, host, asked(carriers=wrong)), Failed)
    assert isinstance(ended(check, host, asked()), NotProven)


def test_whoever_can_call_out_fails() -> None:
    check = outside.test_nobody_outside_calls_out
    refused = tuple(replace(REPLY, asker=who, status=404) for who in ("controller", "didco 203.0.113.76"))
    assert ended(check, asked(outward=refused)) is None
    assert isinstance(
        ended(check, asked(outward=(*refused, replace(REPLY, status=487, meaning="ready")))), Failed
    )
    assert isinstance(ended(check, asked(outward=refused[:1])), NotProven)


@pytest.mark.parametrize(
    ("seen", "kind"),
    [
        ({"open": "10000-10049"}, None),
        ({"open": "10000-10047", "held": "10048-10049"}, None),
        ({"open": "10000-10023", "closed": "10024-10049"}, Failed),
        ({"open": "10000-10047", "unproven": "10048-10049"}, NotProven),
    ],
)
def test_holes_in_the_range_are_named(seen: dict[str, str], kind: type | None) -> None:
    env = one(calls=5)
    ports = sip_asked.exchange(env.hosts[0]).ports
    assert (ports.first, ports.last) == (10000, 10019)
    env = one(calls=13, rtp={"first": 10000, "last": 10049})
    looked = UdpRange("198.51.100.11", "stranger", "203.0.113.66/32", **seen)
    judged = ended(outside.test_range_for_voices_is_open, env.hosts[0], env, UdpSeen((looked,)))
    assert (judged is None) if kind is None else isinstance(judged, kind)
    assert kind is not Failed or "10024-10049" in str(judged)


def test_hosts_are_read_from_uris_and_places() -> None:
    for text in ("sip:trunkline@198.51.100.11:5060;line=a", "198.51.100.11:10002", "sips:198.51.100.11"):
        assert outside.host_of(text) == "198.51.100.11"


def test_the_narrowest_limit_and_who_has_a_backup_are_found() -> None:
    narrow = tenant(limits=Limits(calls=3), routes=(route(), route("+1", trunk="usco")))
    host = telephony(trunks=(trunk(), registering()), tenants=(narrow,)).hosts[0]
    found = upsets.narrowest(host)
    assert found is not None
    assert found[:2] == (3, DID)
    assert [each[2].name for each in upsets.reserved(host)] == ["usco"]
    assert upsets.reserved(pbx()) == []
