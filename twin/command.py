"""Programs that the twin runs on the machine: their failure is one sentence."""

from __future__ import annotations

import subprocess

from control.errors import TrunklineError


def command(*argv: str, feed: str | bytes | None = None, timeout: float = 120) -> str:
    """Run a program and return its stdout; TrunklineError tells what it said when it fails.

    `feed` is its stdin, `timeout` is in seconds.
    """
    data = feed.encode() if isinstance(feed, str) else feed
    try:
        done = subprocess.run(argv, input=data or b"", capture_output=True, timeout=timeout)
    except FileNotFoundError:
        raise TrunklineError(
            f"{argv[0]} is not installed.", "Run the README's first line; it installs what the twin needs."
        ) from None
    except subprocess.TimeoutExpired:
        raise TrunklineError(f"{_short(argv)} did not end within {timeout:.0f} s.") from None
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip() or done.stdout.decode(errors="replace").strip()
        raise TrunklineError(f"{_short(argv)} failed with {done.returncode}: {said[-600:] or 'no message'}")
    return done.stdout.decode(errors="replace")


def _short(argv: tuple[str, ...]) -> str:
    text = " ".join(argv)
    return text if len(text) <= 120 else text[:117] + "..."
