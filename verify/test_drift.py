"""Drift: what changed by hand since the last deploy, and what stands on the host that nobody declared."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from inventories.model import Host
from verify.checks import check
from verify.snapshot import Snapshot
from verify.verdict import Blocked, exactly, fail, warn

OWN_UNITS = ("trunkline-recover.service", "trunkline-guard.service", "trunkline-guard.timer")
CLOUD_INIT = (
    "/etc/ssh/sshd_config.d/50-cloud-init.conf", "/etc/ssh/sshd_config.d/60-cloudimg-settings.conf",
    "/etc/sudoers.d/90-cloud-init-users", "/etc/apt/apt.conf.d/90cloud-init-pipelining",
    "/etc/apt/apt.conf.d/95cloud-init-proxy", "/etc/profile.d/Z99-cloud-locale-test.sh",
    "/etc/profile.d/Z99-cloudinit-warnings.sh", "/etc/sysctl.d/99-cloudimg-ipv6.conf",
)  # fmt: skip
"""What cloud-init and the providers' images write by themselves; ours wins over each of them."""
MADE_BY_PROGRAMS = (
    "/etc/apt/apt.conf.d/00trustcdrom", "/etc/apt/apt.conf.d/01autoremove", "/etc/sysctl.d/99-sysctl.conf",
    "/etc/apt/apt.conf.d/01autoremove-kernels", "/etc/apt/apt.conf.d/70debconf",
)  # fmt: skip
TWIN = ("/etc/apt/apt.conf.d/00twin", "/etc/systemd/system/chrony.service.d/00twin.conf")
"""What the twin substitutes below the deploy; it prints these itself."""
PAM = "/etc/pam.d/common-"
"""Written by pam-auth-update."""
ENABLED = ("/etc/systemd/system/dbus-", "/run/systemd/system/netplan-", "/run/systemd/system/session-")
SNAPS = ("/etc/systemd/system/snap-", "/etc/systemd/system/snap.")
"""snapd mounts each revision of a snap by one unit, and runs its daemons by others."""


OF_SERVICE = {
    "/etc/ssh/": "ssh", "/etc/sudoers": "users", "/etc/fail2ban/": "fail2ban", "/etc/ufw/": "firewall",
    "/etc/default/ufw": "firewall", "/etc/sysctl": "sysctl", "/etc/apt/": "updates",
    "/etc/needrestart/": "updates", "/etc/systemd/journald": "journal",
    "/etc/chrony/": "time", "/etc/localtime": "time", "/etc/docker/": "docker",
    "/etc/trunkline/stacks": "compose", "/etc/nginx/": "nginx", "/etc/nginx": "sites",
    "/etc/swanctl/": "strongswan", "/etc/strongswan": "strongswan", "/etc/trunkline/tunnels": "strongswan",
    "/etc/asterisk/": "asterisk", "/srv/trunkline/": "sites",
    "/etc/trunkline/certs": "certbot", "/etc/letsencrypt": "certbot",
}  # fmt: skip
"""Whose check tells of such a file, where it does harm."""


def managed(live: Snapshot) -> dict[str, dict[str, Any]]:
    """Return the files that the manifest names, as they are recorded and as they stand."""
    return {each["path"]: each for each in live["managed_files"]}


def untold(found: dict[str, str], causes: dict[str, str]) -> list[str]:
    """Return what no root cause tells already. Raises Blocked when each is told by one."""
    roots = {path: root for path in found if (root := _cause_of(path, causes))}
    left = [text for path, text in found.items() if path not in roots]
    if roots and not left:
        raise Blocked(next(iter(roots.values())))
    return left


def _cause_of(path: str, causes: dict[str, str]) -> str | None:
    services = (service for prefix, service in OF_SERVICE.items() if path.startswith(prefix))
    return next((causes[service] for service in services if service in causes), None)


@check(
    fault="managed-file-by-hand",
    remedy="`invoke plan` shows the difference; `invoke deploy` takes it back.",
    last=True,
)
def test_managed_files_are_unchanged(
    live: Snapshot, causes: dict[str, str], evidence: dict[str, Any]
) -> None:
    files = managed(live)
    if live["manifest"] is None:
        fail("there is no manifest on this host", "what the last deploy recorded", "`invoke deploy` first.")
    evidence["files"] = len(files)
    wrong = {path: f"{path} ({what})" for path, each in files.items() if (what := _changed(each))}
    exactly(untold(wrong, causes), [], of="changed file")


def _changed(each: dict[str, Any]) -> str:
    """Say how a file differs from its record, or nothing."""
    recorded, live = each["recorded"], each["live"]
    details = {**recorded, **(recorded.get("remove") or {})}
    absent = details.get("file_kind", details.get("state")) == "absent"
    if live is None:
        return "" if absent else "gone"
    if absent:
        return "back again"
    if "target" in live:
        details.pop("mode", None)  # a link has none of its own
    wrong = [
        key
        for key in ("sha256", "mode", "owner", "group", "target")
        if details.get(key) not in (None, live.get(key))
    ]
    return ", ".join(wrong)


def undeclared(live: Snapshot, paths: Iterable[str], *known: str) -> list[str]:
    """Return the paths that neither the manifest nor the known ones name."""
    ours = managed(live)
    return sorted(
        path
        for path in paths
        if path not in ours and path not in (*known, *TWIN) and not path.startswith(PAM)
    )


def report(foreign: list[str]) -> None:
    """Warn about what nobody declared; foreign things are reported, never removed."""
    if foreign:
        warn(foreign, "nothing that nobody declared")


@check(fault="foreign-unit", remedy="Declare what needs it, or remove the unit file.")
def test_units_are_known(declared: Host, live: Snapshot) -> None:
    own = {f"/etc/systemd/system/{name}" for name in OWN_UNITS}
    theirs = (*ENABLED, *(SNAPS if declared.release.snap else ()))
    report([p for p in undeclared(live, live["foreign_units"], *own) if not p.startswith(theirs)])


@check(fault="foreign-cron", remedy="Declare what needs it, or remove the job.")
def test_cron_jobs_are_known(live: Snapshot) -> None:
    report(undeclared(live, live["cron"], "/etc/cron.d/.placeholder"))


@check(
    fault="foreign-apt-source",
    remedy="Declare what needs it, or remove the source: its owner can install anything.",
)
def test_apt_sources_are_known(declared: Host, live: Snapshot) -> None:
    """Those of the distribution, and those that a deploy wrote, such as Docker's where it is declared."""
    vendor, ours = declared.release.os_id.capitalize(), managed(live)
    foreign = (row for row in live["apt_sources"] if row[0] != vendor)
    report([" ".join(row[1:4]) for row in foreign if row[3].rpartition(":")[0] not in ours])


@check(fault="foreign-drop-in", remedy="Declare it, or remove the file.", last=True)
def test_configuration_files_are_known(live: Snapshot, causes: dict[str, str]) -> None:
    foreign = undeclared(live, live["drop_ins"], *CLOUD_INIT, *MADE_BY_PROGRAMS)
    changed = {path: f"{path} (changed)" for path in undeclared(live, live["conffiles"])}
    report(untold({path: path for path in foreign} | changed, causes))
