"""What ends a deploy before its end: Ctrl-C, signals, a killed parent or child, a lost lock."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from engine_bench import HOSTS, Bench, Here, bench, look, servers

from control.engine import ApplyFailed, Engine, EngineDied, Interrupted, StepEvent
from control.errors import TrunklineError
from deploys._connector.connection import ENDING_SECONDS
from deploys._connector.script import KILL_SECONDS
from deploys._engine.child import PATIENCE_SECONDS
from inventories.lab import environment

__all__ = ["bench", "servers"]
SOON = PATIENCE_SECONDS + 10
"""Within so many seconds a deploy has ended that was told to; ten of them for a busy machine."""


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


def interrupted(bench: Bench, deploy: str, stop: Callable[[], None]) -> tuple[Interrupted, str, float]:
    """Apply until it is stopped; return what came of it and of the lock, and how many seconds that took."""
    try:
        with bench.engine(deploy) as engine:
            engine.plan()
            began = time.monotonic()
            stopped(engine, stop)
    except Interrupted as error:
        return error, engine.leases.told(), time.monotonic() - began
    raise AssertionError("it was not interrupted")


@pytest.mark.parametrize("deploy", ["endless", "stubborn"])
def test_a_command_that_hangs_is_ended_on_the_host_before_the_lock_is_released(
    bench: Bench, deploy: str
) -> None:
    left, told, seconds = interrupted(bench, deploy, signal_at_once)
    assert seconds < SOON + KILL_SECONDS
    assert left.done == ()
    assert left.cut == (("edge1", f"slow: {deploy}"),)
    assert left.not_done == (("edge1", f"slow: {deploy}"), ("edge1", "slow: second"))
    assert told == "The lock is released"
    with Here(environment, "lab") as after:
        after.open(["edge1"], ssh={"edge1": bench.servers["edge1"].ssh()})
        assert look(after, "pgrep -f 'sleep 6[0]0|sleep 6[1]1'; ls never") == ""
        assert after.agent("edge1", ["lock", "show"]).stdout.strip() == '{"held": null}'


def test_a_plan_that_hangs_is_ended_too(bench: Bench) -> None:
    with bench.engine("brooding") as engine:
        began = time.monotonic()
        signal_while_waiting()
        with pytest.raises(Interrupted):
            engine.plan()
    assert time.monotonic() - began < SOON
    assert engine.leases.told() == "The lock is released"


def test_a_host_that_no_longer_answers_keeps_its_lock_and_it_is_said_until_when(bench: Bench) -> None:
    server = bench.servers["edge1"]

    def freeze() -> None:
        server.signal(signal.SIGSTOP)
        signal_at_once()

    try:
        left, told, seconds = interrupted(bench, "endless", freeze)
    finally:
        server.signal(signal.SIGCONT)
    assert seconds < SOON + KILL_SECONDS + ENDING_SECONDS
    assert left.cut == (("edge1", "slow: endless"),)
    kept = r"The lock of edge1 could not be given back: its lease ends by itself by \d\d:\d\d:\d\d UTC"
    assert re.match(kept, told)


def test_a_second_ctrl_c_ends_it_at_once_and_says_what_nobody_can_know(bench: Bench) -> None:
    left, told, _ = interrupted(bench, "slow", signal_twice)
    assert left.cut == (("edge1", "slow: first"),)
    assert left.not_done == (("edge1", "slow: first"), ("edge1", "slow: second"))
    assert told.startswith("The lock of edge1 could not be given back")


def signal_twice() -> None:
    signal_while_waiting()
    threading.Timer(0.8, os.kill, [os.getpid(), signal.SIGINT]).start()


def test_a_parent_that_does_not_read_for_a_while_loses_nothing(bench: Bench) -> None:
    with bench.engine("chatty") as engine:
        engine.plan()
        events = engine.apply(["edge1"])
        next(events)
        time.sleep(2)
        changed = [event for event in events if isinstance(event, StepEvent) and event.status == "changed"]
    assert len(changed) == 40


def test_ctrl_c_while_planning_says_so_and_releases_the_lock(bench: Bench) -> None:
    with bench.engine("thinking") as engine:
        signal_while_waiting()
        with pytest.raises(Interrupted, match="Stopped on request"):
            engine.plan()


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
