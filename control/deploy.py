"""Bring an environment to what its inventory declares, and prove it."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence, Set
from typing import Any

from control import history, places
from control.builds import Images, built
from control.console import Console
from control.engine import ApplyFailed, Engine, Place
from control.engine import Interrupted as EngineInterrupted
from control.errors import Interrupted, TrunklineError
from control.leases import Leases
from control.plan import tell as tell_plan
from control.preflight import preflight
from control.progress import Board
from control.session import LEASE, Session, opened, show
from control.target import Target
from control.verification import Verification, verify
from control.verification import tell as tell_verification

HOLDS = 0
FAILS = 1
OLD_FAILURES = 3
NEXT = "the next deploy goes on from here."
VERIFYING = "Everything was applied, but not verified: `invoke verify` proves what it came to"


def deploy(target: Target, console: Console, *, adopt: bool, wait: float) -> int:
    """Preflight, lock, plan, apply in batches, verify, record.

    Returns 0 when everything holds, 3 when the checks that fail also failed in the last record, 1 otherwise.
    The twin, where the environment lives in one, is up already.
    """
    history.require(target.history)
    known = history.known_failures(target.history, target.names)
    finished: list[str] = []
    leases = Leases()
    try:
        with opened(target, console) as session:
            leases = session.engine.leases
            _applied(session, target, console, finished, adopt=adopt, wait=wait)
            verification = _verified(session.engine, target, console)
            session.engine.unlock()
    except ApplyFailed as error:
        raise stopped(error, finished, target, leases) from error
    except KeyboardInterrupt as error:
        left = f"{error}" or _left(finished, (), (), (), target)
        raise Interrupted("Interrupted.", f"{left}. {leases.told()}; {NEXT}") from None
    tell_verification(verification, console)
    table(target, verification, console)
    return ending(verification, known, console)


def _applied(
    session: Session, target: Target, console: Console, finished: list[str], *, adopt: bool, wait: float
) -> None:
    """Bring the hosts there; `finished` names those that are."""
    engine = session.engine
    with console.progress(f"deploy {target.instance}") as board:
        surveys = preflight(session, target, board, adopt=adopt)
        for name, note in ((name, note) for name, survey in surveys.items() for note in survey.notes):
            console.warn(f"{name}: {note}.")
        fresh = {name for name, survey in surveys.items() if survey.fresh}
        images = built(target, board)
        for name in target.names:
            board.working(name, "lock")
        engine.lock(purpose="deploy", holder=history.holder(), lease=LEASE, wait=wait)
        settle_guards(engine, target, console)
        changed = _converge(engine, target, console, board, fresh, finished, images)
    if not changed:
        console.say("Nothing to change.")


def _verified(engine: Engine, target: Target, console: Console) -> Verification:
    """Run the checks and record what they said; a deploy that nobody judged is recorded as such."""
    try:
        verification = verify(target, console)
    except KeyboardInterrupt:
        raise KeyboardInterrupt(VERIFYING) from None
    except TrunklineError:
        _keep(engine, target, {}, [], console)
        raise
    _keep(engine, target, verification.verdicts, verification.failures, console)
    return verification


def settle_guards(engine: Engine, target: Target, console: Console) -> None:
    """Confirm what an earlier deploy left armed: a new login just worked, and the lock is ours.

    Raises TrunklineError where the guard cannot be confirmed; it will return by itself.
    """
    for answer in engine.confirm(target.names):
        if answer.armed and answer.ok:
            console.warn(f"{answer.host}: an earlier deploy was cut off; its guard is confirmed now.")
        elif not answer.ok:
            raise TrunklineError(f"{answer.host}: {answer.error}", answer.remedy or "Wait for its return.")


def batches(target: Target, fresh: Set[str]) -> list[list[str]]:
    """Return the hosts that are changed together, in order: of each group the first alone, then the others.

    A canary protects what is served already. A group in which nothing is, because every host is fresh,
    needs none, and such groups that follow each other are served at once.
    """
    groups: dict[str, list[str]] = {}
    for host in target.hosts:
        groups.setdefault(host.group, []).append(host.name)
    found: list[list[str]] = []
    joins = False
    for members in groups.values():
        canary = next((name for name in members if name not in fresh), None)
        if canary is None and joins:
            found[-1].extend(members)
        else:
            found += [members] if canary is None else [[canary], [each for each in members if each != canary]]
        joins = canary is None
    return [batch for batch in found if batch]


def _converge(
    engine: Engine,
    target: Target,
    console: Console,
    board: Board,
    fresh: Set[str],
    finished: list[str],
    images: Images,
) -> bool:
    """Plan, then apply what differs; return whether there was anything."""
    for name in target.names:
        board.working(name, "plan")
    steps = engine.plan(target.names, images)
    for name in target.names:
        board.done(name, "plan")
    if console.as_json:
        tell_plan(steps, target, console, diffs=False)
    if not any(step.changes for step in steps):
        return False
    for batch in batches(target, fresh):
        for event in engine.apply(batch):
            show(event, console, board)
        _unguarded(engine, batch)
        finished += batch
    return True


def stopped(error: ApplyFailed, finished: Sequence[str], target: Target, leases: Leases) -> TrunklineError:
    """Say what broke, what was done and what was not, and what became of the lock."""
    left = f"{_left(finished, error.done, error.not_done, error.cut, target)}. {leases.told()}; {NEXT}"
    if isinstance(error, EngineInterrupted):
        return Interrupted("Interrupted.", left)
    return TrunklineError(error.message, f"{error.remedy} {left}".strip())


def _left(
    finished: Sequence[str],
    done: Sequence[Place],
    not_done: Sequence[Place],
    cut: Sequence[Place],
    target: Target,
) -> str:
    """Say host by host how far a deploy came."""
    begun, ahead = Counter(host for host, _ in done), Counter(host for host, _ in not_done)
    parts = [f"{name} is finished" for name in finished]
    for name in dict.fromkeys([*begun, *ahead]):
        ended = "".join(f" (`{step}` was left in the middle)" for host, step in cut if host == name)
        counted = f"{begun[name]} of {begun[name] + ahead[name]} steps done, {ahead[name]} not"
        parts.append(f"{name}: {counted}{ended}")
    untouched = [name for name in target.names if name not in {*finished, *begun, *ahead}]
    parts += [f"{', '.join(untouched)} not changed"] if untouched else []
    return "; ".join(parts)


def _unguarded(engine: Engine, batch: Sequence[str]) -> None:
    """Make sure that no guard is armed: a deploy confirms its own, and another's would undo it.

    Raises TrunklineError that names it.
    """
    for name in batch:
        armed = json.loads(engine.agent(name, ["guard", "show"]).stdout or "{}").get("armed")
        if armed:
            raise TrunklineError(
                f"{name}: the guard {armed['id']} is armed, which this deploy has neither armed nor found.",
                f"It returns {', '.join(armed['services'])} at {armed['deadline']}; then deploy again.",
            )


def _keep(
    engine: Engine, target: Target, verdicts: dict[str, int], failures: Sequence[str], console: Console
) -> None:
    """Write the record on the controller and on each host; a host that does not keep it is told."""
    entry = history.record(target, "deploy", verdicts, failures, running(engine, target))
    history.keep(target.history, entry)
    for name in target.names:
        answer = engine.agent(name, ["release", "record"], input=history.as_json(entry))
        if answer.returncode:
            console.warn(f"{name}: does not keep the record of this deploy: {answer.stderr.strip()}")


def running(engine: Engine, target: Target) -> dict[str, dict[str, Any]]:
    """Return which image each service of a stack runs, and the revision its database was last brought to."""
    found: dict[str, dict[str, Any]] = {}
    for host in target.hosts:
        for stack in host.compose.stacks if host.compose else ():
            answer = engine.agent(host.name, ["stack", "look", stack.name])
            if answer.returncode == 0:
                seen = json.loads(answer.stdout)
                images = {each["name"]: each["image"] for each in seen["services"]}
                revision = (seen["migration"] or {}).get("revision")
                found[f"{host.name}/{stack.name}"] = {"images": images, "revision": revision}
    return found


def ending(verification: Verification, known: Set[str], console: Console) -> int:
    """Say what the deploy came to and return its exit code; `known` failed before."""
    failures = verification.failures
    if verification.passed and not failures:
        return HOLDS
    new = [each for each in failures if each not in known]
    if failures and not new:
        console.warn(f"Applied; what fails failed before as well: {', '.join(failures)}.")
        return OLD_FAILURES
    stays = "There is no verified release to return to: what was applied stays."
    console.say(f"Applied, but these checks fail: {', '.join(new or failures)}. {stays}", "bold red")
    return FAILS


def table(target: Target, verification: Verification | None, console: Console) -> None:
    """Show host, service and state, and what can be tried from this machine."""
    rows = []
    for host in target.hosts:
        for service in host.services:
            rows.append((host.name, service, _state(host.name, service, verification)))
    console.table("service", ("Host", "Service", "State"), rows)
    if target.environment.in_twin:
        _forwards(target, console)


def _state(host: str, service: str, verification: Verification | None) -> str:
    own = [
        check["verdict"]
        for check in (verification.checks if verification else ())
        if check["host"] == host and check["service"] == service
    ]
    worst = next((each for each in ("fail", "blocked", "warn", "not proven", "ok") if each in own), "")
    return f"{worst}: {own.count('ok')} of {len(own)} checks hold" if own else "deployed: no check of its own"


def _forwards(target: Target, console: Console) -> None:
    from twin.twin import Twin

    console.title("Try it from this machine:")
    key = places.controller_key_of(target.instance)
    for forward in Twin(target.environment, name=target.instance).forwards:
        if forward.host not in target.names:
            continue
        host = target.environment.host(forward.host)
        if forward.host_port == host.ssh.port:
            user = host.users.deploy
            console.say(f"  {forward.host}  ssh -p {forward.port} -i {key} {user}@{forward.address}")
        else:
            console.say(f"  {forward.host}  {forward.what}: {forward.address}:{forward.port}")
