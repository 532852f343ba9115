"""Accounts: who exists, whose password opens, whose keys are taken, who may become whom."""

from __future__ import annotations

import json
import os
import re
from typing import Any

from verify.on_host.section import Request, said, section, text

ALWAYS = (".ssh/authorized_keys", ".ssh/authorized_keys2")
"""Looked at whatever sshd says: an override may bring them back."""


@section("accounts")
def accounts(request: Request) -> list[dict[str, Any]]:
    """Return every account with its shell and the state of its password, as passwd(1) itself tells it."""
    states = _passwords()
    return [
        {
            "name": name, "uid": int(uid), "gid": int(gid), "home": home, "shell": shell,
            "password": states.get(name, "unknown"),
        }
        for name, _, uid, gid, _, home, shell in _entries()
    ]  # fmt: skip


def _entries() -> list[list[str]]:
    lines = (line.split(":") for line in text("/etc/passwd").splitlines())
    return [fields for fields in lines if len(fields) == 7]


def _passwords() -> dict[str, str]:
    """Return the state of each account's password: "set", "locked" or "empty"; no hash is read."""
    words = {"P": "set", "L": "locked", "LK": "locked", "NP": "empty"}
    lines = [line.split() for line in said("passwd", "--status", "--all").splitlines()]
    return {line[0]: words.get(line[1], line[1]) for line in lines if len(line) > 1}


@section("groups")
def groups(request: Request) -> dict[str, dict[str, Any]]:
    """Return every group's number and listed members."""
    lines = (line.split(":") for line in text("/etc/group").splitlines())
    return {
        f[0]: {"gid": int(f[2]), "members": [m for m in f[3].split(",") if m]} for f in lines if len(f) == 4
    }


@section("keys")
def keys(request: Request) -> list[dict[str, str]]:
    """Return every line of every file from which sshd would take a key of any account."""
    found = []
    for name, _, uid, _, _, home, _ in _entries():
        for path in _key_files(name, uid, home):
            for line in text(path).splitlines():
                if line.strip() and not line.lstrip().startswith("#"):
                    found.append({"user": name, "path": path, "line": line.strip()[:2000]})
    return found


def _key_files(user: str, uid: str, home: str) -> list[str]:
    said_so = re.search(r"(?mi)^authorizedkeysfile (.*)$", _effective(user))
    patterns = [*(said_so.group(1).split() if said_so else ()), *ALWAYS]
    paths = []
    for pattern in patterns:
        for token, value in (("%%", "%"), ("%h", home), ("%u", user), ("%U", uid)):
            pattern = pattern.replace(token, value)
        if pattern != "none":
            paths.append(os.path.realpath(os.path.join(home, pattern)))
    return list(dict.fromkeys(paths))


_answers: dict[str, str] = {}


def _effective(user: str) -> str:
    """sshd's own settings; for one account only where a Match block could change them."""
    config = "".join(text(p) for p in ("/etc/ssh/sshd_config", *_drop_ins()))
    specific = user if re.search(r"(?mi)^\s*match\s", config) else "root"
    if specific not in _answers:
        _answers[specific] = said("sshd", "-T", "-C", f"user={specific},host=x,addr=192.0.2.1")
    return _answers[specific]


def _drop_ins() -> list[str]:
    directory = "/etc/ssh/sshd_config.d"
    return (
        [f"{directory}/{name}" for name in sorted(os.listdir(directory))] if os.path.isdir(directory) else []
    )


@section("sshd")
def sshd(request: Request) -> dict[str, str]:
    """Return sshd's effective settings for each kind of connection the request names."""
    os.makedirs("/run/sshd", mode=0o755, exist_ok=True)  # sshd -T refuses without it while the daemon is down
    return {name: said("sshd", "-T", "-C", spec) for name, spec in request["connections"].items()}


@section("sudoers")
def sudoers(request: Request) -> Any:
    """Return all rules of sudoers(5) with every include, as sudo's own parser reads them."""
    return json.loads(said("cvtsudoers", "-f", "json", "/etc/sudoers"))
