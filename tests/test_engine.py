"""Plan and apply from the parent's side: a real child, real SSH servers, the real agent."""

from __future__ import annotations

import pytest
from engine_bench import HOSTS, Bench, Here, bench, look, servers

from control.engine import ApplyFailed, Heartbeat, HostEvent, ResultEvent, Step, StepEvent
from control.errors import TrunklineError
from deploys._engine import secrets
from inventories.lab import environment
from inventories.model import Build

__all__ = ["bench", "servers"]


def test_a_plan_lists_every_step_with_its_kind_and_diff_and_changes_nothing(bench: Bench) -> None:
    with bench.engine("files", locked=False) as engine:
        assert engine.plan() == (
            Step("edge1", "files: first", "change", "-\n+one"),
            Step("edge1", "files: second", "change", "-\n+two"),
            Step("edge1", "files: restart", "if:files: first or files: second", ""),
        )
        assert look(engine, "ls") == "reads\n"


def test_a_plan_knows_what_the_controller_has_built_and_refuses_what_it_has_not(bench: Bench) -> None:
    image = {"id": "sha256:feed", "tag": "trunkline/shop:feed", "archive": "/nowhere"}
    key = Build(context="twin/images/shop").model_dump_json()
    with bench.engine("with_image", locked=False) as engine:
        (step,) = engine.plan(images={key: image})
        assert step.diff.endswith("+sha256:feed")
        with pytest.raises(TrunklineError, match="twin/images/shop was not built") as caught:
            engine.plan()
        assert "invoke deploy" in caught.value.remedy


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


def test_no_secret_stands_in_the_diagnostics_at_the_highest_verbosity(
    bench: Bench, capfd: pytest.CaptureFixture[str]
) -> None:
    with Here(environment, "lab", debug=True) as engine:
        way = {"edge1": bench.servers["edge1"].ssh()}
        engine.open(["edge1"], {"word": "correct horse battery"}, ssh=way, deploy="engine_site:secret")
        engine.lock("a test", "me")
        engine.plan()
        with pytest.raises(ApplyFailed):
            list(engine.apply(["edge1"]))
    told = capfd.readouterr()
    assert "DEBUG:pyinfra" in told.err
    assert secrets.MASK in told.err
    assert "correct horse" not in told.err + told.out


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
        assert caught.value.remedy == "Its hosts are: edge1, edge2, vpn1, vpn2, pbx1, web1."
    assert not [event for event in bench.events if isinstance(event, HostEvent)]


def test_an_unreachable_host_is_a_state_with_a_remedy_and_the_others_are_open(bench: Bench) -> None:
    ways = {"edge1": bench.servers["edge1"].ssh(), "edge2": bench.servers["edge2"].ssh(known_hosts=[])}
    with Here(environment, "lab") as engine:
        one, two = engine.open(HOSTS, ssh=ways)
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


def test_a_failed_step_on_one_of_two_hosts_is_a_failure_of_the_whole(bench: Bench) -> None:
    """pyinfra itself ends with exit code 0 here, with --no-wait."""
    with bench.engine("failing_on_edge1", *HOSTS) as engine:
        engine.plan()
        with pytest.raises(ApplyFailed):
            list(engine.apply(HOSTS))
    assert [event.ok for event in bench.events if isinstance(event, ResultEvent) and event.do == "apply"] == [
        False
    ]


def test_drift_is_said_by_a_plan(bench: Bench) -> None:
    """pyinfra itself ends with exit code 0 here, with --dry."""
    with bench.engine("files") as engine:
        engine.plan()
        list(engine.apply(["edge1"]))
        engine.command("edge1", "echo drift > /var/lib/trunkline/second")
        assert [step.step for step in engine.plan() if step.changes] == ["files: second", "files: restart"]


def test_all_hosts_failing_is_a_failure_that_names_each(bench: Bench) -> None:
    """pyinfra itself prints nothing here, with --json, and ends with exit code 0."""
    ways = {name: bench.servers[name].ssh(known_hosts=[]) for name in HOSTS}
    with Here(environment, "lab", bench.events.append) as engine:
        assert [state.state for state in engine.open(HOSTS, ssh=ways)] == ["failed", "failed"]
        with pytest.raises(TrunklineError, match="None of the hosts is connected"):
            engine.plan()
    assert [event.ok for event in bench.events if isinstance(event, ResultEvent)][:2] == [False, False]


def test_opening_again_gives_the_lock_back_and_connects_anew(bench: Bench) -> None:
    with bench.engine("files") as engine:
        way = {"edge1": bench.servers["edge1"].ssh()}
        assert [state.state for state in engine.open(["edge1"], ssh=way)] == ["connected"]
        assert engine.agent("edge1", ["lock", "show"]).stdout.strip() == '{"held": null}'
