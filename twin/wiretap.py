"""Listens on a node's cable: keeps every SIP message, and counts the packets of every voice (RTP).

What a program says of its calls may be wrong as the program is; what was on the cable was on the cable.
Run as `python -m twin.wiretap DIRECTORY`: messages are appended to `sip.jsonl`, counts are in `rtp.json`.
Not seen: what is encrypted (TLS), and datagrams in fragments.
"""

from __future__ import annotations

import json
import re
import select
import socket
import struct
import sys
import time
from dataclasses import dataclass, field
from ipaddress import IPv4Address
from pathlib import Path

MESSAGES, VOICES, READY = "sip.jsonl", "rtp.json", "tap.ready"
EVERYTHING = 0x0003
"""ETH_P_ALL (packet(7)): what goes out is seen as well."""
UDP, TCP = 17, 6
PACE = 0.2
"""Seconds from a packet to the writing of the counts."""
MOST_BYTES = 64 << 20
"""The messages are begun anew then: nobody fills a disk by calling."""
MOST_VOICES = 20000
_START = re.compile(rb"(SIP/2\.0 \d{3} |[A-Z]{3,12} sips?:[^ ]+ SIP/2\.0\r\n)")


@dataclass
class Voice:
    """Packets of one stream: from where to where, of one payload type and one source (RFC 3550)."""

    count: int = 0
    first: float = 0
    last: float = 0


@dataclass
class Tap:
    """What was heard so far."""

    directory: Path
    voices: dict[str, Voice] = field(default_factory=dict)
    heard: bool = False

    def hear(self, packet: bytes) -> None:
        """Take one IPv4 packet."""
        length = (packet[0] & 0x0F) * 4
        if len(packet) < length + 8 or packet[0] >> 4 != 4 or packet[9] not in (UDP, TCP):
            return
        here, there = struct.unpack_from("!HH", packet, length)
        source = f"{IPv4Address(packet[12:16])}:{here}"
        target = f"{IPv4Address(packet[16:20])}:{there}"
        size = 8 if packet[9] == UDP else (packet[length + 12] >> 4) * 4
        data = packet[length + size : int.from_bytes(packet[2:4], "big") or len(packet)]
        self.heard = True
        if _START.match(data):
            self._keep(source, target, data)
        elif packet[9] == UDP and len(data) >= 12 and data[0] >> 6 == 2 and not 192 <= data[1] <= 223:
            self._count(f"{source} {target} {data[1] & 0x7F} {data[8:12].hex()}")

    def _keep(self, source: str, target: str, data: bytes) -> None:
        path = self.directory / MESSAGES
        if path.exists() and path.stat().st_size > MOST_BYTES:
            path.unlink()
        line = {"at": time.time(), "source": source, "target": target, "text": data.decode(errors="replace")}
        with path.open("a") as file:
            file.write(json.dumps(line) + "\n")

    def _count(self, stream: str) -> None:
        now = time.time()
        if stream not in self.voices and len(self.voices) >= MOST_VOICES:
            del self.voices[next(iter(self.voices))]
        voice = self.voices.setdefault(stream, Voice(first=now))
        voice.count, voice.last = voice.count + 1, now

    def write(self) -> None:
        """Write the counts."""
        found = {stream: [voice.count, voice.first, voice.last] for stream, voice in self.voices.items()}
        temporary = self.directory / f"{VOICES}.new"
        temporary.write_text(json.dumps({"at": time.time(), "voices": found}))
        temporary.rename(self.directory / VOICES)
        self.heard = False


def main(directory: Path) -> None:
    """Listen for ever."""
    tap = Tap(directory)
    with socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(EVERYTHING)) as cable:
        cable.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        cable.bind(("eth0", EVERYTHING))
        tap.write()
        (directory / READY).touch()
        due = 0.0
        while True:
            wait = max(0.0, due - time.monotonic()) if tap.heard else None
            if select.select([cable], [], [], wait)[0]:
                before = tap.heard
                tap.hear(cable.recv(65536))
                if tap.heard and not before:
                    due = time.monotonic() + PACE
            if tap.heard and time.monotonic() >= due:
                tap.write()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
