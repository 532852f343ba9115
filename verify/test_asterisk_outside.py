"""Telephony as it is met from outside: who is answered, what is given away, what nobody may dial."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from inventories.model import Environment, Host
from verify.calls import Made, Rung, range_seen
from verify.checks import check
from verify.looks import addresses
from verify.observed import Observed
from verify.probes.arguments import ports as ports_in
from verify.probes.arguments import ranges
from verify.probes.certificate import Certificate, day, read_pem
from verify.sip_asked import NOBODY, REHEARSE, Asked, Reply, exchange, numbers, places
from verify.snapshot import Snapshot
from verify.udp_openings import UdpSeen
from verify.vantage import Unseen
from verify.verdict import exactly, fail, not_proven

DEPLOY = "`invoke plan` shows what was changed by hand; `invoke deploy` takes it back."
LET_IN = "asterisk.who_has_the_password_is_answered"
TOLD = "asterisk.every_carrier_address_is_answered"
INTERFACES = (5038, 8088, 8089)
"""AMI, and HTTP with and without TLS, where Asterisk has them by itself."""
VOLATILE = re.compile(r'(nonce|opaque)="[^"]*"')
ONE_REQUEST = ("via", "from", "to", "call-id", "cseq", "date", "content-length")
"""Headers that name the request, or the moment, and nothing else."""


def has_telephony(host: Host) -> bool:
    """Say whether a host is a telephone exchange."""
    return host.asterisk is not None


def has_tls(host: Host) -> bool:
    """Say whether SIP is spoken over TLS."""
    return host.asterisk is not None and host.asterisk.tls_name is not None


@check(
    fault="verification-password-other",
    needs=("asterisk.daemon_answers", "asterisk.transports_are_bound"),
    remedy="Compare `verify-auth` in /etc/asterisk/pjsip_secrets.conf with the secret; `invoke deploy`.",
    applies=has_telephony,
)
def test_who_has_the_password_is_answered(
    declared: Host, asked_by_sip: Asked, evidence: dict[str, Any]
) -> None:
    """By every transport, from the controller: OPTIONS to the echo."""
    options = asked_by_sip.known
    if not options:
        not_proven(asked_by_sip.unseen or "nobody has asked", gates=False)
    evidence |= {reply.transport: reply.status or reply.meaning for reply in options}
    for reply in options:
        if reply.status != 200:
            fail(str(reply), "200")
    exactly([reply.transport.lower() for reply in options], exchange(declared).transports, of="transport")


@check(
    fault="anonymous-names-told-apart", needs=("asterisk.daemon_answers",), remedy=DEPLOY,
    applies=has_telephony,
)  # fmt: skip
def test_known_and_unknown_names_get_the_same_answer(asked_by_sip: Asked, evidence: dict[str, Any]) -> None:
    """To OPTIONS, INVITE and REGISTER without a password: names cannot be guessed one by one."""
    if not asked_by_sip.bare:
        not_proven(asked_by_sip.unseen or "nobody has asked", gates=False)
    for method in dict.fromkeys(reply.method for reply in asked_by_sip.bare):
        found = {reply.uri: shown(reply) for reply in asked_by_sip.bare if reply.method == method}
        nobody = next(said for uri, said in found.items() if f":{NOBODY}@" in uri)
        evidence[method] = f"{len(found)} names: {nobody.partition(chr(10))[0]}"
        if other := {uri: said for uri, said in found.items() if said != nobody}:
            uri, said = next(iter(other.items()))
            fail(f"{method} {uri}: {beside(said, nobody)}", f"{beside(nobody, said)}, as to unknown names")
        if not nobody.startswith("401"):
            fail(f"{method} without a password: {nobody.partition(chr(10))[0]}", "401, whoever is asked for")


def beside(one: str, other: str) -> str:
    """Return the lines of one answer that the other has not."""
    return "; ".join(line for line in one.splitlines() if line not in other.splitlines()) or "nothing more"


def shown(reply: Reply) -> str:
    """Return an answer without what differs from one request to the next."""
    kept = (f"{name}: {VOLATILE.sub('', value)}" for name, value in reply.headers if name not in ONE_REQUEST)
    return "\n".join((str(reply.status or reply.meaning), *sorted(kept)))


@check(
    fault="carrier-address-refused",
    needs=(
        "asterisk.carriers_are_known_by_exactly_their_addresses",
        "asterisk.transports_are_bound",
        "fail2ban.nobody_trusted_is_banned",
    ),
    remedy="Compare `match` and any acl in /etc/asterisk/pjsip.conf with the trunk's addresses.",
    applies=has_telephony,
)
def test_every_carrier_address_is_answered(
    declared: Host, asked_by_sip: Asked, evidence: dict[str, Any]
) -> None:
    """OPTIONS for a number of the trunk, from each address that the carrier has."""
    if not asked_by_sip.carriers:
        not_proven("nobody can ask from a carrier's address", gates=False, remedy=REHEARSE)
    for trunk in exchange(declared).trunks:
        for address, replies in asked_by_sip.carriers.items():
            if not any(address == str(network.network_address) for network in trunk.addresses):
                continue
            evidence[f"{trunk.name} {address}"] = [reply.status or reply.meaning for reply in replies]
            wanted = 200 if numbers(exchange(declared), trunk) else 404
            for reply in (reply for reply in replies if reply.status != wanted):
                fail(str(reply), f"{wanted}")


@check(fault="stranger-taken-for-a-carrier", remedy=DEPLOY, applies=has_telephony)
def test_stranger_gets_no_more_than_a_challenge(
    declared: Host, asked_by_sip: Asked, environment: Environment, evidence: dict[str, Any]
) -> None:
    """Nothing at all where every carrier names its addresses, else the same 401 as everybody unknown."""
    if not asked_by_sip.stranger:
        not_proven(asked_by_sip.unseen or "nobody has asked", gates=False, remedy=REHEARSE)
    sip = [o for o in declared.openings(environment) if o.why.startswith("SIP")]
    closed = all(opening.sources for opening in sip)
    for reply in asked_by_sip.stranger:
        evidence[reply.transport] = reply.status or reply.meaning
        if closed and reply.status:
            fail(str(reply), "nothing: SIP is for the carriers and the controllers alone")
        if reply.status not in (0, 401):
            fail(str(reply), "401 to whoever is no carrier")


@check(
    fault="outside-reachable-from-trunk", remedy=DEPLOY, applies=has_telephony,
    needs=(TOLD, "asterisk.stranger_gets_no_more_than_a_challenge", LET_IN,
           "asterisk.nothing_that_comes_in_leads_out"),
)  # fmt: skip
def test_nobody_outside_calls_out(asked_by_sip: Asked, evidence: dict[str, Any]) -> None:
    """INVITE to numbers that a tenant may dial: from each trunk, a stranger, and with the echo's password."""
    for reply in asked_by_sip.outward:
        evidence.setdefault(reply.asker, []).append(reply.status or reply.meaning)
        if reply.meaning == "ready":  # it was answered, or rang until we hung up (487)
            fail(str(reply), "refused")
    if not {"controller"} < set(evidence):
        not_proven("nobody could call from a carrier's or a stranger's place", gates=False, remedy=REHEARSE)


