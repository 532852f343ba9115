"""Stacks: images brought to the host, files put in place, and the host's agent that converges to them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from shlex import quote
from tempfile import TemporaryDirectory
from typing import Any

from pyinfra import context
from pyinfra.api.command import FileUploadCommand, StringCommand

from control.errors import TrunklineError
from control.image_archive import reduce
from deploys._engine import report
from deploys._engine.images import Built
from deploys._ops import live
from deploys._ops.facts.look import Digests
from deploys._ops.files import INCOMING, Checks, agent, applied, difference, differing
from deploys._ops.managed import ManagedFile
from deploys._ops.operation import operation
from deploys._ops.script import command

PULL_SECONDS = 1200


@dataclass(frozen=True)
class Pulled:
    """A reference and what it means here."""

    reference: str
    pinned: str
    """Repository and digest."""

    @property
    def tag(self) -> str:
        """Our own tag: what is kept under it is not taken away when the reference moves on."""
        name, _, digest = self.pinned.partition("@sha256:")
        return f"trunkline/{name.rpartition('/')[2]}:{digest[:12]}"


@dataclass(frozen=True)
class Seed:
    """An upstream file that must be there before the web server reads its configuration."""

    path: str
    port: int


def digests(references: Sequence[str]) -> dict[str, str]:
    """Return what references mean on the present host, asking registries for those it has never resolved.

    Raises TrunklineError with every reference that means nothing.
    """
    known: dict[str, str] = live.stacks()["remembered"]
    unknown = sorted(set(references) - known.keys())
    if not unknown:
        return known
    answer: dict[str, dict[str, str]] = context.host.get_fact(Digests, json.dumps(unknown))
    if answer["problems"]:
        told = [f"{reference}: {problem}." for reference, problem in answer["problems"].items()]
        raise TrunklineError(
            "\n".join(told),
            "Correct `image` in the inventory, or let the host reach the registry (port 443) and its DNS.",
        )
    return known | answer["digests"]


@operation
def images(pulled: Sequence[Pulled], built: Sequence[Built]) -> Iterator[Any]:
    """Bring the images that are missing: those of registries by digest, our own as archives."""
    known = live.stacks()
    missing = [each for each in pulled if not known["images"].get(each.reference)]
    absent = [each for each in built if not known["images"].get(each.id)]
    lines = [f"+ {each.reference} is {each.pinned}" for each in missing]
    lines += [f"+ {each.tag} ({each.id}), built on the controller" for each in absent]
    report.plan(None, "change" if lines else "none", "\n".join(lines))
    for image in missing:
        yield StringCommand(
            command("image_pull", image.reference, image.pinned, image.tag), _timeout=PULL_SECONDS
        )
    for own in absent:
        archive = f"{INCOMING}/{own.id.removeprefix('sha256:')}.image"
        with shipped(own, known["layers"]) as file:
            yield FileUploadCommand(str(file), archive)
        yield StringCommand(loaded(archive, own), _timeout=PULL_SECONDS)


@contextmanager
def shipped(image: Built, known: Sequence[Sequence[str]]) -> Iterator[Path]:
    """Give the archive to upload: without the layers that the host has, once it is really to be uploaded."""
    whole = Path(image.archive)
    if not known or not context.state.is_executing:
        yield whole
        return
    with TemporaryDirectory(prefix="trunkline-") as directory:
        reduced = Path(directory) / "image.tar"
        yield reduced if reduce(whole, reduced, known) else whole


def loaded(archive: str, image: Built) -> str:
    """Return the command that takes an uploaded image in, and makes sure that it is the declared one."""
    name = quote(image.id)
    wrong = f"the archive held another image than {image.tag}; build it anew: remove it from the cache"
    return (
        f"docker load --quiet --input {archive}; code=$?; rm -f {archive}; [ $code = 0 ] || exit 1\n"
        f"docker image inspect --format . {name} >/dev/null 2>&1 || {{ echo {quote(wrong)} >&2; exit 1; }}\n"
        f"docker tag {name} {quote(image.tag)}"
    )


@operation
def upstreams(seeds: Sequence[Seed]) -> Iterator[str]:
    """Write the upstream files that are not there yet; those that are belong to the running stack."""
    there = live.stacks()["upstreams"]
    missing = [seed for seed in seeds if not there.get(seed.path)]
    lines = [f"+ {seed.path}: 127.0.0.1:{seed.port}" for seed in missing]
    report.plan(None, "change" if missing else "none", "\n".join(lines))
    for seed in missing:
        folder, text = seed.path.rpartition("/")[0], f"server 127.0.0.1:{seed.port};"
        yield f"mkdir -p -m 0755 {folder} && umask 022 && set -C && echo '{text}' > {seed.path}"


@operation
def stack(name: str, files: Sequence[ManagedFile], checks: Checks) -> Iterator[Any]:
    """Bring a stack's files to what they must be and what runs to what they say; or neither."""
    lines = todo(live.stacks()["stacks"].get(name))
    changes = differing(files)
    if changes:
        shown = [difference(file, stands) for file, stands in changes]
        report.plan(None, "change", "\n".join([*lines, *shown]))
        yield from applied(f"stack-{name}", files, checks)
    elif lines and checks.load:
        report.plan(None, "change", "\n".join(lines))
        yield StringCommand(" ".join(checks.load), _timeout=checks.load_seconds)
    else:
        report.plan(None, "none")


def todo(seen: Any) -> list[str]:
    """Return in words what the agent would do, had it the new files: it was asked with them.

    Images are a step of their own. A host without engine or agent runs nothing yet.
    """
    if not isinstance(seen, dict):
        return [f"start every service ({seen or 'nothing runs yet'})"]
    steps = (step for step in seen["todo"] if step["action"] != "image")
    return [f"{step['service']}: {step['what']} ({step['why']})" for step in steps]


@operation
def removed(names: Sequence[str], seconds: int = 600) -> Iterator[Any]:
    """Stop stacks that are no longer declared and remove their containers; volumes stay."""
    report.plan(None, "change" if names else "none", "\n".join(f"- stack {name}" for name in names))
    for name in names:
        yield StringCommand(agent("stack", "remove", name), _timeout=seconds)
