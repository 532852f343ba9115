"""Secrets stay secret: each of the lab is a marker, and none is seen anywhere after all that deploys do."""

from __future__ import annotations

import secrets
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from control import places
from control.secrets import store_of
from control.target import Target
from control.verification import ALONE, LEAN
from prove import nowhere, release
from prove.markers import Markers, identity_of, is_certificate, key_of, markers_of
from prove.nowhere import CONTROL, IDENTITY, KEY
from prove.process import Ended, run
from prove.row import Evidence, Row, require
from prove.stage import ENVIRONMENT, Stage

CANARY = "canary"
"""The secret that this release has in addition, and hands to a command as well."""
HASHES = r"grep -rhoE '\$(y|6)\$[./A-Za-z0-9$=,]+' /etc/shadow /etc/nginx 2>/dev/null | sort -u"
"""What a password is kept as is worth as much (crypt(5))."""
PATIENCE = 900
"""Seconds for one command of the whole lab."""


@dataclass
class Watch:
    """Looks at the arguments of every process of the machine, and of all its hosts, while it lasts."""

    markers: Markers
    seen: dict[str, str] = field(default_factory=dict)
    """What gave each secret away."""
    looks: int = 0
    over: bool = False

    def look(self) -> None:
        """Look again and again until it is over."""
        while not self.over:
            for path in Path("/proc").glob("[0-9]*/cmdline"):
                try:
                    said = path.read_bytes().replace(b"\0", b" ").decode(errors="replace")
                except OSError:
                    continue
                for name in self.markers.named_in(said):
                    self.seen.setdefault(name, self.markers.masked(said)[:120])
            self.looks += 1
            time.sleep(0.05)


@contextmanager
def watched(markers: Markers) -> Iterator[Watch]:
    """Watch the process list while the block runs."""
    watch = Watch(markers)
    thread = threading.Thread(target=watch.look)
    thread.start()
    try:
        yield watch
    finally:
        watch.over = True
        thread.join()


def _put(stage: Stage) -> Evidence:
    stage.healthy()
    values = _renewed(stage) | {CANARY: _new(), CONTROL: _new()}
    state = places.state_of(stage.name)
    markers = markers_of(values) | key_of(state / KEY) | identity_of(state / IDENTITY)
    with stage.copy(release.canary()) as top:
        with watched(markers) as watch:
            run(["sh", "-c", "sleep 2; true", "control", values[CONTROL]], top, stage.env()).expect(0)
            ended = [_give(stage, top, values[CANARY]), *_work(stage, top)]
            done, reports = _verified(stage, top)
            ended += [done, *_failing(stage)]
        require(CONTROL in watch.seen, "the watch does not see a process that shows a secret")
        shown = [f"{name} in `{said}`" for name, said in watch.seen.items() if name != CONTROL]
        require(not shown, f"a process had a secret in its arguments: {'; '.join(shown)}")
        markers |= _hashes(stage)
        for end in ended:
            told = markers.named_in(end.output)
            require(not told, f"`{' '.join(end.argv[2:5])}` shows {', '.join(told)}")
        for name, text in reports.items():
            require(not markers.named_in(text), f"{name} shows {', '.join(markers.named_in(text))}")
        arrived = stage.sh(release.HOST, "cat /etc/canary")
        require(arrived == f"token = {values[CANARY]}\n", "the secret did not arrive")
        return {
            "markers": sorted(markers.but(CONTROL).forms),
            "certificates_left_out": sorted(name for name, value in values.items() if is_certificate(value)),
            "commands": len(ended),
            "reports": sorted(reports),
            "looks_at_the_process_list": watch.looks,
            **nowhere.on_hosts(stage, markers.but(CONTROL), values[CONTROL], CANARY),
            **nowhere.here(stage, top, markers.but(CONTROL)),
        }


def _new() -> str:
    return f"CANARY{secrets.token_hex(18)}"