@check(
    fault="range-half-closed",
    needs=("firewall.kernel_admits_exactly_the_declared", "firewall.no_other_table_decides"),
    remedy="Compare the provider's firewall with `invoke openings`: the whole range, UDP.",
    applies=has_telephony,
)
def test_range_for_voices_is_open(
    declared: Host, environment: Environment, udp_seen: UdpSeen, evidence: dict[str, Any]
) -> None:
    """Each port answered by a responder on the host; what calls hold at the moment proves itself."""
    span = exchange(declared).ports
    wanted = set(range(span.first, span.last + 1))
    looked = range_seen(declared, environment, udp_seen)
    if not looked:
        not_proven(udp_seen.error or "nobody may send there whom we have", gates=False)
    for each in looked:
        found = set(ports_in(each.open)) & wanted
        evidence[f"from the {each.place}"] = f"{len(found)} of {len(wanted)} open, {each.seconds:.2f} s"
        holes = wanted - found - set(ports_in(each.held)) - set(ports_in(each.unproven))
        if holes:
            fail(f"the {each.place} does not reach udp {ranges(holes)}", f"{span.first}-{span.last}")
        if unproven := wanted & set(ports_in(each.unproven)):
            not_proven(f"udp {ranges(unproven)} from the {each.place}: {each.why}")


