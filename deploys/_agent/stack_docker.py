"""The container engine as the agent uses it: compose only creates containers, everything else is `docker`
itself.

A program that a killed agent left behind keeps the stack's `busy` file locked, so that the next agent waits
for it.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, BinaryIO

from . import command
from .places import on_disk, state
from .problem import AgentError
from .stack_spec import Spec

PROJECT = "com.docker.compose.project"
SERVICE = "com.docker.compose.service"
ONEOFF = "com.docker.compose.oneoff"
STACK = "trunkline.stack"
CONFIG = "trunkline.config"
PURPOSE = "trunkline.oneoff"
_BUSY: list[int] = []


@dataclass(frozen=True)
class Said:
    """What a call of docker answered; code 124 = ran out of time, 127 = not found."""

    code: int
    out: str
    err: str

    @property
    def gist(self) -> str:
        """The last lines it said, in one."""
        return command.Outcome(self.code, self.err.strip() or self.out).gist


@dataclass(frozen=True)
class Container:
    """A container as `docker inspect` shows it."""

    id: str
    name: str
    service: str
    """Its service in the compose file."""
    ours: bool
    image: str
    """Id of the image it runs."""
    reference: str
    """The image as the compose file named it."""
    config: str
    state: str
    health: str | None
    """None: the container has no health check."""
    exit_code: int
    restarts: int
    pid: int
    created: str
    started: str
    purpose: str | None = None
    """`migration`, `dump` or `current` of a one-off container, else None."""
    oneoff: bool = False
    stale: tuple[str, ...] = ()
    """Files in it that were replaced on the host after it was started."""
    environment: tuple[str, ...] = field(default=(), repr=False)

    @property
    def running(self) -> bool:
        """Its process runs, or docker is about to start it again."""
        return self.state in ("running", "restarting")


@contextlib.contextmanager
def busy(name: str, seconds: float, tell: Any) -> Iterator[None]:
    """Wait until no program of a killed agent works on the stack; the next one waits for what runs inside."""
    fd = os.open(state(f"stack-{name}.busy"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        end, told = time.monotonic() + seconds, False
        while not _locked(fd):
            if not told:
                tell(f"{name}: waiting for docker to end what a killed command began")
                told = True
            if time.monotonic() > end:
                raise AgentError(
                    f"stack {name}: docker still works on an earlier command after {seconds:.0f} s: "
                    "look at `docker ps`, then try again"
                )
            time.sleep(0.1)
        _BUSY.append(fd)
        yield
    finally:
        _BUSY.clear()
        os.close(fd)


def _locked(fd: int) -> bool:
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return True
    except BlockingIOError:
        return False


def docker(*words: str, seconds: float = 60.0, out: int | None = None, alone: bool = False) -> Said:
    """Run docker; `out` takes its output instead of memory, `alone` = the next agent need not wait for it."""
    environment = {"PATH": command.PATH, "LANG": "C.UTF-8", "HOME": "/root", "DOCKER_CLI_HINTS": "false"}
    with _memory() as said, _memory() as wrong:
        try:
            process = subprocess.Popen(
                ["docker", *words],
                stdin=subprocess.DEVNULL,
                stdout=out if out is not None else said,
                stderr=wrong,
                env={**environment, **_extra()},
                cwd="/",
                start_new_session=True,
                umask=0o022,
                pass_fds=() if alone else tuple(_BUSY),
            )
        except OSError as error:
            return Said(127, "", f"docker cannot be run: {error.strerror}")
        try:
            code = process.wait(seconds)
        except subprocess.TimeoutExpired:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            code = 124
        said.seek(0)
        wrong.seek(0)
        late = f"\ndocker {words[0]} did not end within {seconds:g} s" if code == 124 else ""
        return Said(code, said.read().decode(errors="replace"), wrong.read().decode(errors="replace") + late)


def _memory() -> BinaryIO:
    return os.fdopen(os.memfd_create("said", os.MFD_CLOEXEC), "w+b")


def _extra() -> dict[str, str]:
    return {key: value for key, value in os.environ.items() if key == "DOCKER_HOST" or key == "AGENT_ROOT"}


def must(*words: str, what: str, seconds: float = 60.0) -> str:
    """Run docker and return what it printed; AgentError says `what` failed."""
    said = docker(*words, seconds=seconds)
    if said.code:
        raise AgentError(f"{what}: {said.gist}", error="docker")
    return said.out


def compose(spec: Spec, *words: str) -> list[str]:
    """The words of docker for a command of compose on this stack."""
    directory = on_disk(spec.directory)
    files = ["--project-directory", directory, "-f", f"{directory}/compose.yaml"]
    return ["compose", "--ansi", "never", "-p", spec.name, *files, *words]


def containers(name: str) -> list[Container]:
    """Every container of the stack's project, also stopped ones; oldest first."""
    words = ("ps", "--all", "--quiet", "--no-trunc", "--filter", f"label={PROJECT}={name}")
    found = must(*words, what=f"stack {name}: docker does not answer").split()
    return inspect(name, found) if found else []


