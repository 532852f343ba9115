"""The journal: the limits that journald itself says it keeps, and whether a reboot would lose the logs."""

from __future__ import annotations

import json
import re
from typing import Any

from inventories.model import Host
from verify.checks import check
from verify.snapshot import Snapshot
from verify.verdict import fail, same

DEPLOY = "Look for a later drop-in in /etc/systemd/journald.conf.d, then `invoke deploy`."
MEGABYTE = 1 << 20
UNITS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}


def configured(text: str) -> dict[str, str]:
    """Return journald's settings as its files give them: the last value wins."""
    pairs = re.findall(r"(?m)^\s*([A-Za-z]+)\s*=\s*(.*?)\s*$", text)
    return dict(pairs)


def size(text: str) -> int:
    """Return a size of journald.conf(5) in bytes."""
    number, unit = re.fullmatch(r"(\d+)([KMGT]?)", text).groups()  # type: ignore[union-attr]
    return int(number) * UNITS[unit]


@check(fault="journal-limits-by-hand", remedy=DEPLOY)
def test_limits_are_effective(declared: Host, live: Snapshot, evidence: dict[str, Any]) -> None:
    journal = live["journal"]
    kept = configured(journal["config"])
    wanted = {
        "SystemMaxUse": f"{declared.journal.max_use_mb}M",
        "SystemKeepFree": f"{declared.journal.keep_free_mb}M",
        "MaxRetentionSec": f"{declared.journal.max_retention_days}day",
    }
    same({key: kept.get(key) for key in wanted}, wanted)
    said = [json.loads(line) for line in journal["usage"]]
    system = [entry for entry in said if entry.get("JOURNAL_NAME") == "System Journal"]
    if not system:  # rotated away; that the daemon is newer than its files is another check
        evidence["said"] = "nothing since its start that is still kept"
        return
    evidence["said"] = str(system[-1].get("MESSAGE"))
    largest = int(system[-1]["MAX_USE"])
    if largest != size(wanted["SystemMaxUse"]):
        fail(f"the running journald keeps {largest // MEGABYTE} MB", f"{declared.journal.max_use_mb} MB")


@check(fault="journal-volatile", remedy=DEPLOY)
def test_logs_survive_a_reboot(live: Snapshot) -> None:
    storage = configured(live["journal"]["config"]).get("Storage", "auto")
    same(
        {"Storage": storage, "a journal on the disk": live["journal"]["persistent"]},
        {"Storage": "persistent", "a journal on the disk": True},
    )
