"""compose: stacks of containers, pinned to digests, replaced by the host's agent without a failed request."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from deploys._engine import images
from deploys._ops import live
from deploys._ops import stack as stacks
from deploys._ops.files import Checks, agent, agent_path
from deploys._ops.managed import ManagedFile
from deploys._ops.project import config, environment_of, private_of, project
from deploys._ops.render import render
from deploys._ops.stack import Pulled, Seed
from inventories.model import Build, Container, Environment, Host, Stack

DIRECTORY = "/etc/trunkline/stacks"
UPSTREAMS = "/etc/nginx/upstreams"
PULLED = "sha256:(resolved on the host by the deploy)"
BUILT = "sha256:(built by the deploy from {})"
RELOAD = ["systemctl", "reload", "nginx"]


@dataclass(frozen=True)
class Pins:
    """What declared images are exactly: digests of references, ids of builds."""

    pulled: Mapping[str, str] = field(default_factory=dict)
    built: Mapping[str, str] = field(default_factory=dict)

    def of(self, image: str | Build) -> str:
        """Return what a container is started from."""
        if isinstance(image, Build):
            return self.built.get(images.key_of(image), BUILT.format(image.context))
        return f"{name_of(image)}@{self.pulled.get(image, PULLED)}"


UNKNOWN = Pins()
"""Nothing was asked yet: for showing what a deploy would write."""


def name_of(reference: str) -> str:
    """Return a reference without its tag or digest."""
    name = reference.partition("@")[0]
    head, slash, last = name.rpartition("/")
    return f"{head}{slash}{last.partition(':')[0]}"


def directory(stack: Stack) -> str:
    """Return where a stack's files are."""
    return f"{DIRECTORY}/{stack.name}"


def healthy_within(container: Container) -> int:
    """Return the seconds after which a container that is still not healthy will not be."""
    health = container.health
    if health is None:
        return 60
    return health.start + health.retries * (health.interval + health.timeout) + 15


def spec(stack: Stack, host: Host, pins: Pins) -> dict[str, Any]:
    """Return what the agent is told of a stack: no secret is in it."""
    services = [
        {
            "name": container.name,
            "role": container.role,
            "image": pins.of(container.image),
            "reference": container.image if isinstance(container.image, str) else None,
            "config": config(container, stack),
            "loopback": list(container.loopback) if container.role == "http" else None,
            "upstream": upstream(stack, container) if container.role == "http" else None,
            "stop_seconds": container.stop_seconds,
            "healthy_within": healthy_within(container),
            "needs": list(container.needs),
        }
        for container in stack.services
    ]
    return {
        "format": 1,
        "name": stack.name,
        "directory": directory(stack),
        "services": services,
        "migration": stack.migration.model_dump(mode="json") if stack.migration else None,
        "reload": RELOAD if host.nginx else None,
        "orphans": True,
    }


def upstream(stack: Stack, container: Container) -> str:
    """Return the file that tells nginx which colour answers."""
    return f"{UPSTREAMS}/{stack.name}-{container.name}.conf"


def files_of(stack: Stack, host: Host, pins: Pins) -> list[ManagedFile]:
    """Return every file of one stack. Secret files are readable in the container, whoever runs there; on the
    host their directory lets nobody in but root."""
    top = directory(stack)
    spoken = json.dumps(spec(stack, host, pins), indent=1) + "\n"
    found = [_folder(DIRECTORY), _folder(top)]
    composed = render("compose", "compose.yaml", project(stack, pins.of))
    found.append(ManagedFile("compose", f"{top}/compose.yaml", composed, mode="0600"))
    found.append(ManagedFile("compose", f"{top}/stack.json", spoken, mode="0600"))
    found += [_folder(f"{top}/files")] if any(container.files for container in stack.services) else []
    for container in stack.services:
        if container.environment:
            path = f"{top}/{container.name}.env"
            found.append(ManagedFile("compose", path, environment_of(container), mode="0600", secret=True))
        place = f"{top}/files/{container.name}"
        found += [_folder(place)] if container.files else []
        for number, content in enumerate(private_of(container).values()):
            path = f"{place}/{number}"
            found.append(ManagedFile("compose", path, content, mode="0444", secret=True))
    return found


