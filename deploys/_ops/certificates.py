"""Certificates: a placeholder first, then the authority's, asked only when the names surely lead here."""

from __future__ import annotations

import hashlib
import http.client
import json
import secrets as random
import socket
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from pyinfra import context
from pyinfra.api.command import FunctionCommand, StringCommand

from control.errors import TrunklineError
from deploys._engine import report
from deploys._ops.facts.web import Certificates
from deploys._ops.operation import operation
from deploys._ops.script import command

CHALLENGES = "/.well-known/acme-challenge"
PATIENCE = 10
"""Seconds in which a name must answer."""
SPENT = 0.2
"""A certificate with less than this share of its lifetime left should have been renewed by the timer."""


@dataclass(frozen=True)
class Order:
    """One certificate as it is declared."""

    name: str
    names: tuple[str, ...]
    directory: str
    profile: str | None
    webroot: bool
    addresses: tuple[str, ...]
    """The host's own."""

    @property
    def digest(self) -> str:
        """What tells this declaration from another: a refusal counts for the one that was refused."""
        said = json.dumps([self.names, self.directory, self.profile, self.webroot])
        return hashlib.sha256(said.encode()).hexdigest()[:16]


def live() -> dict[str, Any]:
    """Return what the present host has: {"certificates": {name: ...}, "refused": {name: ...}}."""
    found: dict[str, Any] = context.host.get_fact(Certificates)
    return found


def due(order: Order, seen: Mapping[str, Any] | None) -> str:
    """Return why the authority must be asked; nothing when what stands is what is declared."""
    if seen is None or not seen.get("issued"):
        return "a placeholder so far"
    if set(seen["names"]) != set(order.names):
        return f"its names are {', '.join(sorted(seen['names']))}"
    if seen["directory"] != order.directory:
        return f"it is from {seen['directory'] or 'an unknown authority'}"
    if seen["profile"] != order.profile:
        return f"its profile is {seen['profile'] or 'the default'}"
    if seen["left"] <= 0:
        return "it has ended"
    return f"only {seen['left']:.0%} of its lifetime are left" if seen["left"] < SPENT else ""


@operation
def placeholders(names: Mapping[str, Sequence[str]], top: str, webroot: str) -> Iterator[StringCommand]:
    """Make a self-signed certificate for every name that has none, and the directory of the proofs."""
    seen = live()
    absent = {name: each for name, each in names.items() if name not in seen["certificates"]}
    lines = [f"+ {top}/{name}: {', '.join(each)}" for name, each in absent.items()]
    lines += [f"+ {webroot}"] * (not seen["webroot"])
    report.plan(None, "change" if lines else "none", "\n".join(lines))
    if lines:
        yield StringCommand(
            command("certificates_placeholders", {k: list(v) for k, v in absent.items()}, webroot)
        )


@operation
def issued(order: Order) -> Iterator[Any]:
    """Have a certificate of the authority for these names, proven on the socket.

    Before the authority is asked, every name must lead here, seen from the host and from the controller.
    After it refused, it is not asked again for an hour unless the declaration changes.
    """
    seen = live()
    standing = seen["certificates"].get(order.name)
    why = due(order, standing)
    if not why and standing["linked"]:
        report.plan(None, "none")
        return
    if not why:
        report.plan(None, "change", f"{order.name}: put into force what stands in /etc/letsencrypt")
        yield StringCommand(command("certificates_issue", "link", order.name))
        return
    refused = seen["refused"].get(order.name)
    waits = refused is not None and refused["digest"] == order.digest and refused["wait"] > 0
    report.plan(None, "change", described(order, why, refused if waits else None))
    if waits:
        yield FunctionCommand(partial(_refuse, order, refused), (), {})
    nonce = f"trunkline-{random.token_hex(16)}"
    how = "webroot" if order.webroot else "standalone"
    yield StringCommand(command("certificates_nonce", "place", how, nonce))
    yield StringCommand(command("certificates_nonce", "look", nonce, *order.names))
    yield FunctionCommand(partial(_reached, order, nonce), (), {})
    yield StringCommand(command("certificates_nonce", "drop", how, nonce))
    yield StringCommand(command("certificates_issue", "ask", order.name, order.digest, why))


def described(order: Order, why: str, refused: Mapping[str, Any] | None) -> str:
    """Return what the plan says of an order."""
    lines = [f"{order.name}: {why}", f"ask {order.directory} for {', '.join(order.names)}"]
    if refused:
        lines.append(f"not before {refused['again']}: it said at {refused['when']}: {refused['said']}")
    return "\n".join(lines)


def _refuse(order: Order, refused: Mapping[str, Any]) -> None:
    raise TrunklineError(
        f"{order.name}: the authority refused it at {refused['when']} ({refused['said']}); "
        f"it is not asked again before {refused['again']}, since it counts failures.",
        "Mend what it said, then deploy again after that time; another declaration is asked for at once.",
    )


def _reached(order: Order, nonce: str) -> bool:
    """Fetch the nonce over every name from here; raises TrunklineError that names the first that fails."""
    for name in order.names:
        wrong = _fetched(name, nonce)
        if wrong:
            raise TrunklineError(
                f"{name} does not lead to this host: seen from the controller, {wrong}; "
                "the authority was not asked.",
                f"Let its DNS records lead to {' and '.join(order.addresses)}, open port 80, deploy again.",
            )
    return True


def _fetched(name: str, nonce: str) -> str:
    """Return what is wrong with the way to a nonce over a name; nothing when it arrives."""
    try:
        found = socket.getaddrinfo(name, 80, type=socket.SOCK_STREAM)
    except OSError:
        return "it has no address in DNS"
    for address in dict.fromkeys(str(each[4][0]) for each in found):
        connection = http.client.HTTPConnection(address, 80, timeout=PATIENCE)
        try:
            connection.request("GET", f"{CHALLENGES}/{nonce}", headers={"Host": name})
            answer = connection.getresponse()
            said = answer.read(64).decode(errors="replace")
        except (OSError, http.client.HTTPException) as error:
            return f"it leads to {address}, where port 80 does not answer ({error})"
        finally:
            connection.close()
        if said != nonce:
            return f"it leads to {address}, where somebody else answers ({answer.status})"
    return ""
