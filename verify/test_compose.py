"""The stacks: whether what runs is what was declared, whether it works, and how it reaches its databases."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from inventories.model import Build, Container, Host, Stack
from verify.checks import check
from verify.containers import Live, containers, of_service
from verify.snapshot import Snapshot
from verify.stacks import COLOURS, runs_as
from verify.verdict import exactly, fail, same

ENGINE = ("docker.engine_answers",)
RUNS = ("compose.every_service_runs",)
HEALTHY = ("compose.every_service_is_healthy",)
STACKS = "/etc/trunkline/stacks"
"""Its directories let nobody in but root; a file mounted into a container is readable there by its user."""
DEPLOY = "`invoke deploy`: it converges the stack, one service at a time."


def has_stacks(host: Host) -> bool:
    """Say whether a stack is declared."""
    return host.compose is not None


def migrates(host: Host) -> bool:
    """Say whether a stack can tell its migration's revision."""
    stacks = host.compose.stacks if host.compose else ()
    return any(stack.migration and stack.migration.current for stack in stacks)


def services(host: Host) -> Iterator[tuple[Stack, Container]]:
    """Yield every declared service with its stack."""
    if host.compose:
        yield from host.compose.containers()


def running(live: Snapshot, stack: Stack, container: Container) -> tuple[Live, ...]:
    """Return the containers of a service whose processes run."""
    return tuple(each for each in of_service(live, stack, container) if each.running)


@check(fault=("worker-stopped", "worker-paused"), needs=ENGINE, remedy=DEPLOY, applies=has_stacks)
def test_every_service_runs(declared: Host, live: Snapshot) -> None:
    wrong = {
        f"{stack.name}/{each.name}": [c.state for c in of_service(live, stack, each)] or "no container"
        for stack, each in services(declared)
        if not running(live, stack, each)
    }
    if wrong:
        fail(wrong, "each runs")


@check(fault="container-left-over", needs=ENGINE, remedy=DEPLOY, applies=has_stacks)
def test_a_stack_has_no_other_container(declared: Host, live: Snapshot) -> None:
    known = {(stack.name, name) for stack, each in services(declared) for name in runs_as(each)}
    projects = {stack for stack, _ in known}
    foreign = [
        c.name for c in containers(live) if c.project in projects and (c.project, c.service) not in known
    ]
    exactly(foreign, [], of="other container in a stack of ours")


@check(fault="second-beat", needs=RUNS, remedy=f"Remove the younger one, then {DEPLOY}", applies=has_stacks)
def test_one_container_runs_each_service(declared: Host, live: Snapshot) -> None:
    wrong = {
        f"{stack.name}/{each.name}": [c.name for c in found]
        for stack, each in services(declared)
        if each.role != "http" and len(found := running(live, stack, each)) != 1
    }
    if wrong:
        fail(wrong, "exactly one each: two schedulers do everything twice")


@check(
    fault="both-colours-run", needs=RUNS, remedy=f"Stop the idle colour, then {DEPLOY}", applies=has_stacks
)
def test_one_colour_serves(declared: Host, live: Snapshot) -> None:
    wrong = {
        f"{stack.name}/{each.name}": [c.name for c in found]
        for stack, each in services(declared)
        if each.role == "http" and len(found := running(live, stack, each)) != 1
    }
    if wrong:
        fail(wrong, "one of the two colours")


@check(
    fault="upstream-by-hand",
    needs=("compose.one_colour_serves",),
    remedy=f"The next reload of nginx would send requests where nobody answers. {DEPLOY}",
    applies=has_stacks,
)
def test_nginx_is_sent_to_the_colour_that_runs(declared: Host, live: Snapshot) -> None:
    for stack, each in services(declared):
        if each.role != "http":
            continue
        (colour,) = running(live, stack, each)
        place = COLOURS.index(colour.service.rpartition("-")[2])
        held = live["stacks"][stack.name]
        answering = [int(port) for port, yes in held["answers"].items() if yes and int(port) in each.loopback]
        told = re.findall(r"(?m)^\s*server\s+(\S+?)(?:\s[^;]*)?;", held["upstreams"][each.name])
        seen = {"runs on": [b.port for b in colour.bindings], "answers on": answering, "upstream": told}
        port = each.loopback[place]
        same(seen, {"runs on": [port], "answers on": [port], "upstream": [f"127.0.0.1:{port}"]})


@check(
    fault=("container-unhealthy", "beat-silent"),
    needs=RUNS,
    remedy="docker logs NAME; docker inspect -f '{{json .State.Health}}' NAME says what its check said.",
    applies=has_stacks,
)
def test_every_service_is_healthy(declared: Host, live: Snapshot) -> None:
    wrong = {
        c.name: f"{c.health or 'no health check'}, its last tries ended with {c.held['tried']}"
        for stack, each in services(declared)
        for c in running(live, stack, each)
        if c.health != "healthy"
    }
    if wrong:
        fail(wrong, "healthy")


