"""Where none of these markers may stand: a host's files and journal, the controller's files, git."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from control import places
from prove.markers import Markers
from prove.process import run
from prove.row import require
from prove.search_on_host import JOURNAL
from prove.stage import Stage

OWN_FILES = ("/etc/canary", "/run/canary")
"""Where the deploy puts it on purpose, readable by root alone."""
KEY, IDENTITY = "id_ed25519", "age.key"
"""What the controller logs in with, and what opens the secrets: each in a file of its own in the state."""
CONTROL = "control"
"""The name of what is no secret and shown on purpose: where it is not found, nothing found proves nothing."""
PUBLIC, LOG = "/var/tmp/canary-control", "/var/log/canary-control"
TOPS = ("/etc", "/run", "/var", "/usr/local", "/home", "/root", "/opt", "/srv", "/tmp")
TOLD = (
    *(("/var/log",), ("/run/log",), ("/root",), ("/home",), ("/tmp",), ("/var/tmp",)),
    ("/var/lib/docker/containers", ".log"),
    *((top, ".json", ".pyz", ".py", ".sh") for top in ("/var/lib/trunkline", "/usr/local/lib/trunkline")),
    ("/etc/trunkline", ".json", ".py", ".sh"),
)
"""Where none may stand although root alone can read it: logs, records, programs, what was left behind."""
HELD = (("/etc",),)
"""Where the services' own files hold them."""
SEARCH, PROGRAM = Path(__file__).with_name("search_on_host.py"), "/run/search.py"
DISK = 64 << 20
"""Bytes; larger files of a twin are disks of its hosts, which are searched from within."""


def on_hosts(stage: Stage, markers: Markers, control: str, held: str) -> dict[str, object]:
    """Nothing that everybody can read, no log, record or program of a host has one of them.

    `control` is shown there on purpose, and must be found; `held` is the name of one that a host must hold.
    """
    seen = [_on_host(stage, host, Markers({**markers.forms, CONTROL: (control,)})) for host in stage.hosts]
    holds = {name for each in seen for name in each["held"]}
    require(held in holds, f"no host holds {held} where it is meant to be")
    return {
        "files_on_hosts": sum(each["files"] for each in seen),
        "held_on_hosts": len(holds),
        "held_elsewhere_or_as_hashes": sorted(markers.forms.keys() - holds),
    }


def _on_host(stage: Stage, host: str, markers: Markers) -> dict[str, Any]:
    control = markers.forms[CONTROL][0]
    stage.twin.write(host, PUBLIC, control)
    stage.twin.write(host, LOG, control, 0o600)
    stage.sh(host, f"logger --tag canary {control}; journalctl --sync")
    stage.twin.write(host, PROGRAM, SEARCH.read_text(encoding="utf-8"))
    public = [(top,) for top in TOPS]
    asked = json.dumps({"markers": markers.forms, "public": public, "told": TOLD, "held": HELD})
    done = stage.twin.run(host, f"python3 -I {PROGRAM}", input=asked, timeout=300)
    require(done.returncode == 0, f"{host} could not be searched: {done.stderr}")
    found: dict[str, Any] = json.loads(done.stdout)
    for name, where in (*found["public"].items(), *found["told"].items()):
        require(name == CONTROL, f"{host} has {name} in {', '.join(where)}")
    seen = {*found["public"].get(CONTROL, ()), *found["told"].get(CONTROL, ())}
    missed = {PUBLIC, LOG, JOURNAL} - seen
    require(not missed, f"{host}: the search does not find what was put into {', '.join(missed)}")
    modes = stage.sh(host, f"stat -c '%a %U' {' '.join(OWN_FILES)} 2>/dev/null || true")
    require(set(modes.splitlines()) <= {"600 root"}, f"{host}: the secret's own files are {modes}")
    return found


def here(stage: Stage, top: Path, markers: Markers) -> dict[str, object]:
    """Nothing in the controller's state, in what the twin shows to others or logs, or in git has one."""
    looked = 0
    for path in _files_here(stage):
        with suppress(FileNotFoundError):
            told = markers.named_in(path.read_text(encoding="utf-8", errors="replace"))
            require(not told, f"{path} has {', '.join(told)} in plain")
            looked += 1
    run(["git", "add", "--all"], top, stage.env()).expect(0)
    objects = "git cat-file --batch-all-objects --batch && git diff --cached"
    kept = run(["sh", "-c", objects], top, stage.env())
    require(kept.code == 0, f"git could not be searched: {kept.stderr}")
    told = markers.named_in(kept.stdout)
    require(not told, f"git has {', '.join(told)} in an object")
    return {"files_here": looked, "megabytes_of_git": len(kept.stdout) >> 20}


def _files_here(stage: Stage) -> Iterator[Path]:
    """Yield the state's files but the two private keys, and of the twin's what is public or a log."""
    yield from (each for each in _files(places.state_of(stage.name)) if each.name not in (KEY, IDENTITY))
    for top in (places.run() / stage.name, places.twin_of(stage.name)):
        yield from (each for each in _files(top) if each.suffix == ".log" or _public(each))


def _files(top: Path) -> Iterator[Path]:
    for path in top.rglob("*"):
        with suppress(FileNotFoundError):  # those of a running database come and go
            if path.is_file() and not path.is_symlink() and path.stat().st_size <= DISK:
                yield path


def _public(path: Path) -> bool:
    """Say whether everybody can read a file."""
    with suppress(FileNotFoundError):
        return bool(path.stat().st_mode & 0o004) and all(each.stat().st_mode & 0o001 for each in path.parents)
    return False
