"""Telephony that could not carry a call, or would have us pay for a stranger's, is refused."""

from __future__ import annotations

from typing import Any

import pytest
from declared import Declare, environment, made, refused
from declared_telephony import (
    DID,
    NARROW,
    OTHER_DID,
    exchange,
    pbx,
    registering,
    telephony,
    tenant,
    trunk,
)
from declared_tunnels import swan

from inventories.model import (
    Ami,
    AmiUser,
    Ari,
    Certbot,
    Emergency,
    PortRange,
    Recording,
    Secret,
    checked,
)
from inventories.model.rehearsal import booted_as

Sentences = dict[str, tuple[Any, ...]]
"""By what is wrong: an inventory, and the sentences it is refused with."""
ARI, AMI = Secret(name="ari"), Secret(name="ami")


def with_trunk(**more: Any) -> Declare:
    """Return the declaration of telephony with a trunk like this."""
    return lambda: telephony(trunks=(trunk(**more),))


def permitted(network: str) -> Declare:
    """Return the declaration of telephony with a program at AMI from there."""
    user = AmiUser(name="watch", password=AMI, permit=(network,))
    return lambda: telephony(ami=Ami(users=(user,)))


HOST: Sentences = {
    "no Asterisk in this release": (
        lambda: environment(pbx(os="debian13")),
        "edge1 asterisk.os: debian13, which has no package of Asterisk, wanted a release with one: Ubuntu"
        " 22.04 (18) or 24.04 (20), in a twin Debian testing (22); move the host to ubuntu24.04, or take"
        " asterisk out",
    ),
    "too few ports": (
        lambda: telephony(rtp=PortRange(first=10000, last=10049)),
        "edge1 asterisk.rtp: 50 ports for 25 calls, wanted 100 or more: two legs a call, each with RTP and"
        " RTCP; widen rtp, lower calls, or leave rtp out: it is computed then",
    ),
    "an odd first port": (
        lambda: telephony(rtp=PortRange(first=10001, last=10100)),
        "edge1 asterisk.rtp: 10001-10100 begins with an odd port, wanted an even first port, as RTP is even"
        " and RTCP the next (RFC 3550); begin one port later",
    ),
    "TLS without a certificate": (
        lambda: telephony(transports=("udp", "tls")),
        "edge1 asterisk.tls_name: a TLS transport without a certificate, wanted both or neither; add"
        ' tls_name="..."',
    ),
    "a certificate without TLS": (
        lambda: environment(
            pbx(exchange(tls_name="pbx.test.dev"), certbot=Certbot(email="ops@trunkline.dev"))
        ),
        "edge1 asterisk.tls_name: a certificate without a TLS transport, wanted both or neither; add"
        ' "tls" to transports, or take tls_name out',
    ),
    "a certificate that nobody asks for": (
        lambda: telephony(transports=("udp", "tls"), tls_name="pbx.test.dev"),
        "edge1 asterisk.tls_name: nobody asks for the certificate of pbx.test.dev, wanted certbot on this"
        " host; add certbot=Certbot(...) to the host",
    ),
    "ARI at a public address": (
        lambda: telephony(ari=Ari(password=ARI, bind="9.9.9.9", sources=("10.0.0.0/24",))),
        "edge1 asterisk.ari.bind: 9.9.9.9, where the world knocks, wanted loopback or a private address: it"
        " is not encrypted, and who gets in owns every call; bind it to 127.0.0.1, or to this host's address"
        " in the tunnel",
    ),
    "ARI for everyone": (
        lambda: telephony(ari=Ari(password=ARI, bind="10.10.10.1")),
        "edge1 asterisk.ari.sources: 10.10.10.1 for everyone who reaches it, wanted the networks of the"
        " applications; bind it to 127.0.0.1, or name who needs it",
        "edge1 firewall.asterisk: tcp 8088 (ARI) opens Asterisk's ARI without TLS (tcp 8088) to the world,"
        " wanted the networks that need it; add sources=(...), or take it out",
    ),
    "ARI for a public network": (
        lambda: telephony(ari=Ari(password=ARI, bind="10.10.10.1", sources=("9.9.9.0/24",))),
        "edge1 asterisk.ari.sources: 9.9.9.0/24 is not private, wanted loopback or private networks: what is"
        " said there is not encrypted; bring the program to this host, or into a tunnel",
    ),
    "AMI for the world": (
        permitted("0.0.0.0/0"),
        "edge1 asterisk.ami.users[watch].permit: 0.0.0.0/0 is not private, wanted loopback or private"
        " networks: what is said there is not encrypted; bring the program to this host, or into a tunnel",
    ),
    "AMI at every address": (
        lambda: telephony(ami=Ami(users=(AmiUser(name="watch", password=AMI),), bind="9.9.9.9")),
        "edge1 asterisk.ami.bind: 9.9.9.9, where the world knocks, wanted loopback or a private address: it"
        " is not encrypted, and who gets in owns every call; bind it to 127.0.0.1, or to this host's address"
        " in the tunnel",
    ),
    "a program at AMI that may do everything": (
        lambda: telephony(ami=Ami(users=(made(AmiUser, name="watch", password=AMI, write=("all",)),))),
        "edge1 asterisk.ami.users[watch].write[0]: 'all' is not one of 'call', 'originate', 'reporting',"
        " 'cdr', 'dialplan', 'user', 'agent', 'log', 'verbose' or 'dtmf'; did you mean call?",
    ),
}
TRUNKS: Sentences = {
    "no such transport": (
        with_trunk(transport="tcp"),
        "edge1 asterisk.trunks[didco].transport: tcp, which is no transport of this host, wanted one of udp;"
        ' add "tcp" to transports, or change the trunk\'s',
    ),
    "a trunk larger than its host": (
        lambda: telephony(calls=5, tenants=(tenant(limits=NARROW),)),
        "edge1 asterisk.trunks[didco].limits.calls: 10 calls on a host that carries 5, wanted 5 or fewer;"
        " lower it, or raise calls of the host",
    ),
    "two trunks of one name": (
        lambda: telephony(trunks=(trunk(), trunk(addresses=("203.0.113.90/32",)))),
        "edge1 asterisk.trunks[didco].name: two trunks are named didco, wanted a name of its own; rename one"
        " of the two",
    ),
    "two trunks at one address": (
        lambda: telephony(trunks=(trunk(), trunk("other", addresses=("203.0.113.64/28",)))),
        "edge1 asterisk.trunks[other].addresses: 203.0.113.64/28 overlaps 203.0.113.76/32 of didco, wanted"
        " addresses that tell one trunk from another; take it out of one of the two",
        "edge1 asterisk.trunks[other].addresses: 203.0.113.64/28 overlaps 203.0.113.77/32 of didco, wanted"
        " addresses that tell one trunk from another; take it out of one of the two",
    ),
    "a registering trunk at another's address": (
        lambda: telephony(trunks=(trunk(), registering(addresses=("203.0.113.77/32",)))),
        "edge1 asterisk.trunks[usco].addresses: 203.0.113.77/32 overlaps 203.0.113.77/32 of didco, wanted"
        " addresses that tell one trunk from another; take it out of one of the two",
    ),
    "a carrier where the controller is": (
        with_trunk(addresses=("192.0.2.0/24",)),
        "edge1 asterisk.trunks[didco].addresses: 192.0.2.0/24 holds the controller 192.0.2.10/32, wanted"
        " addresses of the carrier alone; take it out: by its address nobody could tell one from the other",
    ),
    "a carrier where the host itself is": (
        with_trunk(addresses=("198.51.100.0/24",)),
        "edge1 asterisk.trunks[didco].addresses: 198.51.100.0/24 holds this host's own 198.51.100.11, wanted"
        " addresses of the carrier alone; take it out: whoever calls from here would be the carrier",
    ),
    "a PBX of the office without a tunnel": (
        with_trunk(addresses=("192.168.150.5/32",)),
        "edge1 asterisk.trunks[didco].addresses: 192.168.150.5/32 is private and behind no tunnel of this"
        " host, wanted an address in a remote selector, or a public one; add its network to the peer's"
        " remote networks, here and at the gateway",
    ),
    "a PBX beside the remote selector": (
        lambda: environment(
            pbx(exchange(trunks=(trunk(addresses=("192.168.151.5/32",)),)), strongswan=swan())
        ),
        "edge1 asterisk.trunks[didco].addresses: 192.168.151.5/32 is private and behind no tunnel of this"
        " host, wanted an address in a remote selector, or a public one; add its network to the peer's"
        " remote networks, here and at the gateway",
    ),
    "a PBX of the office that is called without a tunnel": (
        lambda: telephony(trunks=(trunk(), registering(primary="192.168.150.5", backup=None))),
        "edge1 asterisk.trunks[usco].primary: 192.168.150.5/32 is private and behind no tunnel of this"
        " host, wanted an address in a remote selector, or a public one; add its network to the peer's"
        " remote networks, here and at the gateway",
    ),
    "a codec that does not exist": (
        with_trunk(codecs=("g711",)),
        "edge1 asterisk.trunks[didco].codecs[0]: 'g711' is not a codec; write ulaw (North America) or alaw"
        " (elsewhere), which every carrier has",
    ),
    "a number that rings nowhere": (
        with_trunk(numbers=(DID, OTHER_DID)),
        f"edge1 asterisk.trunks[didco].numbers: {OTHER_DID} rings nowhere, wanted a tenant for each number"
        " that the trunk brings; add it to the dids of a tenant, or take it out",
    ),
    "a number that nobody brings": (
        with_trunk(numbers=(OTHER_DID,)),
        f"edge1 asterisk.trunks[didco].numbers: {DID} of a tenant is not among them: nobody brings it,"
        " wanted each number that rings; add it, or take it out of the tenant's dids",
        f"edge1 asterisk.trunks[didco].numbers: {OTHER_DID} rings nowhere, wanted a tenant for each number"
        " that the trunk brings; add it to the dids of a tenant, or take it out",
    ),
}
ALL = {
    f"{kind}: {name}": row for kind, rows in (("host", HOST), ("trunk", TRUNKS)) for name, row in rows.items()
}


