"""Calls as who makes them hears them: each number rings where it shall, both hear, and it is kept."""

from __future__ import annotations

from typing import Any

from inventories.model import Host
from verify.calls import Made, Rung, sent_as, shown_as
from verify.checks import check
from verify.sip_asked import REHEARSE
from verify.test_asterisk_outside import LET_IN, TOLD, has_telephony
from verify.verdict import fail, not_proven, same, warn

RANGE = "asterisk.range_for_voices_is_open"
ADDRESS = "asterisk.public_address_is_told"
HEARD = 0.8
"""Share of the packets of a voice that must arrive: 50 a second, and the first ones come late."""
CLOSE = 0.6
"""Seconds by which a recording may be shorter than its call: it begins with the bridge."""
LOUD = 300
"""A sample of a tone, of 32767; noise of the codec stays below."""
MOST_LOST = 0.02
GOOD_MOS = 4.0
"""ITU-T G.107 and P.800: most people are satisfied."""
LATE_MS, JITTER_MS = 300.0, 30.0
"""There and back: 150 ms one way (ITU-T G.114); what a usual jitter buffer takes."""
RING = "asterisk.each_number_rings_at_its_tenant"


@check(
    fault="encryption-asked-of-a-carrier",
    needs=(TOLD, RANGE, ADDRESS, "asterisk.numbers_lead_to_their_tenants", "asterisk.registrations_hold"),
    remedy="/var/log/asterisk/messages.log says what became of the call; compare with the trunk's record.",
    applies=lambda host: has_telephony(host) and bool(dids(host)),
)
def test_each_number_rings_at_its_tenant(rung: tuple[Rung, ...], evidence: dict[str, Any]) -> None:
    """By the carrier that brings it: answered by the tenant's application, heard both ways."""
    for each in (each for each in rung if not each.absent):
        if each.call is None:
            fail(f"{each.did} by {each.trunk}: {each.error}", "a call that rings")
        call = each.call
        evidence[each.did] = f"{call.status} at {each.where[1] or 'nobody'}, {call.seconds} s, {call.codec}"
        if not call.answered:
            fail(f"{each.did} by {each.trunk}: {call.status or 'no answer'}", "200")
        if each.where[1].split(",")[1:] != [each.tenant, each.did]:
            fail(f"{each.did} rings at {each.where[1] or 'no application'}", f"at {each.tenant}")
        if call.ended == "pbx":
            fail(f"{each.did} was hung up on after {call.seconds} s", "it lasts until the caller hangs up")
        least = HEARD * 50 * call.seconds
        if min(call.sent, call.received) < least:
            heard = f"{call.sent} packets to the PBX, {call.received} to the carrier"
            fail(f"{each.did}: {heard}", f"{least:.0f} at least, each way")
    unseen({each.trunk for each in rung if each.absent})


def unseen(trunks: set[str]) -> None:
    """End with no answer where calls by a trunk could not be tried."""
    if trunks:
        not_proven(f"nobody calls by {', '.join(sorted(trunks))}", gates=False, remedy=REHEARSE)


def dids(host: Host) -> tuple[str, ...]:
    """Return every number of every tenant."""
    return tuple(did for t in (host.asterisk.tenants if host.asterisk else ()) for did in t.dids)


def records(host: Host) -> bool:
    """Say whether calls of a tenant with a number are kept."""
    return any(t.recording and t.dids for t in (host.asterisk.tenants if host.asterisk else ()))


def dials(host: Host) -> bool:
    """Say whether a tenant may call out."""
    return any(t.routes for t in (host.asterisk.tenants if host.asterisk else ()))


@check(
    fault="recordings-not-written",
    needs=(RING, "asterisk.recordings_can_be_written"),
    remedy="`core show file formats` must have wav; messages.log says why MixMonitor failed.",
    applies=records,
)
def test_recordings_hold_what_was_said(
    declared: Host, rung: tuple[Rung, ...], evidence: dict[str, Any]
) -> None:
    """One file a call, as long as the call, and no silence."""
    assert declared.asterisk is not None
    kept = {tenant.name for tenant in declared.asterisk.tenants if tenant.recording}
    for each in (each for each in rung if each.tenant in kept and each.call):
        if len(each.recorded) != 1:
            fail(f"{len(each.recorded)} new recordings of the call to {each.did}", "one")
        file, spoken = each.recorded[0], each.call.seconds if each.call else 0.0
        evidence[each.did] = f"{file.seconds:.2f} s of {spoken:.2f} s, loudest {file.loudest}"
        if not spoken - CLOSE <= file.seconds <= spoken + CLOSE:
            fail(f"{file.path} has {file.seconds:.2f} s ({file.bytes} bytes)", f"{spoken:.2f} s of the call")
        if file.loudest < LOUD:
            fail(f"{file.path} is silent (loudest sample {file.loudest})", "what was said")


