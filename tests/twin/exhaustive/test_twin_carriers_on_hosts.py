"""Carriers of a twin against a host's real Asterisk: calls both ways, registration, failover, forgery."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator

import pytest
from asterisk_site import CARRIERS, DID, HOST
from pbx_on_host import Pbx, deployed

from control.errors import TrunklineError
from inventories.model import Environment
from twin import network
from twin.cgroup import whole
from twin.forge import forge
from twin.sip_heard import Call
from twin.softswitch import Softswitch
from twin.twin import Twin

BRITISH, AMERICAN = "+442079460555", "+12025550199"
PRIMARY, BACKUP = "203.0.113.86", "203.0.113.87"
FORGED = (
    "OPTIONS sip:{to} SIP/2.0\r\nVia: SIP/2.0/UDP {by}:5060;branch=z9hG4bK{n}\r\nMax-Forwards: 70\r\n"
    "From: <sip:{by}>;tag={n}\r\nTo: <sip:{to}>\r\nCall-ID: forged-{n}\r\nCSeq: 1 OPTIONS\r\n"
    "Content-Length: 0\r\n\r\n"
)


@pytest.fixture(scope="module")
def pbx(lab: Environment) -> Iterator[Pbx]:
    """The host with one tenant, whose application answers with a tone."""
    with deployed(lab, "carriers") as pbx, pbx.application():
        yield pbx


@pytest.fixture
def didco(pbx: Pbx) -> Softswitch:
    """The carrier that is known by three addresses, truthful."""
    return _truthful(pbx.twin, "didco")


@pytest.fixture
def usco(pbx: Pbx) -> Softswitch:
    """The carrier that the host registers at, truthful, with both registrations."""
    carrier = _truthful(pbx.twin, "usco")
    register(pbx)
    assert until(lambda: {its.proxy for its in carrier.registrations()} == {"primary", "backup"})
    return carrier


def _truthful(twin: Twin, name: str) -> Softswitch:
    carrier = twin.carrier(name)
    if carrier.status().changed:
        carrier.restore()
    carrier.forget()
    return carrier


def until(claim: Callable[[], bool], seconds: float = 20) -> bool:
    """Say whether a claim comes true in time."""
    end = time.monotonic() + seconds
    while not (true := claim()) and time.monotonic() < end:
        time.sleep(0.2)
    return true


def register(pbx: Pbx) -> None:
    """Let the host register at both proxies now."""
    for line in ("usco", "usco-backup"):
        pbx.run(f"asterisk -rx 'pjsip send register {line}'")


def qualified(pbx: Pbx, state: str) -> bool:
    """Let the host ask the primary once; say whether it comes to hold it for what is claimed."""
    pbx.run("asterisk -rx 'pjsip qualify usco'")

    def shown() -> bool:
        found = re.search(r"usco/\S+ +\S+ +(\w+)", pbx.run("asterisk -rx 'pjsip show contacts'"))
        return found is not None and found[1] == state

    return until(shown)


def dial(pbx: Pbx, number: str, carrier: Softswitch, seconds: float = 20) -> Call:
    """Let the tenant call out, speak a while and hang up; return what the carrier heard of it."""
    before = len(carrier.calls())

    def claim(true: Callable[[Call], bool]) -> Callable[[], bool]:
        return lambda: any(true(call) for call in carrier.calls()[before:])

    pbx.run(f"asterisk -rx 'channel originate Local/{number}@out-sales application Milliwatt'")
    assert until(claim(lambda call: call.over or min(call.sent, call.received) > 50), seconds)
    pbx.run("asterisk -rx 'channel request hangup all'")
    assert until(claim(lambda call: call.over))
    return carrier.calls()[-1]


@pytest.mark.parametrize("source", CARRIERS)
def test_a_call_from_each_address_is_answered_and_heard_both_ways(
    pbx: Pbx, didco: Softswitch, source: str
) -> None:
    call = didco.call(DID, source=source, seconds=2)
    assert (call.source, call.status, call.ended, call.codec) == (source, 200, "carrier", "ulaw")
    assert (call.number, call.caller) == (DID, "+12025550100")
    assert 1.9 <= call.seconds <= 2.5
    assert min(call.sent, call.received) >= 85
    assert call.contact == f"sip:{pbx.address}:5060"
    assert call.media == call.heard_from
    assert call.media.startswith(f"{pbx.address}:")


def test_a_call_is_offered_in_the_codecs_that_are_asked_for(didco: Softswitch) -> None:
    call = didco.call(DID, codecs=("alaw",), seconds=1)
    assert (call.offered, call.codec) == (("alaw",), "alaw")


def test_a_number_of_nobody_is_refused_and_nothing_is_said(didco: Softswitch) -> None:
    call = didco.call("442079460999")
    assert (call.status, call.answered, call.sent, call.received) == (404, False, 0, 0)


def test_a_call_that_is_begun_goes_on_until_it_is_hung_up(didco: Softswitch) -> None:
    with didco.calling(DID) as begun:
        assert begun.answered()
        assert not begun.call().over
        assert begun.call().sent or until(lambda: begun.call().sent > 0)
    assert begun.call().ended == "carrier"


def test_calls_go_on_beside_each_other_and_are_told_apart(didco: Softswitch) -> None:
    with didco.calling(DID, caller="+12025550101") as one, didco.calling(DID, source=CARRIERS[2]) as two:
        assert one.answered()
        assert two.answered()
        assert (one.call().caller, one.call().source) == ("+12025550101", CARRIERS[0])
        assert (two.call().source, two.call().over) == (CARRIERS[2], False)
    assert one.call().call_id != two.call().call_id
    assert didco.calls() == ()


def test_a_call_out_shows_the_route_s_caller_and_is_heard_both_ways(pbx: Pbx, didco: Softswitch) -> None:
    call = dial(pbx, BRITISH, didco)
    assert (call.number, call.source, call.status, call.ended) == (BRITISH, CARRIERS[0], 200, "pbx")
    assert call.caller == call.identity == "+442079460123"
    assert call.via == f"{pbx.address}:5060"
    assert min(call.sent, call.received) > 50
    assert call.heard_from == call.media


def test_the_registering_carrier_asks_for_the_password_and_takes_the_call(pbx: Pbx, usco: Softswitch) -> None:
    found = {its.proxy: its for its in usco.registrations()}
    assert found["primary"].source == f"{pbx.address}:5060"
    assert found["primary"].contact.startswith(f"sip:trunkline@{pbx.address}:5060")
    call = dial(pbx, AMERICAN, usco)
    assert (call.number, call.source, call.statuses[0], call.status) == (AMERICAN, PRIMARY, 401, 200)
    assert (call.caller, call.identity) == ("trunkline", "+442079460123")


def test_a_carrier_calls_whoever_is_registered_with_the_number_of_the_call(usco: Softswitch) -> None:
    call = usco.call(DID, seconds=1)
    assert (call.source, call.number, call.status) == (PRIMARY, DID, 404)
    assert usco.call(DID, source=BACKUP, seconds=1).source == BACKUP


@pytest.mark.parametrize(("wrong", "status"), [("reject", 403), ("challenge", 401)])
def test_a_registration_is_refused_until_the_carrier_is_told_otherwise(
    pbx: Pbx, usco: Softswitch, wrong: str, status: int
) -> None:
    getattr(usco, wrong)()
    assert usco.status().changed == (wrong,)
    usco.forget()
    register(pbx)
    said = {"Rejected", "Unregistered"}
    assert until(lambda: {m.status for m in usco.messages() if m.status} >= {status})
    shown = pbx.run("asterisk -rx 'pjsip show registrations'")
    assert any(word in shown for word in said)
    getattr(usco, wrong)(False)
    usco.forget()
    register(pbx)
    assert until(lambda: 200 in {m.status for m in usco.messages()})


def test_a_call_goes_by_the_backup_while_the_primary_is_silent(pbx: Pbx, usco: Softswitch) -> None:
    usco.down("primary")
    assert qualified(pbx, "Unavail")
    call = dial(pbx, AMERICAN, usco)
    assert (call.source, call.status, call.answered) == (BACKUP, 200, True)
    assert {its.source for its in usco.calls()} == {BACKUP}
    usco.up("primary")
    assert qualified(pbx, "Avail")
    assert dial(pbx, AMERICAN, usco).source == PRIMARY


def test_a_carrier_refuses_calls_with_the_status_that_it_is_told(pbx: Pbx, usco: Softswitch) -> None:
    usco.answers(486)
    assert dial(pbx, AMERICAN, usco).status == 486
    with pytest.raises(TrunklineError, match="cannot answer with 799"):
        usco.answers(799)


def test_what_is_forged_in_a_carrier_s_name_is_answered_to_the_carrier(pbx: Pbx, didco: Softswitch) -> None:
    forged = [FORGED.format(to=pbx.address, by=CARRIERS[1], n=n).encode() for n in range(5)]
    assert forge(pbx.twin.name, CARRIERS[1], pbx.address, forged) == 5
    assert until(lambda: sum(m.header("call-id").startswith("forged") for m in didco.messages()) >= 5)
    assert {m.target for m in didco.messages() if m.header("call-id").startswith("forged")} == {
        f"{CARRIERS[1]}:5060"
    }


def test_a_restored_carrier_is_truthful_and_remembers_nothing(pbx: Pbx, usco: Softswitch) -> None:
    usco.reject()
    usco.answers("echo")
    usco.down(BACKUP)
    seen = Twin(pbx.environment, pbx.twin.name).carrier("usco")
    assert seen.status().changed == ("reject", "answers", "down")
    usco.restore()
    assert seen.status().changed == ()
    assert (seen.status().state, seen.calls(), seen.registrations()) == ("up", (), ())
    with pytest.raises(TrunklineError, match="is not registered at the carrier usco"):
        usco.call(DID)


@pytest.mark.parametrize(
    ("ask", "says"),
    [
        (lambda twin: twin.carrier("nobody"), "has no carrier nobody"),
        (lambda twin: twin.carrier("didco").down("primary"), "has no primary"),
        (lambda twin: twin.carrier("didco").call(DID, source=PRIMARY), "has no address 203.0.113.86"),
        (lambda twin: twin.carrier("didco").call(DID, host="web1"), "No trunk of web1"),
    ],
)
def test_what_a_carrier_does_not_have_is_told(pbx: Pbx, ask: Callable[[Twin], object], says: str) -> None:
    with pytest.raises(TrunklineError, match=says):
        ask(pbx.twin)


def test_everything_is_truthful_again_after_a_restore_and_nothing_is_left_after_down(pbx: Pbx) -> None:
    twin = pbx.twin
    twin.snapshot("here")
    twin.carrier("didco").answers(503)
    twin.carrier("didco").down(CARRIERS[0])
    twin.cut("carrier-usco-backup")
    assert [each.changed for each in twin.status().carriers] == [("answers", "down"), ()]
    twin.restore("here")
    assert [each.changed for each in twin.status().carriers] == [(), ()]
    assert until(lambda: pbx.twin.run(HOST, "asterisk -rx 'core waitfullybooted'").returncode == 0)
    usco = twin.carrier("usco")
    assert until(lambda: {its.proxy for its in usco.registrations()} == {"primary", "backup"}, 60)
    assert twin.carrier("didco").call(DID).status == 200
    twin.down()
    assert not network.namespaces_of(twin.name)
    assert not whole(twin.name).exists()