@pytest.mark.parametrize("row", ALL.values(), ids=ALL)
def test_what_contradicts_itself_is_refused_with_its_sentence(row: Any) -> None:
    declare, *sentences = row
    assert refused(declare) == sentences


def test_telephony_with_everything_has_no_problem() -> None:
    asterisk = exchange(
        trunks=(trunk(numbers=(DID,)), registering()),
        tenants=(
            tenant(recording=Recording(quota_mb=7000)),
            tenant("other", dids=(OTHER_DID,), trunk="usco"),
        ),
        transports=("udp", "tcp", "tls"),
        tls_name="pbx.test.dev",
        emergency=Emergency(trunk="didco"),
        ari=Ari(password=ARI, bind="10.10.10.1", sources=("10.10.10.0/24",)),
        ami=Ami(users=(AmiUser(name="watch", password=AMI),)),
    )
    one = environment(pbx(asterisk, certbot=Certbot(email="ops@trunkline.dev")))
    assert checked(lambda: one).host("edge1").asterisk == asterisk


def test_a_pbx_in_the_tunnel_is_a_trunk_and_is_told_the_inner_address() -> None:
    inside = trunk(addresses=("192.168.150.5/32",), server="192.168.150.5")
    host = pbx(exchange(trunks=(inside,)), strongswan=swan())
    declared = checked(lambda: environment(host)).host("edge1").asterisk
    assert declared is not None
    assert "192.168.150.0/24" in map(str, declared.local_networks(host))
    assert "10.0.0.0/8" in map(str, declared.local_networks(host))