@check(
    fault="worker-hangs",
    needs=HEALTHY,
    remedy="The engine has not noticed yet: docker logs NAME, then docker restart NAME.",
    applies=has_stacks,
)
def test_every_service_does_its_work_now(
    declared: Host, asked_now: Snapshot, evidence: dict[str, Any]
) -> None:
    answers = asked_now["stack_health"]
    wrong = {}
    for stack, each in services(declared):
        answer = answers.get(f"{stack.name}/{each.name}")
        if answer is None:
            continue
        evidence[f"{stack.name}/{each.name}"] = answer["seconds"]
        if answer["code"] != 0:
            wrong[f"{stack.name}/{each.name}"] = (
                answer["said"] or f"its health command ends with {answer['code']}"
            )
    if wrong:
        fail(wrong, "each health command ends with 0 when it is asked now")


@check(fault="wrong-digest-running", needs=RUNS, remedy=DEPLOY, applies=has_stacks)
def test_images_are_the_released_ones(declared: Host, live: Snapshot, evidence: dict[str, Any]) -> None:
    images = live["docker"]["images"]
    wrong = {}
    for stack, each in services(declared):
        held = live["stacks"][stack.name]
        released = {s["name"]: s["image"] for s in (held["spec"] or {}).get("services", ())}.get(each.name)
        for c in running(live, stack, each):
            evidence[c.name] = c.image
            known = images.get(c.image, {"tags": [], "digests": []})
            if said := _not_released(each, c.image, known, released, held["resolved"] or {}):
                wrong[c.name] = said
    if wrong:
        fail(wrong, "the image of the release")


def _not_released(
    declared: Container,
    image: str,
    known: dict[str, list[str]],
    released: str | None,
    resolved: dict[str, Any],
) -> str:
    """Say how an image is not the one that was released, or nothing."""
    if released is None:
        return "no release of this service is recorded on the host"
    if isinstance(declared.image, Build):
        return "" if image == released.rpartition("@")[2] else f"{image}, released was {released}"
    digest = released.rpartition("@")[2]
    if digest not in {name.rpartition("@")[2] for name in known["digests"]} and digest != image:
        return f"{known['digests'] or image}, released was {released}"
    remembered = str(resolved.get(declared.image, released)).rpartition("@")[2]
    if "@" in declared.image:
        remembered = declared.image.rpartition("@")[2]
    return "" if digest == remembered else f"{digest}, but {declared.image} was resolved to {remembered}"


@check(
    fault="environment-by-hand",
    needs=RUNS,
    remedy=f"The container runs with something else than what stands on the disk. {DEPLOY}",
    applies=has_stacks,
)
def test_containers_run_what_was_deployed(declared: Host, live: Snapshot) -> None:
    wrong = {}
    for stack, each in services(declared):
        held = live["stacks"][stack.name]
        deployed = {s["name"]: s["config"] for s in (held["spec"] or {}).get("services", ())}.get(each.name)
        for c in running(live, stack, each):
            label = c.held["labels"].get("trunkline.config")
            differing = held["environment"].get(c.name)
            if label != deployed:
                wrong[c.name] = f"made from configuration {label}, deployed was {deployed}"
            elif differing:
                wrong[c.name] = f"its {', '.join(differing)} differs from the file"
    if wrong:
        fail(wrong, "the configuration that was deployed last")


@check(
    fault="environment-readable",
    needs=ENGINE,
    remedy="chmod 600 FILE, and change the secrets in it.",
    applies=has_stacks,
)
def test_secrets_are_readable_by_root_alone(declared: Host, live: Snapshot) -> None:
    wrong = []
    for stack in declared.compose.stacks if declared.compose else ():
        for each in live["stacks"][stack.name]["files"]:
            shown = each["path"].startswith(f"{STACKS}/{stack.name}/files/") and not each["directory"]
            if each["owner"] != 0 or (int(each["mode"], 8) & 0o077 and not shown):
                wrong.append(f"{each['path']} {each['mode']} of uid {each['owner']}")
    exactly(wrong, [], of="readable file")


@check(
    fault="restart-policy-by-hand",
    needs=RUNS,
    remedy="docker update --restart unless-stopped NAME: after a reboot it would stay away.",
    applies=has_stacks,
)
def test_every_service_returns_after_a_reboot(declared: Host, live: Snapshot) -> None:
    wrong = {
        c.name: c.held["restart"]
        for stack, each in services(declared)
        for c in running(live, stack, each)
        if c.held["restart"] not in ("unless-stopped", "always")
    }
    if wrong:
        fail(wrong, "unless-stopped")


@check(
    fault="migration-missing",
    needs=(*HEALTHY, "databases.let_us_in_over_verified_tls"),
    remedy=f"The database is not what the running image wants. {DEPLOY}",
    applies=migrates,
)
def test_migrations_are_where_the_release_left_them(
    declared: Host, live: Snapshot, asked_now: Snapshot, evidence: dict[str, Any]
) -> None:
    for stack in declared.compose.stacks if declared.compose else ():
        if stack.migration is None or stack.migration.current is None:
            continue
        answer = asked_now["stack_health"][f"{stack.name}/migration"]
        state = live["stacks"][stack.name]["state"] or {}
        evidence[stack.name] = answer["said"]
        if answer["code"] != 0:
            fail(
                f"{' '.join(stack.migration.current)} ends with {answer['code']}: {answer['said']}",
                "a revision",
            )
        revisions = [each.get("revision") or "" for each in state.get("migrated", ())]
        recorded = revisions[-1] if revisions else ""
        if recorded.split()[-2:] != answer["said"].split()[-2:]:
            fail(answer["said"] or "no revision", recorded or "a revision on record")
