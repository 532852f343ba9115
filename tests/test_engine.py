"""The engine from its parent's side: a real child, real SSH servers, the real agent."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from ssh_peer import Peer, peer

from control.engine import (
    ApplyFailed,
    Engine,
    EngineDied,
    Event,
    Heartbeat,
    HostEvent,
    Interrupted,
    Step,
    StepEvent,
)
from control.errors import TrunklineError
from inventories.lab import environment

HOSTS = ("edge1", "edge2")


class Here(Engine):
    """An engine whose child stays in this machine's own network, where the test's servers are."""

    def _prefix(self) -> list[str]:
        return []


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Peer]]:
    with peer(tmp_path_factory.mktemp("edge1")) as one, peer(tmp_path_factory.mktemp("edge2")) as two:
        yield {"edge1": one, "edge2": two}


class Bench:
    """Opens engines on the test's servers and collects what they tell."""

    def __init__(self, servers: dict[str, Peer]) -> None:
        self.servers = servers
        self.events: list[Event] = []

    @contextmanager
    def engine(self, deploy: str, *hosts: str, locked: bool = True) -> Iterator[Engine]:
        with Here(environment, "lab", self.events.append) as engine:
            names = hosts or ("edge1",)
            ways = {name: self.servers[name].ssh() for name in names}
            secrets = {"word": "correct horse battery"}
            states = engine.open(names, secrets, ssh=ways, deploy=f"engine_site:{deploy}")
            assert [state.state for state in states] == ["connected"] * len(names)
            for name in names:
                assert engine.command(name, "rm -rf /var/lib/trunkline/*").returncode == 0
            if locked:
                engine.lock("a test", "me", lease=20)
            yield engine

    def statuses(self) -> list[tuple[str, str, str]]:
        steps = [event for event in self.events if isinstance(event, StepEvent) and event.phase == "apply"]
        return [(event.host, event.step, event.status) for event in steps]


@pytest.fixture
def bench(servers: dict[str, Peer], monkeypatch: pytest.MonkeyPatch) -> Bench:
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent))
    for server in servers.values():
        server.admit("root")
    return Bench(servers)


def look(engine: Engine, script: str, host: str = "edge1") -> str:
    return engine.command(host, f"cd /var/lib/trunkline; {script}").stdout


def test_a_plan_lists_every_step_with_its_kind_and_diff_and_changes_nothing(bench: Bench) -> None:
    with bench.engine("files", locked=False) as engine:
        assert engine.plan() == (
            Step("edge1", "files: first", "change", "-\n+one"),
            Step("edge1", "files: second", "change", "-\n+two"),
            Step("edge1", "files: restart", "if:files: first or files: second", ""),
        )
        assert look(engine, "ls") == "reads\n"


def test_applying_does_what_was_planned_and_the_next_plan_is_empty(bench: Bench) -> None:
    with bench.engine("files") as engine:
        engine.plan()
        list(engine.apply(["edge1"]))
        assert look(engine, "cat first second restarts") == "onetworestarted\n"
        assert not [step for step in engine.plan() if step.changes]
        list(engine.apply(["edge1"]))
        assert look(engine, "cat restarts") == "restarted\n"


def test_a_restart_waits_only_for_what_will_change(bench: Bench) -> None:
    with bench.engine("files") as engine:
        engine.command("edge1", "printf one > /var/lib/trunkline/first")
        kinds = {step.step: step.kind for step in engine.plan()}
        assert kinds["files: first"] == "none"
        assert kinds["files: restart"] == "if:files: second"


def test_each_fact_is_read_once_however_often_it_is_asked_for(bench: Bench) -> None:
    with bench.engine("files", locked=False) as engine:
        engine.plan()
        engine.plan()
        assert look(engine, "wc -l < reads") == "2\n"


def test_hosts_have_steps_of_their_own_in_one_plan(bench: Bench) -> None:
    with bench.engine("failing_on_edge1", *HOSTS, locked=False) as engine:
        steps = engine.plan()
        assert [step.step for step in steps if step.host == "edge2"] == [f"race: step {n}" for n in range(50)]
        assert len([step for step in steps if step.host == "edge1"]) == 51


def test_only_the_hosts_of_the_batch_are_changed(bench: Bench) -> None:
    with bench.engine("files", *HOSTS) as engine:
        engine.plan()
        list(engine.apply(["edge2"]))
        assert look(engine, "ls first", "edge2") == "first\n"
        assert look(engine, "ls first") == ""
        list(engine.apply(["edge1"]))
        assert look(engine, "ls first") == "first\n"


