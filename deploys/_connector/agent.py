"""Call the host agent over a connection, putting it on the host when it is not there yet."""

from __future__ import annotations

import json
import shlex
from functools import cache
from typing import Any

from control.errors import TrunklineError
from deploys._connector.connection import Connection, Outcome

ABSENT = 94
NO_PYTHON = 95
CALL_SECONDS = 60


class AgentFailed(TrunklineError):
    """The agent refused or failed; `code` is its exit code (97: our token is stale)."""

    def __init__(self, message: str, remedy: str, code: int, said: dict[str, Any]) -> None:
        self.code = code
        self.said = said
        super().__init__(message, remedy)


def call(
    connection: Connection, arguments: list[str], stdin: bytes = b"", seconds: int = CALL_SECONDS
) -> Outcome:
    """Run one agent command as root and return what it said; raises TrunklineError without python3."""
    _, path = _built()
    script = (
        f"command -v python3 >/dev/null || exit {NO_PYTHON}\n"
        f"[ -s {path} ] || exit {ABSENT}\n"
        f"exec python3 -I {path} {shlex.join(arguments)}"
    )
    outcome = connection.run(script, stdin, seconds)
    if outcome.code == ABSENT:
        _install(connection)
        outcome = connection.run(script, stdin, seconds)
    if outcome.code == NO_PYTHON:
        raise TrunklineError(
            f"{connection.route.host} has no python3, which the agent needs.",
            "Install it there: apt-get install python3",
        )
    return outcome


def answer(
    connection: Connection, arguments: list[str], stdin: bytes = b"", seconds: int = CALL_SECONDS
) -> dict[str, Any]:
    """Run one agent command and return its JSON answer; raises AgentFailed with its sentence."""
    outcome = call(connection, arguments, stdin, seconds)
    try:
        said = json.loads(outcome.text or "{}")
    except ValueError:
        said = {}
    if outcome.code:
        sentence = (outcome.errors.strip().splitlines() or [f"exit code {outcome.code}"])[-1]
        what = " ".join(arguments[:2])
        raise AgentFailed(f"{connection.route.host}: {what}: {sentence}", "", outcome.code, said)
    return dict(said)


def _install(connection: Connection) -> None:
    """Put the agent in place; older ones go, unless an armed guard still needs them."""
    data, path = _built()
    folder = path.rpartition("/")[0]
    script = f"""mkdir -p {folder}
new=$(mktemp {folder}/.new.XXXXXXXX) || exit 1
cat > "$new" || {{ rm -f "$new"; exit 1; }}
if [ "$(stat -c %s "$new")" != {len(data)} ]; then rm -f "$new"; echo "the upload broke off" >&2; exit 1; fi
chmod 0644 "$new" && mv -fT "$new" {path} || {{ rm -f "$new"; exit 1; }}
for old in {folder}/agent-*.pyz; do
    [ "$old" = {path} ] || grep -qsF "$old" /etc/systemd/system/trunkline-*.service || rm -f "$old"
done
"""
    outcome = connection.run(script, data)
    if outcome.code:
        reason = (outcome.errors.strip().splitlines() or ["no reason given"])[-1]
        raise TrunklineError(
            f"The agent cannot be put on {connection.route.host}: {reason}.", "Is its disk full or read-only?"
        )


@cache
def _built() -> tuple[bytes, str]:
    from deploys._agent import build

    built: tuple[bytes, str] = build()
    return built
