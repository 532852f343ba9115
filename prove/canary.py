"""Secrets stay secret: a marker that is the value of one is nowhere to be seen after all deploys do."""

from __future__ import annotations

import json
import secrets
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from control import places
from prove import release
from prove.process import Ended, run
from prove.row import Evidence, Row, require
from prove.stage import Stage

OWN_FILES = ("/etc/canary", "/run/canary")
"""Where the deploy puts the secret on purpose, readable by root alone."""
CONTROL = "/var/tmp/canary-control"
"""A public file with the secret: where it is not found, finding nothing proves nothing."""
ON_HOST = """
import json, os, subprocess, sys
markers = [each.encode() for each in json.load(sys.stdin)]
found = []
def look(where, data):
    found.extend(where for marker in markers if marker in data)
for top in ("/etc", "/run", "/var", "/usr/local", "/home", "/root", "/opt", "/srv", "/tmp"):
    for directory, _, names in os.walk(top):
        for path in (os.path.join(directory, name) for name in names):
            if not os.path.isfile(path) or os.path.islink(path) or path.startswith("/run/systemd/nspawn"):
                continue
            public = os.stat(path).st_mode & 0o004
            if public or "/log/" in path or path.endswith((".json", ".pyz", ".sh", ".py", ".log")):
                look(path, open(path, "rb").read())
look("the journal", subprocess.run(["journalctl", "-o", "export", "--all"], stdout=-1, check=True).stdout)
print(json.dumps(sorted(set(found))))
"""


@dataclass
class Watch:
    """Looks at the arguments of every process of the machine, and of all its hosts, while it lasts."""

    markers: tuple[str, ...]
    seen: set[str] = field(default_factory=set)
    looks: int = 0
    over: bool = False

    def look(self) -> None:
        """Look again and again until it is over."""
        while not self.over:
            for path in Path("/proc").glob("[0-9]*/cmdline"):
                try:
                    said = path.read_bytes()
                except OSError:
                    continue
                if any(marker.encode() in said for marker in self.markers):
                    self.seen.add(said.replace(b"\0", b" ").decode(errors="replace")[:80])
            self.looks += 1
            time.sleep(0.02)


@contextmanager
def watched(markers: tuple[str, ...]) -> Iterator[Watch]:
    """Watch the process list while the block runs."""
    watch = Watch(markers)
    thread = threading.Thread(target=watch.look)
    thread.start()
    try:
        yield watch
    finally:
        watch.over = True
        thread.join()


def _markers(stage: Stage, value: str) -> tuple[str, ...]:
    """Return the secret, and a line of every private key that the lab has."""
    state = places.state_of(stage.name)
    lines = (state / "id_ed25519").read_text(encoding="utf-8").splitlines()
    identities = [
        line for line in (state / "age.key").read_text(encoding="utf-8").splitlines() if "SECRET" in line
    ]
    return (value, lines[2], *identities)


def _put(stage: Stage) -> Evidence:
    stage.healthy()
    value = f"CANARY{secrets.token_hex(12)}"
    with stage.copy(release.canary()) as top:
        given = _give(stage, top, value)
        markers = _markers(stage, value)
        with watched(markers) as watch:
            run(["sh", "-c", "sleep 1; true", "control", value], top, stage.env()).expect(0)
            ended: list[Ended] = [given, *_work(stage, top), *_failing(stage)]
        for end in ended:
            require(not _in(end.output, markers), f"`{' '.join(end.argv[2:5])}` shows a secret: {end.tail}")
        shown = {said for said in watch.seen if " control " not in said}
        require(watch.seen - shown, "the watch does not see a process that shows a secret")
        require(not shown, f"a process had a secret in its arguments: {'; '.join(shown)}")
        arrived = stage.sh(release.HOST, "cat /etc/canary")
        require(arrived == f"token = {value}\n", "the secret did not arrive")
        _nowhere_on_hosts(stage, markers)
        _nowhere_here(stage, top, markers)
        return {"commands": len(ended), "looks_at_the_process_list": watch.looks, "markers": len(markers)}