def test_a_failed_step_says_why_and_nothing_after_it_runs(bench: Bench) -> None:
    with bench.engine("failing") as engine:
        engine.plan()
        with pytest.raises(ApplyFailed) as caught:
            list(engine.apply(["edge1"]))
        error = caught.value
        assert "edge1: fail: second: A command failed with exit code 7." in error.message
        assert "the reason" in error.message
        assert (error.host, error.step) == ("edge1", "fail: second")
        assert error.done == (("edge1", "fail: first"),)
        assert error.not_done == (("edge1", "fail: second"), ("edge1", "fail: third"))
        assert look(engine, "ls first third") == "first\n"


def test_the_first_failure_stops_the_other_hosts_of_the_batch(bench: Bench) -> None:
    with bench.engine("failing_on_edge1", *HOSTS) as engine:
        engine.plan()
        with pytest.raises(ApplyFailed) as caught:
            list(engine.apply(HOSTS))
        assert len(caught.value.not_done) > 90


def test_an_exception_in_a_callback_fails_the_step_with_its_words(bench: Bench) -> None:
    with bench.engine("failing_in_python") as engine:
        engine.plan()
        with pytest.raises(ApplyFailed, match="the callback does not like it"):
            list(engine.apply(["edge1"]))


def test_a_step_that_does_what_its_plan_did_not_list_is_stopped_before_it_does(bench: Bench) -> None:
    with bench.engine("unplanned") as engine:
        engine.plan()
        with pytest.raises(
            ApplyFailed, match="sly: step wants to change something that its plan did not list"
        ):
            list(engine.apply(["edge1"]))
        assert look(engine, "ls sly after") == ""


@pytest.mark.parametrize(
    ("deploy", "sentence"),
    [
        ("unnamed", r"edge1: a step \(server.shell\) has no name"),
        ("twice", "edge1: two steps are called 'same: name'"),
        ("unreadable", r"Broken could not be read: A command failed with exit code 5. no such luck"),
        ("changing_while_planned", "tried to change the host while it was planned"),
    ],
)
def test_what_cannot_be_planned_is_refused_with_a_sentence(bench: Bench, deploy: str, sentence: str) -> None:
    with bench.engine(deploy) as engine:
        with pytest.raises(TrunklineError, match=sentence):
            engine.plan()
        with pytest.raises(TrunklineError, match="edge1 has no plan that could be applied"):
            list(engine.apply(["edge1"]))
        assert look(engine, "ls too-early") == ""


def test_applying_without_the_lock_is_refused(bench: Bench) -> None:
    with bench.engine("files", locked=False) as engine:
        engine.plan()
        with pytest.raises(TrunklineError, match="The lock of edge1 is not held"):
            list(engine.apply(["edge1"]))


def test_a_plan_is_applied_once(bench: Bench) -> None:
    with bench.engine("files") as engine:
        engine.plan()
        list(engine.apply(["edge1"]))
        with pytest.raises(TrunklineError, match="applied already"):
            list(engine.apply(["edge1"]))


def test_losing_the_lock_in_mid_apply_stops_it(bench: Bench) -> None:
    with bench.engine("files") as engine:
        engine.plan()
        engine.command("edge1", "echo 999 > /var/lib/trunkline/token")
        with pytest.raises(ApplyFailed, match="taken over by another deploy"):
            list(engine.apply(["edge1"]))
        assert look(engine, "ls first") == ""


def test_a_second_engine_is_told_who_holds_the_lock_and_what_for(bench: Bench) -> None:
    with bench.engine("files") as first:
        assert first.agent("edge1", ["lock", "show"]).returncode == 0
        with Here(environment, "lab") as second:
            second.open(["edge1"], ssh={"edge1": bench.servers["edge1"].ssh()})
            with pytest.raises(TrunklineError, match="edge1 is locked by me for a test since"):
                second.lock("another", "you")


def test_a_lock_that_one_host_refuses_is_held_on_no_host(bench: Bench) -> None:
    with bench.engine("files", *HOSTS, locked=False) as engine:
        engine.agent("edge2", ["lock", "acquire", "--holder", "x", "--purpose", "y", "--lease", "60"])
        with pytest.raises(TrunklineError, match="edge2 is locked by x"):
            engine.lock("a test", "me")
        assert engine.agent("edge1", ["lock", "show"]).stdout.strip() == '{"held": null}'


def test_no_secret_leaves_the_child(bench: Bench) -> None:
    with bench.engine("secret") as engine:
        engine.plan()
        with pytest.raises(ApplyFailed) as caught:
            list(engine.apply(["edge1"]))
        told = engine.command("edge1", "cat /var/lib/trunkline/incoming/word")
        assert "***" in caught.value.message
        assert told.stdout == "***"
    assert "correct horse" not in repr(bench.events) + str(caught.value)
    assert "+password ***" in [step.diff for step in bench.events if isinstance(step, StepEvent)]


def test_a_long_step_shows_that_it_still_runs(bench: Bench) -> None:
    with bench.engine("heartbeat") as engine:
        engine.plan()
        list(engine.apply(["edge1"]))
    assert [event.step for event in bench.events if isinstance(event, Heartbeat)] == ["slow: first"]


