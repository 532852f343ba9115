"""How a script reaches a host's root shell: by stdin, whole or not at all, limited in time."""

from __future__ import annotations

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
PREAMBLE = f"export PATH={PATH} LC_ALL=C.UTF-8 HOME=/root; umask 022; cd /\n"
END = "#trunkline: end"
TRUNCATED = 98
"""Exit code of a script that did not arrive whole; nothing of it ran."""
STALE_TOKEN = 97
"""Exit code of a fenced command whose token is not the lock's any more; nothing of it ran."""
OUT_OF_TIME = 124
"""Exit code of timeout(1)."""
KILL_SECONDS = 5
"""How long timeout(1) waits after SIGTERM before it kills."""
TOKEN_PATH = "/var/lib/trunkline/token"


def fence(token: int) -> str:
    """Return the test that refuses a stale lock holder, to stand before a change."""
    return f'[ "$(cat {TOKEN_PATH} 2>/dev/null)" = {token} ] || exit {STALE_TOKEN}\n'


def carried(script: str) -> bytes:
    """Return a script as it travels on stdin; what follows it is the script's own stdin."""
    return f"{PREAMBLE}{script}\n{END}".encode()


def launcher(size: int, seconds: int, *, sudo: bool, mark: str = "") -> str:
    """Return the command that reads `size` bytes of script from stdin and runs them.

    It is all that the host's process list ever shows; by `mark` the command is found in it. The end
    mark makes a script that was cut off by a broken connection run not at all; timeout(1) ends one that
    hangs, also when nobody listens any more.
    """
    shell = f's=$(head -c {size}); case $s in *"{END}") eval "$s";; *) exit {TRUNCATED};; esac'
    become = "sudo -n " if sudo else "exec "
    return f"{become}timeout -k {KILL_SECONDS} {seconds} sh -c '{shell}' {mark}".rstrip()


def ending(mark: str) -> str:
    """Return the script that ends every command with this mark, and what it has started.

    timeout(1) passes SIGTERM on to its whole group, and SIGKILL after a while. The mark is handed to grep on
    its stdin: it would find itself otherwise.
    """
    return f"""for found in $(printf %s {mark} | grep -lsaF -f - /proc/[0-9]*/cmdline); do
    process=${{found%/cmdline}}
    [ "$(cat "$process/comm" 2>/dev/null)" != timeout ] || kill "${{process#/proc/}}"
done
"""