def _give(stage: Stage, top: Path, value: str) -> Ended:
    """Set the secret as a person does, through stdin."""
    argv = [sys.executable, "-m", "invoke", "secrets.set", "canary", "--env", "lab"]
    env = stage.env(PYTHONPATH=str(top))
    done = subprocess.run(
        argv, input=f"{value}\n", cwd=top, env=env, capture_output=True, text=True, check=False
    )
    ended = Ended(tuple(argv), done.returncode, done.stdout, done.stderr, 0)
    return ended.expect(0)


def _work(stage: Stage, top: Path) -> Iterator[Ended]:
    """Everything that one does with an environment, as loud as it can be."""
    for argv in (
        ("plan", "--env", "lab", "--debug"),
        ("plan", "--env", "lab", "--json"),
        ("deploy", "--env", "lab", "--debug"),
        ("deploy", "--env", "lab", "--json", "--debug"),
        ("verify", "--env", "lab", "--debug"),
        ("show", "--env", "lab"),
        ("render", "--env", "lab"),
        ("status", "--env", "lab", "--json"),
        ("secrets.list", "--env", "lab"),
    ):
        ended = stage.invoke(*argv, top=top)
        require(ended.code in (0, 2), f"`invoke {argv[0]}` ended with {ended.code}: {ended.tail}")
        yield ended


def _failing(stage: Stage) -> Iterator[Ended]:
    """A deploy that fails with the secret on its lips."""
    with stage.copy((*release.canary(), release.leaky())) as loud:
        for options in (("--debug",), ("--json",)):
            ended = stage.deploy(*options, top=loud)
            require(ended.code == 1, f"a deploy whose step fails ended with {ended.code}: {ended.tail}")
            require("no luck with" in ended.output, f"it does not say what the step said: {ended.tail}")
            yield ended


def _in(text: str, markers: tuple[str, ...]) -> bool:
    return any(marker in text for marker in markers)


def _nowhere_on_hosts(stage: Stage, markers: tuple[str, ...]) -> None:
    for host in stage.hosts:
        stage.twin.write(host, CONTROL, markers[0])
        stage.twin.write(host, "/root/.look.py", ON_HOST, 0o600)
        done = stage.twin.run(host, "python3 -I /root/.look.py; rm /root/.look.py", input=json.dumps(markers))
        require(done.returncode == 0, f"{host} could not be searched: {done.stderr}")
        found = set(json.loads(done.stdout)) - set(OWN_FILES)
        require(CONTROL in found, f"{host}: the search does not find what was put there to be found")
        require(found == {CONTROL}, f"{host} has a secret in {', '.join(found - {CONTROL})}")
        stage.sh(host, f"rm {CONTROL}")
        modes = stage.sh(host, f"stat -c '%a %U' {' '.join(OWN_FILES)} 2>/dev/null || true")
        require(set(modes.splitlines()) <= {"600 root"}, f"{host}: the secret's files are {modes}")


def _nowhere_here(stage: Stage, top: Path, markers: tuple[str, ...]) -> None:
    """Nothing in the state, the run-time files or git; private keys stand in their own file only."""
    own = {"id_ed25519", "age.key"}
    for place in (places.state_of(stage.name), places.run() / stage.name):
        for path in place.rglob("*"):
            if path.is_file() and not path.is_symlink() and path.name not in own and path.suffix != ".img":
                found = _in(path.read_text(encoding="utf-8", errors="replace"), markers)
                require(not found, f"{path} has a secret in plain")
    run(["git", "add", "--all"], top, stage.env()).expect(0)
    objects = "git cat-file --batch-all-objects --batch; git diff --cached"
    kept = run(["sh", "-c", objects], top, stage.env())
    require(not _in(kept.stdout, markers), "git has a secret in an object")


ROWS = (
    Row(
        "canary",
        "no-secret-anywhere",
        "no secret reaches an output, log, process list, report, manifest, public file or git object",
        _put,
        limit=600,
    ),
)
