"""Tunnels that could not come up, would die later or would carry nothing are refused with one sentence."""

from __future__ import annotations

from ipaddress import IPv4Address
from typing import Any

import pytest
from declared import Declare, Rows, environment, extra, host, made, real, refused, second
from declared_tunnels import BRANCH, CERTIFICATES, branch, peer, swan, tunnel

from inventories.model import Environment, Opening, Secret, checked
from inventories.model.ipsec import Certificates, EspProposal, IkeProposal
from inventories.model.tunnels import in_tunnel

PSK = Secret(name="office_psk")
SAME = Secret(name="own")


def office(**more: Any) -> Declare:
    """Return the declaration of a host with one peer like this."""
    return lambda: tunnel(peer(**more))


def beside(**more: Any) -> Declare:
    """Return the declaration of a host with a peer, and another one like this."""
    return lambda: tunnel(peer(), branch(**more))


def only_from(source: str, **more: Any) -> Environment:
    """Return a tunnel's host, and another one with an opening for this network."""
    opening = Opening.port(8140, "tcp", "agents", (source,))
    return environment(host(strongswan=swan(peer(**more))), second(firewall=extra(opening)))


PEERS: Rows = {
    "PFS here and not there": (
        office(pfs=None),
        "edge1 strongswan.peers[office].esp.group: modp2048 (group 14), but the gateway's PFS says no group:"
        " the tunnel would come up and die at its first rekeying, wanted no group; make esp.group and pfs"
        " the same, here and in the gateway's console",
    ),
    "PFS there and not here": (
        office(esp=EspProposal(group=None)),
        "edge1 strongswan.peers[office].esp.group: no group, but the gateway's PFS says modp2048 (group 14):"
        " the tunnel would come up and die at its first rekeying, wanted modp2048 (group 14); make esp.group"
        " and pfs the same, here and in the gateway's console",
    ),
    "PFS of another group": (
        office(pfs="ecp256"),
        "edge1 strongswan.peers[office].esp.group: modp2048 (group 14), but the gateway's PFS says ecp256"
        " (group 19): the tunnel would come up and die at its first rekeying, wanted ecp256 (group 19); make"
        " esp.group and pfs the same, here and in the gateway's console",
    ),
    "no address of the host inside": (
        lambda: tunnel(peer(), address=None),
        "edge1 strongswan.peers[office].local: 198.51.100.11 in none of 10.10.10.0/24, wanted an address of"
        " this host inside the tunnel; add address= with one of the local network's addresses: else the host"
        " itself cannot answer",
    ),
    "an address beside the local networks": (
        lambda: tunnel(peer(), address="10.10.11.1/24"),
        "edge1 strongswan.peers[office].local: 198.51.100.11 and 10.10.11.1 in none of 10.10.10.0/24, wanted"
        " an address of this host inside the tunnel; add address= with one of the local network's addresses:"
        " else the host itself cannot answer",
    ),
    "the host as its own gateway": (
        office(address="198.51.100.11"),
        "edge1 strongswan.peers[office].address: 198.51.100.11 is this host itself, wanted where the gateway"
        " is reached; write the office's public address",
    ),
    "both ends of one name": (
        office(id="198.51.100.11"),
        "edge1 strongswan.peers[office].id: both ends call themselves 198.51.100.11, wanted an identity for"
        " each end; write what the gateway calls itself: behind a NAT mostly its private address",
    ),
    "one key for two offices": (
        beside(psk=PSK),
        "edge1 strongswan.peers[branch].psk: office has the same pre-shared key: each gateway could pass for"
        ' the other, wanted a pre-shared key of its own for each gateway; write another Secret(name="..."),'
        " and set it with `invoke secrets.generate NAME`",
    ),
    "one identity for two offices": (
        beside(id="192.168.1.1"),
        "edge1 strongswan.peers[branch].id: 192.168.1.1 is also what office calls itself, wanted an identity"
        " of its own for each gateway; set another Local Authentication ID in the console of one of them,"
        " and write it here",
    ),
    "one name for two offices": (
        lambda: tunnel(peer(), peer(**{**BRANCH, "psk": Secret(name="branch_psk")})),
        "edge1 strongswan.peers[office].name: two peers are named office, wanted a name of its own; rename"
        " one of the two",
    ),
    "neither a key nor certificates": (
        office(psk=None),
        "edge1 strongswan.peers[office]: neither psk nor certificates, wanted one way to prove who the peer"
        ' is; write psk=Secret(name="..."), or certificates=Certificates(...)',
    ),
    "a key and certificates": (
        office(psk=PSK, certificates=CERTIFICATES),
        "edge1 strongswan.peers[office]: psk and certificates, wanted one way to prove who the peer is;"
        ' write psk=Secret(name="..."), or certificates=Certificates(...)',
    ),
    "a key in plain text": (
        office(psk="hunter2"),
        "edge1 strongswan.peers[office].psk: a value in plain text, wanted a reference to a secret; write"
        ' Secret(name="..."), and give the value to `invoke secrets.set NAME`; what stood here is no secret'
        " any more",
    ),
    "one secret for a certificate and its key": (
        office(certificates=Certificates(ca=Secret(name="ca"), certificate=SAME, key=SAME)),
        "edge1 strongswan.peers[office].certificates: two of ca, certificate and key are the same secret,"
        " wanted a secret for each of them; correct the names",
    ),
}  # fmt: skip
NETWORKS: Rows = {
    "one network at two offices": (
        beside(remote=("192.168.150.128/25",)),
        "edge1 strongswan.peers[branch].remote: 192.168.150.128/25 overlaps 192.168.150.0/24 of office,"
        " wanted networks that only one peer has; renumber one office, or narrow one of the two",
    ),
    "one network on both sides": (
        office(remote=("10.10.0.0/16",)),
        "edge1 strongswan.peers[office].remote: 10.10.0.0/16 overlaps 10.10.10.0/24 on this side, wanted two"
        " networks that share no address; renumber one side, or narrow one of the two",
    ),
    "a remote network within another": (
        office(remote=("192.168.150.0/24", "192.168.150.10/32")),
        "edge1 strongswan.peers[office].remote: 192.168.150.10/32 overlaps 192.168.150.0/24: the same packets"
        " would have two SAs, wanted networks that share no address; take the smaller one out",
    ),
    "a local network twice": (
        office(local=("10.10.10.0/24", "10.10.10.0/24")),
        "edge1 strongswan.peers[office].local: 10.10.10.0/24 overlaps 10.10.10.0/24: the same packets would"
        " have two SAs, wanted networks that share no address; take the smaller one out",
    ),
    "the gateway within its own tunnel": (
        office(remote=("192.168.150.0/24", "203.0.113.0/24")),
        "edge1 strongswan.peers[office].remote: 203.0.113.0/24 holds the gateway's own address 203.0.113.20,"
        " wanted networks behind the gateway; take it out: the tunnel's own packets would be sent through"
        " the tunnel",
    ),
    "another gateway within the tunnel": (
        beside(remote=("192.168.160.0/24", "203.0.113.16/29")),
        "edge1 strongswan.peers[branch].remote: 203.0.113.16/29 holds the gateway 203.0.113.20 of office,"
        " wanted networks behind the gateway only; narrow it: the answers to what is there would go through"
        " the tunnel",
    ),
    "a controller within the tunnel": (
        office(remote=("192.0.2.0/28",)),
        "edge1 strongswan.peers[office].remote: 192.0.2.0/28 holds the controller 192.0.2.10/32, wanted"
        " networks behind the gateway only; narrow it: the answers to what is there would go through the"
        " tunnel",
    ),
    "another host within the tunnel": (
        lambda: environment(host(strongswan=swan(peer(remote=("198.51.100.12/32",)))), second()),
        "edge1 strongswan.peers[office].remote: 198.51.100.12/32 holds 198.51.100.12 of edge2, wanted"
        " networks behind the gateway only; narrow it: the answers to what is there would go through the"
        " tunnel",
    ),
    "a proof from elsewhere": (
        office(answers="192.168.151.10"),
        "edge1 strongswan.peers[office].answers: 192.168.151.10 in none of 192.168.150.0/24, wanted somebody"
        " behind the gateway; correct the address, or add its network to remote",
    ),
    "a PBX that nobody names": (
        office(sip=True),
        "edge1 strongswan.peers[office].sip: SIP is to be answered, and nobody is named who answers, wanted"
        " the address of the PBX behind the gateway; add answers= with it, or take sip out",
    ),
    "a whole network on lo": (
        lambda: tunnel(peer(), interface="lo"),
        "edge1 strongswan.address: 10.10.10.1/24 on lo, where nobody of 10.10.10.0/24 can be but this host,"
        " wanted an address alone where nothing is behind; write 10.10.10.1/32, or name the interface to the"
        " hosts behind",
    ),
    "an address alone on an interface": (
        lambda: tunnel(peer(), address="10.10.10.1/32"),
        "edge1 strongswan.address: 10.10.10.1/32 on eth1, wanted a host's address, with the prefix of the"
        " network on eth1; write both as the hosts behind know them",
    ),
    "a network for an address": (
        lambda: tunnel(peer(), address="10.10.10.0/24"),
        "edge1 strongswan.address: 10.10.10.0/24 on eth1, wanted a host's address, with the prefix of the"
        " network on eth1; write both as the hosts behind know them",
    ),
    "an address of two hosts": (
        lambda: environment(host(strongswan=swan(peer())), second(strongswan=swan(branch()))),
        "edge2 strongswan.address: 10.10.10.1 is also the address of edge1, wanted an address of its own;"
        " correct one of the two",
    ),
    "an opening that nobody behind the tunnel reaches": (
        lambda: only_from("192.168.150.0/25"),
        "edge2 firewall.extra: tcp 8140 (agents) admits 192.168.150.0/25, which is behind edge1 (peer"
        " office) and never reaches this host, wanted a source that can reach it; open it on edge1, or bring"
        " this host into the tunnel",
    ),
}
WEAK: Rows = {
    "3DES": (
        lambda: tunnel(peer(ike=made(IkeProposal, encryption="3des"))),
        "edge1 strongswan.peers[office].ike.encryption: '3des' is not a cipher that is still strong; write"
        " aes256, which every gateway has, or aes128, aes128gcm16, aes256gcm16, chacha20poly1305",
    ),
    "MD5": (
        lambda: tunnel(peer(ike=made(IkeProposal, integrity="md5"))),
        "edge1 strongswan.peers[office].ike.integrity: 'md5' is not a hash that is still strong; write"
        " sha256, which every gateway has, or sha384, sha512",
    ),
    "SHA-1": (
        lambda: tunnel(peer(esp=made(EspProposal, integrity="sha1"))),
        "edge1 strongswan.peers[office].esp.integrity: 'sha1' is not a hash that is still strong; write"
        " sha256, which every gateway has, or sha384, sha512",
    ),
    "group 2": (
        lambda: tunnel(peer(ike=made(IkeProposal, group="modp1024"))),
        "edge1 strongswan.peers[office].ike.group: 'modp1024' is not a Diffie-Hellman group that is still"
        " strong; write modp2048 (group 14), which every gateway has, or modp3072, modp4096, ecp256, ecp384,"
        " curve25519",
    ),
    "a lifetime of a week": (
        office(ike_lifetime=604800),
        "edge1 strongswan.peers[office].ike_lifetime: 604800 is not a lifetime of 300 to 86400 seconds; 28800"
        " for IKE and 3600 for ESP are the usual ones",
    ),
    "a name too long for a unit": (
        lambda: tunnel(made(peer, name="headquarters")),
        "edge1 strongswan.peers[headquarters].name: 'headquarters' is not a peer's name; use up to 8 small"
        " letters and digits, a letter first",
    ),
    "an IPv6 network": (
        office(remote=("2001:db8:1::/48",)),
        "edge1 strongswan.peers[office].remote[0]: '2001:db8:1::/48' is not an IPv4 network; write it as"
        ' "192.168.150.0/24"',
    ),
}


