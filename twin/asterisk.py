"""A carrier's Asterisk: one of its machines as a process of the twin's world, and what its cable tells."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import cached_property
from pathlib import Path

from control.errors import TrunklineError
from twin import network
from twin.asterisk_conf import FILES
from twin.carriers import Proxy
from twin.cell import Cell
from twin.cgroup import Cgroup, cgroup_of
from twin.daemon import Daemon
from twin.wiretap import MESSAGES, READY, VOICES
from twin.world_image import TELEPHONY, image_of

_BEGIN = "mkdir -p /data/run /data/log /data/spool/outgoing && exec asterisk -f -C /conf/asterisk.conf"


class Asterisk:
    """The daemon of one proxy."""

    def __init__(self, twin: str, proxy: Proxy, directory: Path) -> None:
        self.twin = twin
        self.proxy = proxy
        self.directory = directory / proxy.node
        self.data = self.directory / "data"

    @cached_property
    def cell(self) -> Cell:
        """Its process."""
        return Cell(
            name=self.proxy.node,
            twin=self.twin,
            node=self.proxy.node,
            image=image_of(self.twin, TELEPHONY),
            directory=self.directory,
            account="asterisk",
            argv=("/bin/sh", "-c", _BEGIN),
            port=None,
            files=FILES,
            data=self.data,
        )

    @property
    def tap(self) -> Daemon:
        """Who listens on its cable."""
        return Daemon(self.directory, "tap")

    def start(self, files: Mapping[str, str]) -> None:
        """Start it and who listens to it, or give what runs other files."""
        changed = self._put(files)
        self.directory.mkdir(parents=True, exist_ok=True)
        ready = self.directory / READY
        inside = ["nsenter", f"--net={network.path_of(self.twin, self.proxy.node)}", "--"]
        listening = [*inside, sys.executable, "-m", "twin.wiretap", str(self.directory)]
        self.tap.start(listening, Cgroup(cgroup_of(self.twin)), ready)
        if self.cell.start():
            self.cell.daemon.serves(self._booted, self.said)
        elif changed:
            self.reload()

    def load(self, files: Mapping[str, str]) -> None:
        """Give it other files where it runs."""
        if self._put(files) and self.cell.daemon.alive():
            self.reload()

    def reload(self) -> None:
        """Let it read its files; running calls go on."""
        self.ask("module reload res_pjsip.so")
        self.ask("dialplan reload")

    def _put(self, files: Mapping[str, str]) -> bool:
        before = {name: self._kept(name) for name in files}
        for name, text in files.items():
            self.cell.put(name, text)
        return before != dict(files)

    def _kept(self, name: str) -> str:
        try:
            return (self.cell.conf / name).read_text()
        except OSError:
            return ""

    def ask(self, question: str) -> str:
        """Return what it says to a command of its console; TrunklineError when it is off."""
        if not self.cell.daemon.alive():
            raise TrunklineError(
                f"{self.proxy.node} of the twin {self.twin} is off.",
                f"Start it, or bring the twin up: `invoke twin.up --twin {self.twin}`.",
            )
        return self.cell.inside("asterisk", "-C", "/conf/asterisk.conf", "-rx", question)

    def _booted(self) -> bool:
        with suppress(TrunklineError):
            return "fully booted" in self.ask("core waitfullybooted")
        return False

    def said(self) -> str:
        """Return the end of what it printed and logged."""
        logs = (self.cell.daemon.log, self.data / "log" / "messages.log")
        said = "".join(log.read_text(errors="replace") for log in logs if log.exists())
        return said.strip()[-400:]

    def place(self, token: str, lines: Mapping[str, str], settings: Sequence[str]) -> None:
        """Let it place a call: lines and settings are those of a call file (Asterisk, "Call Files")."""
        spool = self.data / "spool"
        path = spool / f"{token}.new"
        path.touch(0o600)
        every = [*lines.items(), *(("Setvar", setting) for setting in settings)]
        text = "".join(f"{name}: {value}\n" for name, value in every)
        path.write_text(text.replace(";", "\\;"))  # what follows a bare one is a comment
        shutil.chown(path, *self.cell.ids)
        path.rename(spool / "outgoing" / f"{token}.call")

    def contacts(self) -> list[dict[str, str]]:
        """Return what has registered, as its registrar keeps it."""
        kept = [line.partition(": ") for line in self.ask("database show registrar").splitlines()]
        return [json.loads(value) for name, _, value in kept if name.startswith("/registrar/contact/")]

    def end(self) -> None:
        """End it, and forget what it knew and heard."""
        self.tap.stop(wait=0)
        self.cell.end()
        shutil.rmtree(self.data, ignore_errors=True)
        for name in (MESSAGES, VOICES):
            (self.directory / name).unlink(missing_ok=True)
