"""A twin's host with telephony, deployed alone, and what can be done and seen there."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import asterisk_site
from asterisk_site import HOST
from own_twin import own

from control.engine import Engine, StepEvent
from inventories.model import Environment
from twin.enter import enter_argv
from twin.given import given
from twin.twin import Twin

HERE = Path(__file__).resolve().parent
TOP = HERE.parent.parent
PASSWORD = "correct;horse battery: staple"


class Pbx:
    """The host, and places to look at it from."""

    def __init__(self, lab: Environment, name: str) -> None:
        self.environment = asterisk_site.alone(lab)
        self.twin = Twin(self.environment, f"{os.environ.get('TRUNKLINE_TWIN', 'lab')}-{name}")
        self.address = str(self.environment.host(HOST).address.ip)

    def run(self, script: str) -> str:
        """Run a script on the host, which must succeed."""
        result = self.twin.run(HOST, script, timeout=100)
        assert result.returncode == 0, result.stderr + result.stdout
        return result.stdout

    def deploy(self, what: str) -> set[str]:
        """Deploy what `asterisk_site` calls so; return the steps that changed something."""
        changed = set()
        with Engine(self.environment, self.twin.name) as engine:
            secrets = {secret.name: PASSWORD for secret in self.environment.secrets()}
            secrets |= given(self.environment, self.twin.name)
            engine.open(hosts=[HOST], secrets=secrets, deploy=f"asterisk_site:{what}")
            engine.lock("a test", "me")
            engine.confirm([HOST])
            engine.plan([HOST])
            for event in engine.apply([HOST]):
                if isinstance(event, StepEvent) and event.status == "changed":
                    changed.add(event.step)
        return {step for step in changed if not step.startswith("manifest:")}

    def probe(self, place: str, name: str, *more: str) -> subprocess.Popen[str]:
        """Begin to look from a place."""
        argv = [*enter_argv(self.twin.name, place), sys.executable, "-m", f"verify.probes.{name}"]
        surroundings = {**os.environ, "SIP_PASSWORD": PASSWORD, "PYTHONPATH": str(TOP)}
        return subprocess.Popen(
            [*argv, self.address, "--json", *more], cwd=TOP, env=surroundings, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip

    def seen(self, looking: subprocess.Popen[str]) -> dict[str, Any]:
        """Return what a look found."""
        out, err = looking.communicate(timeout=120)
        assert looking.returncode == 0, err
        found: dict[str, Any] = json.loads(out)
        return found

    def answers(self, place: str, *more: str) -> list[int]:
        """Return the final status of each request, 0 for silence."""
        looks = self.seen(self.probe(place, "sip", *more))["looks"]
        return [look["answers"][-1]["status"] for look in looks]

    def call(self, seconds: int) -> subprocess.Popen[str]:
        """Begin a call to the echo; return when Asterisk has it."""
        looking = self.probe("controller", "call", "--user", "verify", "--seconds", str(seconds))
        end = time.monotonic() + 20
        while "1 active channel" not in self.run("asterisk -rx 'core show channels count'"):
            assert time.monotonic() < end, "no call arrives"
        return looking

    @contextmanager
    def application(self) -> Iterator[None]:
        """Answer the tenants' calls with a tone, in the place of their own application."""
        argv = [sys.executable, "-m", "twin.application"]
        begun = self.twin.spawn(HOST, argv, cwd=TOP, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        ari = {"address": "127.0.0.1", "port": 8088, "user": "trunkline", "password": PASSWORD}
        try:
            assert begun.stdin
            assert begun.stdout
            begun.stdin.write(json.dumps(ari | {"applications": ["assistant"]}))
            begun.stdin.close()
            assert begun.stdout.readline() == "connected\n"
            yield
        finally:
            begun.kill()
            begun.wait()

    def started(self) -> str:
        """Return what tells this run of Asterisk from another."""
        return self.run("systemctl show --property=MainPID --value asterisk.service").strip()


@contextmanager
def deployed(lab: Environment, name: str) -> Iterator[Pbx]:
    """Lend the host with one tenant, in a twin of its own."""
    pbx = Pbx(lab, name)
    with own(pbx.twin):
        pbx.deploy("one")
        yield pbx


def sounded(call: dict[str, Any]) -> bool:
    """Say whether a call was answered, heard both ways, and ended by us."""
    return (call["status"], call["ended"], call["sound"]["hearing"]) == (200, "we hung up", "both ways")
