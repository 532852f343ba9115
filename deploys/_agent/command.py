"""Run a program of the host with a time limit; its output is kept in memory, never on disk."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from dataclasses import dataclass

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_TAIL = 4000


@dataclass(frozen=True)
class Outcome:
    """What a program answered; code 124 = ran out of time, 127 = not found."""

    code: int
    output: str

    @property
    def ok(self) -> bool:
        """It ended with 0."""
        return self.code == 0

    @property
    def gist(self) -> str:
        """The last three lines it said, in one: the reason is mostly among them."""
        lines = [line.strip() for line in self.output.splitlines() if line.strip()]
        return "; ".join(lines[-3:])[-400:] if lines else f"exit code {self.code}"


def run(argv: list[str], seconds: float = 30.0, whole: bool = False) -> Outcome:
    """Run `argv` without a shell or input; `whole` keeps all output, else its last 4000 characters.

    A memory file takes the output: a daemon left behind with an open pipe would hold the caller for ever.
    """
    environment = {
        "PATH": PATH,
        "LANG": "C.UTF-8",
        "LC_ALL": "C.UTF-8",
        "SYSTEMD_PAGER": "",
        "SYSTEMD_COLORS": "0",
    }
    fd = os.memfd_create("output", os.MFD_CLOEXEC)
    try:
        try:
            process = subprocess.Popen(
                argv,
                stdin=subprocess.DEVNULL,
                stdout=fd,
                stderr=fd,
                env=environment,
                cwd="/",
                start_new_session=True,
                umask=0o022,
            )
        except OSError as error:
            return Outcome(127, f"{argv[0]}: {error.strerror}")
        try:
            code = process.wait(seconds)
        except subprocess.TimeoutExpired:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            return Outcome(124, f"{_read(fd)}\n{argv[0]} did not end within {seconds:g} s")
        text = _read(fd)
        return Outcome(code, text if whole else text[-_TAIL:])
    finally:
        os.close(fd)


def _read(fd: int) -> str:
    size = os.fstat(fd).st_size
    return os.pread(fd, size, 0).decode(errors="replace")
