"""systemd units: the state a guard remembers, and systemctl(1) as the agent calls it."""

from __future__ import annotations

from .command import Outcome, run
from .places import prefix

_RELOADS = {"reload", "restart", "reload-or-restart"}
_UP = ("active", "activating", "reloading")


def systemctl(*words: str, seconds: float = 30.0) -> Outcome:
    """Run systemctl; below a directory that stands for a host (`AGENT_ROOT`) there is no systemd to ask."""
    return Outcome(0, "") if prefix() else run(["systemctl", "--no-ask-password", *words], seconds)


def remember(names: list[str]) -> dict[str, dict[str, str]]:
    """LoadState, UnitFileState and ActiveState by unit."""
    return {name: _look(name) for name in names}


def give_back(units: dict[str, dict[str, str]]) -> tuple[list[str], list[str]]:
    """Bring mask, enablement and activity back: (restored, problems)."""
    restored: list[str] = []
    problems: list[str] = []
    for name, before in units.items():
        for words in _steps(before, _look(name)):
            outcome = systemctl(*words, name, seconds=20)
            if outcome.ok:
                restored.append(f"unit {name} {words[0]}")
            else:
                problems.append(f"systemctl {words[0]} {name} failed: {outcome.gist}")
    return restored, problems


def reload(argv: list[str]) -> Outcome:
    """Run a reload command; a systemctl one that fails is tried again as reset-failed and restart."""
    outcome = run(argv, 20)
    if outcome.ok or argv[:1] != ["systemctl"] or not set(argv) & _RELOADS:
        return outcome
    names = [word for word in argv[2:] if not word.startswith("-")]
    systemctl("reset-failed", *names)
    return systemctl("restart", *names, seconds=20)


def _look(name: str) -> dict[str, str]:
    outcome = systemctl("show", "--property=LoadState,UnitFileState,ActiveState", "--", name)
    pairs = (line.partition("=") for line in outcome.output.splitlines())
    return {key: value for key, _, value in pairs if key in ("LoadState", "UnitFileState", "ActiveState")}


def _steps(before: dict[str, str], now: dict[str, str]) -> list[list[str]]:
    steps: list[list[str]] = []
    was, is_now = before.get("UnitFileState", ""), now.get("UnitFileState", "")
    if is_now.startswith("masked") and not was.startswith("masked"):
        steps.append(["unmask"])
        is_now = ""
    if was.startswith("masked") and not is_now.startswith("masked"):
        steps.append(["mask"])
    elif was in ("enabled", "disabled") and was != is_now:
        steps.append(["enable" if was == "enabled" else "disable"])
    if before.get("ActiveState") in _UP and now.get("ActiveState") not in _UP:
        steps.append(["start"])
    if before.get("ActiveState") in ("inactive", "failed") and now.get("ActiveState") in _UP:
        steps.append(["stop"])
    return steps