@check(
    fault="ari-public", remedy="Bind it to loopback or a private address: `invoke deploy`.",
    applies=has_telephony,
)  # fmt: skip
def test_interfaces_are_closed_outside(
    declared: Host, observed: Observed, environment: Environment, evidence: dict[str, Any]
) -> None:
    """ARI, AMI and HTTP from the controller, a stranger and a carrier: who has them can call anybody."""
    asterisk = exchange(declared)
    own = {each.port for each in (asterisk.ari, asterisk.ami) if each}
    opened = (o.ports for o in declared.openings(environment) if o.protocol == "tcp")
    asked = {*INTERFACES, *own} - {port for span in opened for port in range(span.first, span.last + 1)}
    around = [place for _, place, _ in places(observed, declared).values()][:1]
    words = (str(declared.address.ip), "--ports", ranges(asked), "--timeout", "1")
    everybody = [*observed.vantages.values(), *around]
    with ThreadPoolExecutor() as pool:
        looks = [pool.submit(place.probe, "tcp", *words) for place in everybody]
    for place, look in zip(everybody, looks, strict=True):
        try:
            states = {each["port"]: each["state"] for each in look.result()["ports"]}
        except Unseen as error:
            not_proven(str(error))
        evidence[place.name] = {str(port): state for port, state in states.items()}
        if reached := [port for port, state in states.items() if state == "open"]:
            fail(f"{place.name} reaches tcp {ranges(reached)}", "closed to everybody outside")


@check(
    fault="tls-shows-another-certificate",
    needs=(LET_IN, "certbot.certificates_are_issued", "asterisk.tls_certificate_is_valid_now"),
    remedy="`/usr/local/lib/trunkline/asterisk certificate` copies it; Asterisk shows it to new connections.",
    applies=has_tls,
)
def test_tls_shows_the_certificate(
    declared: Host, asked_by_sip: Asked, live: Snapshot, evidence: dict[str, Any]
) -> None:
    """On the socket, not in the files: the one that Certbot keeps, for the declared name, trusted."""
    name = str(exchange(declared).tls_name)
    if not any(reply.transport == "TLS" for reply in asked_by_sip.known):
        not_proven(asked_by_sip.unseen or "nobody has asked over TLS", gates=False)
    kept = read_pem(live["certificates"]["files"][name]["pem"])[0]
    for reply in (reply for reply in asked_by_sip.known if reply.transport == "TLS"):
        if "error" in reply.certificate:
            fail(f"no handshake: {reply.certificate['error']}", f"the certificate of {name}")
        served = Certificate(**reply.certificate["chain"][0])
        evidence["until"] = day(served.not_after)
        if served.sha256 != kept.sha256:
            shown_names = ", ".join(served.names) or served.subject
            fail(f"one for {shown_names} until {day(served.not_after)}", f"that of {name} on the disk")
        if reply.certificate["trust"]:
            fail(f"{name}: {reply.certificate['trust']}", "a chain that leads to a trusted root")


@check(
    fault="private-address-told",
    needs=(TOLD, "asterisk.transports_tell_the_declared_addresses"),
    remedy="external_media_address and external_signaling_address of each transport; no media_address.",
    applies=has_telephony,
)
def test_public_address_is_told(
    declared: Host,
    asked_by_sip: Asked,
    rung: tuple[Rung, ...],
    made: tuple[Made, ...],
    evidence: dict[str, Any],
) -> None:
    """In Contact, Via and SDP, wherever a carrier hears of it: another one would be deaf or unreachable."""
    own = addresses(declared)[0]
    told = {f"{a['where']} to {reply.asker}": a["host"] for replies in asked_by_sip.carriers.values()
            for reply in replies for a in reply.addresses if not a["where"].startswith("Via")}  # fmt: skip
    for call in (call for call in (*(r.call for r in rung), *(m.call for m in made)) if call):
        told |= {
            f"Contact to {call.source}": host_of(call.contact),
            f"SDP to {call.source}": host_of(call.media),
        }
        told |= {f"Via to {call.source}": host_of(call.via)} if call.via else {}
    evidence |= {where: said for where, said in told.items() if said}
    if wrong := {where: said for where, said in told.items() if said and said != own}:
        fail(wrong, own)
    if not any(where.startswith("SDP") and said for where, said in told.items()):
        not_proven("no carrier has heard a description", gates=False, remedy=REHEARSE)


def host_of(place: str) -> str:
    """Return the host of a URI or of `host:port`."""
    return re.sub(r"^sips?:|;.*$", "", place).rpartition("@")[2].partition(":")[0]