ROWS = {**PEERS, **NETWORKS, **WEAK}


@pytest.mark.parametrize(("declare", "sentence"), ROWS.values(), ids=ROWS)
def test_a_tunnel_that_would_not_hold_is_refused_with_its_sentence(declare: Declare, sentence: str) -> None:
    assert refused(declare) == [sentence]


@pytest.mark.parametrize(
    "declare",
    [
        office(),
        beside(),
        office(address=None),
        office(certificates=CERTIFICATES),
        office(esp=EspProposal(group=None), pfs=None),
        lambda: tunnel(peer(), address="10.10.10.1/32", interface="lo"),
        lambda: tunnel(peer(local=("198.51.100.11/32",)), address=None, interface="lo"),
        lambda: only_from("192.168.150.0/25", local=("10.10.10.0/24", "198.51.100.12/32")),
        lambda: only_from("192.168.151.0/24"),
    ],
    ids=[
        "a peer",
        "two peers",
        "a gateway that calls",
        "certificates",
        "no PFS at either end",
        "an address alone on lo",
        "the public address inside",
        "a host that is brought into the tunnel",
        "an opening for others",
    ],
)
def test_a_tunnel_that_holds_is_accepted(declare: Declare) -> None:
    assert checked(declare)


def test_an_address_is_in_the_tunnel_where_a_remote_network_holds_it() -> None:
    its = host(strongswan=swan(peer(), branch()))
    assert in_tunnel(its, IPv4Address("192.168.160.7"))
    assert not in_tunnel(its, IPv4Address("192.168.161.7"))
    assert not in_tunnel(host(), IPv4Address("192.168.160.7"))


def test_the_secrets_of_the_peers_are_the_environments() -> None:
    its = tunnel(peer(), branch(certificates=CERTIFICATES))
    assert {each.name for each in its.secrets()} == {"office_psk", "ca", "own", "own_key"}


def test_what_stands_for_an_example_is_named_in_a_real_environment() -> None:
    strange = {"address": "203.0.113.20", "id": "192.0.2.7", "local_id": "vpn.example.com"}
    assert refused(lambda: real(strongswan=swan(peer(**strange, answers="192.168.150.10")))) == [
        "edge1 strongswan.peers[office].id: 192.0.2.7 is an example name, wanted an identity of yours; write"
        " what that end calls itself",
        "edge1 strongswan.peers[office].local_id: vpn.example.com is an example name, wanted an identity of"
        " yours; write what that end calls itself",
        "edge1 strongswan.peers[office].address: 203.0.113.20 is a documentation address, wanted an address"
        " that exists; replace it by your own (RFC 5737, RFC 3849)",
    ]
