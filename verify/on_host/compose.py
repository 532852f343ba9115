"""The stacks: what was deployed of them, and what their containers say when they are asked now."""

from __future__ import annotations

import json
import os
import re
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from verify.on_host import engine
from verify.on_host.section import Request, section, text

STACKS = "/etc/trunkline/stacks"
STATE = "/var/lib/trunkline/stacks"
UPSTREAMS = "/etc/nginx/upstreams"
VARIABLE = re.compile(r"(?ms)^(\w+)='(.*?)(?<!\\)'$")
"""A line of an environment file, as Compose reads it: nothing is expanded between apostrophes."""


@section("stacks")
def stacks(request: Request) -> dict[str, Any]:
    """Return of each declared stack: what was deployed, its files' modes, its upstreams, who answers."""
    if not request["stacks"]:
        return {}
    live = engine.containers()
    return {each["name"]: _stack(each, live) for each in request["stacks"]}


def _stack(asked: dict[str, Any], live: list[dict[str, Any]]) -> dict[str, Any]:
    name = asked["name"]
    directory = f"{STACKS}/{name}"
    upstreams = {
        s["name"]: text(f"{UPSTREAMS}/{name}-{s['name']}.conf") for s in asked["services"] if s["loopback"]
    }
    return {
        "spec": _json(f"{directory}/stack.json"),
        "state": _json(f"{STATE}/{name}.json"),
        "resolved": _json(f"{STATE}/images.json"),
        "files": _files(directory),
        "upstreams": upstreams,
        "answers": {port: _answers(port) for s in asked["services"] for port in s["loopback"]},
        "environment": {
            each["Name"].lstrip("/"): differing(each, f"{directory}/{_service(each)}.env")
            for each in live
            if _label(each, "project") == name
        },
    }


def _json(path: str) -> Any:
    held = text(path)
    return json.loads(held) if held else None


def _files(directory: str) -> list[dict[str, Any]]:
    """Return every file and directory of a stack with its owner and mode."""
    found = []
    for top, _, names in os.walk(directory):
        for path in (top, *(os.path.join(top, name) for name in names)):
            status = os.lstat(path)
            found.append(
                {
                    "path": path,
                    "directory": path == top,
                    "owner": status.st_uid,
                    "mode": f"{status.st_mode & 0o7777:04o}",
                }
            )
    return found


def _answers(port: int) -> bool:
    """Say whether something takes connections on a port of the loopback."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=2):
            return True
    except OSError:
        return False


def _label(each: dict[str, Any], name: str) -> str:
    return str((each["Config"].get("Labels") or {}).get(f"com.docker.compose.{name}", ""))


def _service(each: dict[str, Any]) -> str:
    """Return the declared service of a container: without its colour."""
    return str((each["Config"].get("Labels") or {}).get("trunkline.service") or _label(each, "service"))


def differing(each: dict[str, Any], path: str) -> list[str]:
    """Return the names, never a value, of variables that a container does not have as the file says."""
    wanted = {name: value.replace("\\'", "'") for name, value in VARIABLE.findall(text(path))}
    has = dict(entry.partition("=")[::2] for entry in each["Config"].get("Env") or ())
    return sorted(name for name, value in wanted.items() if has.get(name) != value)


@section("stack_health")
def stack_health(request: Request) -> dict[str, dict[str, Any]]:
    """Return how each health command ends now, by stack/service, and the migration's revision."""
    asked = [(stack["name"], each["name"], each) for stack in request["stacks"] for each in stack["asked"]]
    if not asked:
        return {}
    live = engine.containers()
    with ThreadPoolExecutor(max_workers=8) as pool:
        answers = pool.map(lambda each: _ran(live, *each), asked)
        return {f"{stack}/{what}": answer for (stack, what, _), answer in zip(asked, answers, strict=True)}


def running(live: list[dict[str, Any]], stack: str, runs_as: list[str]) -> list[dict[str, Any]]:
    """Return the containers of a service whose processes run; `runs_as` are its names."""
    return [
        each
        for each in live
        if _label(each, "project") == stack
        and _label(each, "service") in runs_as
        and each["State"]["Status"] == "running"
    ]


def _ran(live: list[dict[str, Any]], stack: str, what: str, asked: dict[str, Any]) -> dict[str, Any]:
    found = running(live, stack, asked["runs_as"])
    if not found:
        return {"code": None, "seconds": 0, "said": "it does not run"}
    began = time.monotonic()
    try:
        code, said = engine.run(found[0]["Id"], asked["command"], asked["timeout"])
    except OSError as error:
        code, said = -1, f"no end within {asked['timeout']} s ({type(error).__name__})"
    shown = said.strip()[-300:] if asked["told"] else ""
    return {"code": code, "seconds": round(time.monotonic() - began, 1), "said": shown}
