"""The machine itself: its system and how long that is cared for, its units, disks and processes."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

from inventories.model import RELEASES, Host, Release
from verify.checks import check
from verify.snapshot import Snapshot
from verify.verdict import exactly, fail, same, warn

FULL, FILLING = 95, 85
"""Percent."""
LEAST_FREE_MB = 200
LATE_SETTINGS = ("fail2ban.service", "chrony.service", "systemd-journald.service")


@check(
    fault="release-other", remedy="Change `os` in the inventory: packages, units and paths follow from it."
)
def test_release_is_the_declared(declared: Host, live: Snapshot) -> None:
    found, wanted = live["os_release"], declared.release
    same(
        {key: found.get(key) for key in ("ID", "VERSION_ID")},
        {"ID": wanted.os_id, "VERSION_ID": wanted.version_id},
    )


@check(
    fault="release-out-of-support",
    needs=("machine.release_is_the_declared",),
    remedy="Move the host to a newer release: no patch may come any more.",
)
def test_release_is_supported(declared: Host, live: Snapshot, evidence: dict[str, Any]) -> None:
    release, today = declared.release, datetime.now(UTC).date()
    said = live["os_release"].get("SUPPORT_END")  # os-release(5): the vendor's own last day
    if release.end_of_support is None or release.end_of_lts is None:
        warn(
            f"{release.name} is not released: nobody promises security updates",
            f"a released system, such as {_newest(release)}",
            "Keep it to twins and tests.",
        )
    last = min(release.end_of_lts, date.fromisoformat(said)) if said else release.end_of_lts
    evidence["support"] = {"regular until": str(release.end_of_support), "at all until": str(last)}
    if today > last:
        fail(f"support ended on {last}", f"a supported release: {_newest(release)}")
    if today > release.end_of_support:
        warn(
            f"{release.name} left regular support on {release.end_of_support}",
            f"a release in regular support, such as {_newest(release)}",
            f"Plan the move before {last}.",
        )


def _newest(release: Release) -> str:
    """Return the release of the same distribution that is supported longest."""
    same_kind = (r for r in RELEASES.values() if r.os_id == release.os_id)
    return max(same_kind, key=lambda r: r.end_of_support or date.min).name


@check(
    fault="unit-failed",
    remedy="journalctl -u UNIT says why; systemctl reset-failed UNIT when it is of the past.",
)
def test_no_unit_has_failed(live: Snapshot) -> None:
    exactly(live["failed_units"], [], of="failed unit")


@check(
    fault="disk-full", remedy="du -xh --max-depth=2 / | sort -h; journalctl --vacuum-size=200M; apt-get clean"
)
def test_disk_has_room(live: Snapshot, evidence: dict[str, Any]) -> None:
    disks = live["disks"]
    evidence["used"] = {disk["mount"]: f"{disk['used']} %" for disk in disks}
    worst = {d["mount"]: max(d["used"], d["files_used"]) for d in disks}
    if full := [f"{mount} {used} %" for mount, used in worst.items() if used >= FULL]:
        fail(full, f"less than {FULL} % of bytes and of files")
    if filling := [f"{mount} {used} %" for mount, used in worst.items() if used >= FILLING]:
        warn(filling, f"less than {FILLING} %")


@check(fault="binary-replaced", remedy="Restart the unit named here (needrestart -r a), or reboot.")
def test_no_process_runs_a_replaced_binary(live: Snapshot) -> None:
    exactly({f"{p['program']} in {p['unit'] or 'no unit'}" for p in live["replaced"]}, [], of="such process")


@check(fault="daemon-not-restarted", remedy="Restart the unit: its files are newer than what it runs.")
def test_daemons_run_their_present_config(live: Snapshot) -> None:
    late = []
    for name in LATE_SETTINGS:
        unit = live.unit(name)
        if unit.get("ActiveState") == "active" and unit.get("newest") and unit["newest"][0] > unit["changed"]:
            late.append(f"{name}: {unit['newest'][1]}")
    exactly(late, [], of="daemon older than its files")