def _renewed(stage: Stage) -> dict[str, str]:
    """Give every secret that the environment chooses itself a new value; return all that it declares.

    The others are given by those outside: the twin has made them for itself alone, too.
    """
    store = store_of(Target(stage.environment, stage.name, stage.environment.hosts))
    declared = stage.environment.secrets()
    store.put_all({each.name: _new() for each in declared if each.name not in store.given})
    return store.needed(declared)


def _give(stage: Stage, top: Path, value: str) -> Ended:
    """Set the secret as a person does, through stdin."""
    argv = [sys.executable, "-m", "invoke", "secrets.set", CANARY, "--env", ENVIRONMENT]
    env = stage.env(PYTHONPATH=str(top))
    done = subprocess.run(
        argv, input=f"{value}\n", cwd=top, env=env, capture_output=True, text=True, check=False
    )
    ended = Ended(tuple(argv), done.returncode, done.stdout, done.stderr, 0)
    return ended.expect(0)


def _work(stage: Stage, top: Path) -> Iterator[Ended]:
    """Everything that one does with an environment, as loud as it can be."""
    for command, *options in (
        ("plan", "--debug"),
        ("plan", "--json"),
        ("deploy", "--debug"),
        ("deploy", "--json", "--debug"),
        ("verify", "--json", "--debug"),
        ("show",),
        ("render",),
        ("peer",),
        ("peer", "--json"),
        ("status", "--json"),
        ("secrets.list",),
    ):
        ended = stage.invoke(command, "--env", ENVIRONMENT, *options, top=top, timeout=PATIENCE)
        good = (0, 2) if command == "plan" else (0,)
        require(ended.code in good, f"`invoke {command}` ended with {ended.code}: {_tail(stage, ended)}")
        yield ended


def _failing(stage: Stage) -> Iterator[Ended]:
    """A deploy that fails with every secret on its lips."""
    with stage.copy((*release.canary(), release.leaky())) as loud:
        for options in (("--debug",), ("--json", "--debug")):
            ended = stage.deploy(*options, top=loud)
            said = _tail(stage, ended)
            require(ended.code == 1, f"a deploy whose step fails ended with {ended.code}: {said}")
            require("no luck with" in ended.output, f"it does not say what the step said: {said}")
            yield ended


def _tail(stage: Stage, ended: Ended) -> str:
    """Return the last words of a command; what is told of them is kept in git."""
    store = store_of(Target(stage.environment, stage.name, stage.environment.hosts))
    return markers_of(store.values() | store.given).masked(ended.tail)


def _verified(stage: Stage, top: Path) -> tuple[Ended, dict[str, str]]:
    """Run the checks as pytest's users do; return how that ended, and both reports."""
    with tempfile.TemporaryDirectory(prefix="trunkline-prove-") as directory:
        report, junit = Path(directory) / "report.json", Path(directory) / "junit.xml"
        where = ("--env", ENVIRONMENT, "--twin", stage.name)
        into = ("--report", str(report), "--junitxml", str(junit), "-o", "junit_logging=all")
        argv = [sys.executable, "-m", "pytest", "verify/", *LEAN, *where, *into]
        ended = run(argv, top, stage.env(PYTHONPATH=str(top)) | ALONE, PATIENCE)
        require(ended.code == 0, f"the checks ended with {ended.code}: {_tail(stage, ended)}")
        return ended, {each.name: each.read_text(encoding="utf-8") for each in (report, junit)}


def _hashes(stage: Stage) -> Markers:
    """Return the hashes of passwords that hosts have."""
    found = {f"hashes of {host}": tuple(stage.sh(host, HASHES).split()) for host in stage.hosts}
    require(all(found.values()), "a host has no hash of its console's password")
    return Markers(found)


ROWS = (
    Row(
        "canary",
        "no-secret-anywhere",
        "no secret reaches an output, log, process list, report, manifest, public file or git object",
        _put,
        limit=2400,
    ),
)
