"""The clock: asked of the declared servers directly, beside what chrony says of itself."""

from __future__ import annotations

from typing import Any

from inventories.model import Host
from verify.checks import check
from verify.snapshot import Snapshot
from verify.verdict import exactly, fail, warn

NORMAL = {"Normal", "Insert second", "Delete second"}


@check(
    fault="clock-off",
    remedy="chronyc tracking; chronyc sources -v. A server that lies stands out from the others.",
)
def test_clock_is_right(declared: Host, live: Snapshot, evidence: dict[str, Any]) -> None:
    offsets = live["time_servers"]
    evidence["seconds behind"] = offsets
    known = {name: offset for name, offset in offsets.items() if isinstance(offset, float)}
    if not known:
        fail(
            offsets,
            "an answer of a declared time server",
            "Open UDP 123 outwards; look at the servers' names.",
        )
    wrong = {
        name: f"{offset:+.3f} s" for name, offset in known.items() if abs(offset) > declared.time.max_offset
    }
    if wrong:
        fail(wrong, f"at most {declared.time.max_offset} s")
    if len(known) < len(offsets):
        warn({name: why for name, why in offsets.items() if name not in known}, "an answer of every server")


@check(
    fault="chrony-stopped",
    needs=("time.clock_is_right",),
    remedy="systemctl restart chrony; chronyc sources -v",
)
def test_clock_is_kept(live: Snapshot, evidence: dict[str, Any]) -> None:
    if error := live.error("chrony"):
        fail(error, "chrony answers")
    fields = live["chrony"]["tracking"].strip().split(",")
    evidence["tracking"] = fields[:5]
    if fields[-1] not in NORMAL or fields[1] in ("", "127.127.1.1"):
        fail(f"{fields[-1]}, reference {fields[1] or 'none'}", "synchronised with a declared server")


@check(
    fault="time-source-by-hand",
    needs=("time.clock_is_kept",),
    remedy="systemctl restart chrony drops added ones.",
)
def test_sources_are_exactly_the_declared(declared: Host, live: Snapshot) -> None:
    names, used = (_third(live["chrony"][key]) for key in ("sources", "addresses"))
    addresses = live["time_addresses"]
    asked = {name for name, found in addresses.items() if used & set(found)}  # two names may be one server
    exactly(names | asked, declared.time.servers)


def _third(rows: str) -> set[str]:
    return {fields[2] for row in rows.splitlines() if len(fields := row.split(",")) > 2}


@check(fault="zone-by-hand", remedy="`invoke deploy`, or timedatectl set-timezone ZONE.")
def test_zone_is_the_declared(declared: Host, live: Snapshot) -> None:
    exactly([live["zone"].removeprefix("posix/")], [declared.time.zone])
