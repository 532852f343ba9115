"""Messages that were made to break parsers (RFC 4475, RFC 5118), sent to a live Asterisk."""

from __future__ import annotations

import json
import sys

from inventories.model import Host
from prove.row import Evidence, Row, require
from prove.stage import Stage
from twin.carriers import carriers
from verify.probes.sip_torture import CASES

RUN = "systemctl show --property=MainPID,NRestarts --value asterisk.service"


def _survives(stage: Stage) -> Evidence:
    """Send every message from a carrier's place: whoever is known there is read to the end."""
    stage.healthy()
    seen: dict[str, object] = {}
    for host in (each for each in stage.environment.hosts if each.asterisk):
        before = stage.sh(host.name, RUN)
        for node, source in _places(stage, host):
            cases = _tortured(stage, node, str(host.address.ip), source)
            require(len(cases) == len(CASES), f"{len(cases)} of {len(CASES)} messages were sent from {node}")
            deaf = [f"{each['name']} ({each['meaning']})" for each in cases if not each["alive"]]
            require(not deaf, f"{host.name} answers {node} no OPTIONS after {', '.join(deaf)}")
            answered = sum(bool(each["answers"]) for each in cases)
            seen[f"{host.name} from {node}"] = f"{len(cases)} messages, {answered} answered, alive after each"
        after = stage.sh(host.name, RUN)
        require(after == before, f"Asterisk of {host.name} was started anew meanwhile: {after.split()}")
    require(seen, "no host has telephony")
    return seen


def _places(stage: Stage, host: Host) -> list[tuple[str, str]]:
    """Return where it is sent from: a carrier that is known by its address, and the controller."""
    known = [
        (each.proxies[0].node, each.addresses[0])
        for each in carriers(stage.environment)
        if each.trunk.addresses and any(its.name == host.name for its, _ in each.lines)
    ]
    return [*known[:1], ("controller", "")]


def _tortured(stage: Stage, node: str, address: str, source: str) -> list[dict[str, object]]:
    where = ("--source", source) if source else ()
    argv = [sys.executable, "-m", "verify.probes.sip_torture", address, "--json", *where]
    with stage.twin.spawn(node, argv, cwd=stage.top, stdout=-1, stderr=-1, text=True) as begun:
        told, error = begun.communicate(timeout=200)
    require(begun.returncode == 0, f"nobody could look from {node}: {error}")
    found: list[dict[str, object]] = json.loads(told)["cases"]
    return found


ROWS = (
    Row(
        "torture",
        "asterisk-lives",
        "Asterisk still answers OPTIONS after every message of RFC 4475 and RFC 5118",
        _survives,
        400,
        ("pbx1",),
    ),
)
