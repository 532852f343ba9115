"""SIGKILL between any two system calls that write: old or new, never half, and the next command ends it."""

from __future__ import annotations

from agent_crash import (
    FILES,
    SERVICES,
    armed,
    break_in,
    crashes,
    each_file_is_old_or_new,
    leftovers,
    start,
    states,
)
from agent_host import Host, fresh


def test_a_set_killed_at_any_step_is_old_or_new_file_by_file_and_wholly_so_after_the_next_command() -> None:
    old, new = states()
    seen = set()
    words = ("set", "apply", "")
    for step in range(1, 1000):
        with fresh() as host:
            start(host)
            killed = host.killed_at(step, *words[:2], host.bundle("app", FILES, load=["true"]))
            assert each_file_is_old_or_new(host.tree(), old, new), step
            host.agent("recover")
            assert host.tree() in (old, new), step
            assert not leftovers(host), step
            seen.add(host.tree() == new)
            assert host.apply("app", FILES).code == 0
            assert host.tree() == new
            if not killed:
                break
    assert step > 50
    assert seen == {True, False}


def test_a_recovery_that_is_killed_itself_is_ended_by_the_next_one() -> None:
    old, new = states()
    for step in range(30, 80, 3):
        for second in range(1, 200, 4):
            with fresh() as host:
                start(host)
                host.killed_at(step, "set", "apply", host.bundle("app", FILES))
                killed = host.killed_at(second, "recover")
                assert each_file_is_old_or_new(host.tree(), old, new), (step, second)
                host.agent("recover")
                assert host.tree() in (old, new), (step, second)
                assert not leftovers(host), (step, second)
                if not killed:
                    break


def test_a_set_return_killed_at_any_step_is_old_or_new_and_nothing_is_lost() -> None:
    old, new = states()

    def prepare(host: Host) -> None:
        assert host.apply("app", FILES).code == 0

    for step, host in crashes(("set", "return", "app"), prepare):
        assert each_file_is_old_or_new(host.tree(), old, new), step
        host.agent("recover")
        assert not leftovers(host), step
        tree = host.tree()
        tree.pop("/etc/app/made", None)
        assert tree in (old, {k: v for k, v in new.items() if k != "/etc/app/made"}), step
        if host.tree() == new:
            assert host.agent("set", "return", "app").code == 0, "the generation must still be there"
        assert host.text("/etc/app/main.conf") == "old main\n"


def test_an_arming_killed_at_any_step_is_dropped_or_armed_and_a_new_one_can_follow() -> None:
    for step, host in crashes(("guard", "arm", "--seconds", "60"), lambda host: None, SERVICES):
        before = host.tree()
        host.agent("recover")
        live = host.agent("guard", "show").report["armed"]
        if live is None:
            assert not leftovers(host), step
            armed(host)
        assert host.agent("guard", "return").report["outcome"] == "returned"
        assert host.tree() == before, step
        assert not leftovers(host), step


def is_told_of(guard: str, host: Host) -> bool:
    shown = host.agent("guard", "show").report
    return guard in ((shown["armed"] or {}).get("id"), (shown["last"] or {}).get("id"))


def test_a_return_killed_at_any_step_has_its_files_back_after_the_boot_and_all_after_the_next_run() -> None:
    with fresh() as untouched:
        start(untouched)
        old = untouched.tree()
    guards = []

    def prepare(host: Host) -> None:
        guards.append(armed(host))
        break_in(host)

    for step, host in crashes(("guard", "return"), prepare):
        assert is_told_of(guards[-1], host), step
        begun = (host.agent("guard", "show").report["armed"] or {}).get("phase") != "armed"
        host.agent("recover", "--boot")
        assert not begun or host.tree() == old, step
        host.agent("guard", "return")
        assert host.tree() == old, step
        assert not leftovers(host), step
        last = host.agent("guard", "show").report["last"]
        assert last["outcome"] == "returned"
        assert last["id"] == guards[-1]


def test_a_confirmation_killed_at_any_step_either_stays_armed_or_is_confirmed_for_good() -> None:
    words = ["guard", "confirm", "--id", ""]
    outcomes = set()
    for step in range(1, 200):
        with fresh() as host:
            start(host)
            words[3] = armed(host)
            break_in(host)
            changed = host.tree()
            killed = host.killed_at(step, *words)
            assert is_told_of(words[3], host), step
            again = host.agent(*words)
            assert again.report == {"id": words[3], "outcome": "confirmed"}, (step, again.sentence)
            assert host.tree() == changed
            assert not leftovers(host), step
            outcomes.add(killed)
            if not killed:
                break
    assert outcomes == {True, False}


def test_a_kill_of_a_confirmation_never_lets_the_timer_return_a_confirmed_change() -> None:
    for step in range(1, 200):
        with fresh() as host:
            start(host)
            guard = armed(host)
            break_in(host)
            changed = host.tree()
            killed = host.killed_at(step, "guard", "confirm", "--id", guard)
            confirmed = '"phase": "confirmed"' in (
                host.text("/var/lib/trunkline/guard/armed/guard.json") or ""
            )
            closed = host.agent("guard", "show").report["last"] is not None
            host.agent("guard", "return")
            if confirmed or closed or not killed:
                assert host.tree() == changed, step
            assert not leftovers(host), step
            if not killed:
                return
