"""Everything that stands in the way of a deploy, told at once, before anything is changed."""

from __future__ import annotations

import json
import shlex
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from control import places, tunnels
from control.engine import Engine
from control.errors import TrunklineError, raise_all
from control.operator import operator
from control.progress import Board
from control.session import Session
from control.target import Target
from inventories.model import RELEASES, Environment, Host, Opening

SURVEY = Path(__file__).with_name("survey.py")
NO_PYTHON = 96
"""Exit code of the survey's shell part on a host without python3."""
PATIENCE = 600.0
"""Seconds that a held package lock or a running cloud-init is waited for."""
PAUSE = 3.0
"""Seconds between two looks at a host that is waited for."""
NEEDED_MB = {"/": 500, "/var": 500, "/boot": 20}
"""Free space below which packages or an upgrade could break off half-way."""
MAX_OFFSET = 300.0
"""Seconds a clock may be off before signatures and certificates are refused; chrony mends less by itself."""
OLDEST_PYTHON = min(release.python for release in RELEASES.values())
"""What runs on the hosts is written for it."""
IMAGES_MB = 2000
"""Free space below which the images of stacks might not fit beside those they replace."""
ENGINE = {"dockerd", "docker-proxy"}
OWN_PROCESSES = {
    "ssh": {"sshd", "systemd", "init"},
    "compose": ENGINE,
    "strongswan": {"charon-systemd", "charon"},
}
"""Whose listeners on a service's port are its own, by process name."""


@dataclass(frozen=True)
class Survey:
    """What a host says of itself before a deploy (control/survey.py)."""

    seen: dict[str, Any]
    offset: float
    """Seconds that the host's clock is ahead of the controller's."""

    @property
    def busy(self) -> str:
        """Name who is at work on the host and must be waited for, or nothing."""
        if self.seen["cloud_init"]:
            return "cloud-init is still setting the host up"
        held = [f"{lock['command'] or 'a process'} (pid {lock['pid']})" for lock in self.seen["locks"]]
        what = [lock["what"] for lock in self.seen["locks"]]
        return f"{held[0]} holds the {what[0]} lock" if held else ""

    @property
    def fresh(self) -> bool:
        """Say whether no deploy of ours has ever worked on this host: nothing is served from it yet."""
        return not self.seen["manifest"]

    @property
    def notes(self) -> list[str]:
        """What is worth knowing and stands in nobody's way."""
        if self.seen["interrupted"]:
            return ["an installation was broken off there; the deploy finishes it (`dpkg --configure -a`)"]
        return []


def preflight(session: Session, target: Target, board: Board, *, adopt: bool) -> dict[str, Survey]:
    """Survey the hosts that were reached, waiting for package locks; raise every obstacle at once.

    Hosts that could not be reached and secrets that are missing are obstacles as well. Changes nothing.
    """
    obstacles = list(session.obstacles)
    surveys: dict[str, Survey] = {}
    deadline = time.monotonic() + PATIENCE
    for host in (each for each in target.hosts if each.name in session.reached):
        board.working(host.name, "preflight")
        try:
            survey = _waited(session.engine, host, board, deadline, proven(host, target.environment))
        except TrunklineError as error:
            obstacles.append(error)
        else:
            surveys[host.name] = survey
            obstacles.extend(judged(survey, host, target, adopt=adopt))
            obstacles.extend(tunnels.proofs(host, session.secrets))
            for note in tunnels.notes(host, session.secrets):
                board.said(host.name, note)
        board.done(host.name, "preflight")
    raise_all(obstacles)
    return surveys


def surveyed(engine: Engine, host: Host, names: Sequence[str] = ()) -> Survey:
    """Look at one host now, and at names in DNS from there. Raises TrunklineError where that fails."""
    asked = shlex.quote(json.dumps(names))
    script = (
        f"command -v python3 >/dev/null || exit {NO_PYTHON}\n"
        f"python3 -I - {asked} <<'END_OF_SURVEY'\n{SURVEY.read_text()}\nEND_OF_SURVEY\n"
    )
    began = time.time()
    result = engine.command(host.name, script, timeout=120)
    middle = (began + time.time()) / 2
    if result.returncode == NO_PYTHON:
        raise TrunklineError(
            f"{host.name}: there is no python3.", "Install it there: `apt-get install python3`."
        )
    try:
        seen = json.loads(result.stdout)
    except ValueError as error:
        said = result.stderr.strip().splitlines()
        raise TrunklineError(
            f"{host.name}: could not be surveyed: {said[-1] if said else f'exit {result.returncode}'}.",
            "Look with `ssh` whether python3 works there.",
        ) from error
    return Survey(seen, seen["now"] - middle)