def _folder(path: str) -> ManagedFile:
    return ManagedFile("compose", path, mode="0700", kind="directory")


def declared(host: Host) -> tuple[Stack, ...]:
    """Return the stacks of a host."""
    return host.compose.stacks if host.compose else ()


def files(host: Host, environment: Environment, pins: Pins = UNKNOWN) -> list[ManagedFile]:
    """Return every file of every stack; nothing where none is declared."""
    found = [file for stack in declared(host) for file in files_of(stack, host, pins)]
    return list({file.path: file for file in found}.values())


def images_of(host: Host) -> list[str | Build]:
    """Return every declared image once."""
    found = (container.image for stack in declared(host) for container in stack.services)
    return list(
        {image if isinstance(image, str) else images.key_of(image): image for image in found}.values()
    )


def pins(host: Host) -> Pins:
    """Return what each image is exactly: references as this host resolved them once, builds by their id."""
    references = [image for image in images_of(host) if isinstance(image, str)]
    known = stacks.digests(references) if references else {}
    return Pins({reference: known[reference] for reference in references}, built(host))


def built(host: Host) -> dict[str, str]:
    """Return the ids of what the controller has built for a host."""
    builds = (image for image in images_of(host) if isinstance(image, Build))
    return {images.key_of(build): images.built(build).id for build in builds}


def asked(host: Host, wanted: live.Wanted) -> live.Wanted:
    """Return the questions about a host with those about its stacks."""
    if host.compose is None:
        return wanted
    known = built(host)
    return replace(
        wanted,
        stacks=tuple(json.dumps(spec(stack, host, Pins(built=known))) for stack in declared(host)),
        images=(*(each for each in images_of(host) if isinstance(each, str)), *known.values()),
        upstreams=tuple(seed.path for seed in seeds(host)),
        agent=agent_path(),
    )


def seeds(host: Host) -> list[Seed]:
    """Return the upstream files of http services, with the port that answers first."""
    return [
        Seed(upstream(stack, container), container.loopback[0])
        for stack in declared(host)
        for container in stack.services
        if container.role == "http" and container.loopback
    ]


def upstreams(host: Host) -> None:
    """Give nginx an upstream for each http service, before it reads a configuration that names it."""
    if found := seeds(host):
        stacks.upstreams(found, name="compose: upstreams")


def checks(stack: Stack) -> Checks:
    """Return how a stack's files are read before they are put in place, and what converges to them."""
    top = directory(stack)
    return Checks(
        check=("docker", "compose", "--file", f"{top}/compose.yaml", "config", "--quiet"),
        check_tree=(DIRECTORY,),
        load=tuple(agent("stack", "converge", stack.name).split()),
        load_seconds=patience(stack),
    )


def patience(stack: Stack) -> int:
    """Return the seconds in which a stack can be converged: all services replaced, the database migrated."""
    each = (healthy_within(container) + container.stop_seconds + 60 for container in stack.services)
    migration = 2 * stack.migration.timeout if stack.migration else 0
    return 120 + sum(each) + migration


def compose(host: Host, environment: Environment, pinned: Pins) -> None:
    """Bring the images, then each stack."""
    references = [image for image in images_of(host) if isinstance(image, str)]
    pulled = [Pulled(reference, pinned.of(reference)) for reference in references]
    own = [images.built(image) for image in images_of(host) if isinstance(image, Build)]
    stacks.images(pulled, own, name="compose: images")
    for stack in declared(host):
        its = files_of(stack, host, pinned)
        stacks.stack(stack.name, its, checks(stack), name=f"compose: {stack.name}")
