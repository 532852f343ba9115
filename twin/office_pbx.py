"""Who answers behind an office's gateway: an echo, or a real PBX where the environment knows telephony."""

from __future__ import annotations

import sys
from pathlib import Path

from inventories.model import Environment
from twin import network
from twin.asterisk import Asterisk
from twin.asterisk_conf import lone
from twin.carriers import Proxy, has_telephony
from twin.cgroup import Cgroup, cgroup_of
from twin.daemon import Daemon
from twin.offices import Office
from twin.sip_heard import Call, Heard, Message

PORT = 5060
NOBODY = "192.0.2.1"
"""Whom a PBX knows that is to know nobody (RFC 5737)."""


class OfficePbx:
    """The PBX of one office: pings are the kernel's to answer, SIP or anything on port 5060 is its own."""

    def __init__(self, environment: Environment, twin: str, office: Office, directory: Path) -> None:
        self.twin = twin
        self.node = office.pbx
        self.directory = directory
        self.address = str(office.phones[0].ip)
        proxy = Proxy(self.node, "pbx", self.address, (self.address,))
        self.machine = Asterisk(twin, proxy, directory) if has_telephony(environment) else None

    def start(self) -> None:
        """Start it where it does not run."""
        if self.machine:
            self.machine.start(lone(self.address))
            return
        ready = self.directory / "pbx.ready"
        inside = ["nsenter", f"--net={network.path_of(self.twin, self.node)}", "--"]
        echo = [*inside, sys.executable, "-m", "twin.echo", str(PORT), str(ready)]
        Daemon(self.directory, "pbx").start(echo, Cgroup(cgroup_of(self.twin)), ready)

    def end(self) -> None:
        """End it, and forget what it heard."""
        if self.machine:
            self.machine.end()
        Daemon(self.directory, "pbx").stop(wait=0)

    def mute(self) -> None:
        """End what answers SIP, until it is started anew; pings are still answered."""
        if self.machine:
            self.machine.cell.end()

    def forget(self) -> None:
        """Know nobody any more: whoever asks by SIP is to prove who it is first."""
        if self.machine:
            self.machine.load(lone(self.address, known=NOBODY))

    def messages(self) -> tuple[Message, ...]:
        """Return every SIP message that was on its cable; none where it is an echo."""
        return tuple(Heard(self.machine.directory).messages()) if self.machine else ()

    def calls(self) -> tuple[Call, ...]:
        """Return the calls that came to it, as a carrier's are told; none where it is an echo."""
        if not self.machine:
            return ()
        return tuple(Heard(self.machine.directory).calls([*self.messages()], (self.address,)))
