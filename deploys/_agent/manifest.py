"""The manifest: every resource a deploy is answerable for on this host, written before it is touched.

`resources` is all that may be on the host (old and new intent until narrowed), `intended` what the deploy
under way wants.
"""

from __future__ import annotations

from typing import Any

from . import durable
from .mutex import held as mutex
from .places import state
from .problem import AgentError

FORMAT = 1
KINDS = ("file", "unit", "user", "package", "sysctl", "ufw_rule", "swap", "stack", "site")
Resource = dict[str, Any]


def show() -> dict[str, Any]:
    """The manifest as it stands; `resources` is None before the first deploy."""
    record = durable.read_json(state("manifest.json"))
    if record is None:
        return {"format": FORMAT, "resources": None, "intended": None}
    _require_format(record)
    return dict(record)


def intend(wanted: Any) -> dict[str, Any]:
    """Write old and new intent down, before anything is applied."""
    resources = _resources(wanted)
    with mutex("manifest"):
        record = show()
        known = _by_name(record["resources"] or [])
        new = _by_name(resources)
        union = list({**known, **new}.values())
        fresh = {"format": FORMAT, "resources": _ordered(union), "intended": _ordered(list(new.values()))}
        changed = fresh != record
        if changed:
            durable.write_json(state("manifest.json"), fresh)
    added = len(set(new) - set(known))
    return {
        "resources": len(union),
        "added": added,
        "orphans": len(set(known) - set(new)),
        "changed": changed,
    }


def orphans() -> list[Resource]:
    """What an earlier intent names and the present one does not: to be removed before `narrow`."""
    record = show()
    if record["resources"] is None or record["intended"] is None:
        return []
    wanted = _by_name(record["intended"])
    return [item for item in record["resources"] if _name(item) not in wanted]


def narrow() -> dict[str, Any]:
    """The deploy succeeded and the orphans are gone: only the new intent stays."""
    with mutex("manifest"):
        record = show()
        if record["intended"] is None:
            raise AgentError("nothing is intended on this host: there is no manifest to narrow")
        dropped = len(record["resources"]) - len(record["intended"])
        if dropped:
            durable.write_json(state("manifest.json"), {**record, "resources": record["intended"]})
    return {"resources": len(record["intended"]), "dropped": dropped}


def _resources(wanted: Any) -> list[Resource]:
    if not isinstance(wanted, dict) or not isinstance(wanted.get("resources"), list):
        raise AgentError('a manifest is an object with "format" and "resources"')
    _require_format(wanted)
    for item in wanted["resources"]:
        fit = (
            isinstance(item, dict) and item.get("kind") in KINDS and item.get("name") and item.get("service")
        )
        if not fit:
            raise AgentError(
                f"a resource needs a service, a name and a kind out of {', '.join(KINDS)}; got {item!r:.120}"
            )
    return list(wanted["resources"])


def _require_format(record: dict[str, Any]) -> None:
    if record.get("format") != FORMAT:
        raise AgentError(
            f"the manifest on this host has format {record.get('format')}, "
            f"this release reads format {FORMAT}: deploy with the newer release"
        )


def _name(item: Resource) -> tuple[str, str]:
    return str(item["kind"]), str(item["name"])


def _by_name(items: list[Resource]) -> dict[tuple[str, str], Resource]:
    return {_name(item): item for item in items}


def _ordered(items: list[Resource]) -> list[Resource]:
    return sorted(items, key=_name)