def test_ports_are_computed_from_calls() -> None:
    assert str(exchange(calls=50).ports) == "10000-10199"


def test_sip_is_open_to_the_carriers_alone_where_all_of_them_are_known() -> None:
    one = telephony()
    openings = {each.why: each for each in one.hosts[0].openings(one)}
    assert list(map(str, openings["SIP over UDP"].sources)) == ["192.0.2.10/32", *trunk_addresses()]
    assert openings["RTP"].sources == ()
    other = telephony(trunks=(trunk(), registering()))
    openings = {each.why: each for each in other.hosts[0].openings(other)}
    assert openings["SIP over UDP"].sources == ()


def trunk_addresses() -> list[str]:
    """Return where the first trunk calls from."""
    return list(map(str, trunk().addresses))


def test_carriers_are_never_banned_and_the_daemon_is_never_restarted_by_an_upgrade() -> None:
    one = telephony()
    host = one.hosts[0]
    assert set(trunk_addresses()) <= {str(network) for network in one.never_banned(host)}
    assert "asterisk.service" in host.undisturbed(one)
    (jail,) = (jail for jail in host.jails(one) if jail.name == "asterisk")
    assert jail.log == "/var/log/asterisk/messages.log"


def test_in_a_twin_telephony_runs_on_the_release_that_has_it() -> None:
    assert booted_as(pbx()) == "debian-testing"


def test_debian_testing_is_for_twins() -> None:
    real = telephony().model_copy(update={"in_twin": False})
    host = real.hosts[0].model_copy(update={"os": "debian-testing"})
    said = [str(each) for each in real.model_copy(update={"hosts": (host,)}).lint()]
    assert (
        "edge1 os: debian-testing, for which nobody promises security updates, wanted a released system;"
        " this one is for twins; choose another release, such as ubuntu24.04" in said
    )
