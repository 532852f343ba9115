"""Kernel settings: as they are now, and as the next boot would set them."""

from __future__ import annotations

from inventories.model import Environment, Host
from verify.checks import check
from verify.snapshot import Snapshot
from verify.verdict import fail, not_proven

DEPLOY = "Look for a later file in /etc/sysctl.d or a program that sets it, then `invoke deploy`."
REAL = "A real server proves it: verify an environment that does not live in a twin."


def at_boot(files: str) -> dict[str, str]:
    """Return what systemd-sysctl would set, from `systemd-analyze cat-config sysctl.d`: the last wins."""
    found: dict[str, str] = {}
    for line in files.splitlines():
        if line.startswith(("#", ";")) or "=" not in line:
            continue
        key, _, value = line.partition("=")
        found[key.strip().lstrip("-").replace("/", ".")] = " ".join(value.split())
    return found


def _wrong(live: Snapshot, wanted: dict[str, str], *, now: bool) -> dict[str, str]:
    kept = at_boot(live["sysctl_files"])
    wrong = {
        key: f"{kept.get(key, 'not set')} at boot" for key, value in wanted.items() if kept.get(key) != value
    }
    if now:
        seen = live["sysctls"]
        wrong |= {key: f"{seen[key]} now" for key, value in wanted.items() if seen[key] not in (value, None)}
    return wrong


@check(fault="sysctl-at-run-time", remedy=DEPLOY)
def test_network_settings_hold(declared: Host, live: Snapshot, environment: Environment) -> None:
    wanted = {key: value for key, value in declared.sysctls(environment).items() if key.startswith("net.")}
    if wrong := _wrong(live, wanted, now=True):
        fail(wrong, {key: wanted[key] for key in wrong})


@check(fault="sysctl-file-by-hand", remedy=DEPLOY)
def test_kernel_settings_hold(declared: Host, live: Snapshot, environment: Environment) -> None:
    wanted = {
        key: value for key, value in declared.sysctls(environment).items() if not key.startswith("net.")
    }
    if wrong := _wrong(live, wanted, now=not environment.in_twin):
        fail(wrong, {key: wanted[key] for key in wrong})
    if environment.in_twin and wanted:
        not_proven(
            "shared kernel: the twin's hosts must not set these; the files are right",
            gates=False,
            remedy=REAL,
        )
