"""Swap space in a file of our own."""

from __future__ import annotations

from collections.abc import Iterator
from shlex import quote

from deploys._engine import report
from deploys._ops import live
from deploys._ops.operation import operation

MEGABYTE = 1024 * 1024


@operation
def swap_file(path: str, size_mb: int) -> Iterator[str]:
    """Keep a swap file of exactly this size."""
    if live.system()["swap"]["size"] == size_mb * MEGABYTE:
        report.plan(None, "none")
        return
    in_use = path in live.system()["swap"]["active"]
    report.plan(None, "change", f"{path}: {size_mb} MB")
    if in_use:
        yield f"swapoff {quote(path)}"
    staged = quote(f"{path}.new")
    yield (
        f"rm -f {staged} && (umask 077 && fallocate -l {size_mb}M {staged}) && mkswap -q {staged} "
        f"&& sync {staged} && mv -f {staged} {quote(path)}"
    )


@operation
def swap_used(unit: str, path: str) -> Iterator[str]:
    """Keep the swap unit enabled and its file in use, where the host has a kernel of its own."""
    system = live.system()
    commands = []
    if system["units"].get(unit, {}).get("UnitFileState") != "enabled":
        commands.append(f"systemctl enable {unit}")
    if path not in system["swap"]["active"] and not system["container"]:
        commands.append(f"systemctl restart {unit}")
    note = "\nnot used here: a container has no swap of its own" if system["container"] else ""
    report.plan(None, "change" if commands else "none", "\n".join(commands) + (note if commands else ""))
    yield from commands


@operation
def swap_removed(paths: tuple[str, ...]) -> Iterator[str]:
    """Take swap files away that are no longer declared."""
    report.plan(None, "change" if paths else "none", "\n".join(f"- {path}" for path in paths))
    for path in paths:
        yield f"! grep -q '^{path} ' /proc/swaps || swapoff {quote(path)}; rm -f {quote(path)}"