@check(
    fault="caller-id-overridden", applies=dials,
    needs=(TOLD, RANGE, ADDRESS, RING, "asterisk.tenants_dial_what_is_declared",
           "asterisk.carriers_answer_when_they_are_asked"),
    remedy="Compare the route's caller_id with from_user, callerid and send_pai of the trunk's endpoint.",
)  # fmt: skip
def test_calls_go_out_as_declared(made: tuple[Made, ...], evidence: dict[str, Any]) -> None:
    """By every route: the number, the caller and the trunk as declared, answered and heard both ways."""
    for each in (each for each in made if not each.absent):
        name = f"{each.number} of {each.tenant} by {each.trunk.name}"
        if each.call is None:
            fail(f"{name}: {each.error or 'the carrier has heard of no call'}", "a call at the carrier")
        call = each.call
        evidence[name] = f"{call.status} as {call.identity or call.caller}, {each.seconds} s to the carrier"
        same({"number": call.number, "caller": call.caller, "identity": call.identity},
             {"number": sent_as(each.route, each.number), **shown_as(each.trunk, each.route)})  # fmt: skip
        if not call.answered:
            fail(f"{name}: {call.status or 'no answer'}", "200")
        if min(call.sent, call.received) < HEARD * 50 * call.seconds:
            fail(f"{name}: {call.sent} packets to the PBX, {call.received} from it", "heard both ways")
    unseen({each.trunk.name for each in made if each.absent})


@check(
    fault="echo-not-taken", needs=(LET_IN, RANGE), applies=has_telephony,
    remedy="/var/log/asterisk/messages.log says what became of the call; `pjsip show endpoint verify`.",
)  # fmt: skip
def test_echo_is_heard_both_ways(echoed: dict[str, Any], evidence: dict[str, Any]) -> None:
    sound = echoed["sound"]
    evidence |= {"status": echoed["status"], "setup": echoed["setup_seconds"], "ended": echoed["ended"]}
    if sound is None:
        fail(f"{echoed['status'] or 'no answer'}: {echoed['why']}", "an echo")
    evidence["hearing"] = sound["hearing"]
    if sound["hearing"] != "both ways":
        fail(sound["hearing"], "both ways")
    if sound["declared_private"] or tuple(sound["seen_from"]) != (sound["declared"],):
        fail(f"voices come from {', '.join(sound['seen_from'])}", f"from {sound['declared']}, as it says")
    if echoed["ended"] != "we hung up":
        fail(f"the call ended: {echoed['ended']}", "it lasts until we hang up")


@check(
    fault="voices-lost", needs=("asterisk.echo_is_heard_both_ways",), applies=has_telephony,
    remedy="`invoke probe.call` from elsewhere tells the path from the host; look at the host's load.",
)  # fmt: skip
def test_voices_are_good(echoed: dict[str, Any], evidence: dict[str, Any]) -> None:
    """Loss, round trip and jitter of the way there and back, and what they come to (ITU-T G.107)."""
    sound, quality = echoed["sound"], echoed["sound"]["quality"]
    trip = sound["round_trip_ms"][1]
    evidence |= {
        "packets": f"{sound['echoed']} of {sound['sent']}", "loss": sound["loss"], "round trip ms": trip,
        "jitter ms": sound["path_jitter_ms"], "reported lost": sound["far_loss"], "MOS": quality["mos"],
    }  # fmt: skip
    if sound["loss"] > MOST_LOST:
        fail(f"{sound['loss']:.1%} of the packets lost", f"{MOST_LOST:.0%} at most")
    if quality["mos"] < GOOD_MOS:
        warn(f"MOS {quality['mos']:.2f}", f"{GOOD_MOS:g} or more")
    if trip > LATE_MS or sound["path_jitter_ms"] > JITTER_MS:
        warn(f"{trip:.0f} ms there and back, jitter {sound['path_jitter_ms']:.0f} ms",
             f"{LATE_MS:.0f} and {JITTER_MS:.0f} ms at most")  # fmt: skip


@check(
    fault="strict-rtp-off", needs=("asterisk.echo_is_heard_both_ways",), applies=has_telephony,
    remedy="strictrtp=yes in /etc/asterisk/rtp.conf, then `asterisk -rx 'module reload res_rtp_asterisk'`.",
)  # fmt: skip
def test_second_source_is_not_heard(echoed: dict[str, Any], evidence: dict[str, Any]) -> None:
    """Somebody else sends well-formed voices to the port of a call that goes on."""
    sound = echoed["sound"]
    evidence |= {
        "sent": sound["intruder_sent"],
        "heard": sound["intruder_heard"],
        "got": sound["intruder_got"],
    }
    if not sound["intruder_sent"]:
        not_proven("the second source could not send", gates=False, remedy=REHEARSE)
    if sound["intruder_heard"] or sound["intruder_got"]:
        seen = f"{sound['intruder_heard']} packets of another source were heard"
        fail(f"{seen}, {sound['intruder_got']} came back to it", "none: only who was agreed with")
