"""What ssh_config(5) says of the way to a host, under whichever of the host's names it says it.

Deploys and checks both go by this, so that they take the same way. Hosts of a twin are reached without it.
"""

from __future__ import annotations

import glob
import re
import shlex
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from control.errors import TrunklineError
from control.operator import operator
from inventories.model import Environment, Host

DEEPEST_INCLUDE = 16
LINE = re.compile(r"(\w+)(?:\s*=\s*|\s+)(.*)")
PROXIES = ("proxyjump", "proxycommand")
"""They compete: whichever stands first makes all others void."""
WAY = ("hostname", "port", "user", "identityfile", "identitiesonly", *PROXIES)


@dataclass(frozen=True)
class Said:
    """What ssh_config says of one host; empty where it says nothing."""

    hostname: str = ""
    """Where to connect to instead of the address that is known anyway."""
    port: int | None = None
    user: str = ""
    proxy: tuple[str, str] | None = None
    """The keyword, ProxyJump or ProxyCommand, and its value as it stands there, which may be `none`."""
    keys: tuple[Path, ...] = ()
    only_these: bool = False
    """No other key is to be tried, and none of the agent's."""

    @property
    def jumps(self) -> tuple[str, ...]:
        """The jump hosts in the order of the way, each written `[user@]host[:port]`."""
        keyword, value = self.proxy or ("", "")
        return tuple(value.replace(" ", "").split(",")) if keyword == PROXIES[0] and value != "none" else ()

    @property
    def command(self) -> str:
        """The ProxyCommand with its tokens; empty where there is none."""
        keyword, value = self.proxy or ("", "")
        return value if keyword == PROXIES[1] and value != "none" else ""

    @property
    def through(self) -> str:
        """What stands between this machine and the host, in words; empty where nothing does."""
        return f"the jump host {self.jumps[-1]}" if self.jumps else "a ProxyCommand" if self.command else ""

    def lines(self) -> list[str]:
        """Return the proxy and the keys as lines of an ssh_config."""
        found = [" ".join(self.proxy)] if self.proxy else []
        found += [f'IdentityFile "{path}"' for path in self.keys]
        return [*found, "IdentitiesOnly yes"] if self.only_these else found


def files() -> tuple[Path, ...]:
    """Return the files that ssh(1) reads, in its order."""
    return (Path.home() / ".ssh/config", Path("/etc/ssh/ssh_config"))


def said_of_host(environment: Environment, host: Host) -> Said:
    """Return what is said of a declared host under its FQDN, its address or its short name."""
    if environment.in_twin:
        return Said()
    return said_of(f"{host.name}.{environment.domain}", str(host.address.ip), host.name)


def said_of(*names: str) -> Said:
    """Return what is said of a host that has these names. Raises TrunklineError for a file nobody can read.

    As in ssh(1), the first value of a keyword holds, in the order of the files.
    """
    reading = _Reading(names)
    for path in files():
        reading.read(path)
    return reading.said()


def filled(command: str, address: str, port: int, user: str, name: str) -> str:
    """Return a ProxyCommand with its tokens filled in: %h, %p, %r, %n and %%."""
    tokens = {"h": address, "p": str(port), "r": user, "n": name, "%": "%"}
    return re.sub(r"%(.)", lambda found: tokens.get(found[1], found[0]), command)


