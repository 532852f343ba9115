"""Packages: what waits, what is half done, how upgrades are set up, which system this is."""

from __future__ import annotations

import json
import re
import subprocess
from typing import Any

from verify.on_host.section import SURROUNDINGS, Request, modified, said, section, text

NEEDRESTART = """
our %nrconf; my $file = '/etc/needrestart/needrestart.conf';
if (-e $file) { my $done = do $file; die "cannot read: $@" if $@; }
my %rc = map { my $p = $_; ("$p" => $nrconf{override_rc}{$p}) } keys %{ $nrconf{override_rc} // {} };
print join("\\n", "restart=" . ($nrconf{restart} // 'i'), map { "$_=$rc{$_}" } sort keys %rc), "\\n";
"""
FETCHED = (
    "/var/lib/apt/lists",
    "/var/lib/apt/lists/partial",  # touched also when nothing new was found
    "/var/lib/apt/periodic/update-stamp",
    "/var/lib/apt/periodic/update-success-stamp",
)


@section("os_release")
def os_release(request: Request) -> dict[str, str]:
    """Return os-release(5)."""
    pairs = (line.partition("=") for line in text("/etc/os-release").splitlines() if "=" in line)
    return {key.strip(): value.strip().strip("\"'") for key, _, value in pairs}


@section("pending")
def pending(request: Request) -> list[dict[str, Any]]:
    """Return what an upgrade would install by the lists as they are, and whether it mends a security hole."""
    if not _offered():  # apt's solver takes a second of CPU to say the same
        return []
    simulated = said("apt-get", "-s", "-qq", "-o", "Debug::NoLocking=1", "dist-upgrade", timeout=60)
    found = re.findall(r"(?m)^Inst (\S+) \[(\S+)\] \((\S+) ([^\[)]*)", simulated)
    mended = _security_versions([name for name, *_ in found])
    return [
        {
            "package": name, "installed": old, "offered": new, "origin": origin.strip(),
            "security": any(_newer(version, old) for version in mended.get(name, ())),
        }
        for name, old, new, origin in found
    ]  # fmt: skip


def _offered() -> list[str]:
    """Return the installed packages for which another version is the candidate (apt_preferences(5))."""
    rows = said("dpkg-query", "-W", "-f", "${db:Status-Status} ${binary:Package}\\n").splitlines()
    names = [name for status, name in (row.split() for row in rows) if status == "installed"]
    shown = said("apt-cache", "policy", *names, timeout=60)
    versions = re.findall(r"(?m)^(\S+):\n  Installed: (\S+)\n  Candidate: (\S+)$", shown)
    if len(versions) != len(names):
        raise RuntimeError(f"apt-cache policy knows {len(versions)} of {len(names)} installed packages")
    return [name for name, installed, candidate in versions if installed != candidate]


def _security_versions(names: list[str]) -> dict[str, list[str]]:
    """Return the versions in the security archives: what apt would take may come from elsewhere."""
    found: dict[str, list[str]] = {}
    lines = said("apt-cache", "madison", *names).splitlines() if names else []
    rows = (line.split("|") for line in lines)
    for name, version, source in ((part.strip() for part in row) for row in rows):
        if "-security" in source:
            found.setdefault(name, []).append(version)
    return found


def _newer(version: str, than: str) -> bool:
    argv = ["dpkg", "--compare-versions", version, "gt", than]
    return subprocess.run(argv, env=SURROUNDINGS, check=False).returncode == 0


@section("stamps")
def stamps(request: Request) -> dict[str, float | None]:
    """Return when lists were fetched, upgrades last ran, and a reboot was asked for (Unix seconds)."""
    return {
        "fetched": max(modified(path) or 0.0 for path in FETCHED),
        "upgraded": modified("/var/lib/apt/periodic/unattended-upgrades-stamp"),
        "reboot": modified("/run/reboot-required"),
    }


@section("half_done")
def half_done(request: Request) -> list[str]:
    """Return the packages that are neither installed nor removed (dpkg --audit, read from its own state)."""
    wrong = []
    for name, status in re.findall(
        r"(?ms)^Package: (\S+)\n(?:(?!^\n).)*?^Status: ([^\n]+)", text("/var/lib/dpkg/status")
    ):
        _, flag, state = [*status.split(), "", "", ""][:3]
        if flag != "ok" or state not in ("installed", "config-files", "not-installed"):
            wrong.append(f"{name} ({status})")
    return wrong


@section("apt_config")
def apt_config(request: Request) -> str:
    """Return apt's effective settings."""
    return said("apt-config", "dump", "--no-empty")


@section("apt_sources")
def apt_sources(request: Request) -> list[list[str]]:
    """Return each source: origin, address, suite, file. The origin is empty until its index was fetched."""
    fields = "$(REPO_URI)|$(RELEASE)|$(SOURCESENTRY)"
    declared = _rows(said("apt-get", "indextargets", "--no-release-info", "--format", fields))
    fetched = _rows(said("apt-get", "indextargets", "--format", f"{fields}|$(ORIGIN)"))
    origins = {row[:3]: row[3] for row in fetched}
    return [[origins.get(row, ""), *row] for row in sorted(declared)]


def _rows(shown: str) -> set[tuple[str, ...]]:
    plain = re.sub(r"//[^/@|]*@", "//***@", shown)  # an address may carry a password
    return {tuple(line.split("|")) for line in plain.splitlines()}


@section("needrestart")
def needrestart(request: Request) -> list[str] | None:
    """Return needrestart's effective mode and exceptions, None when it is not installed."""
    if not text("/etc/needrestart/needrestart.conf"):
        return None
    return said("perl", "-e", NEEDRESTART).splitlines()


@section("ufw")
def ufw(request: Request) -> dict[str, str]:
    """Return what UFW will load at the next start."""
    paths = ("ufw.conf", "user.rules", "user6.rules")
    return {name: text(f"/etc/ufw/{name}") or text(f"/lib/ufw/{name}") for name in paths}


@section("manifest")
def manifest(request: Request) -> Any:
    """Return what the deploys left recorded on this host, None when there is nothing."""
    held = text("/var/lib/trunkline/manifest.json")
    return json.loads(held) if held else None
