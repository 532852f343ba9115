"""Stacks: images brought to the host, files put in place, and the host's agent that converges to them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from shlex import quote
from typing import Any

from pyinfra import context
from pyinfra.api.command import FileUploadCommand, StringCommand

from control.errors import TrunklineError
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
        yield FileUploadCommand(own.archive, archive)
        yield StringCommand(loaded(archive, own), _timeout=PULL_SECONDS)


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
def stack(
    spec: Mapping[str, Any], files: Sequence[ManagedFile], checks: Checks, pulled: Sequence[Pulled]
) -> Iterator[Any]:
    """Bring a stack's files to what they must be and what runs to what they say; or neither."""
    name = spec["name"]
    seen = live.stacks()["stacks"].get(name)
    changes = differing(files)
    ids = {each.pinned: live.stacks()["images"].get(each.reference) for each in pulled}
    lines = todo(spec, seen, ids) if changes else _of_agent(seen)
    if changes:
        shown = [difference(file, stands) for file, stands in changes]
        report.plan(None, "change", "\n".join([*lines, *shown]))
        yield from applied(f"stack-{name}", files, checks)
    elif lines and checks.load:
        report.plan(None, "change", "\n".join(lines))
        yield StringCommand(" ".join(checks.load), _timeout=checks.load_seconds)
    else:
        report.plan(None, "none")


def _of_agent(seen: Any) -> list[str]:
    """Return in words what the agent would do where no file differs."""
    if not isinstance(seen, dict):
        return [f"what runs is not known: {seen or 'the engine does not run'}"]
    return [f"{each['service']}: {each['what']} ({each['why']})" for each in seen["todo"]]


def todo(spec: Mapping[str, Any], seen: Any, images: Mapping[str, str | None]) -> list[str]:
    """Return in words what the agent will do once the files are in place."""
    running = seen["services"] if isinstance(seen, dict) else {}
    lines = []
    for service in spec["services"]:
        why = _why(service, running.get(service["name"]) or {}, images)
        if why:
            lines.append(f"{service['name']}: {_how(service, running.get(service['name']) or {})} ({why})")
    lines += [f"{name}: stop and remove (no longer declared)" for name in sorted(_foreign(spec, running))]
    return [*_migrations(spec, lines), *lines]


def _foreign(spec: Mapping[str, Any], running: Mapping[str, Any]) -> set[str]:
    return set(running) - {service["name"] for service in spec["services"]}


def _why(service: Mapping[str, Any], running: Mapping[str, Any], images: Mapping[str, str | None]) -> str:
    image = service["image"]
    wanted = image if image.startswith("sha256:") else images.get(image)
    if not running.get("container"):
        return "does not run"
    if running.get("config") != service["config"]:
        return "new configuration"
    if service["role"] != "stateful" and (wanted is None or running.get("image") != wanted):
        return "new image"
    return ""


def _how(service: Mapping[str, Any], running: Mapping[str, Any]) -> str:
    if not running.get("container"):
        return f"start on {service['loopback'][0]}" if service["loopback"] else "start"
    if service["role"] == "http":
        first, second = service["loopback"]
        return f"second colour on {second if running.get('colour') == 'a' else first}, then switch"
    if service["role"] == "worker":
        return f"let it finish its work for up to {service['stop_seconds']} s, then start anew"
    return "stop, then start anew" + ("; its volumes stay" if service["role"] == "stateful" else "")


def _migrations(spec: Mapping[str, Any], lines: Sequence[str]) -> list[str]:
    migration = spec["migration"]
    if not migration:
        return []
    its = [line for line in lines if line.startswith(f"{migration['service']}: ")]
    if not any(line.endswith(("(new image)", "(does not run)")) for line in its):
        return []
    after = " (after a dump)" if migration["dump"] else ""
    return [f"migration: {' '.join(migration['command'])}{after}"]


@operation
def removed(names: Sequence[str], seconds: int = 600) -> Iterator[Any]:
    """Stop stacks that are no longer declared and remove their containers; volumes stay."""
    report.plan(None, "change" if names else "none", "\n".join(f"- stack {name}" for name in names))
    for name in names:
        yield StringCommand(agent("stack", "remove", name), _timeout=seconds)
