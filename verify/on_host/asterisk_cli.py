"""Asterisk's command line, asked on its own socket (main/asterisk.c, netconsole)."""

from __future__ import annotations

import re
import socket

SOCKET = "/run/asterisk/asterisk.ctl"
QUIT_AFTER = "cli quit after "
"""What its own `asterisk -rx` puts before a command."""
SECONDS = 20
READ = 1 << 18
TRIES = 5
DIALPLAN = "dialplan show"
TOTAL = re.compile(r"-= \d+ extensions? \((\d+) priorit(?:y|ies)\) in \d+ contexts?\. =-\s*$")
PRIORITY = re.compile(r"^ .*\d+\. \w+\(", re.MULTILINE)


def console(command: str) -> str:
    """Return what a command prints. Raises RuntimeError where no Asterisk answers.

    Asterisk drops what a reader does not take within a tenth of a second (ast_carefulwrite). `asterisk -rx`
    takes 511 bytes at a time and loses lines of a long answer on a busy machine; this takes all there is.
    """
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as cli:
            cli.connect(SOCKET)
            cli.settimeout(SECONDS)
            cli.sendall(f"{QUIT_AFTER}{command}\0".encode())
            answer = b"".join(iter(lambda: cli.recv(READ), b""))
    except OSError as error:
        raise RuntimeError(f"no Asterisk answers on {SOCKET}: {error.strerror or error}") from None
    return answer.decode(errors="replace").partition("\n")[2]


def dialplan() -> str:
    """Return the whole dialplan: as many priorities as its last line counts. Raises RuntimeError."""
    for _ in range(TRIES):
        shown = console(DIALPLAN)
        if is_whole(shown):
            return shown
    raise RuntimeError(f"`{DIALPLAN}` does not show as many priorities as it counts")


def is_whole(shown: str) -> bool:
    """Say whether `dialplan show` shows as many priorities as it counts at its end."""
    total = TOTAL.search(shown)
    return total is not None and len(PRIORITY.findall(shown)) == int(total[1])
