"""Whether UFW is in force, and how to bring its rules back without touching the chains of Docker or
fail2ban."""

from __future__ import annotations

import os
import time

from .command import Outcome, run
from .places import on_disk
from .problem import AgentError

_INIT = "/lib/ufw/ufw-init"
Told = tuple[list[str], list[str]]


def concerns(patterns: list[str]) -> bool:
    """A service that owns files of UFW also answers for UFW being in force."""
    return any(pattern == "/etc/ufw" or pattern.startswith("/etc/ufw/") for pattern in patterns)


def remember() -> bool:
    """The kernel has UFW's chains now; False where UFW is not installed. Raises AgentError when it cannot be
    told."""
    if not _installed():
        return False
    for _ in range(3):
        outcome = _chains("ufw-user-input")
        if outcome.ok:
            return True
        if _chains("INPUT").ok:
            return False
        time.sleep(0.5)
    raise AgentError(
        f"iptables cannot say whether UFW is active ({outcome.gist}): a guard could not bring it back"
    )


def switch_off() -> Told:
    """Where UFW was off: take its rules out of the kernel, before its files are given back. (restored,
    problems)"""
    if not _installed() or not _chains("ufw-user-input").ok:
        return [], []
    outcome = run(["ufw", "--force", "disable"], 30)
    if not outcome.ok:
        outcome = run([on_disk(_INIT), "force-stop"], 30)
    return _told("ufw inactive", outcome)


def switch_on() -> Told:
    """Where UFW was on: load the rules that were given back. (restored, problems)"""
    active = _chains("ufw-user-input").ok
    outcome = run(["ufw", "reload"] if active else ["ufw", "--force", "enable"], 30)
    if not outcome.ok or not _chains("ufw-user-input").ok:
        outcome = run([on_disk(_INIT), "force-reload"], 30)
    return _told("ufw active", outcome)


def _chains(name: str) -> Outcome:
    # `ufw status` says the same in ten times the time, of which a return has little.
    return run(["iptables", "-w", "5", "-n", "-L", name], 20)


def _installed() -> bool:
    return os.path.exists(on_disk("/usr/sbin/ufw"))


def _told(what: str, outcome: Outcome) -> Told:
    return ([what], []) if outcome.ok else ([], [f"{what} was not restored: {outcome.gist}"])
