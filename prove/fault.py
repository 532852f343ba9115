"""One fault: how a healthy host is broken for real, and which check must find exactly that."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any, Literal

from prove.row import Evidence, Row, require
from prove.seen import Verification
from prove.stage import Stage
from twin.gateway import Gateway
from twin.softswitch import Softswitch
from twin.twin import Twin

BAD = ("fail", "warn", "not proven")
NEIGHBOURS = (("edge1", "edge2"), ("vpn1", "vpn2"))
"""Hosts that know something of each other: a fault of one is looked for with the other beside it."""


@dataclass(frozen=True)
class Fault:
    """A real change on a host, and the check that must name it as the root cause."""

    name: str
    check: str
    claim: str
    breaks: str
    """A shell script, run as root on the host."""
    host: str = "edge1"
    verdict: Literal["fail", "warn", "not proven"] = "fail"
    was: Literal["ok", "not proven"] = "ok"
    """What the check says of the healthy host."""
    also: tuple[str, ...] = ()
    """Checks that this fault makes fail by itself as well, not merely by being blocked."""
    disruptive: bool = False
    clock_off: float = 0
    """Seconds that the world's time server lies by meanwhile."""
    plain_database: str | None = None
    """A managed database that admits connections without TLS meanwhile."""
    names: tuple[tuple[str, str], ...] = ()
    """Names that DNS answers with these addresses meanwhile."""
    office: Callable[[Twin, Gateway], object] | None = None
    """What is made wrong meanwhile in the office that the host's first tunnel leads to, before the script."""
    carrier: tuple[str, Callable[[Softswitch], object]] | None = None
    """The carrier that something is made wrong at meanwhile, before the script, and what."""
    dropped: tuple[str, ...] = ()
    """What a firewall in front of the host drops meanwhile, either way (matches of nft(8))."""
    mends: str = ""
    """A script for the host afterwards, as root: for what other machines hold, as a database does."""
    seconds: float = 60
    """How long the script may take, and how much longer than usual the look after it."""

    @property
    def row(self) -> Row:
        """The fault as a row of the table."""
        hosts = next((group for group in NEIGHBOURS if self.host in group), (self.host,))
        return Row("faults", self.name, self.claim, self._put, 180 + round(self.seconds), hosts)

    def _put(self, stage: Stage) -> Evidence:
        before = stage.baseline(self.host, disruptive=self.disruptive)
        stage.healthy(*(() if self.clock_off else (self.host,)))
        wanted = f"{self.host}/{self.check}"
        was = f"{before.verdict(wanted)}, not {self.was}: {_seen(before.entries, wanted)}"
        require(before.verdict(wanted) == self.was, f"{wanted}, on the healthy host, was {was}")
        with self._lying(stage):
            stage.sh(self.host, self.breaks, timeout=self.seconds)
            options = ("--disruptive",) if self.disruptive else ()
            after = stage.verify("--host", self.host, *options, timeout=180 + self.seconds)
        require(
            after.verdict(wanted) == self.verdict,
            f"{wanted} said {after.verdict(wanted)}, not {self.verdict}: {_seen(after.entries, wanted)}",
        )
        own = {wanted, *(f"{self.host}/{check}" for check in self.also)}
        roots = after.roots()
        new = sorted(
            check
            for check in roots
            if roots[check] != before.verdict(check) and check not in own and not self._drift(after, check)
        )
        told = "; ".join(f"{check} {roots[check]}: {_seen(after.entries, check)}" for check in new)
        require(not new, f"{wanted} found it, but these failed by themselves too: {told}")
        entry = after.entries[wanted]
        require(entry.get("remedy"), f"{wanted} names no remedy")
        blocked = [check for check, each in after.entries.items() if each["verdict"] == "blocked"]
        return {"root": wanted, "seen": _seen(after.entries, wanted), "blocked": len(blocked)}

    def _drift(self, after: Verification, check: str) -> bool:
        """Say whether a check of drift names, beside the root, just the file that the fault itself wrote."""
        named = re.findall(r"/[\w./-]+", _seen(after.entries, check))
        return "/drift." in check and bool(named) and all(path in self.breaks for path in named)

    @contextmanager
    def _lying(self, stage: Stage) -> Iterator[None]:
        with ExitStack() as later:
            if self.mends:
                later.callback(stage.sh, self.host, self.mends)
            if self.clock_off:
                later.callback(stage.twin.ntp_offset, 0)
                stage.twin.ntp_offset(self.clock_off)
            if self.plain_database:
                later.callback(stage.twin.database_tls, self.plain_database, only=True)
                stage.twin.database_tls(self.plain_database, only=False)
            if self.office:
                gateway = stage.office(self.host)
                later.callback(gateway.restore)
                self.office(stage.twin, gateway)
            if self.carrier:
                name, wrong = self.carrier
                later.callback(stage.twin.carrier(name).restore)
                wrong(stage.twin.carrier(name))
            if self.dropped:
                later.callback(stage.drop, self.host)
                stage.drop(self.host, *self.dropped)
            for name, address in self.names:
                later.callback(stage.twin.dns, name, None)
                stage.twin.dns(name, address)
            yield


def _seen(entries: Mapping[str, Mapping[str, Any]], check: str) -> str:
    entry = entries.get(check, {})
    if root := entry.get("blocked_by"):
        return f"{root}, {_seen(entries, root)}"
    return str(entry.get("seen") or entry.get("evidence") or "nothing")[:300]
