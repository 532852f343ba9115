"""A steady load on a web site, and what came of every single request: `python -m prove.load HOST ...`.

The rate is open-loop: a request is due at its time whether or not the ones before it were answered. Half of
the visitors keep their connection, half make a new one for each request. Where the server closes a kept
connection before a byte of the answer, an idempotent request is sent once more on a new one, as every browser
does (RFC 9110, 9.2.2); how often that was needed is told. It ends when its standard input does.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import ssl
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

VISITORS = 40
"""Concurrent visitors; each asks `rate / VISITORS` times a second."""
PATIENCE = 15.0
"""Seconds after which an unanswered request has failed."""
ORDER = b'{"customer": "load", "item": "tea", "quantity": 1}'
ASKED = ("/api/version", "/", "/", "/", "/api/orders", "/", "/", "/")
"""A page is mostly files; each answer of the application has been to the database."""
ORDERED = 20
"""Every so many requests of a visitor one places an order; it is never sent twice."""


class Gone(Exception):
    """The server closed a kept connection before it answered."""


@dataclass
class Tally:
    """What came of the requests."""

    sent: int = 0
    resent: int = 0
    failed: list[str] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    versions: Counter[str] = field(default_factory=Counter)

    def share(self, part: float) -> float:
        """Return the milliseconds within which a share of the requests was answered."""
        ordered = sorted(self.seconds) or [0.0]
        return round(1000 * ordered[min(len(ordered) - 1, int(part * len(ordered)))], 1)

    def told(self) -> dict[str, Any]:
        """Return it for JSON."""
        return {
            "sent": self.sent, "failed": len(self.failed), "first_failures": self.failed[:10],
            "resent": self.resent, "versions": dict(self.versions),
            "p50_ms": self.share(0.5), "p99_ms": self.share(0.99), "longest_ms": self.share(1),
        }  # fmt: skip


@dataclass
class Visitor:
    """One client; `keeps` its connection or makes a new one each time."""

    host: str
    tls: ssl.SSLContext
    tally: Tally
    keeps: bool
    reader: asyncio.StreamReader | None = None
    writer: asyncio.StreamWriter | None = None

    async def ask(self, number: int) -> None:
        """Send one request and judge the answer."""
        order = number % ORDERED == ORDERED - 1
        path = "/api/orders" if order else ASKED[number % len(ASKED)]
        self.tally.sent += 1
        began = time.monotonic()
        try:
            async with asyncio.timeout(PATIENCE):
                status, body = await self._answered(path, order)
        except Exception as error:
            self.tally.failed.append(f"{path}: {type(error).__name__} {error}")
            self.leave()
            return
        self.tally.seconds.append(time.monotonic() - began)
        if status != (201 if order else 200):
            self.tally.failed.append(f"{path}: {status} {body[:80]!r}")
        elif path == "/api/version":
            self.tally.versions[str(json.loads(body)["version"])] += 1

    async def _answered(self, path: str, order: bool) -> tuple[int, bytes]:
        if order or not self.keeps:
            self.leave()
        kept = self.writer is not None
        try:
            return await self._exchange(path, order)
        except Gone:
            self.leave()
            if not kept:
                raise
            self.tally.resent += 1
            return await self._exchange(path, order)

    async def _exchange(self, path: str, order: bool) -> tuple[int, bytes]:
        if self.writer is None:
            self.reader, self.writer = await asyncio.open_connection(self.host, 443, ssl=self.tls)
        assert self.reader is not None
        head = f"{'POST' if order else 'GET'} {path} HTTP/1.1\r\nHost: {self.host}\r\n"
        if order:
            head += f"Content-Type: application/json\r\nContent-Length: {len(ORDER)}\r\n"
        try:
            self.writer.write(f"{head}\r\n".encode() + (ORDER if order else b""))
            await self.writer.drain()
            first = await self.reader.readline()
        except (ConnectionError, ssl.SSLError) as error:
            raise Gone(str(error)) from error
        if not first:
            raise Gone("closed before the answer")
        return int(first.split()[1]), await self._body(self.reader)

    async def _body(self, reader: asyncio.StreamReader) -> bytes:
        headers: dict[str, str] = {}
        while line := (await reader.readline()).decode("latin-1").strip():
            name, _, value = line.partition(":")
            headers[name.lower()] = value.strip().lower()
        if headers.get("transfer-encoding") == "chunked":
            body = b""
            while size := int(await reader.readline(), 16):
                body += await reader.readexactly(size)
                await reader.readexactly(2)
            await reader.readexactly(2)
        else:
            body = await reader.readexactly(int(headers.get("content-length", "0")))
        if headers.get("connection") == "close":
            self.leave()
        return body

    def leave(self) -> None:
        """Close the connection."""
        if self.writer is not None:
            self.writer.close()
        self.reader = self.writer = None


async def load(host: str, ca: str, rate: int, end: asyncio.Event) -> Tally:
    """Ask `rate` times a second until `end` is set; return what came of it."""
    tally = Tally()
    tls = ssl.create_default_context(cafile=ca)
    visitors = [Visitor(host, tls, tally, keeps=bool(number % 2)) for number in range(VISITORS)]
    began = time.monotonic()

    async def visit(place: int, visitor: Visitor) -> None:
        number = 0
        while not end.is_set():
            due = began + (number * VISITORS + place) / rate
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            await visitor.ask(number)
            number += 1
        visitor.leave()

    await asyncio.gather(*(visit(place, visitor) for place, visitor in enumerate(visitors)))
    return tally


async def main() -> None:
    """Load until standard input ends, then print what came of it as JSON."""
    parser = argparse.ArgumentParser(description="A steady load on a site; ends with standard input.")
    parser.add_argument("host")
    parser.add_argument("--ca", required=True, help="PEM file of the authority that is trusted")
    parser.add_argument("--rate", type=int, default=200, help="requests a second")
    wanted = parser.parse_args()
    end = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.run_in_executor(None, sys.stdin.read).add_done_callback(lambda _: end.set())
    began = time.monotonic()
    tally = await load(wanted.host, wanted.ca, wanted.rate, end)
    seconds = time.monotonic() - began
    print(json.dumps({**tally.told(), "rate": round(tally.sent / seconds, 1), "seconds": round(seconds, 1)}))


if __name__ == "__main__":
    asyncio.run(main())
