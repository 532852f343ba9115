"""Kernel settings at run time."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from itertools import groupby
from shlex import quote

from deploys._engine import report
from deploys._ops import live, manifest
from deploys._ops.operation import operation

FORWARDING = (".ip_forward", ".forwarding")
RESET = "net."
"""How the settings begin that a change of forwarding resets."""


def due(declared: Mapping[str, str]) -> dict[str, str]:
    """Return what is to hold at run time: the declared values, and for a setting that nobody declares any
    longer and that still has our value the one that stood before ours."""
    seen = live.system()["sysctls"]
    gone = (r for r in manifest.stored() if r["kind"] == "sysctl" and r["name"] not in declared)
    ours = (r for r in gone if seen[r["name"]]["value"] == r.get("value"))
    before = {r["name"]: (r.get("remove") or {}).get("value") for r in ours}
    return {**{key: value for key, value in before.items() if value is not None}, **declared}


def off(wanted: Mapping[str, str]) -> dict[str, str | None]:
    """Return the settings that differ and could be set here, with their present values."""
    seen = live.system()["sysctls"]
    return {
        key: seen[key]["value"]
        for key, value in wanted.items()
        if seen[key]["value"] != value and seen[key]["settable"]
    }


@operation
def settings(declared: Mapping[str, str]) -> Iterator[str]:
    """Set what differs; a setting that this kernel does not let us set (a shared one) is left to its file.

    One that is given back may refuse until the next boot (kernel.unprivileged_bpf_disabled is such a one).
    """
    wanted = due(declared)
    differing = off(wanted)
    report.plan(
        None,
        "change" if differing else "none",
        "\n".join(f"{key}: {value} -> {wanted[key]}" for key, value in differing.items()),
    )
    for is_declared, keys in groupby(written(wanted, differing), declared.__contains__):
        command = "sysctl -q -w " + " ".join(quote(f"{key}={wanted[key]}") for key in keys)
        yield command if is_declared else f"{command} || true"


def written(wanted: Mapping[str, str], differing: Collection[str]) -> list[str]:
    """Return the keys to write: a change of forwarding comes first and resets others (ip-sysctl.rst)."""
    first = [key for key in differing if key.endswith(FORWARDING)]
    again = (key for key in wanted if first and key.startswith(RESET))
    return list(dict.fromkeys([*first, *again, *differing]))
