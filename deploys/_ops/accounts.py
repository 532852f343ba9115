"""Accounts: who exists, with which shell; a password only where one is declared for the console."""

from __future__ import annotations

from collections.abc import Iterator
from shlex import quote
from typing import Any

from pyinfra.api.command import StringCommand

from deploys._engine import report
from deploys._ops import live, password
from deploys._ops.operation import operation
from inventories.model import Secret

NO_LOGIN = "/usr/sbin/nologin"
LONG_AGO = "1"
"""Day of expiry of a locked account (shadow(5): days since 1970; 0 would mean never on some systems)."""


@operation
def account(name: str, shell: str, has_password: bool = False) -> Iterator[str]:
    """Keep an account with its own group, home and shell; its password is locked unless one is declared."""
    seen = live.accounts().get(name)
    commands = _corrected(name, shell, seen, has_password) if seen else [_created(name, shell)]
    report.plan(None, "change" if commands else "none", "\n".join(commands))
    yield from commands


def _created(name: str, shell: str) -> str:
    group = f"$(getent group {name} >/dev/null && echo '--gid {name}' || echo --user-group)"
    made = f"useradd --create-home {group} --password '*' --shell {quote(shell)} {name}"
    return f"{made} && chown {name} /home/{name} && chmod go-w /home/{name}"


def _corrected(name: str, shell: str, seen: dict[str, Any], has_password: bool) -> list[str]:
    wanted = {"--shell": shell, "--home": f"/home/{name}"}
    options = [f"{option} {quote(v)}" for option, v in wanted.items() if seen[option.strip("-")] != v]
    options += ["--password '*'"] * (not seen["locked"] and not has_password)
    options += ["--expiredate ''"] * (seen["expires"] != "")
    commands = [f"usermod {' '.join(options)} {name}"] if options else []
    if seen["home"] != f"/home/{name}" or not _is_home(seen):
        commands.append(f"mkdir -p /home/{name} && chown {name} /home/{name} && chmod go-w /home/{name}")
    return commands


def _is_home(seen: dict[str, Any]) -> bool:
    """Say whether sshd lets somebody in with keys from this home (sshd_config(5), StrictModes)."""
    home = seen["home_directory"]
    return bool(home) and home["uid"] == seen["uid"] and not int(home["mode"], 8) & 0o022


@operation
def console_password(name: str, secret: Secret, place: str) -> Iterator[StringCommand]:
    """Keep an account's password the one declared for the console; `place` is `<environment>/<host>`."""
    wanted = password.wanted(secret, f"{place}/{name}")
    seen = live.accounts().get(name)
    if seen and seen["password"] == password.digest(wanted):
        report.plan(None, "none")
        return
    report.plan(None, "change", f"set the password of {name}")
    yield StringCommand("chpasswd --encrypted", _stdin=f"{name}:{wanted}\n")


@operation
def locked(names: tuple[str, ...]) -> Iterator[str]:
    """Lock accounts that are no longer declared: no password, no key, no shell, expired; the home stays."""
    seen = live.accounts()
    open_ones = [name for name in names if name in seen and not is_shut(seen[name])]
    report.plan(None, "change" if open_ones else "none", "\n".join(f"- {name}" for name in open_ones))
    for name in open_ones:
        yield f"usermod --lock --expiredate {LONG_AGO} --shell {NO_LOGIN} {name}"
        yield _without_keys(name, seen[name]["home"])
        yield f"loginctl terminate-user {name} 2>/dev/null || true"


def _without_keys(name: str, home: str) -> str:
    """Return what removes an account's keys as that account: its `.ssh` may lead anywhere."""
    link = quote(f"{home}/.ssh")
    keys = " ".join(quote(f"{home}/.ssh/{file}") for file in ("authorized_keys", "authorized_keys2"))
    return f"[ ! -L {link} ] || rm -f {link}; runuser -u {name} -- rm -f {keys}"


def is_shut(seen: dict[str, Any]) -> bool:
    """Say whether nobody can log in to an account any more."""
    return bool(
        seen["locked"] and seen["shell"] == NO_LOGIN and seen["expires"] == LONG_AGO and not seen["keys"]
    )


@operation
def passwordless(name: str) -> Iterator[str]:
    """Take an account's password away."""
    seen = live.accounts()[name]
    if seen["locked"]:
        report.plan(None, "none")
    else:
        report.plan(None, "change", f"lock the password of {name}")
        yield f"usermod --password '*' {name}"
