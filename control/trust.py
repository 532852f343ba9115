"""Pin the host keys of an environment: shown, compared by a person, and strict ever after."""

from __future__ import annotations

import base64
import hashlib
import json
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from control.atomic import alone, write_public
from control.console import Console, stdin_is_terminal
from control.errors import TrunklineError, raise_all
from control.pins import trusting
from control.target import Target

COMPARE = (
    "Compare with what the server itself says, on a road that is not this network: in the provider's web "
    "console, `ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub`."
)


@dataclass(frozen=True)
class Shown:
    """The keys ("type base64") that a host proved to hold, and the port it answered on."""

    host: str
    port: int
    keys: tuple[str, ...]


Ask = Callable[[str], bool]


def trust(target: Target, console: Console, *, replace: str, expect: str) -> int:
    """Pin what is new, refuse what changed; 0 when every chosen host is pinned in the end, else 1.

    `replace` names the hosts whose changed keys may be replaced, `expect` fingerprints that need no asking.
    """
    allowed = _names(replace, target)
    wanted = {each.strip() for each in expect.split(",") if each.strip()}
    pins = Pins(target.known_hosts)
    refused = [
        shown.host
        for shown in fetched(target)
        if not pinned(shown, _written(target, shown), pins, console, wanted, _unless(shown, target, allowed))
    ]
    if refused:
        console.warn(f"Not trusted: {', '.join(refused)}. No command will connect to them.")
    return 1 if refused else 0


@dataclass
class Pins:
    """A known_hosts file (sshd(8)), one line a name list and key."""

    path: Path

    def of(self, names: Sequence[str]) -> list[str]:
        """Return the keys ("type base64") pinned under any of these names."""
        return [key for pattern, key in self._entries() if set(pattern.split(",")) & set(names)]

    def put(self, names: Sequence[str], keys: Sequence[str]) -> None:
        """Pin exactly these keys under these names; other hosts' lines stay as they are."""
        with alone(self.path.parent):
            kept = [line for line in self._lines() if not _about(line, names)]
            new = [f"{','.join(names)} {key}" for key in keys]
            write_public(self.path, "".join(f"{line}\n" for line in (*kept, *new)).encode())

    def _entries(self) -> list[tuple[str, str]]:
        fields = [line.split() for line in self._lines() if line.strip() and not line.startswith(("#", "@"))]
        return [(each[0], f"{each[1]} {each[2]}") for each in fields if len(each) >= 3]

    def _lines(self) -> list[str]:
        return self.path.read_text().splitlines() if self.path.exists() else []


def pinned(
    shown: Shown, names: Sequence[str], pins: Pins, console: Console, wanted: set[str], unless: str
) -> bool:
    """Bring one host's pins up to what it shows, as far as a person agrees; return whether it is trusted.

    `unless` is the command without which a changed key is not replaced; empty where that was given.
    """
    known = pins.of(names)
    if known and set(known) <= set(shown.keys):
        console.say(f"{shown.host}: pinned, unchanged ({len(known)} keys)", "green")
        return True
    _present(shown, known, console)
    if known and unless:
        console.say(
            f"{shown.host}: THE HOST KEY HAS CHANGED. Somebody may be in between; nothing was pinned. If the "
            f"server was reinstalled: `{unless}`.",
            "bold red",
        )
        return False
    agreed = _agreed(shown, console, wanted)
    if not agreed:
        console.say(f"{shown.host}: not pinned.")
        return False
    pins.put(names, agreed)
    console.say(f"{shown.host}: {'replaced' if known else 'pinned'} in {pins.path}", "green")
    return True


def fingerprint(key: str) -> str:
    """Return a key's SHA256 fingerprint as `ssh-keygen -l` writes it."""
    digest = hashlib.sha256(base64.b64decode(key.split()[1])).digest()
    return f"SHA256:{base64.b64encode(digest).decode().rstrip('=')}"


def fetched(target: Target) -> list[Shown]:
    """Fetch the keys of every chosen host from where deploys come from; raise all that fail at once."""
    prefix: list[str] = []
    if target.environment.in_twin:
        from twin.enter import enter_argv

        prefix = enter_argv(target.instance, "controller")
    program = [sys.executable, "-m", "control.host_keys", target.environment.name, target.instance]
    ran = subprocess.run(
        [*prefix, *program, *target.names], capture_output=True, text=True, check=False,
        cwd=Path(__file__).resolve().parent.parent,
    )  # fmt: skip
    answers = [json.loads(line) for line in ran.stdout.splitlines() if line.startswith("{")]
    if len(answers) < len(target.hosts):
        said = ran.stderr.strip().splitlines()
        raise TrunklineError(
            f"The host keys could not be fetched: {said[-1] if said else f'exit {ran.returncode}'}.",
            "`invoke twin.status` shows whether the twin is up." if prefix else "",
        )
    raise_all([TrunklineError(each["error"], each["remedy"]) for each in answers if "error" in each])
    return [Shown(each["host"], each["port"], tuple(each["keys"])) for each in answers]


def _written(target: Target, shown: Shown) -> list[str]:
    """Return the names a host's keys are pinned under: its names and addresses, with the port."""
    host = target.environment.host(shown.host)
    addresses = [str(each.ip) for each in (host.address, host.address6) if each is not None]
    names = [host.name, f"{host.name}.{target.environment.domain}", *addresses]
    return names if shown.port == 22 else [*names, *(f"[{name}]:{shown.port}" for name in names)]


def _unless(shown: Shown, target: Target, allowed: set[str]) -> str:
    """Return the command that would replace a host's changed key; empty where this one may."""
    return "" if shown.host in allowed else trusting(target.environment, target.instance, shown.host)


def _present(shown: Shown, known: Sequence[str], console: Console) -> None:
    console.title(f"{shown.host} (port {shown.port}) shows:")
    for key in shown.keys:
        state = "as pinned" if key in known else "new"
        console.event("host_key", host=shown.host, key=key, fingerprint=fingerprint(key), state=state)
        if not console.as_json:
            console.say(f"  {fingerprint(key)}  {key.split()[0]}  ({state})")
    for key in [each for each in known if each not in shown.keys]:
        console.say(f"  {fingerprint(key)}  {key.split()[0]}  (pinned, no longer shown)", "red")


def _agreed(shown: Shown, console: Console, wanted: set[str]) -> Sequence[str]:
    """Ask, unless the expected fingerprints settle it, and return the keys that may be pinned.

    Each key comes from an exchange of its own: that one is as expected says nothing about the others.
    """
    if wanted:
        return [key for key in shown.keys if fingerprint(key) in wanted]
    if console.as_json or not stdin_is_terminal():
        raise TrunklineError(
            f"Nobody is here to compare the fingerprints of {shown.host}.",
            "Run this in a terminal, or name the right ones with `--expect SHA256:...`.",
        )
    console.say(f"  {COMPARE}", "dim")
    answer = input(f"Is this {shown.host}? Pin its keys? [y/N] ").strip().lower()
    return shown.keys if answer in ("y", "yes") else ()


def _about(line: str, names: Sequence[str]) -> bool:
    return bool(line.strip()) and bool(set(line.split()[0].split(",")) & set(names))


def _names(text: str, target: Target) -> set[str]:
    wanted = {each.strip() for each in text.split(",") if each.strip()}
    unknown = sorted(wanted - set(target.names))
    if unknown:
        raise TrunklineError(f"--replace names {', '.join(unknown)}.", f"Hosts: {', '.join(target.names)}.")
    return wanted
