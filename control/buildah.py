"""Buildah: builds an image from a Dockerfile without a daemon, with a storage of our own."""

from __future__ import annotations

import collections
import json
import os
import re
import resource
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from control.errors import TrunklineError

Progress = Callable[[str], None]
LAST_LINES = 12
_STEP = re.compile(r"^(?:\[\d+/\d+\] )?STEP (\d+)/(\d+): (.*)$")
_POLICY = {"default": [{"type": "insecureAcceptAnything"}]}
"""containers-policy.json(5): what TLS and digests prove is enough, as for Docker."""


class Buildah:
    """The program with its storage below `directory`; never with the machine's own in /var/lib/containers.

    `prefix` brings it to the network that it fetches from, `environment` is added to its own.
    """

    def __init__(
        self, directory: Path, prefix: Sequence[str] = (), environment: Mapping[str, str] | None = None
    ) -> None:
        if not shutil.which("buildah"):
            raise TrunklineError(
                "An image is to be built, and buildah is not installed on this machine.",
                "apt-get install --no-install-recommends buildah",
            )
        if os.geteuid() != 0:
            raise TrunklineError(
                "Building an image needs root.",
                "Put `./setup` before the command: it asks for sudo, and your own ssh files still count.",
            )
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._directory = directory
        self._temporary = directory / "tmp"
        self._temporary.mkdir(exist_ok=True)
        self._prefix = list(prefix)
        own = {"TMPDIR": str(self._temporary), "CONTAINERS_CONF": str(configured(directory))}
        self._environment = {**os.environ, **(environment or {}), **own}
        self._policy = directory / "policy.json"
        self._policy.write_text(json.dumps(_POLICY))
        self.driver = _driver(directory)

    def pull(self, reference: str) -> str:
        """Fetch an image where the registry has another one than the storage, and return its id."""
        argv = ["pull", "--quiet", "--policy=always", f"--signature-policy={self._policy}"]
        return self._run(
            *argv, f"docker://{reference}", what=f"The image {reference} could not be pulled"
        ).strip()

    def build(
        self,
        context: Path,
        dockerfile: Path,
        args: Mapping[str, str],
        volumes: Mapping[Path, str],
        progress: Progress,
    ) -> str:
        """Build an image upon those that were pulled, and return its id (`sha256:...`).

        `volumes` are there, read-only, while a RUN runs; nothing of them is kept.
        """
        self.clean()
        result = self._temporary / "id"
        argv = [
            *("build", "--isolation=chroot", "--network=host", "--format=docker", "--pull=never", *_limits()),
            # Each layer is a whole copy without overlay: one for all that the Dockerfile adds, then.
            f"--layers={str(self.driver == 'overlay').lower()}",
            *(f"--build-arg={name}={value}" for name, value in args.items()),
            *(f"--volume={source}:{target}:ro" for source, target in volumes.items()),
            *(f"--signature-policy={self._policy}", f"--iidfile={result}", f"--file={dockerfile}"),
            str(context),
        ]
        self._watch(argv, context, progress)
        return result.read_text().strip()

    def archive(self, image: str, tag: str, path: Path) -> None:
        """Write an image as `docker load` takes it, under a tag."""
        argv = ["push", "--quiet", f"--signature-policy={self._policy}", image.removeprefix("sha256:")]
        self._run(*argv, f"docker-archive:{path}:{tag}", what=f"The image {tag} could not be written")

    def clean(self) -> None:
        """Forget what a build that was killed has left."""
        self._run("rm", "--all", what="An unfinished build could not be removed")

    def forget(self, image: str) -> None:
        """Delete an image and the layers that no other one has; one that is not there is no error."""
        subprocess.run(
            [*self._prefix, *self._program(), "rmi", "--force", image.removeprefix("sha256:")],
            env=self._environment,
            capture_output=True,
        )

    def _program(self) -> list[str]:
        return [
            "buildah",
            f"--root={self._directory / self.driver}",
            f"--runroot={self._directory / 'run'}",
            f"--storage-driver={self.driver}",
        ]

    def _run(self, *argv: str, what: str) -> str:
        whole = [*self._prefix, *self._program(), *argv]
        done = subprocess.run(whole, env=self._environment, capture_output=True, text=True)
        if done.returncode:
            said = [line for line in done.stderr.splitlines() if line.strip()]
            raise TrunklineError(f"{what}: {said[-1][-600:] if said else 'it says nothing'}")
        return done.stdout

    def _watch(self, argv: list[str], context: Path, progress: Progress) -> None:
        """Run a build and tell its steps; its failure is one sentence with its last lines."""
        last: collections.deque[str] = collections.deque(maxlen=LAST_LINES)
        step = "the first step"
        process = subprocess.Popen(
            [*self._prefix, *self._program(), *argv],
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        )
        assert process.stdout is not None
        with process:
            for line in process.stdout:
                if found := _STEP.match(line):
                    step = f"step {found[1]} of {found[2]}: {' '.join(found[3].split())[:70]}"
                    progress(f"building {context.name}: {step}")
                if line.strip():
                    last.append(line.rstrip()[:300])
        if process.returncode:
            said = "\n".join(f"  {line}" for line in last)
            raise TrunklineError(f"The image of {context} could not be built; {step} failed:\n{said}")


def configured(directory: Path) -> Path:
    """Write a containers.conf(5) of our own and return it; the machine's is not asked.

    buildah 1.39 does nothing unless it sees netavark, which a build in the host's network never starts.
    """
    helper = directory / "helpers" / "netavark"
    helper.parent.mkdir(exist_ok=True)
    helper.write_text("#!/bin/sh\nexit 1\n")
    helper.chmod(0o755)
    configuration = directory / "containers.conf"
    configuration.write_text(f"[engine]\nhelper_binaries_dir = [{json.dumps(str(helper.parent))}]\n")
    return configuration


def _limits() -> list[str]:
    """Return our own limits (getrlimit(2)): buildah would raise them, and in a container it may not."""
    known = {"nofile": resource.RLIMIT_NOFILE, "nproc": resource.RLIMIT_NPROC}
    return ["--ulimit={}={}:{}".format(name, *resource.getrlimit(limit)) for name, limit in known.items()]


def _driver(directory: Path) -> str:
    """Return overlay where the kernel lets us mount one upon this directory, else vfs."""
    with tempfile.TemporaryDirectory(dir=directory) as place:
        for name in ("lower", "upper", "work", "merged"):
            (Path(place) / name).mkdir()
        options = f"lowerdir={place}/lower,upperdir={place}/upper,workdir={place}/work"
        mount = ["mount", "-t", "overlay", "overlay", "-o", options, f"{place}/merged"]
        done = subprocess.run(["unshare", "--mount", "--", *mount], capture_output=True)
    return "vfs" if done.returncode else "overlay"
