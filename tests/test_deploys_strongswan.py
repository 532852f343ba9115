"""Tunnels as they stand on a host, who does ESP, and what a change touches."""

from __future__ import annotations

import base64
import json
import re
import subprocess
from typing import Any

import pytest
from declared import environment, host
from deploys_on_fake import PASSWORD, absent, bare, converged, serve, values

from deploys import site, strongswan
from deploys._engine import secrets
from deploys._ops.managed import ManagedFile
from inventories.model import (
    RELEASES,
    Certificates,
    Environment,
    EspProposal,
    Host,
    IkeProposal,
    Peer,
    Secret,
    Strongswan,
)

PSK = Secret(name="hq_psk")
PROOF = Certificates(ca=Secret(name="ca"), certificate=Secret(name="own"), key=Secret(name="own_key"))


def peer(**more: Any) -> Peer:
    given = {
        "name": "hq",
        "address": "203.0.113.5",
        "id": "10.0.0.2",
        "local": ("10.10.10.0/24",),
        "remote": ("192.168.150.0/24",),
        "psk": None if "certificates" in more else PSK,
    }
    return Peer.model_validate({**given, **more})


def gateway(*peers: Peer, os: str = "debian13", **more: Any) -> Host:
    tunnels = {"peers": peers or (peer(),), "address": "10.10.10.1/24", **more}
    return host(os=os, strongswan=Strongswan.model_validate(tunnels))


def written(declared: Host, userland: bool | None = None) -> dict[str, ManagedFile]:
    lab = environment(declared)
    secrets.load(values(lab))
    return {file.path: file for file in strongswan.files(declared, lab, userland)}


def text(declared: Host, name: str, userland: bool | None = None) -> str:
    (found,) = (f.content for path, f in written(declared, userland).items() if path.endswith(f"/{name}"))
    return found


def value(conf: str, key: str) -> list[str]:
    return re.findall(rf"^ *{key} = (.*)$", conf, re.MULTILINE)


def test_a_peer_gets_exactly_the_declared_proposals() -> None:
    plain = text(gateway(), "hq.conf")
    assert value(plain, "proposals") == ["aes256-sha256-modp2048"]
    assert value(plain, "esp_proposals") == ["aes256-sha256-modp2048"]
    combined = {"ike": IkeProposal(encryption="aes256gcm16"), "esp": EspProposal(encryption="aes256gcm16")}
    conf = text(gateway(peer(**combined)), "hq.conf")
    assert value(conf, "proposals") == ["aes256gcm16-prfsha256-modp2048"]
    assert value(conf, "esp_proposals") == ["aes256gcm16-modp2048"]
    without = peer(esp=EspProposal(group=None), pfs=None)
    assert value(text(gateway(without), "hq.conf"), "esp_proposals") == ["aes256-sha256"]


def test_each_pair_of_networks_is_a_child_of_its_own() -> None:
    both = peer(local=("10.10.10.0/24", "10.10.11.0/24"), remote=("192.168.150.0/24", "192.168.151.0/24"))
    conf = text(gateway(both), "hq.conf")
    pairs = list(zip(value(conf, "local_ts"), value(conf, "remote_ts"), strict=True))
    assert len(pairs) == len(set(pairs)) == 4
    assert len(set(re.findall(r"^ +(hq-\d) {$", conf, re.MULTILINE))) == 4


def test_keys_are_renewed_before_their_life_ends() -> None:
    conf = text(gateway(peer(ike_lifetime=1000, esp_lifetime=500)), "hq.conf")
    seconds = {
        key: [int(each.rstrip("s")) for each in value(conf, key)] for key in ("rekey_time", "rand_time")
    }
    over, life = (int(value(conf, key)[0].rstrip("s")) for key in ("over_time", "life_time"))
    assert seconds["rekey_time"] == [900, 450]
    assert (seconds["rekey_time"][0] + over, life) == (1000, 500)
    assert all(0 < each < 60 for each in seconds["rand_time"])


def test_a_peer_from_anywhere_is_waited_for() -> None:
    conf = text(gateway(peer(address=None)), "hq.conf")
    assert (value(conf, "remote_addrs"), value(conf, "start_action")) == (["%any"], ["none"])
    assert (value(conf, "mobike"), value(conf, "dpd_action")) == (["yes"], ["clear"])
    fixed = text(gateway(), "hq.conf")
    assert (value(fixed, "mobike"), value(fixed, "dpd_action")) == (["no"], ["restart"])
    assert (value(fixed, "encap"), value(fixed, "keyingtries")) == (["yes"], ["0"])


def test_a_secret_stands_in_a_file_of_its_own_that_is_never_shown() -> None:
    files = written(gateway())
    encoded = base64.b64encode(PASSWORD.encode()).decode()
    holding = [file for file in files.values() if encoded in file.content or PASSWORD in file.content]
    assert [file.path for file in holding] == ["/etc/swanctl/conf.d/hq-secrets.conf"]
    assert (holding[0].secret, holding[0].mode) == (True, "0600")
    assert f"secret = 0s{encoded}\n" in holding[0].content


def test_certificates_stand_where_swanctl_looks_for_them() -> None:
    files = written(gateway(peer(certificates=PROOF, id="gw.example.net")))
    proof = {path: file for path, file in files.items() if path.endswith(".pem")}
    assert sorted(proof) == [f"/etc/swanctl/{place}/hq.pem" for place in ("private", "x509", "x509ca")]
    assert all(file.secret and file.mode == "0600" for file in proof.values())
    conf = files["/etc/swanctl/conf.d/hq.conf"].content
    assert (value(conf, "auth"), value(conf, "certs"), value(conf, "cacerts")) == (
        ["pubkey", "pubkey"],
        ["hq.pem"],
        ["hq.pem"],
    )


