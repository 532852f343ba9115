"""Updates: none left waiting, and the machinery that installs them alive."""

from __future__ import annotations

import re
from typing import Any

from inventories.model import Environment, Host
from verify.checks import check
from verify.snapshot import Snapshot
from verify.verdict import exactly, fail, same, warn

DAY = 86400
LISTS_AGE = 3 * DAY
REBOOT_AGE = 7 * DAY
TIMERS = ("apt-daily.timer", "apt-daily-upgrade.timer")


def apt_value(dump: str, key: str) -> str | None:
    """Return a value of `apt-config dump`, None when it is not set."""
    found = re.findall(rf'(?m)^{re.escape(key)} "(.*)";$', dump)
    return found[-1] if found else None


@check(
    fault="security-update-left", remedy="unattended-upgrade --debug on the host shows why it leaves them."
)
def test_no_security_update_is_left(live: Snapshot, evidence: dict[str, Any]) -> None:
    pending, stamps = live["pending"], live["stamps"]
    security = [f"{p['package']} {p['installed']} -> {p['offered']}" for p in pending if p["security"]]
    evidence["pending"] = {"security": len(security), "all": len(pending)}
    if not security:
        return
    if (stamps["upgraded"] or 0.0) >= stamps["fetched"]:
        fail(security, "none: unattended-upgrades has run since the lists were fetched")
    warn(security, "none", "They are installed by the next run of unattended-upgrades.")


@check(fault="package-lists-old", remedy="apt-get update on the host says what is in the way.")
def test_package_lists_are_fresh(live: Snapshot, evidence: dict[str, Any]) -> None:
    age = live.now - live["stamps"]["fetched"]
    evidence["hours"] = round(age / 3600, 1)
    if age > LISTS_AGE:
        fail(f"fetched {age / DAY:.0f} days ago", f"at most {LISTS_AGE // DAY} days")


@check(
    fault="timer-masked", remedy="systemctl unmask and enable --now apt-daily.timer apt-daily-upgrade.timer"
)
def test_unattended_upgrades_will_run(live: Snapshot, box: Any) -> None:
    if not box.package("unattended-upgrades").is_installed:
        fail("the package unattended-upgrades is not installed", "installed")
    seen = {
        name: f"{live.unit(name).get('ActiveState')} {live.unit(name).get('UnitFileState')}"
        for name in TIMERS
    }
    same(seen, dict.fromkeys(TIMERS, "active enabled"))
    dump = live["apt_config"]
    wanted = {"APT::Periodic::Update-Package-Lists": "1", "APT::Periodic::Unattended-Upgrade": "1"}
    same({key: apt_value(dump, key) for key in wanted}, wanted)
    origins = re.findall(r'(?m)^Unattended-Upgrade::(?:Origins-Pattern|Allowed-Origins):: "(.*)";$', dump)
    if not any("security" in origin.lower() for origin in origins):
        fail(origins or "no origin at all", "an origin of security upgrades")


@check(fault="reboot-by-hand", remedy="Look for a later file in /etc/apt/apt.conf.d, then `invoke deploy`.")
def test_automatic_reboot_is_as_declared(declared: Host, live: Snapshot) -> None:
    dump, at = live["apt_config"], declared.updates.reboot_at
    prefix = "Unattended-Upgrade::Automatic-Reboot"
    reboots = (apt_value(dump, prefix) or "false").lower() in ("true", "1", "yes", "on")
    time = apt_value(dump, f"{prefix}-Time") if reboots else None
    same({"reboots": reboots, "at": time}, {"reboots": at is not None, "at": at})


@check(
    fault="upgrades-broken",
    needs=("updates.unattended_upgrades_will_run", "updates.packages_are_consistent"),
    remedy="unattended-upgrade --dry-run --debug on the host.",
    disruptive=True,
)
def test_dry_run_succeeds(box: Any, evidence: dict[str, Any]) -> None:
    done = box.run("timeout 110 unattended-upgrade --dry-run --verbose")
    evidence["said"] = (done.stdout + done.stderr).strip()[-400:]
    if done.rc != 0:
        fail(f"unattended-upgrade ended with {done.rc}: {done.stderr.strip()[-200:]}", "0")


@check(
    fault=("needrestart-by-hand", "needrestart-restarts-asterisk"),
    remedy="Look for a later file in /etc/needrestart/conf.d, then `invoke deploy`.",
)
def test_needrestart_is_kept_in_check(declared: Host, live: Snapshot, environment: Environment) -> None:
    lines = live["needrestart"]
    if lines is None:
        fail("needrestart is not installed", "installed: an upgrade restarts what it must")
    mode = next((line.removeprefix("restart=") for line in lines if line.startswith("restart=")), "i")
    if mode not in ("a", "l"):
        fail(f"mode {mode}: an upgrade would wait for a person", "mode a or l")
    exempt = {pattern for pattern, _, value in (line.rpartition("=") for line in lines) if value == "0"}
    for unit in declared.undisturbed(environment):
        if mode == "a" and not any(re.search(_python(pattern), unit) for pattern in exempt):
            fail(f"{unit} would be restarted by an upgrade", "left alone, as it is declared")


def _python(pattern: str) -> str:
    """Return a printed Perl pattern, `(?^:...)`, as Python reads it."""
    return re.sub(r"\(\?\^[a-z]*:", "(?:", pattern)


@check(
    fault="reboot-overdue",
    remedy="Restart one host at a time (`sudo systemctl reboot` there), then `invoke verify`.",
)
def test_no_reboot_is_overdue(live: Snapshot) -> None:
    asked = live["stamps"]["reboot"]
    if asked is None:
        return
    age = live.now - asked
    if age > REBOOT_AGE:
        fail(f"a reboot is wanted since {age / DAY:.0f} days", f"at most {REBOOT_AGE // DAY} days")
    warn(f"a reboot is wanted since {age / 3600:.0f} hours", "none")


@check(fault="dpkg-interrupted", remedy="dpkg --configure -a; apt-get -f install")
def test_packages_are_consistent(live: Snapshot) -> None:
    exactly(live["half_done"], [], of="half-installed package")
