#!/usr/bin/python3 -I
"""Have charon take on its peers with the least disturbance, and say what it holds.

`strongswan load` starts the daemon, restarts it where its own settings need that, else has it load secrets
and peers; a peer that changed begins anew, the others are not touched. `check` compares what it has loaded
with what is declared. `call` begins what should be up and is not. `started` is for the unit itself.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import struct
import subprocess
import sys
import time
from typing import Any

DECLARED = "/etc/trunkline/strongswan.json"
SETTINGS = "/etc/strongswan.d/trunkline.conf"
LOADED = "/run/trunkline/strongswan.json"
SOCKET = "/run/charon.vici"
UNIT = "strongswan.service"
FAREWELL = 3000
"""Milliseconds in which a peer must answer that its tunnel ends; after that it ends without the answer."""
REQUEST, RESPONSE, REGISTER, CONFIRM, EVENT = 0, 1, 3, 5, 7
SECTION, END, PAIR, LIST, ITEM, LIST_END = 1, 2, 3, 4, 5, 6
Message = dict[str, Any]


class RefusedError(Exception):
    """The daemon does not do what it was asked for."""


class Charon:
    """The daemon, asked over its vici socket (the protocol: src/libcharon/plugins/vici/README.md)."""

    def __init__(self) -> None:
        self.wire = socket.socket(socket.AF_UNIX)
        self.wire.settimeout(20)
        self.wire.connect(SOCKET)

    def ask(self, command: str, event: str = "", **given: str) -> list[Message]:
        """Return the answer, or the events that come before it; raises RefusedError."""
        if event:
            self._send(REGISTER, event)
            self._received()
        self._send(REQUEST, command, b"".join(_pair(key.replace("_", "-"), v) for key, v in given.items()))
        found = []
        kind, body = self._received()
        while kind == EVENT:
            found.append(_read(body[1 + body[0] :]))
            kind, body = self._received()
        answer = _read(body) if kind == RESPONSE else {"success": "no", "errmsg": "it does not know that"}
        if answer.get("success", "yes") != "yes":
            raise RefusedError(f"charon: {command}: {answer.get('errmsg', 'refused')}")
        return found if event else [answer]

    def _send(self, kind: int, name: str, body: bytes = b"") -> None:
        packet = bytes([kind, len(name)]) + name.encode() + body
        self.wire.sendall(struct.pack("!I", len(packet)) + packet)

    def _received(self) -> tuple[int, bytes]:
        packet = self._exactly(struct.unpack("!I", self._exactly(4))[0])
        return packet[0], packet[1:]

    def _exactly(self, count: int) -> bytes:
        found = b""
        while len(found) < count:
            more = self.wire.recv(count - len(found))
            if not more:
                raise RefusedError("charon closed the connection")
            found += more
        return found


def _pair(key: str, value: str) -> bytes:
    return bytes([PAIR, len(key)]) + key.encode() + struct.pack("!H", len(value)) + value.encode()


def _read(body: bytes) -> Message:
    """Return a message as nested dictionaries, lists and strings."""
    stack: list[Message] = [{}]
    place, name = 0, ""

    def text(width: int) -> str:
        nonlocal place
        count = int.from_bytes(body[place : place + width], "big")
        place += width + count
        return body[place - count : place].decode(errors="replace")

    while place < len(body):
        kind, place = body[place], place + 1
        if kind in (SECTION, LIST):
            name = text(1)
            stack[-1][name] = {} if kind == SECTION else []
            if kind == SECTION:
                stack.append(stack[-1][name])
        elif kind == PAIR:
            key = text(1)
            stack[-1][key] = text(2)
        elif kind == ITEM:
            stack[-1][name].append(text(2))
        elif kind == END:
            stack.pop()
    return stack[0]


def declared() -> dict[str, Any]:
    """Return what shall be loaded, by the peers' names; nothing where no tunnel is declared any more."""
    try:
        with open(DECLARED) as file:
            found: dict[str, Any] = json.load(file)
    except OSError:
        return {}
    return found


def run(*argv: str) -> None:
    """Run a command; SystemExit with its words when it fails."""
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    if done.returncode:
        words = (line for line in (*done.stderr.splitlines(), *done.stdout.splitlines()) if line.strip())
        telling = [line for line in words if not line.startswith(("loaded ", "successfully "))]
        sys.exit(f"{' '.join(argv)}: " + " | ".join(telling[-4:]))


def is_active() -> bool:
    """Say whether the daemon runs."""
    return subprocess.run(("systemctl", "is-active", "--quiet", UNIT), check=False).returncode == 0