def judged(survey: Survey, host: Host, target: Target, *, adopt: bool) -> Iterator[TrunklineError]:
    """Yield what stands in the way on one host."""
    yield from _system(survey, host)
    yield from _room(survey, host)
    yield from _clock(survey, host)
    yield from _strangers(survey, host, target.environment)
    yield from _loopback(survey, host)
    yield from _names(survey, host, target.environment)
    yield from tunnels.esp(host, survey.seen["esp"], in_twin=target.environment.in_twin)
    if not adopt and not survey.seen["manifest"]:
        yield from _first_contact(survey, host, target)


def proven(host: Host, environment: Environment) -> tuple[str, ...]:
    """Return the names that the authority will look up: behind a load balancer they lead to that."""
    if host.certbot is None or (host.nginx and host.nginx.load_balancers):
        return ()
    return tuple(dict.fromkeys(name for each in host.certificates(environment) for name in each.names))


def _waited(engine: Engine, host: Host, board: Board, deadline: float, names: Sequence[str] = ()) -> Survey:
    survey, told = surveyed(engine, host, names), ""
    while survey.busy:
        if survey.busy != told:
            told = survey.busy
            board.said(host.name, f"waits: {told}")
            board.working(host.name, f"waits: {told}")
        if time.monotonic() > deadline:
            raise TrunklineError(
                f"{host.name}: {survey.busy}, and {PATIENCE:.0f} s of waiting are over.",
                "Let it finish, or find out there why it hangs (`ps`, `cloud-init status --long`).",
            )
        time.sleep(PAUSE)
        survey = surveyed(engine, host, names)
    return survey


def _system(survey: Survey, host: Host) -> Iterator[TrunklineError]:
    seen = survey.seen
    wanted = [host.release.os_id, host.release.version_id or ""]
    if seen["os"] != wanted:
        runs = " ".join(seen["os"]).strip() or "a system that does not say which it is"
        said = f"{host.release.os_id} {host.release.version_id or host.release.codename}"
        yield TrunklineError(
            f"{host.name}: runs {runs}, the inventory says {said}.",
            "Correct `os` in the inventory, or install the host anew.",
        )
    if not seen["systemd"]:
        yield TrunklineError(f"{host.name}: systemd does not run there.", "Use a whole system, no container.")
    if tuple(int(part) for part in seen["python"].split(".")[:2]) < OLDEST_PYTHON:
        oldest = ".".join(map(str, OLDEST_PYTHON))
        yield TrunklineError(
            f"{host.name}: python3 is {seen['python']}, {oldest} or later is needed.",
            "Use a supported release.",
        )


def _room(survey: Survey, host: Host) -> Iterator[TrunklineError]:
    for path, free in survey.seen["free_mb"].items():
        needed = needed_mb(path, host, survey)
        if free < needed:
            yield TrunklineError(
                f"{host.name}: {path} has {free} MB free, {needed} are needed.",
                "Make room there: `apt-get clean`, `journalctl --vacuum-size=100M`, or a larger disk.",
            )
    inodes = survey.seen["free_inodes"]
    if inodes is not None and inodes < 10_000:
        yield TrunklineError(f"{host.name}: /var has {inodes} inodes left.", "Delete small files there.")
    declared, seen = host.memory_mb, survey.seen["memory_mb"]
    if seen < declared * 0.85:
        yield TrunklineError(
            f"{host.name}: has {seen} MB of memory, the inventory says {declared}.",
            "Correct `memory_mb` in the inventory, or resize the host.",
        )


def needed_mb(path: str, host: Host, survey: Survey) -> int:
    """Return the space that a deploy needs below a path; images go to /var until the engine has its place."""
    place = next(each for each in ("/var/lib/docker", "/var", "/") if each in survey.seen["free_mb"])
    return max(NEEDED_MB.get(path, 0), IMAGES_MB if host.compose and path == place else 0)