def test_pyinfras_own_operations_work_as_root_whatever_arguments_they_have(bench: Bench) -> None:
    with bench.engine("stock") as engine:
        engine.plan()
        list(engine.apply(["edge1"]))
        assert (
            look(engine, "cat stock; cat /tmp/engine-stock-user; rm -f /tmp/engine-stock-user")
            == "it's\nnobody\n"
        )


def test_an_unknown_host_is_refused_before_anything_is_contacted(bench: Bench) -> None:
    with Here(environment, "lab", bench.events.append) as engine:
        with pytest.raises(TrunklineError, match="lab has no host egde1,x") as caught:
            engine.open(["egde1,x"])
        assert caught.value.remedy == "Its hosts are: edge1, edge2."
    assert not [event for event in bench.events if isinstance(event, HostEvent)]


def test_an_unreachable_host_is_a_state_with_a_remedy_and_the_others_are_open(bench: Bench) -> None:
    ways = {"edge1": bench.servers["edge1"].ssh(), "edge2": bench.servers["edge2"].ssh(known_hosts=[])}
    with Here(environment, "lab") as engine:
        one, two = engine.open(ssh=ways)
        assert one.state == "connected"
        assert (two.state, two.user) == ("failed", "")
        assert "is not pinned" in two.error
        assert "invoke trust --env lab" in two.remedy
        with pytest.raises(TrunklineError, match="edge2 is not connected"):
            engine.plan(["edge2"])


def test_a_guard_that_is_not_armed_needs_no_confirmation(bench: Bench) -> None:
    with bench.engine("files") as engine:
        (answer,) = engine.confirm()
        assert (answer.host, answer.armed, answer.ok) == ("edge1", False, True)


def stopped(engine: Engine, stop: Callable[[], None]) -> None:
    for event in engine.apply(["edge1"]):
        if isinstance(event, StepEvent) and event.status == "started":
            stop()


def slow_deploy(bench: Bench, stop: Callable[[], None]) -> None:
    with bench.engine("slow") as engine:
        engine.plan()
        stopped(engine, stop)


def signal_while_waiting() -> None:
    threading.Timer(0.3, os.kill, [os.getpid(), signal.SIGINT]).start()


def signal_at_once() -> None:
    os.kill(os.getpid(), signal.SIGTERM)


@pytest.mark.parametrize("stop", [signal_while_waiting, signal_at_once])
def test_ctrl_c_lets_the_running_command_end_and_releases_the_lock(
    bench: Bench, stop: Callable[[], None]
) -> None:
    with pytest.raises(Interrupted) as caught:
        slow_deploy(bench, stop)
    assert caught.value.done == (("edge1", "slow: first"),)
    assert caught.value.not_done == (("edge1", "slow: second"),)
    with Here(environment, "lab") as after:
        after.open(["edge1"], ssh={"edge1": bench.servers["edge1"].ssh()})
        assert look(after, "ls ended never") == "ended\n"
        assert after.agent("edge1", ["lock", "show"]).stdout.strip() == '{"held": null}'


def test_a_signal_to_the_child_itself_ends_in_the_same_way(bench: Bench) -> None:
    with bench.engine("slow") as engine:
        engine.plan()
        assert engine._child is not None
        pid = engine._child.pid
        with pytest.raises(ApplyFailed, match="Stopped on request"):
            stopped(engine, lambda: os.kill(pid, signal.SIGTERM))
    with Here(environment, "lab") as after:
        after.open(["edge1"], ssh={"edge1": bench.servers["edge1"].ssh()})
        assert after.agent("edge1", ["lock", "show"]).stdout.strip() == '{"held": null}'


def test_a_child_that_dies_is_a_clear_error(bench: Bench) -> None:
    with bench.engine("slow") as engine:
        engine.plan()
        assert engine._child is not None
        pid = engine._child.pid
        with pytest.raises(EngineDied, match=r"ended without an answer \(killed by signal 9\)"):
            stopped(engine, lambda: os.kill(pid, signal.SIGKILL))


def test_when_the_parent_is_killed_the_child_ends_its_command_and_frees_the_lock(
    bench: Bench, tmp_path: Path
) -> None:
    script = Path(__file__).parent / "engine_parent.py"
    ways = bench.servers["edge1"].ssh()
    parent = subprocess.Popen([sys.executable, script, repr(ways)], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    assert parent.stdout.readline() == "started\n"
    parent.kill()
    parent.wait()
    parent.stdout.close()
    with Here(environment, "lab") as after:
        after.open(["edge1"], ssh={"edge1": ways})
        until = time.monotonic() + 15
        while "null" not in after.agent("edge1", ["lock", "show"]).stdout:
            assert time.monotonic() < until
            time.sleep(0.2)
        assert look(after, "ls ended never") == "ended\n"
