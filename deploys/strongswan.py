"""strongswan: tunnels by IKEv2; what they carry has no other way, whether the kernel or charon does ESP."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from deploys._engine import secrets
from deploys._ops import live, systemd
from deploys._ops.files import Checks, managed_set
from deploys._ops.guard import Guarded
from deploys._ops.managed import ManagedFile
from deploys._ops.render import render
from deploys._ops.script import text
from deploys._ops.tunnels import PROGRAM, WAYS, Connection, Gateway, gateway_of
from inventories.model import Environment, Host

ETC = "/etc/swanctl"
UNITS = "/etc/systemd/system"
UNIT = "strongswan.service"
WAYS_UNIT = "trunkline-tunnels.service"
CALLS = "trunkline-tunnels-up"
LAST_METRIC = 4278198272
"""Behind every route that somebody else makes; that of a tunnel is in a table of its own (220)."""


def userland(host: Host, environment: Environment) -> bool:
    """Say whether charon does ESP itself on this host; asks the host.

    Outside a twin only by declaration: the preflight refuses a kernel without ESP.
    """
    if host.strongswan is None:
        return False
    return host.strongswan.userland or (environment.in_twin and not live.tunnels()["esp"])


def programs(host: Host) -> list[ManagedFile]:
    """Return the programs of the units."""
    if host.strongswan is None:
        return []
    both = ((WAYS, "tunnels"), (PROGRAM, "strongswan"))
    return [ManagedFile("strongswan", path, text(name), mode="0755") for path, name in both]


def ways(host: Host, by_userland: bool | None = None) -> list[ManagedFile]:
    """Return the units, this host's address in the tunnels, and the rules that leave no other way."""
    gateway = gateway_of(host, by_userland)
    if gateway is None:
        return []
    found = [
        _file("/etc/trunkline/tunnels.json", json.dumps(_kernel(gateway), indent=1) + "\n"),
        _file("/etc/trunkline/tunnels.nft", render("strongswan", "tunnels.nft", gateway)),
        _rendered(f"{UNITS}/{WAYS_UNIT}", gateway),
        _rendered(f"{UNITS}/{UNIT}.d/10-trunkline.conf", gateway),
        _rendered(f"{UNITS}/{CALLS}.service", gateway),
        _rendered(f"{UNITS}/{CALLS}.timer", gateway),
    ]
    if host.release.netplan:
        found.append(_rendered("/etc/systemd/networkd.conf.d/20-trunkline.conf", gateway))
    return found


def _kernel(gateway: Gateway) -> dict[str, Any]:
    """Return what the kernel shall have beside the rules."""
    return {
        "addresses": gateway.addresses,
        "remotes": [str(network) for network in gateway.remotes],
        "metric": LAST_METRIC,
    }


def peers(host: Host, by_userland: bool | None = None) -> list[ManagedFile]:
    """Return the daemon's settings, and of each peer what everybody may see and what nobody may."""
    gateway = gateway_of(host, by_userland)
    if gateway is None:
        return []
    loaded = {"peers": {each.name: each.loaded for each in gateway.peers}}
    found = [
        _rendered("/etc/strongswan.d/trunkline.conf", gateway),
        _file("/etc/trunkline/strongswan.json", json.dumps(loaded, indent=1) + "\n"),
        _rendered(f"{ETC}/swanctl.conf", gateway),
    ]
    for each in gateway.peers:
        found.append(_file(f"{ETC}/conf.d/{each.name}.conf", render("strongswan", "peer.conf", each)))
        found += _proof(each)
    return found


def _proof(peer: Connection) -> Iterator[ManagedFile]:
    """Yield what proves who is who: the file of secrets, empty where certificates do it, and those."""
    secret = ""
    if peer.peer.psk:
        encoded = base64.b64encode(secrets.value(peer.peer.psk).encode()).decode()
        secret = render("strongswan", "secrets.conf", replace(peer, secret=f"0s{encoded}"))
    yield replace(_file(f"{ETC}/conf.d/{peer.name}-secrets.conf", secret), mode="0600", secret=True)
    if peer.peer.certificates:
        places = {"x509ca": "ca", "x509": "certificate", "private": "key"}
        for place, field in places.items():
            content = secrets.value(getattr(peer.peer.certificates, field)).rstrip("\n") + "\n"
            yield replace(_file(f"{ETC}/{place}/{peer.name}.pem", content), mode="0600", secret=True)


def _file(path: str, content: str) -> ManagedFile:
    return ManagedFile("strongswan", path, content)


def _rendered(path: str, gateway: Gateway) -> ManagedFile:
    return _file(path, render("strongswan", path.rpartition("/")[2], gateway))


def files(host: Host, environment: Environment, by_userland: bool | None = None) -> list[ManagedFile]:
    """Return every file of the tunnels; who does ESP is unknown without the host where nobody declares it."""
    return [*programs(host), *ways(host, by_userland), *peers(host, by_userland)]


LOAD = (
    "systemctl daemon-reload && "
    f"if [ -f {UNITS}/{WAYS_UNIT} ]; then systemctl reload-or-restart {WAYS_UNIT}; else {WAYS} load; fi"
)
"""Where the files go back to there being none, what is ours goes too."""
KERNEL = Checks(
    check=("nft", "--check", "--file", "{/etc/trunkline/tunnels.nft}"),
    load=("sh", "-c", LOAD),
    loaded=(WAYS, "check"),
)
"""Rules that the kernel would not take are found before they are put in place."""
CHARON = Checks(load=(PROGRAM, "load"), loaded=(PROGRAM, "check"), loaded_within=5, load_seconds=120)
"""swanctl has no checker: the files are loaded, what charon has of them is compared, and they go back."""


def guarded(host: Host) -> Guarded:
    """Return what the guard remembers of the tunnels: what they draw in has no other way."""
    remembered = (ETC, "/etc/strongswan.d", "/etc/trunkline/*.json", "/etc/trunkline/*.nft")
    back = ("sh", "-c", f"for each in {WAYS} {PROGRAM}; do [ ! -x $each ] || $each load; done")
    return Guarded("strongswan", files=remembered, reload=(back,), units=host.release.units["strongswan"])


def strongswan(host: Host, environment: Environment, by_userland: bool | None) -> None:
    """Leave no other way for what the tunnels carry, then bring them up; those that did not change stay."""
    if host.strongswan is None:
        return
    managed_set("strongswan-programs", programs(host), name="strongswan: programs")
    kernel, charon = ways(host, by_userland), peers(host, by_userland)
    managed_set("tunnels", kernel, KERNEL, name="strongswan: ways", loaded=kernel_holds)
    # The files start it: without them it would have nothing to protect.
    systemd.unit(UNIT, running=False, name="strongswan: unit")
    managed_set("strongswan", charon, CHARON, name="strongswan: peers", loaded=charon_holds)
    for unit in host.release.units["strongswan"]:
        systemd.unit(unit, name=f"strongswan: {unit}")


def kernel_holds() -> bool:
    """Say whether the kernel holds the declared address, routes and rules."""
    return live.tunnels()["tunnels"]


def charon_holds() -> bool:
    """Say whether charon has loaded the declared peers."""
    return live.tunnels()["charon"]