def test_a_loss_of_ten_seconds_is_outlived_and_a_crash_is_seen_within_twenty() -> None:
    conf = text(gateway(), "trunkline.conf")
    (seconds,), (tries,) = value(conf, "retransmit_timeout"), value(conf, "retransmit_tries")
    assert value(conf, "retransmit_base") == ["1.0"]
    last, given_up = float(seconds) * int(tries), float(seconds) * (int(tries) + 1)
    assert last > 10
    assert peer().dpd_delay + given_up < 20


@pytest.mark.parametrize(
    ("userland", "arriving", "leaving", "load"),
    [
        (False, "meta ipsec missing", "rt ipsec missing", "no"),
        (True, 'iifname != "ipsec0"', 'oifname != "ipsec0"', "yes"),
    ],
)
def test_both_backends_have_no_way_but_the_tunnel(
    userland: bool, arriving: str, leaving: str, load: str
) -> None:
    rules = text(gateway(), "tunnels.nft", userland)
    assert f"ip saddr @remote {arriving} counter drop" in rules
    assert rules.count(f"ip daddr @remote {leaving} counter drop") == 2
    assert value(text(gateway(), "trunkline.conf", userland), "load") == [load]


def test_the_clamp_fits_the_mtu_and_userland_takes_no_more_than_its_interface() -> None:
    assert "maxseg size set 1398\n" in text(gateway(mtu=1438), "tunnels.nft", False)
    assert "maxseg size set 1360\n" in text(gateway(mtu=1438), "tunnels.nft", True)
    assert value(text(gateway(mtu=1300), "trunkline.conf", True), "mtu") == ["1300"]


def test_on_lo_the_address_stands_alone_and_on_an_interface_with_its_network() -> None:
    assert addresses(gateway()) == [["10.10.10.1/32", "lo"]]
    assert addresses(gateway(interface="eth1")) == [["10.10.10.1/24", "eth1"]]


def test_in_userland_each_network_that_is_carried_has_an_address_of_this_host() -> None:
    two = gateway(peer(local=("10.10.10.0/24", "10.10.11.0/24")))
    assert addresses(two, userland=True) == [["10.10.10.1/32", "lo"], ["10.10.11.0/32", "lo"]]
    assert addresses(two, userland=False) == [["10.10.10.1/32", "lo"]]


def addresses(declared: Host, *, userland: bool = False) -> list[list[str]]:
    found: list[list[str]] = json.loads(text(declared, "tunnels.json", userland))["addresses"]
    return found


@pytest.mark.parametrize("release", RELEASES)
def test_networkd_keeps_its_hands_off_where_it_has_the_network(release: str) -> None:
    path = "/etc/systemd/networkd.conf.d/20-trunkline.conf"
    assert (path in written(gateway(os=release))) is RELEASES[release].netplan


def seen(declared: Host, lab: Environment, **tunnels: bool) -> Any:
    answers = converged(declared, lab)
    answers.tunnels |= tunnels
    return answers


def test_a_host_as_declared_is_left_alone() -> None:
    declared = gateway()
    lab = environment(declared, in_twin=False)
    assert serve(declared, lab, seen(declared, lab)).commands == {}


def test_userland_is_found_out_in_a_twin_alone() -> None:
    declared = gateway()
    twin, real = environment(declared), environment(declared, in_twin=False)
    settings = "/etc/strongswan.d/trunkline.conf"
    for lab, load in ((twin, "yes"), (real, "no")):
        answers = seen(declared, lab, esp=False)
        answers.files[settings] = absent()
        plan = serve(declared, lab, answers).plan["strongswan: peers"]
        assert f"+      load = {load}" in plan.diff


def test_what_the_kernel_or_charon_lost_is_loaded_again() -> None:
    declared = gateway()
    lab = environment(declared, in_twin=False)
    assert list(serve(declared, lab, seen(declared, lab, tunnels=False)).commands) == ["strongswan: ways"]
    assert list(serve(declared, lab, seen(declared, lab, charon=False)).commands) == ["strongswan: peers"]


def test_on_a_bare_host_nothing_leaves_in_clear_before_the_daemon_starts() -> None:
    declared = gateway()
    lab = environment(declared, in_twin=False)
    order = list(serve(declared, lab, bare(declared, lab)).commands)
    steps = ["packages: install", "guard: arm", "strongswan: ways", "strongswan: peers", "guard: confirm"]
    assert [step for step in order if step in steps] == steps
    assert PASSWORD not in str(serve(declared, lab, bare(declared, lab)).plan)


def test_a_peer_that_is_no_longer_declared_is_not_loaded_before_its_file_goes() -> None:
    two = gateway(peer(), peer(name="shop", id="10.0.0.3", remote=("192.168.77.0/24",)))
    assert "include conf.d/shop.conf" in text(two, "swanctl.conf")
    assert "shop" not in text(gateway(), "swanctl.conf")
    declared, lab = gateway(), environment(gateway(), in_twin=False)
    answers = seen(declared, lab)
    answers.system["manifest"]["resources"] = site.resources(two, environment(two, in_twin=False))
    assert "- /etc/swanctl/conf.d/shop.conf" in serve(declared, lab, answers).plan[
        "manifest: intend"
    ].diff.replace("file ", "")


@pytest.mark.parametrize("name", ["tunnels", "strongswan"])
def test_the_programs_are_whole(name: str) -> None:
    program = next(file for file in strongswan.programs(gateway()) if file.path.endswith(name))
    assert program.mode == "0755"
    words = f"compile({program.content!r}, {name!r}, 'exec')"
    assert subprocess.run(["python3", "-I", "-c", words], check=False).returncode == 0