class _Reading:
    """One reading of the files, for one host."""

    def __init__(self, names: Sequence[str]) -> None:
        self.names = names
        self.found: dict[str, list[str]] = {}
        self.called: dict[str, str] = {}
        """By keyword, the name that the host has in the entry that gave the value."""

    def read(self, path: Path, called: str = "", depth: int = 0) -> None:
        """Read one file, and those that it includes where it does; it begins in the entry of that name."""
        name: str | None = called or self.names[0]
        for keyword, value in _settings(path):
            try:
                if keyword == "host":
                    name = self._entered(_words(value))
                elif keyword == "match":
                    name = self.names[0] if self._matched(_words(value)) else None
                elif name and keyword == "include" and depth < DEEPEST_INCLUDE:
                    for included in _included(path, value):
                        self.read(included, name, depth + 1)
                elif name and keyword in WAY:
                    self._keep(keyword, value, name)
            except ValueError as error:
                raise _unreadable(path, f"{keyword} {value}: {error}") from error

    def said(self) -> Said:
        """Return what was found."""
        first = {keyword: values[0] for keyword, values in self.found.items()}
        proxy = next(((keyword, first[keyword]) for keyword in first if keyword in PROXIES), None)
        hostname = first.get("hostname", "")
        if proxy and proxy[0] == PROXIES[1] and proxy[1] != "none":
            hostname = hostname or self.called[proxy[0]]
        elif hostname in self.names:
            hostname = ""
        only = first.get("identitiesonly", "").lower() == "yes"
        keys = tuple(self._key(value) for value in dict.fromkeys(self.found.get("identityfile", ())))
        port = int(first["port"]) if "port" in first else None
        return Said(hostname, port, first.get("user", ""), proxy, keys, only)

    def _keep(self, keyword: str, value: str, name: str) -> None:
        if keyword in self.found and keyword != "identityfile":
            return
        word = value if keyword in PROXIES else _words(value)[0]
        if keyword == "port":
            int(word)
        if keyword == "hostname":
            word = word.replace("%h", name)
        if word.lower() == "none" and keyword in PROXIES:
            word = "none"
        self.found.setdefault(keyword, []).append(word)
        self.called.setdefault(keyword, name)

    def _entered(self, patterns: Sequence[str]) -> str | None:
        """Return the first name that a Host line is about; None where it excludes any."""
        excluded = [pattern[1:] for pattern in patterns if pattern.startswith("!")]
        wanted = [pattern for pattern in patterns if not pattern.startswith("!")]
        if any(fnmatchcase(name, pattern) for name in self.names for pattern in excluded):
            return None
        return next((name for name in self.names for pattern in wanted if fnmatchcase(name, pattern)), None)

    def _matched(self, words: Sequence[str]) -> bool:
        """Say whether every condition of a Match line holds; what we do not know does not."""
        rest = iter(words)
        for word in rest:
            kind = word.lstrip("!").lower()
            value = "" if kind in ("all", "final", "canonical") else next(rest, "")
            if self._holds(kind, value) == word.startswith("!"):
                return False
        return True

    def _holds(self, kind: str, value: str) -> bool:
        own = operator().name
        hostname = self.found.get("hostname", [""])[0]
        if kind == "exec":
            command = filled(value, hostname or self.names[0], 22, own, self.names[0])
            argv = [*operator().as_themselves, "/bin/sh", "-c", command]
            quiet = subprocess.DEVNULL
            return subprocess.run(argv, stdin=quiet, stdout=quiet, check=False).returncode == 0
        subjects: Mapping[str, Sequence[str]] = {
            "host": (hostname,) if hostname and hostname not in self.names else self.names,
            "originalhost": self.names,
            "user": (self.found.get("user", [own])[0],),
            "localuser": (own,),
        }
        if kind in subjects:
            return _Reading(subjects[kind])._entered(value.split(",")) is not None
        return kind in ("all", "final")

    def _key(self, value: str) -> Path:
        tokens = {"d": str(Path.home()), "u": operator().name, "h": self.names[0], "%": "%"}
        return Path(re.sub(r"%(.)", lambda found: tokens.get(found[1], found[0]), value)).expanduser()


def _settings(path: Path) -> Iterator[tuple[str, str]]:
    """Yield the keywords of a file, in small letters, with what follows them."""
    try:
        text = path.read_text(encoding="utf-8") if path.exists() else ""
    except (OSError, UnicodeDecodeError) as error:
        raise _unreadable(path, str(error)) from error
    for line in text.splitlines():
        found = LINE.fullmatch(line.strip())
        if found and found[2]:
            yield found[1].lower(), found[2].strip()


def _words(value: str) -> list[str]:
    """Return the words of a value without their quotes and without a comment; at least one."""
    words = shlex.split(value)
    comment = next((n for n, word in enumerate(words) if word.startswith("#")), len(words))
    return words[:comment] or [""]


def _included(path: Path, value: str) -> Iterator[Path]:
    """Yield the files that an Include names: a relative path is beside the user's file, or the system's."""
    own, system = files()
    beside = system.parent if path.is_relative_to(system.parent) else own.parent
    for word in _words(value):
        pattern = str(beside / Path(word).expanduser())
        yield from (Path(found) for found in sorted(glob.glob(pattern)) if Path(found).is_file())


def _unreadable(path: Path, reason: str) -> TrunklineError:
    return TrunklineError(f"{path} cannot be read: {reason}.", "Correct it; `ssh -G HOST` names the line.")
