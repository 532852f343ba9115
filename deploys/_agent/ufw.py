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
    """The kernel has UFW's chains now; False where UFW is not installed. Raises AgentError when it cannot
    be told."""
    if not _installed():
        return False
    for _ in range(3):
        outcome = run(["ufw", "status"], 20)
        if outcome.ok:
            return "Status: active" in outcome.output
        time.sleep(0.5)
    raise AgentError(f"ufw cannot say whether it is active ({outcome.gist}): a guard could not bring it back")


def switch_off() -> Told:
    """Where UFW was off: take its rules out of the kernel, before its files are given back. (restored,
    problems)"""
    if not _installed() or "Status: inactive" in run(["ufw", "status"], 20).output:
        return [], []
    outcome = run(["ufw", "--force", "disable"], 30)
    if not outcome.ok:
        outcome = run([on_disk(_INIT), "force-stop"], 30)
    return _told("ufw inactive", outcome)


def switch_on() -> Told:
    """Where UFW was on: load the rules that were given back. (restored, problems)"""
    active = "Status: active" in run(["ufw", "status"], 20).output
    outcome = run(["ufw", "reload"] if active else ["ufw", "--force", "enable"], 30)
    if not outcome.ok or "Status: active" not in run(["ufw", "status"], 20).output:
        outcome = run([on_disk(_INIT), "force-reload"], 30)
    return _told("ufw active", outcome)


def _installed() -> bool:
    return os.path.exists(on_disk("/usr/sbin/ufw"))


def _told(what: str, outcome: Outcome) -> Told:
    return ([what], []) if outcome.ok else ([], [f"{what} was not restored: {outcome.gist}"])