def _clock(survey: Survey, host: Host) -> Iterator[TrunklineError]:
    if abs(survey.offset) > MAX_OFFSET:
        direction = "ahead of" if survey.offset > 0 else "behind"
        yield TrunklineError(
            f"{host.name}: its clock is {abs(survey.offset):.0f} s {direction} the controller's.",
            "Set it there (`date -u -s @$(...)`), or the controller's if that one is wrong: "
            "package signatures and certificates would be refused.",
        )


def _strangers(survey: Survey, host: Host, environment: Environment) -> Iterator[TrunklineError]:
    """Yield each port that somebody else holds, once, over whichever address family."""
    held = {
        (listener["protocol"], listener["port"], name, ", ".join(listener["processes"]))
        for name, service in host.services.items()
        for opening in service.openings(host, environment)
        for listener in survey.seen["listeners"]
        if _foreign(listener, opening, OWN_PROCESSES.get(name, {name}))
    }
    for protocol, port, name, holders in sorted(held):
        yield TrunklineError(
            f"{host.name}: {protocol} port {port}, which {name} needs, is held by {holders}.",
            "Stop that program there, or give one of the two another port.",
        )


def _loopback(survey: Survey, host: Host) -> Iterator[TrunklineError]:
    """Yield the ports of colours that somebody else holds: no one from outside needs them, nginx does."""
    for stack, container in host.compose.containers() if host.compose else ():
        for port in container.loopback:
            for listener in survey.seen["listeners"]:
                own = Opening.port(port, "tcp", container.name)
                if _foreign(listener, own, ENGINE):
                    yield TrunklineError(
                        f"{host.name}: tcp port {port}, which {stack.name}/{container.name} needs on "
                        f"loopback, is held by {', '.join(listener['processes'])}.",
                        "Stop that program there, or declare another port in `loopback`.",
                    )


def _names(survey: Survey, host: Host, environment: Environment) -> Iterator[TrunklineError]:
    """Yield the names of certificates that do not lead to the host: the authority could not prove them.

    Of its own name a host is told by /etc/hosts that it is 127.0.1.1 (cloud-init's manage_etc_hosts): that
    says nothing of DNS, and whether the name leads here is seen from the controller before a certificate is
    asked for.
    """
    own = {str(interface.ip) for _, interface in host.interfaces}
    for name in proven(host, environment):
        seen = survey.seen["names"].get(name, [])
        if seen and all(ip_address(address).is_loopback for address in seen):
            continue
        if not seen or not set(seen) <= own:
            where = f"leads to {', '.join(seen)}" if seen else "leads nowhere"
            yield TrunklineError(
                f"{host.name}: {name} {where} in DNS, not to {' and '.join(sorted(own))}.",
                "Correct its A and AAAA records, or wait until the old ones have expired.",
            )


def _foreign(listener: dict[str, Any], opening: Opening, own: set[str]) -> bool:
    holders = set(listener["processes"])
    wanted = listener["protocol"] == opening.protocol and listener["port"] in opening.ports
    return wanted and bool(holders) and not holders & own


def _first_contact(survey: Survey, host: Host, target: Target) -> Iterator[TrunklineError]:
    declared = [key for user in host.users.accounts for key in user.keys if isinstance(key, str)]
    own = {" ".join(key.split()[:2]) for key in (*declared, *controller_keys(target))}
    strangers = [seen for seen in survey.seen["keys"] if seen["key"] not in own]
    remedy = "If the deploy may replace them, say `--adopt`; `invoke plan --adopt` shows what would go."
    if survey.seen["rules"]:
        yield TrunklineError(
            f"{host.name}: has {survey.seen['rules']} packet filter rules that nobody declared.",
            remedy,
        )
    if strangers:
        accounts = ", ".join(sorted({seen["account"] for seen in strangers}))
        yield TrunklineError(
            f"{host.name}: SSH keys that the inventory does not declare may log in as {accounts}.", remedy
        )


def controller_keys(target: Target) -> tuple[str, ...]:
    """Return the public keys that this machine itself logs in with: they are no strangers' keys."""
    if target.environment.in_twin:
        paths = [places.controller_key_of(target.instance).with_suffix(".pub")]
    else:
        paths = sorted((operator().home / ".ssh").glob("*.pub"))
    return tuple(path.read_text().strip() for path in paths if path.exists())
