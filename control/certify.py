"""Certificates for tunnels: a small authority of our own, and what it vouches for at both ends.

Everything is kept among the environment's secrets: the authority, ours and the far gateway's, each with its
key. What stands and has enough of its life left is kept.
"""

from __future__ import annotations

import datetime
from dataclasses import dataclass, field

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization

from control.authority import authority, leaf, name_of
from control.console import Console
from control.errors import TrunklineError
from control.peer import far_names, peers_of
from control.secrets import store_of
from control.target import Target
from inventories.model.ipsec import Certificates

LEFT = 1 / 3
"""Share of its life that a certificate must have left to be kept."""


@dataclass
class Issue:
    """One run: what is held, what is made anew, and why."""

    environment: str
    held: dict[str, str]
    again: bool
    repairs: bool
    """What cannot be read is made anew: nobody else's in a twin."""
    made: dict[str, str] = field(default_factory=dict)
    rows: list[tuple[str, str]] = field(default_factory=list)

    def value(self, name: str) -> str:
        """Return a secret as it will be, empty where there is none."""
        return self.made.get(name, self.held.get(name, ""))

    def put(self, names: tuple[str, str], pair: tuple[str, str], why: str) -> None:
        """Note a certificate and its key, made for a reason."""
        self.made |= dict(zip(names, pair, strict=True))
        self.rows += [(each, f"made: {why}") for each in names]


def certify(target: Target, console: Console, *, name: str = "", again: bool = False) -> None:
    """Make what the declared certificates lack, or all of it `again`. Raises TrunklineError."""
    chosen = [(host, its) for host, its in peers_of(target, name) if its.certificates]
    if not chosen:
        raise TrunklineError(
            "No chosen peer declares certificates.",
            "Pre-shared keys are made by `invoke secrets.generate NAME`.",
        )
    store = store_of(target)
    issue = Issue(target.environment.name, store.values(), again, store.generates)
    ids: dict[Certificates, list[str]] = {}
    for host, its in peers_of(target):
        if its.certificates:
            _nameable(its.id)
            ids.setdefault(its.certificates, []).append(its.own_id(host))
    for host, its in chosen:
        ours = its.certificates
        assert ours is not None
        if {ours.ca.name, ours.certificate.name, ours.key.name} <= set(store.given):
            issue.rows.append((f"{its.name} of {host.name}", "kept: the twin makes both ends' itself"))
            continue
        signer = ours.ca.name
        _authority(issue, signer, anew=again and not name)
        _leaf(issue, signer, (ours.certificate.name, ours.key.name), ids[ours])
        _leaf(issue, signer, far_names(its), [its.id])
    if issue.made:
        store.put_all(issue.made)
    console.table("certificate", ("Secret", "State"), list(dict.fromkeys(issue.rows)))
    if issue.made:
        console.say(
            f"`invoke peer --env {target.environment.name} --reveal` shows what the far side loads;"
            f" `invoke deploy --env {target.environment.name}` brings ours to the hosts."
        )


def _nameable(identity: str) -> None:
    if "=" in identity:
        raise TrunklineError(
            f"{identity!r} is a distinguished name, which no certificate of ours carries.",
            "Write an address, a name or a mail address in the inventory.",
        )


def _authority(issue: Issue, ca: str, *, anew: bool) -> None:
    """Make the authority where there is none; one from elsewhere, whose key is not here, is kept."""
    key = f"{ca}_key"
    if ca in issue.made:
        return
    its = _read(issue, ca) if issue.value(ca) else None
    if its is None or (anew and issue.value(key)):
        why = "asked for" if its else "it could not be read" if issue.value(ca) else "there was none"
        issue.put((ca, key), authority(f"Tunnels of {issue.environment}"), why)
    elif issue.value(key) and (why := _ends(its)):
        issue.put((ca, key), authority(f"Tunnels of {issue.environment}", issue.value(key)), why)
    else:
        issue.rows.append((ca, "kept"))


def _leaf(issue: Issue, ca: str, names: tuple[str, str], ids: list[str]) -> None:
    """Make a certificate for these identities and its key, unless what is held will do."""
    if names[0] in issue.made:
        return
    signer = _read(issue, ca)
    assert signer is not None
    why = "asked for" if issue.again else _wrong(issue, signer, names, ids)
    if not why:
        issue.rows.append((names[0], "kept"))
        return
    key = issue.value(f"{ca}_key")
    if not key:
        raise TrunklineError(
            f"{names[0]} has to be made ({why}), but {ca} is from elsewhere: no {ca}_key is here.",
            f"Have it issued there for {', '.join(ids)}, and set it with `invoke secrets.set {names[0]}`.",
        )
    issue.put(names, leaf(list(dict.fromkeys(ids)), signer, key), why)


def _wrong(issue: Issue, ca: x509.Certificate, names: tuple[str, str], ids: list[str]) -> str:
    """Say why a held certificate will not do, empty where it will."""
    if not issue.value(names[0]) or not issue.value(names[1]):
        return "there was none"
    its = _read(issue, names[0])
    if its is None:
        return "it could not be read"
    try:
        its.verify_directly_issued_by(ca)
        san = its.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        key = serialization.load_pem_private_key(issue.value(names[1]).encode(), None)
    except InvalidSignature:
        return "another authority signed it"
    except (ValueError, TypeError):
        return "another authority signed it, or its key cannot be read"
    except x509.ExtensionNotFound:
        return "it names nobody"
    if key.public_key() != its.public_key():
        return "its key is another one's"
    if not {name_of(each) for each in ids} <= set(san):
        return "it names other identities"
    return _ends(its)


def _ends(its: x509.Certificate) -> str:
    """Say that a certificate is near its end, empty where it is not."""
    whole = its.not_valid_after_utc - its.not_valid_before_utc
    left = its.not_valid_after_utc - datetime.datetime.now(datetime.UTC)
    return f"the old one ends on {its.not_valid_after_utc:%Y-%m-%d}" if left < whole * LEFT else ""


def _read(issue: Issue, name: str) -> x509.Certificate | None:
    """Read a held certificate; what is none is an error where somebody has set it."""
    try:
        return x509.load_pem_x509_certificate(issue.value(name).encode())
    except ValueError:
        if issue.repairs or issue.again:
            return None
        raise TrunklineError(
            f"The secret {name} holds no certificate that can be read (PEM was expected).",
            "Set it again with `invoke secrets.set NAME`, or replace it by one of ours with --again.",
        ) from None
