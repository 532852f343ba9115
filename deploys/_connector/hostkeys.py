"""Pinned host keys: strict, no asking, no adding."""

from __future__ import annotations

import base64
import hashlib

import paramiko

from deploys._connector.failure import Unreachable
from deploys._connector.route import Route

RSA_SIGNATURES = ["rsa-sha2-512", "rsa-sha2-256"]


def pinned_keys(route: Route, port: int) -> list[paramiko.PKey]:
    """Return every key pinned for a host, with or without the port in its name (sshd(8), known_hosts).

    A host that changes its port keeps its keys, so an entry for port 22 also holds for another port.
    """
    found: dict[str, paramiko.PKey] = {}
    for path in route.known_hosts:
        if not path.exists():
            continue
        entries = paramiko.HostKeys(str(path))
        for name in route.names:
            for written in (f"[{name}]:{port}", name, *(f"[{name}]:{other}" for other in route.ports)):
                for key in (entries.lookup(written) or {}).values():
                    found[key.get_base64()] = key
    return list(found.values())


def key_types(keys: list[paramiko.PKey]) -> list[str]:
    """Return the signature algorithms to ask a host for, so that it shows a key we know."""
    types: list[str] = []
    for key in keys:
        types += RSA_SIGNATURES if key.get_name() == "ssh-rsa" else [key.get_name()]
    return list(dict.fromkeys(types))


def check_host_key(route: Route, port: int, shown: paramiko.PKey) -> None:
    """Return when the shown key is pinned; raises Unreachable with both fingerprints otherwise."""
    keys = pinned_keys(route, port)
    where = f"{route.host} ({route.address}, port {port})"
    if not keys:
        raise Unreachable(
            f"The host key of {where} is not pinned; it shows {fingerprint(shown)}.",
            route.trust,
        )
    if shown.get_base64() not in {key.get_base64() for key in keys}:
        pinned = ", ".join(fingerprint(key) for key in keys)
        raise Unreachable(
            f"{where} shows another host key than the pinned one: {fingerprint(shown)}, pinned {pinned}.",
            "Was it reinstalled? Otherwise somebody stands in between: do not go on. " + route.changed,
        )


def fingerprint(key: paramiko.PKey) -> str:
    """Return a key's type and SHA-256 fingerprint, as ssh-keygen -l writes it."""
    digest = base64.b64encode(hashlib.sha256(key.asbytes()).digest()).decode().rstrip("=")
    return f"{key.get_name()} SHA256:{digest}"
