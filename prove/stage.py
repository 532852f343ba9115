"""Where rows are put to the test: one twin of the lab, brought back to a known state before each row."""

from __future__ import annotations

import json
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from pathlib import Path

from control import places
from control.verification import ALONE, LEAN
from inventories.model import Environment, load
from prove import ledger, release
from prove.process import Ended, run
from prove.row import require
from prove.seen import Verification
from prove.tree import Edit, lent
from twin import between
from twin.gateway import Gateway
from twin.offices import offices
from twin.twin import Twin
from twin.world_image import image_of

TOP = ledger.TOP
ENVIRONMENT = "lab"
HARDENING = ("inventories", "deploys", "templates", "twin")
"""What a healthy twin is made from: when it changes, the snapshot is made anew."""

SETTLED = (
    "for n in $(seq 240); do [ $(docker ps -q -f health=healthy | wc -l) = {count} ] && exit 0; sleep 1;"
    " done; docker ps -a; exit 1"
)
"""A host that has just booted is up before its containers are."""
CARRIED = (
    "for n in $(seq 120); do [ $(swanctl --list-sas | grep -c INSTALLED) -ge {count} ] && exit 0;"
    " sleep 1; done; swanctl --list-sas; exit 1"
)
"""Nor are its tunnels."""
FIRST = 1200
"""Seconds that the state's own deploy may take: it builds the images, and the machine may be busy."""


@dataclass(frozen=True)
class Login:
    """Who logs in: the account, the private key, and the port that is knocked at."""

    user: str
    key: Path
    port: int


