"""What others outside give us, and the twin in their place: passwords, pre-shared keys, certificates."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import secrets
from collections.abc import Iterator
from pathlib import Path

from control import places
from inventories.model import Environment, Host, RegisteringTrunk
from inventories.model.ipsec import Certificates
from inventories.model.strongswan import Peer
from twin.authority import EXPIRED_DAYS, LEAF_DAYS, Authority

OFFICES = "offices"
"""The authority that hosts and gateways of tunnels prove themselves by; nobody else trusts it."""
_END = "-----END CERTIFICATE-----\n"


def given(environment: Environment, twin: str) -> dict[str, str]:
    """Return the secrets that are not ours to choose in a twin, by name; what is missing is made."""
    chosen = {database.password.name for database in environment.databases}
    chosen |= {peer.psk.name for _, peer in _peers(environment) if peer.psk}
    chosen |= set(_trunks(environment))
    authorities = {database.ca.name: Authority(twin).pem for database in environment.databases}
    return _chosen(twin, chosen) | authorities | _certificates(environment, twin)


def proof_of(environment: Environment, twin: str, peer: Peer, *, expired: bool = False) -> dict[str, str]:
    """Return by what a peer's gateway proves who it is: `psk`, or `certificate`, `key` and `ca` (PEM)."""
    if peer.psk:
        return {"psk": _chosen(twin, {peer.psk.name})[peer.psk.name]}
    authority = Authority(twin, OFFICES)
    days = EXPIRED_DAYS if expired else LEAF_DAYS
    digest = hashlib.sha256(peer.id.encode()).hexdigest()[:8]
    name = f"{'expired-' if expired else ''}gateway-{peer.name}-{digest}"
    certificate, key = authority.leaf(name, (peer.id,), days)
    return {"certificate": _first(certificate), "key": key.read_text(), "ca": authority.pem}


def _peers(environment: Environment) -> Iterator[tuple[Host, Peer]]:
    for host in environment.hosts:
        yield from ((host, peer) for peer in (host.strongswan.peers if host.strongswan else ()))


def _trunks(environment: Environment) -> Iterator[str]:
    """Yield the names of the passwords that carriers gave us."""
    for host in environment.hosts:
        for trunk in host.asterisk.trunks if host.asterisk else ():
            if isinstance(trunk, RegisteringTrunk):
                yield trunk.password.name


def _certificates(environment: Environment, twin: str) -> dict[str, str]:
    """Return the hosts' certificates, each for every name that a host shows it under."""
    shown: dict[Certificates, dict[str, None]] = {}
    for host, peer in _peers(environment):
        if peer.certificates:
            shown.setdefault(peer.certificates, {})[peer.own_id(host)] = None
    found: dict[str, str] = {}
    authority = Authority(twin, OFFICES)
    for its, names in shown.items():
        certificate, key = authority.leaf(its.certificate.name, tuple(names))
        found |= {its.ca.name: authority.pem, its.key.name: key.read_text()}
        found[its.certificate.name] = _first(certificate)
    return found


def _first(chain: Path) -> str:
    """Return the leaf of a chain."""
    return chain.read_text().partition(_END)[0] + _END


def _chosen(twin: str, names: set[str]) -> dict[str, str]:
    if not names:
        return {}
    path: Path = places.twin_of(twin) / "given.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(os.open(path, os.O_RDWR | os.O_CREAT, 0o600), "r+") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        known: dict[str, str] = json.loads(file.read() or "{}")
        if missing := names - set(known):
            known |= {name: secrets.token_urlsafe(32) for name in missing}
            file.seek(0)
            file.write(json.dumps(known))
    return {name: known[name] for name in names}
