"""Managed sets: the files of one service change together, after the daemon's own checker agreed, or not at
all."""

from __future__ import annotations

import contextlib
import os
import time
from typing import Any

from . import check, durable, guard_record, kept
from .bundle import Bundle
from .command import Outcome, run
from .entry import Entry, look, read
from .journal import begin, finish, pending, put_old_back, run_load
from .mounts import clear_staging
from .place import missing_parents, put, stage
from .places import on_disk
from .problem import AgentError


def apply(bundle: Bundle) -> dict[str, Any]:
    """Bring the set into force; AgentError says what was refused, and then everything is as it was."""
    changes = [entry for entry in bundle.entries if not entry.same(look(entry.path))]
    for entry in changes:
        _refuse_loss(entry, bundle.service)
    unchanged = len(bundle.entries) - len(changes)
    if not changes:
        return _answer(bundle.service, [], unchanged=unchanged, generation=None, loaded=False)
    generation = kept.next_generation(bundle.service)
    about = {
        "generation": generation,
        "guard": guard_record.armed_id(),
        "load": bundle.load,
        "loaded": bundle.loaded,
        "loaded_within": bundle.loaded_within,
        "load_seconds": bundle.load_seconds,
    }
    _swap(bundle, changes, str(generation), about, drop=[])
    return _answer(
        bundle.service,
        [entry.path for entry in changes],
        unchanged=unchanged,
        generation=generation,
        loaded=bundle.load is not None,
    )


def give_back(service: str) -> dict[str, Any]:
    """Put the copies of the last apply of `service` back into force; what they replace is kept as
    undone-<generation>."""
    numbers = kept.generations(service)
    if not numbers:
        raise AgentError(f"nothing is kept for {service}: there is no earlier generation to return to")
    generation = numbers[-1]
    store, record, entries = kept.read(service, generation)
    data = {entry.path: read(os.path.join(store, entry.blob)) for entry in entries if entry.kind == "file"}
    bundle = Bundle(
        service=service,
        entries=entries,
        data=data,
        load=record["load"],
        loaded=record["loaded"],
        loaded_within=record["loaded_within"],
        load_seconds=record["load_seconds"],
    )
    changes = [entry for entry in entries if not entry.same(look(entry.path))]
    if changes:
        _swap(bundle, changes, f"undone-{generation}", {"generation": generation}, drop=[store])
    else:
        durable.remove_tree(store)
    return _answer(service, [entry.path for entry in changes], generation=generation)


def show(service: str) -> dict[str, Any]:
    """The kept generations of a service, oldest first."""
    listed = []
    for generation in kept.generations(service):
        _, record, entries = kept.read(service, generation)
        paths = [entry.path for entry in entries]
        listed.append({"generation": generation, "when": record["when"], "paths": paths})
    return {"service": service, "generations": listed}


def _answer(service: str, changed: list[str], **more: Any) -> dict[str, Any]:
    return {"service": service, "changed": changed, **more}


def _refuse_loss(entry: Entry, service: str) -> None:
    live = look(entry.path)
    in_the_way = live.kind == "directory" and entry.kind != "directory" and _occupied(entry.path)
    if live.kind == "other" or in_the_way:
        seen = "directory with files in it" if in_the_way else "device or socket"
        raise AgentError(
            f"{entry.path} is a {seen}: it is not replaced by a {entry.kind}, nothing was changed",
            service=service,
            error="place",
            returned=True,
        )


def _occupied(path: str) -> bool:
    return bool(os.listdir(on_disk(path)))


def _swap(
    bundle: Bundle, changes: list[Entry], store_name: str, about: dict[str, Any], drop: list[str]
) -> None:
    try:
        staged = [check.Staged(entry, _staged(entry, bundle)) for entry in changes]
        private = bundle.check is not None and check.can_be_private()
        if bundle.check and private:
            _require(bundle, "check", check.ask(bundle.check, bundle.trees, staged, bundle.check_seconds))
        store, old = kept.keep(bundle.service, store_name, [entry.path for entry in changes], about)
        made = sorted({parent for entry in changes for parent in missing_parents(entry.path)})
        begin(bundle.service, store, old, made, bundle.load, bundle.load_seconds)
        _bring_into_force(bundle, staged, store, checked=private)
        finish(drop)
    finally:
        with contextlib.suppress(OSError):
            clear_staging()


def _staged(entry: Entry, bundle: Bundle) -> str:
    return stage(entry, bundle.data.get(entry.path, b"")) if entry.kind in ("file", "symlink") else ""


def _bring_into_force(bundle: Bundle, staged: list[check.Staged], store: str, checked: bool) -> None:
    loading = False
    try:
        for item in _in_order(staged):
            put(item.entry, item.place)
        if bundle.check and not checked:
            _require(bundle, "check", run(check.named(bundle.check, {}), bundle.check_seconds))
        loading = True
        _load(bundle)
    except BaseException as error:
        _return(bundle, store, loading, error)
        raise


def _in_order(staged: list[check.Staged]) -> list[check.Staged]:
    """Directories before what stands in them, then what goes, the innermost first."""
    gone = [item for item in staged if item.entry.kind == "absent"]
    come = [item for item in staged if item.entry.kind != "absent"]
    come.sort(key=lambda item: item.entry.kind != "directory")
    return come + sorted(gone, key=lambda item: item.entry.path, reverse=True)


def _load(bundle: Bundle) -> None:
    if bundle.load:
        _require(bundle, "load", run(bundle.load, bundle.load_seconds))
    if bundle.loaded:
        end = time.monotonic() + bundle.loaded_within
        outcome = run(bundle.loaded, bundle.load_seconds)
        while not outcome.ok and time.monotonic() < end:
            time.sleep(0.2)
            outcome = run(bundle.loaded, bundle.load_seconds)
        _require(bundle, "loaded", outcome)


def _return(bundle: Bundle, store: str, loading: bool, error: BaseException) -> None:
    record = pending()
    if record is None:
        return
    put_old_back(record)
    if loading and bundle.load:
        outcome = run_load(record)
        if not outcome.ok and isinstance(error, AgentError):
            error.sentence += f"; the old files are back, but loading them failed too: {outcome.gist}"
    with contextlib.suppress(OSError):
        clear_staging()
    finish([store])
    if isinstance(error, OSError):
        raise AgentError(
            f"the files of {bundle.service} could not be put in place: {error.strerror} ({error.filename}); "
            "everything is as it was",
            service=bundle.service,
            error="swap",
            returned=True,
        ) from error


def _require(bundle: Bundle, step: str, outcome: Outcome) -> None:
    if outcome.ok:
        return
    said = {
        "check": f"the checker refused the new files of {bundle.service}",
        "load": f"{bundle.service} did not load its new files",
        "loaded": f"{bundle.service} loaded its new files, but what it runs with is not what they say",
    }[step]
    raise AgentError(
        f"{said}, everything is as it was: {bundle.masked(outcome.gist)}",
        service=bundle.service,
        error=step,
        output=bundle.masked(outcome.output),
        returned=True,
    )
