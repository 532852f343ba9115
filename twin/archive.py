"""The Debian archive as this machine's own apt reaches it: the project names no address of an archive."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from control.errors import TrunklineError
from inventories.model import RELEASES, Release
from twin.command import command

KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
OS_RELEASE = Path("/etc/os-release")
_SUITE = re.compile(r"'(?P<base>https?://[^']+?)/+dists/(?P<suite>[^']+)/(?:In)?Release'")


@dataclass(frozen=True)
class Suite:
    """One suite of an archive: where it is, and its name."""

    base: str
    name: str
    always_valid: bool = False
    """The suite is taken as it is, however old its signature: a copy of testing may stand still."""

    @property
    def plain(self) -> str:
        """The base as a host asks the proxy for it: always http, without a user."""
        parts = urlsplit(self.base)
        port = f":{parts.port}" if parts.port else ""
        return f"http://{parts.hostname}{port}{parts.path}"

    @property
    def source(self) -> str:
        """The line of sources.list(5)."""
        options = f"signed-by={KEYRING}{' check-valid-until=no' if self.always_valid else ''}"
        return f"deb [{options}] {self.plain} {self.name} main"


@dataclass(frozen=True)
class Archive:
    """The two bases: everything, and security."""

    main: str
    security: str

    def suites(self, release: Release) -> tuple[Suite, ...]:
        """Return the suites that a provider's image of this release has."""
        code, still = release.codename, not release.is_released
        return (
            Suite(self.main, code, still),
            Suite(self.main, f"{code}-updates", still),
            Suite(self.security, f"{code}-security", still),
        )


def archive() -> Archive:
    """Find Debian's archive in what apt would fetch; TRUNKLINE_ARCHIVE and _SECURITY override it."""
    main, security = os.environ.get("TRUNKLINE_ARCHIVE"), os.environ.get("TRUNKLINE_ARCHIVE_SECURITY")
    if not (main and security):
        found = [match.groupdict() for match in _SUITE.finditer(command("apt-get", "--print-uris", "update"))]
        ours = {"stable", "oldstable", "testing", "sid", *_codenames()}
        guarded = {f"{suite}-security" for suite in ours}
        main = main or next((f["base"] for f in found if f["suite"] in ours), None)
        security = security or next((f["base"] for f in found if f["suite"] in guarded), None)
    if not (main and security):
        raise TrunklineError(
            "This machine's apt knows no Debian archive with its security suite.",
            "To boot a twin here set TRUNKLINE_ARCHIVE and TRUNKLINE_ARCHIVE_SECURITY to their addresses; "
            "real servers need neither.",
        )
    return Archive(main, security)


def _codenames() -> tuple[str, ...]:
    """Return Debian's codenames: those that a twin can boot, and this machine's own where it is a Debian."""
    known = tuple(each.codename for each in RELEASES.values() if each.os_id == "debian")
    text = OS_RELEASE.read_text()
    own = re.findall(r'^VERSION_CODENAME="?(\w+)"?$', text, re.MULTILINE)
    return (*known, *own) if re.search(r'^ID="?debian"?$', text, re.MULTILINE) else known


def apt_settings() -> dict[str, str]:
    """Return the machine's settings that a host's apt needs as well, by their name."""
    wanted = ("Acquire::Check-Valid-Until", "Acquire::Check-Date")
    lines = command("apt-config", "dump", "--format", "%f %v%n", *wanted).splitlines()
    return {name: value for name, _, value in (line.partition(" ") for line in lines) if value}


def upstream_proxy() -> str | None:
    """Return the proxy that the machine's apt itself goes through, if any."""
    lines = command("apt-config", "dump", "--format", "%f %v%n", "Acquire::http::Proxy").splitlines()
    found = dict(line.split(" ", 1) for line in lines if " " in line)
    return found.get("Acquire::http::Proxy") or os.environ.get("http_proxy") or None


def credentials(base: str) -> str:
    """Return `user:password@` for an archive that apt has a login for (apt_auth.conf(5)), else nothing."""
    host = urlsplit(base).hostname
    for path in [Path("/etc/apt/auth.conf"), *sorted(Path("/etc/apt/auth.conf.d").glob("*.conf"))]:
        words = path.read_text().split() if path.is_file() else []
        for at, word in enumerate(words):
            if word == "machine" and words[at + 1].split("/")[0] in (
                host,
                f"https://{host}",
                f"http://{host}",
            ):
                entry = dict(zip(words[at + 2 : at + 6 : 2], words[at + 3 : at + 6 : 2], strict=False))
                if "login" in entry:
                    return f"{entry['login']}:{entry.get('password', '')}@"
    return ""
