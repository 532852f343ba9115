"""Who works here: whose ssh files are read, and whose home keeps what is known of real servers.

$HOME decides. `./setup` becomes root by sudo and leaves it as it was: the person's own files count. Whoever
types sudo alone gets root's home, and root's files.
"""

from __future__ import annotations

import os
import pwd
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Operator:
    """An account of this machine, and its home."""

    name: str
    uid: int
    gid: int
    home: Path

    @property
    def as_themselves(self) -> tuple[str, ...]:
        """What starts a program as this account; nothing where this process runs as it anyway.

        OpenSSH's client asks the system, not $HOME, where its user's files are, and refuses those of others.
        """
        if self.uid == os.geteuid():
            return ()
        return ("setpriv", f"--reuid={self.uid}", f"--regid={self.gid}", "--init-groups", "--")

    @property
    def temporary(self) -> str | None:
        """Where to make what its programs read; None is as usual: root's own may be closed to others."""
        return "/tmp" if self.as_themselves else None

    def owns(self, path: Path) -> None:
        """Give what this process made to the account."""
        if self.uid != os.geteuid():
            os.lchown(path, self.uid, self.gid)


def operator() -> Operator:
    """Return whom this process works for: root by sudo works for who called it, in that one's home."""
    home = Path.home()
    caller = _caller() if os.geteuid() == 0 else None
    if caller and Path(caller.pw_dir) == home:
        return Operator(caller.pw_name, caller.pw_uid, caller.pw_gid, home)
    own = pwd.getpwuid(os.geteuid())
    return Operator(own.pw_name, own.pw_uid, own.pw_gid, home)


def _caller() -> pwd.struct_passwd | None:
    """Return the account that called sudo (sudo(8), SUDO_UID)."""
    try:
        return pwd.getpwuid(int(os.environ.get("SUDO_UID", "")))
    except (ValueError, KeyError):
        return None
