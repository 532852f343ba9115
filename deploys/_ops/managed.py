"""A managed file: a path of a host as it must stand, whoever wrote it before."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class ManagedFile:
    """One file, link, directory or absence that a service owns on a host."""

    service: str
    path: str
    content: str = ""
    owner: str = "root"
    group: str = "root"
    mode: str = "0644"
    kind: Literal["file", "symlink", "absent", "directory"] = "file"
    target: str = ""
    """Where a symlink points to."""
    secret: bool = False
    """Never shown: no content leaves the host and no difference is printed."""

    @property
    def sha256(self) -> str:
        """The hex digest of the content."""
        return hashlib.sha256(self.content.encode()).hexdigest()

    @property
    def fingerprint(self) -> str:
        """What a host must answer for this path when nothing is to be done."""
        if self.kind == "absent":
            return "absent"
        if self.kind == "symlink":
            return f"symlink {self.target}"
        owned = f"{self.owner} {self.group} {self.mode}"
        return f"directory {owned}" if self.kind == "directory" else f"file {owned} {self.sha256}"
