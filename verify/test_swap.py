"""Swap: exactly what is declared, in use now and after a boot."""

from __future__ import annotations

from inventories.model import Environment, Host
from verify.checks import check
from verify.snapshot import Snapshot
from verify.verdict import fail, not_proven, same

MEGABYTE = 1 << 20
REAL = "A real server proves it: verify an environment that does not live in a twin."


@check(fault="swap-file-gone", remedy="`invoke deploy` makes the file and its unit again.")
def test_is_exactly_the_declared(declared: Host, live: Snapshot, environment: Environment) -> None:
    swap, wanted = live["swap"], declared.swap
    if wanted is None:
        if environment.in_twin:
            same({"fstab": swap["fstab"], "units": swap["units"]}, {"fstab": [], "units": []})
            return
        same(
            {"in use": [u["path"] for u in swap["used"]], "fstab": swap["fstab"]}, {"in use": [], "fstab": []}
        )
        return
    if swap["file"] is None:
        fail(f"there is no {wanted.path}", f"{wanted.size_mb} MB of swap")
    same(
        {
            "megabytes": swap["file"]["bytes"] // MEGABYTE,
            "mode": swap["file"]["mode"],
            "unit": bool(swap["units"]),
        },
        {"megabytes": wanted.size_mb, "mode": "0o600", "unit": True},
    )
    if environment.in_twin:
        not_proven(
            "shared kernel: the twin's hosts cannot swap; the file and its unit are right",
            gates=False,
            remedy=REAL,
        )
    same({"in use": [u["path"] for u in swap["used"]]}, {"in use": [wanted.path]})
