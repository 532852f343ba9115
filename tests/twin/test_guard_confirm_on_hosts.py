"""A deploy confirms its own guard alone, over a login that what stands on the disk has let in."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from test_engine_on_hosts import ADMIT

from control.engine import ApplyFailed, Confirmation, Engine
from control.places import controller_key_of
from inventories.model import Environment
from twin.twin import Twin

TWIN = "pair"

HOST = "edge1"
DROP_IN = "/etc/ssh/sshd_config.d/00-test.conf"
GUARDED = {
    "service": "ssh",
    "files": ["/etc/ssh/sshd_config.d/*"],
    "reload": [["systemctl", "reload", "ssh"]],
}


@pytest.fixture
def admitted(bare: Twin, monkeypatch: pytest.MonkeyPatch) -> Twin:
    """A host that has a deploy user, and whose deploys are those of `guard_site`."""
    monkeypatch.setenv("PYTHONPATH", f"{Path(__file__).parent}:{Path(__file__).parents[2]}")
    key = controller_key_of(bare.name).with_suffix(".pub").read_text()
    assert bare.run(HOST, ADMIT, input=key).returncode == 0
    return bare


@contextmanager
def locked(twin: Twin, lab: Environment, deploy: str = "right") -> Iterator[Engine]:
    with Engine(lab, twin.name) as engine:
        (state,) = engine.open([HOST], deploy=f"guard_site:{deploy}")
        assert state.state == "connected", state
        engine.lock("a test", "me")
        yield engine


def applied(engine: Engine) -> None:
    engine.plan()
    list(engine.apply([HOST]))


def guard(engine: Engine) -> Any:
    return json.loads(engine.agent(HOST, ["guard", "show"]).stdout)


def earlier(engine: Engine, text: str) -> Confirmation:
    """Leave a guard armed and a change that sshd has not heard of; say what came of confirming it."""
    armed = engine.agent(HOST, ["guard", "arm", "--seconds", "60"], input=json.dumps({"services": [GUARDED]}))
    assert armed.returncode == 0, armed.stderr
    engine.command(HOST, f"echo '{text}' > {DROP_IN}")
    (answer,) = engine.confirm()
    return answer


def test_a_deploy_confirms_the_guard_that_it_armed(admitted: Twin, lab: Environment) -> None:
    with locked(admitted, lab) as engine:
        applied(engine)
        shown = guard(engine)
    assert (shown["armed"], shown["last"]["outcome"]) == (None, "confirmed")


def test_a_change_that_sshd_has_not_heard_of_is_judged_all_the_same(admitted: Twin, lab: Environment) -> None:
    with locked(admitted, lab, "unheard") as engine:
        with pytest.raises(ApplyFailed, match=r"No new login works: .* deploy is not let in") as caught:
            applied(engine)
        assert "returns by itself" in caught.value.remedy
        assert guard(engine)["armed"]["phase"] == "armed"
        engine.agent(HOST, ["guard", "return"])
        assert engine.command(HOST, f"cat {DROP_IN}").returncode != 0


def test_a_deploy_does_not_confirm_a_guard_that_somebody_else_armed(admitted: Twin, lab: Environment) -> None:
    with locked(admitted, lab, "anothers") as engine:
        with pytest.raises(ApplyFailed, match=r"the guard g-\S+ returned at"):
            applied(engine)
        assert guard(engine)["armed"]["services"] == ["other"]


def test_a_guard_that_an_earlier_deploy_left_is_confirmed_over_a_new_login(
    admitted: Twin, lab: Environment
) -> None:
    with locked(admitted, lab) as engine:
        answer = earlier(engine, "MaxAuthTries 5")
        assert (answer.armed, answer.ok) == (True, True), answer
        assert guard(engine)["armed"] is None


def test_a_guard_that_an_earlier_deploy_left_stays_armed_when_the_disk_lets_nobody_in(
    admitted: Twin, lab: Environment
) -> None:
    with locked(admitted, lab) as engine:
        answer = earlier(engine, "AllowUsers nobody")
        assert (answer.armed, answer.ok) == (True, False), answer
        assert "No new login works" in answer.error
        assert answer.returns_at in answer.remedy
        assert guard(engine)["armed"]["phase"] == "armed"


def test_nobody_confirms_without_the_lock(admitted: Twin, lab: Environment) -> None:
    with locked(admitted, lab) as engine:
        engine.unlock()
        answer = earlier(engine, "MaxAuthTries 5")
        assert (answer.armed, answer.ok) == (True, False), answer
        assert "the lock is not held" in answer.error