class Stage:
    """The twin `name` of the lab, and the commands of the project on it.

    Of the whole lab, or of `hosts` alone: what a row says of the engine is the same for two as for all, and
    two are deployed in a fraction of the time. The tree that the commands run from declares only those then.
    """

    def __init__(self, name: str, tell: Callable[[str], None], hosts: Sequence[str] = ()) -> None:
        whole: Environment = load(ENVIRONMENT)
        self.environment = whole.part(*hosts) if hosts else whole
        self._edits = (release.only(*hosts),) if hosts else ()
        self._lent = ExitStack()
        self._top = None if hosts else TOP
        self.name = name
        self.twin = Twin(self.environment, name=name)
        self.tell = tell
        self.started = time.monotonic()
        """When the row's starting state was ready: making it is not the row's time."""
        self._kept = places.home() / "proving" / name
        """What the controller knew at each snapshot: it goes back together with the disks."""
        self._label = ""
        """The state that all hosts were brought to last."""
        self._touched: tuple[str, ...] = ()
        """The hosts that may have left it since; none: all of them may have."""

    @property
    def hosts(self) -> tuple[str, ...]:
        """The names of the lab's hosts."""
        return tuple(host.name for host in self.environment.hosts)

    @property
    def top(self) -> Path:
        """The tree that the commands run from; a copy is lent until `close`."""
        if self._top is None:
            self._top = self._lent.enter_context(lent(self._edits))
        return self._top

    def close(self) -> None:
        """Give the copy of the tree back."""
        self._lent.close()
        self._top = None if self._edits else TOP

    def env(self, **more: str) -> dict[str, str]:
        """Return the environment of the project's commands: no terminal, this twin."""
        own = {"TRUNKLINE_TWIN": self.name, "NO_COLOR": "1", "COLUMNS": "400", "PYTHONUNBUFFERED": "1"}
        kept = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
        return {**kept, **own, **more}

    def python(self, *argv: str, top: Path | None = None, timeout: float = 300, **env: str) -> Ended:
        """Run a module or file with the project's Python, in a tree of the project."""
        top = top or self.top
        return run([sys.executable, *argv], top, self.env(PYTHONPATH=str(top), **env), timeout)

    def invoke(self, *argv: str, top: Path | None = None, timeout: float = 300, **env: str) -> Ended:
        """Run `invoke ...` in a tree of the project."""
        return self.python("-m", "invoke", *argv, top=top, timeout=timeout, **env)

    def deploy(self, *argv: str, top: Path | None = None, timeout: float = 900) -> Ended:
        """Run `invoke deploy --env lab`; the first one installs everything on the hosts of one machine."""
        return self.invoke("deploy", "--env", ENVIRONMENT, *argv, top=top, timeout=timeout)

    def verify(self, *argv: str, timeout: float = 480) -> Verification:
        """Run the checks and return what each said."""
        with tempfile.TemporaryDirectory(prefix="trunkline-prove-") as directory:
            report = Path(directory) / "report.json"
            words = ("--env", ENVIRONMENT, "--twin", self.name, "--report", str(report), *argv)
            command = [sys.executable, "-m", "pytest", "verify/", *LEAN, *words]
            ended = run(command, self.top, self.env(PYTHONPATH=str(self.top)) | ALONE, timeout)
            require(report.exists(), f"verify left no report: {ended.tail}")
            checks = json.loads(report.read_text(encoding="utf-8"))["checks"]
        return Verification({check["id"]: check for check in checks}, ended)

    def sh(self, host: str, script: str, timeout: float = 60) -> str:
        """Run a script as root on a host, by a road that does not depend on SSH; return what it printed."""
        done = self.twin.run(host, script, timeout=timeout)
        require(
            not done.returncode, f"on {host}, `{script[:120]}` ended with {done.returncode}: {done.stderr}"
        )
        return str(done.stdout)

    def office(self, host: str) -> Gateway:
        """Return the office that the first tunnel of a host leads to."""
        leads = ((office.name, its.name) for office in offices(self.environment) for its, _ in office.tunnels)
        return self.twin.office(next(name for name, its in leads if its == host))

    def drop(self, host: str, *matches: str) -> None:
        """Drop what matches (nft(8)) on a host's cable, both ways, as a provider's firewall would."""
        lines = [f"{each} drop" for each in matches]
        between.on_cable(image_of(self.name), self.twin.layout, host, "dropped", lines)

    def planned(self, top: Path | None = None) -> list[str]:
        """Return the steps that a deploy would do now, as `host: step`."""
        told = self.invoke("plan", "--env", ENVIRONMENT, "--json", top=top).expect(0, 2)
        events = [json.loads(line) for line in told.stdout.splitlines()]
        steps = [event for event in events if event["event"] == "step" and event["change"] != "none"]
        return [f"{step['host']}: {step['step']}" for step in steps]

    def fresh(self) -> None:
        """Bring every host to what a provider delivers."""
        self._at(f"fresh-{ledger.digest('twin', 'inventories')}", self._boot)

    def healthy(self, *touches: str) -> None:
        """Bring every host to a verified deploy of this tree.

        A row that says which hosts it touches leaves the others as they are for the next one.
        """
        self._at(f"healthy-{ledger.digest(*HARDENING)}", self._harden)
        self.settle()
        self._touched = touches
        self.started = time.monotonic()

    def settle(self) -> None:
        """Wait until what comes up by itself after a boot has: tunnels, and every container's health."""
        for host in self.environment.hosts:
            if host.strongswan:
                self.sh(
                    host.name,
                    CARRIED.format(count=sum(len(p.pairs) for p in host.strongswan.peers)),
                    timeout=130,
                )
            if count := len(list(host.compose.containers())) if host.compose else 0:
                self.sh(host.name, SETTLED.format(count=count), timeout=250)

    def baseline(self, host: str, *, disruptive: bool) -> Verification:
        """Return what the checks say of a healthy host."""
        state = f"healthy-{ledger.digest(*HARDENING)}-{ledger.digest('verify')}"
        path = self._kept / f"{state}-{host}{'-disruptive' if disruptive else ''}.json"
        if not path.exists():
            self.healthy(host)
            seen = self.verify("--host", host, *(["--disruptive"] if disruptive else []))
            path.write_text(json.dumps(dict(seen.entries)), encoding="utf-8")
            return seen
        return Verification(json.loads(path.read_text(encoding="utf-8")), Ended((), 0, "", "", 0))

    def reached(self, host: str) -> bool:
        """Say whether the controller logs in as the deploy user and becomes root."""
        return "reached" in self.ssh(host, "sudo -n echo reached", timeout=20).stdout

    def ssh(self, host: str, command: str, timeout: float = 60, *, login: Login | None = None) -> Ended:
        """Run a command on a host as the controller would by hand, or somebody else from its namespace."""
        from twin.enter import enter_argv

        state = places.state_of(self.name)
        record = self.environment.host(host)
        options = {
            "BatchMode": "yes", "ConnectTimeout": "5", "StrictHostKeyChecking": "yes",
            "IdentitiesOnly": "yes", "UserKnownHostsFile": str(state / "known_hosts"),
        }  # fmt: skip
        login = login or Login(record.users.deploy, state / "id_ed25519", record.ssh.port)
        argv = ["ssh", "-F", "none", "-p", str(login.port), "-i", str(login.key)]
        argv += [f"-o{key}={value}" for key, value in options.items()]
        argv += [f"{login.user}@{record.address.ip}", command]
        return run([*enter_argv(self.name, "controller"), *argv], TOP, self.env(), timeout)

    def await_reached(self, host: str, seconds: float) -> float:
        """Return after how many seconds the host let us in again; Disproved when it does not."""
        since = time.monotonic()
        while time.monotonic() - since < seconds:
            if self.reached(host):
                return round(time.monotonic() - since, 1)
            time.sleep(0.5)
        require(False, f"{host} did not let the deploy user in within {seconds:.0f} s")
        return seconds

    def copy(self, edits: Iterable[Edit] = ()) -> AbstractContextManager[Path]:
        """Lend a copy of the tree, changed."""
        return lent((*self._edits, *edits))

    def _at(self, label: str, make: Callable[[], None]) -> None:
        memory = self._kept / label
        state = places.state_of(self.name)
        if memory.is_dir() and label in self.twin.snapshots():
            shutil.rmtree(state, ignore_errors=True)
            shutil.copytree(memory, state, symlinks=True)
            alive = self.twin.status().up
            if not alive:
                self.twin.up()
            self.twin.restore(label, *(self._touched if alive and label == self._label else ()))
            self._label, self._touched = label, ()
            self.started = time.monotonic()
            return
        self.tell(f"makes the state {label}")
        self._label, self._touched = "", ()
        make()
        self.twin.snapshot(label)
        shutil.rmtree(memory, ignore_errors=True)
        memory.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        shutil.copytree(state, memory, symlinks=True)
        self.started = time.monotonic()

    def _boot(self) -> None:
        self.erase()
        self.twin.up(progress=self.tell)

    def seconds_of(self, name: str, measured: Callable[[], float]) -> float:
        """Return how long a deploy from the fresh or the healthy state of now takes: `first` and others.

        It is measured once, and again when that state is another.
        """
        if name not in self._seconds():
            self._keep_seconds(name, measured())
        return self._seconds()[name]

    def _seconds(self) -> dict[str, float]:
        path = self._seconds_path
        kept: dict[str, float] = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
        return kept

    def _keep_seconds(self, name: str, seconds: float) -> None:
        self._seconds_path.write_text(json.dumps(self._seconds() | {name: seconds}), encoding="utf-8")

    @property
    def _seconds_path(self) -> Path:
        return self._kept / f"seconds-{ledger.digest(*HARDENING)}.json"

    def _harden(self) -> None:
        self.fresh()
        first, again = self.deploy(timeout=FIRST).expect(0), self.deploy().expect(0)
        self._keep_seconds("first", first.seconds)
        self.tell(f"the first deploy took {first.seconds:.0f} s, the second {again.seconds:.0f} s")

    def erase(self) -> None:
        """Leave nothing of this stage on the machine."""
        self.close()
        self.twin.erase()
        shutil.rmtree(self._kept, ignore_errors=True)
        shutil.rmtree(places.state_of(self.name), ignore_errors=True)
