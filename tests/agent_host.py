"""A directory that stands for a host, and the agent run on it: to its end, or killed at a chosen step."""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import os
import signal
import stat
import sys
import tarfile
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

from deploys._agent import (
    guard_return,  # noqa: F401  (imported before any fork, so that a killed child costs milliseconds)
    main,
    sets,  # noqa: F401
    state,  # noqa: F401
)

# In memory where there is such a place: these tests make ten thousand calls of fsync.
FAST = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None

STEPS = (
    "rename",
    "fsync",
    "unlink",
    "mkdir",
    "rmdir",
    "symlink",
    "link",
    "fchmod",
    "fchown",
    "chown",
    "write",
)


@contextlib.contextmanager
def fresh() -> Iterator[Host]:
    """A host with nothing on it."""
    with tempfile.TemporaryDirectory(prefix="agent-", dir=FAST) as root:
        yield Host(Path(root))


@dataclass(frozen=True)
class Answer:
    """What a command of the agent said."""

    code: int
    report: Any
    sentence: str


@dataclass(frozen=True)
class Host:
    """A host below `root`, owned by whoever runs the tests."""

    root: Path

    def place(self, path: str) -> Path:
        """Where a path of the host lies."""
        return self.root / path.lstrip("/")

    def write(self, path: str, text: str, mode: int = 0o644) -> Path:
        """Put a file on the host as a person would."""
        place = self.place(path)
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text, encoding="utf-8")
        place.chmod(mode)
        return place

    def text(self, path: str) -> str | None:
        """The content of a file, or None where there is none."""
        place = self.place(path)
        return place.read_text(encoding="utf-8") if place.is_file() else None

    def tree(self, path: str = "/etc") -> dict[str, tuple[str, int, str]]:
        """Kind, mode and content of everything below `path`, but for the agent's own units."""
        seen = {}
        for place in sorted(self.place(path).rglob("*")):
            name = "/" + str(place.relative_to(self.root))
            if name.startswith("/etc/systemd"):
                continue
            info = place.lstat()
            if stat.S_ISLNK(info.st_mode):
                seen[name] = ("symlink", 0, os.readlink(place))
            elif stat.S_ISDIR(info.st_mode):
                seen[name] = ("directory", stat.S_IMODE(info.st_mode), "")
            else:
                seen[name] = ("file", stat.S_IMODE(info.st_mode), place.read_text(encoding="utf-8"))
        return seen

    def agent(self, *words: str, stdin: Any = "") -> Answer:
        """Run a command of the agent in this process."""
        text = stdin if isinstance(stdin, str) else json.dumps(stdin)
        out, err = io.StringIO(), io.StringIO()
        umask = os.umask(0o022)
        try:
            with (
                mock.patch.dict(os.environ, {"AGENT_ROOT": str(self.root)}),
                mock.patch.object(sys, "stdin", io.StringIO(text)),
                contextlib.redirect_stdout(out),
                contextlib.redirect_stderr(err),
            ):
                code = main.main(list(words))
        finally:
            os.umask(umask)
        said = out.getvalue().strip()
        return Answer(code, json.loads(said) if said else None, err.getvalue().strip())

    def bundle(self, service: str, files: list[dict[str, Any]], **more: Any) -> str:
        """Pack a managed set as the controller does; `text` of a file becomes its blob. Returns the path."""
        incoming = self.place("/var/lib/trunkline/incoming")
        incoming.mkdir(parents=True, exist_ok=True)
        path = incoming / f"{service}.tar"
        with tarfile.open(path, "w") as tar:
            listed = []
            for number, item in enumerate(files):
                entry = {"owner": str(os.geteuid()), "group": str(os.getegid()), "mode": "0644", **item}
                if "text" in entry:
                    data = entry.pop("text").encode()
                    blob = f"files/{number}"
                    entry |= {"kind": "file", "blob": blob, "sha256": hashlib.sha256(data).hexdigest()}
                    _add(tar, blob, data)
                listed.append(entry)
            _add(tar, "set.json", json.dumps({"service": service, "files": listed, **more}).encode())
        return str(path)

    def apply(self, service: str, files: list[dict[str, Any]], **more: Any) -> Answer:
        """Pack a managed set and apply it."""
        return self.agent("set", "apply", self.bundle(service, files, **more))

    def killed_at(self, step: int, *words: str, stdin: Any = "") -> bool:
        """Run a command in a child that gets SIGKILL before its `step`-th system call that writes.

        Says whether it came so far; where it did not, the command ran to its end.
        """
        child = os.fork()
        if child == 0:
            os.close(1)
            os.close(2)
            try:
                with contextlib.ExitStack() as patches:
                    _kill_before(step, patches)
                    self.agent(*words, stdin=stdin)
            finally:
                os._exit(0)
        _, status = os.waitpid(child, 0)
        return os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL


def _add(tar: tarfile.TarFile, name: str, data: bytes) -> None:
    member = tarfile.TarInfo(name)
    member.size = len(data)
    tar.addfile(member, io.BytesIO(data))


def _kill_before(step: int, patches: contextlib.ExitStack) -> None:
    left = step

    def counted(name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*words: Any, **named: Any) -> Any:
            nonlocal left
            left -= 1
            if left == 0:
                if name == "write" and len(words[1]) > 1:
                    real(words[0], words[1][: len(words[1]) // 2])
                os.kill(os.getpid(), signal.SIGKILL)
            return real(*words, **named)

        return call

    for name in STEPS:
        patches.enter_context(mock.patch.object(os, name, counted(name, getattr(os, name))))