def inspect(name: str, ids: Sequence[str]) -> list[Container]:
    """The containers with these ids that still are; oldest first."""
    said = docker("inspect", "--type", "container", *ids)
    # One that is gone meanwhile makes the exit code 1; the others are shown all the same.
    if said.code and "no such" not in said.err.lower():
        raise AgentError(f"stack {name}: docker does not answer: {said.gist}", error="docker")
    try:
        seen = [_container(item, name) for item in json.loads(said.out)]
    except ValueError as error:
        raise AgentError(f"stack {name}: docker inspect is not readable: {said.gist}") from error
    return sorted(seen, key=lambda one: one.created)


def _container(item: dict[str, Any], name: str) -> Container:
    settings, now = item["Config"], item["State"]
    labels = settings.get("Labels") or {}
    health = now.get("Health") or {}
    pid = int(now.get("Pid") or 0)
    files = [mount["Destination"] for mount in item.get("Mounts") or [] if mount.get("Type") == "bind"]
    return Container(
        id=item["Id"],
        name=item["Name"].lstrip("/"),
        service=labels.get(SERVICE, ""),
        ours=labels.get(STACK) == name,
        image=item["Image"],
        reference=settings.get("Image", ""),
        config=labels.get(CONFIG, ""),
        state=now["Status"],
        health=health.get("Status") if health.get("Status") != "none" else None,
        exit_code=int(now.get("ExitCode") or 0),
        restarts=int(item.get("RestartCount") or 0),
        pid=pid,
        created=item["Created"],
        started=now.get("StartedAt", ""),
        purpose=labels.get(PURPOSE),
        oneoff=labels.get(ONEOFF) == "True",
        stale=_replaced(pid, files),
        environment=tuple(settings.get("Env") or ()),
    )


def _replaced(pid: int, files: Sequence[str]) -> tuple[str, ...]:
    """Files of a container whose source was renamed over since: the kernel calls them deleted
    (proc_pid_mountinfo(5))."""
    if not pid or not files:
        return ()
    try:
        with open(f"/proc/{pid}/mountinfo", encoding="utf-8", errors="replace") as file:
            mounts = [line.split() for line in file]
    except OSError:
        return ()
    gone = {words[4] for words in mounts if words[3].endswith("//deleted")}
    return tuple(path for path in files if path in gone)


def images(references: Sequence[str]) -> dict[str, str]:
    """Image reference -> id, of those that are on this host."""
    wanted = list(dict.fromkeys(references))
    found: dict[str, str] = {}
    if not wanted:
        return found
    words = ("image", "inspect", "--format", "{{.Id}}")
    together = docker(*words, *wanted)
    if together.code == 0:
        return dict(zip(wanted, together.out.split(), strict=True))
    for reference in wanted:
        said = docker(*words, reference)
        if said.code == 0:
            found[reference] = said.out.strip()
    return found