def read_its_settings() -> bool:
    """Say whether the daemon was started after its settings were written."""
    argv = ("systemctl", "show", "--property=ExecMainStartTimestampMonotonic", "--value", UNIT)
    said = subprocess.run(argv, capture_output=True, text=True, check=False).stdout.strip()
    started = time.time() - time.monotonic() + int(said or 0) / 1e6
    return os.path.exists(SETTINGS) and os.stat(SETTINGS).st_ctime < started


def digests() -> dict[str, str]:
    """Return what tells one declaration of each peer from another."""
    return {name: str(peer["digest"]) for name, peer in declared().get("peers", {}).items()}


def loaded_before() -> dict[str, str]:
    """Return the digests of what this very daemon loaded last."""
    try:
        with open(LOADED) as file:
            known: dict[str, dict[str, str]] = json.load(file)
    except (OSError, ValueError):
        return {}
    return known.get(process(), {})


def remember() -> None:
    """Write down what the running daemon has loaded."""
    os.makedirs(os.path.dirname(LOADED), mode=0o755, exist_ok=True)
    with open(f"{LOADED}.new", "w") as file:
        json.dump({process(): digests()}, file)
    os.rename(f"{LOADED}.new", LOADED)


def process() -> str:
    """Return what tells this run of the daemon from another."""
    argv = ("systemctl", "show", "--property=InvocationID", "--value", UNIT)
    return subprocess.run(argv, capture_output=True, text=True, check=False).stdout.strip()


def started() -> None:
    """Load everything into a daemon that has just begun; a peer that cannot be loaded takes no other down."""
    subprocess.run(("swanctl", "--load-all", "--noprompt"), capture_output=True, check=False)
    remember()


def load() -> None:
    """Bring the daemon to its files."""
    if not declared():
        run("systemctl", "stop", UNIT)
        return
    if not is_active() or not read_its_settings():
        subprocess.run(("systemctl", "reset-failed", UNIT), capture_output=True, check=False)
        run("systemctl", "restart", UNIT)
    charon, before, wanted = Charon(), loaded_before(), digests()
    old = {sa["uniqueid"]: name for event in charon.ask("list-sas", "list-sa") for name, sa in event.items()}
    run("swanctl", "--load-creds", "--clear", "--noprompt")
    run("swanctl", "--load-conns")
    changed = {name for name in before if wanted.get(name) != before[name]}
    live = {sa["uniqueid"] for event in charon.ask("list-sas", "list-sa") for sa in event.values()}
    for number, name in old.items():
        if number in live and (name in changed or name not in wanted):
            # It may have ended by itself meanwhile.
            with contextlib.suppress(RefusedError):
                charon.ask("terminate", ike_id=number, force="yes", timeout=str(FAREWELL))
    remember()
    call()


def check() -> None:
    """SystemExit with the first difference between what is loaded and what is declared."""
    found: Message = {}
    for event in Charon().ask("list-conns", "list-conn"):
        found |= event
    wanted = declared()["peers"]
    if found.keys() != wanted.keys():
        sys.exit(f"charon has {', '.join(sorted(found)) or 'no peer'}, not {', '.join(sorted(wanted))}")
    for name, peer in wanted.items():
        for path, value in peer["loaded"].items():
            seen: Any = found[name]
            for step in path.split("/"):
                seen = seen.get(step) if isinstance(seen, dict) else None
            if seen != value:
                sys.exit(f"charon has {seen!r} for {path} of {name}, not {value!r}")
        children = found[name].get("children", {})
        if {child: [c["local-ts"], c["remote-ts"]] for child, c in children.items()} != peer["children"]:
            sys.exit(f"charon has other networks for {name}: {children}")


def call() -> None:
    """Begin each tunnel that should be up and is not, where its peer is not being called already."""
    charon = Charon()
    up: dict[str, set[str]] = {}
    busy = set()
    for event in charon.ask("list-sas", "list-sa"):
        for name, sa in event.items():
            up.setdefault(name, set()).update(child["name"] for child in sa.get("child-sas", {}).values())
            busy |= {name} if sa["state"] == "CONNECTING" else set()
    for name, peer in declared().get("peers", {}).items():
        for child in peer["children"]:
            if peer["calls"] and name not in busy and child not in up.get(name, set()):
                print(f"<4>calling {name} for {child}", flush=True)
                with contextlib.suppress(RefusedError):
                    charon.ask("initiate", ike=name, child=child, timeout="-1")


COMMANDS = {"started": started, "load": load, "check": check, "call": call}
if not sys.argv[1:] or sys.argv[1] not in COMMANDS:
    sys.exit("usage: strongswan started|load|check|call")
try:
    COMMANDS[sys.argv[1]]()
except (OSError, RefusedError) as error:
    sys.exit(f"strongswan {sys.argv[1]}: {error}")
