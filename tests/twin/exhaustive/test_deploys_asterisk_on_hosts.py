"""Asterisk on a real host: who gets what from it, an echo both ways, and changes that cut no call."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import asterisk_site
import pytest
from asterisk_site import DID, HOST, OTHER_DID

from control.engine import ApplyFailed, Engine, StepEvent
from inventories.model import Environment
from twin.enter import enter_argv
from twin.given import given
from twin.twin import Twin

HERE = Path(__file__).resolve().parents[1]
TOP = HERE.parent.parent
PASSWORD = "correct;horse battery: staple"
OUTSIDE = "+442079460999"


class Pbx:
    """The host, and places to look at it from."""

    def __init__(self, lab: Environment) -> None:
        self.environment = asterisk_site.alone(lab)
        self.twin = Twin(self.environment, f"{os.environ.get('TRUNKLINE_TWIN', 'lab')}-pbx")
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

    def started(self) -> str:
        """Return what tells this run of Asterisk from another."""
        return self.run("systemctl show --property=MainPID --value asterisk.service").strip()


@pytest.fixture(scope="module")
def pbx(lab: Environment) -> Iterator[Pbx]:
    """The host with one tenant."""
    before = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = str(HERE)
    pbx = Pbx(lab)
    pbx.twin.erase()
    try:
        pbx.twin.up()
        pbx.deploy("one")
        yield pbx
    finally:
        pbx.twin.erase()
        os.environ.pop("PYTHONPATH")
        if before is not None:
            os.environ["PYTHONPATH"] = before


def sounded(call: dict[str, Any]) -> bool:
    """Say whether a call was answered, heard both ways, and ended by us."""
    return (call["status"], call["ended"], call["sound"]["hearing"]) == (200, "we hung up", "both ways")


def test_a_second_deploy_changes_nothing_and_asterisk_holds_what_is_declared(pbx: Pbx) -> None:
    assert pbx.deploy("one") == set()
    pbx.run("/usr/local/lib/trunkline/asterisk check")
    shown = pbx.run("asterisk -rx 'pjsip show endpoints'")
    for name in ("verify", "didco", "usco", "usco-backup"):
        assert f" Endpoint:  {name} " in shown
    assert pbx.run("asterisk -rx 'module show like chan_sip'").startswith("Module")
    assert "0 modules loaded" in pbx.run("asterisk -rx 'module show like chan_sip'")


def test_a_change_made_by_hand_is_seen_and_taken_back(pbx: Pbx) -> None:
    pbx.run("sed -i s/transfer=no/transfer=yes/ /etc/asterisk/pjsip.conf; asterisk -rx 'core reload'")
    looked = pbx.twin.run(HOST, "/usr/local/lib/trunkline/asterisk check")
    assert (looked.returncode, "has allow_transfer=true, not false" in looked.stderr) == (1, True)
    assert pbx.deploy("one") == {"asterisk: files"}
    pbx.run("/usr/local/lib/trunkline/asterisk check")


def test_each_party_gets_what_it_must_and_names_give_nothing_away(pbx: Pbx) -> None:
    assert pbx.answers("controller", "--to", "echo", "--to", "nobody", "--to", DID) == [401, 401, 401]
    assert pbx.answers("controller", "--to", "echo", "--user", "verify") == [200]
    assert pbx.answers("stranger", "--to", "echo", "--timeout", "1") == [0]
    assert pbx.answers("carrier-didco", "--to", DID, "--to", "echo", "--to", OUTSIDE) == [200, 404, 404]


def test_a_carrier_reaches_no_number_outside(pbx: Pbx) -> None:
    assert pbx.answers("carrier-didco", "--method", "INVITE", "--to", OUTSIDE) == [404]


def test_a_change_of_tenants_is_loaded_while_a_call_goes_on(pbx: Pbx) -> None:
    call, before = pbx.call(12), pbx.started()
    assert OTHER_DID not in pbx.run("asterisk -rx 'dialplan show from-didco'")
    assert pbx.deploy("two") == {"asterisk: files"}
    assert OTHER_DID in pbx.run("asterisk -rx 'dialplan show from-didco'")
    assert "1 active channel" in pbx.run("asterisk -rx 'core show channels count'")
    heard = pbx.seen(call)
    assert sounded(heard), heard
    assert pbx.started() == before


def test_what_takes_a_restart_waits_for_the_calls_and_cuts_none(pbx: Pbx) -> None:
    call, before = pbx.call(45), pbx.started()
    with pytest.raises(ApplyFailed) as failed:
        pbx.deploy("tcp_gone")
    assert "none was cut" in failed.value.message
    assert "1 active channel" in pbx.run("asterisk -rx 'core show channels count'")
    assert pbx.started() == before
    heard = pbx.seen(call)
    assert sounded(heard), heard
    assert pbx.deploy("tcp_gone") == {"asterisk: files"}
    assert pbx.started() != before
    assert "tcp" not in pbx.run("asterisk -rx 'pjsip show transports'")
