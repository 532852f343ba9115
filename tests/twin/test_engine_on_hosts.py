"""The engine on real Debian hosts: OpenSSH, sudo, systemd, a network that can be cut."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from control.engine import ApplyFailed, Engine, HostEvent
from control.places import controller_key_of
from inventories.model import Environment
from twin.enter import enter_argv
from twin.twin import Twin

TOP = Path(__file__).resolve().parents[2]
HOSTS = ("edge1", "edge2")
DEAD_PEER_SECONDS = 20
ADMIT = """useradd --create-home --shell /bin/bash deploy
install -d -o deploy -g deploy -m 0700 /home/deploy/.ssh
cat > /home/deploy/.ssh/authorized_keys
echo 'deploy ALL=(ALL) NOPASSWD: ALL' > /etc/sudoers.d/deploy
"""
THROUGH = """
import sys
from dataclasses import replace
from deploys._connector.connection import Connection
from deploys._connector.route import route_to
from inventories.model import load

TWIN = "pair"
lab = load("lab")
jump, there = (route_to(lab, lab.host(name), sys.argv[1]) for name in ("edge1", "edge2"))
connection = Connection(replace(there, jumps=(replace(jump, users=("root",)),)))
connection.connect()
print(connection.run("ss -Htn state established sport = :22").text, end="")
connection.close()
"""
"""Logs in to edge2 through edge1 and says whom edge2's sshd is connected with."""


@contextmanager
def engine(twin: Twin, lab: Environment, *hosts: str, deploy: str = "engine_site:files") -> Iterator[Engine]:
    with Engine(lab, twin.name) as started:
        states = started.open(hosts or HOSTS, {"word": "correct horse battery"}, deploy=deploy)
        assert [state.state for state in states] == ["connected"] * len(states), states
        yield started


@pytest.fixture(scope="module")
def delivered(twin: Twin) -> Twin:
    """The hosts as the provider delivers them: root's login only."""
    twin.restore("bare")
    return twin


@pytest.fixture(scope="module")
def admitted(delivered: Twin) -> Twin:
    """The same with a deploy user who may use sudo."""
    key = controller_key_of(delivered.name).with_suffix(".pub").read_text()
    for host in HOSTS:
        assert delivered.run(host, ADMIT, input=key).returncode == 0
    return delivered


@pytest.fixture(autouse=True)
def sites(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(TOP / "tests"))


def test_the_first_contact_is_root_and_then_it_is_the_deploy_user_without_being_told(
    delivered: Twin, lab: Environment, request: pytest.FixtureRequest
) -> None:
    with Engine(lab, delivered.name) as first:
        assert {state.user for state in first.open(HOSTS)} == {"root"}
    request.getfixturevalue("admitted")
    with Engine(lab, delivered.name) as then:
        assert {state.user for state in then.open(HOSTS)} == {"deploy"}
        assert {then.command(host, "id -u").stdout for host in HOSTS} == {"0\n"}


def test_openssh_as_a_jump_host_carries_the_connection(delivered: Twin, lab: Environment) -> None:
    argv = [*enter_argv(delivered.name, "controller"), sys.executable, "-c", THROUGH, delivered.name]
    done = subprocess.run(argv, cwd=TOP, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    peers = {line.split()[-1].rpartition(":")[0].strip("[]") for line in done.stdout.splitlines()}
    assert peers == {str(lab.host("edge1").address.ip)}


def test_input_output_and_exit_codes_pass_through_sudo_unchanged(admitted: Twin, lab: Environment) -> None:
    data = "".join(f"line {number}\n" for number in range(50_000))
    with engine(admitted, lab) as started:
        for host in HOSTS:
            said = started.command(host, "cat; echo wrong >&2; exit 3", input=data)
            assert (said.returncode, said.stdout, said.stderr) == (3, data, "wrong\n")


def test_a_deploy_converges_and_no_secret_stands_in_sudos_log(admitted: Twin, lab: Environment) -> None:
    with engine(admitted, lab, deploy="engine_site:files") as started:
        started.lock("a test", "me")
        assert [step for step in started.plan() if step.changes]
        list(started.apply(HOSTS))
        assert not [step for step in started.plan() if step.changes]
    with engine(admitted, lab, "edge1", deploy="engine_site:secret") as started:
        started.lock("a test", "me")
        started.plan()
        with pytest.raises(ApplyFailed, match=r"\*\*\*"):
            list(started.apply(["edge1"]))
    log = admitted.run("edge1", "journalctl --no-pager").stdout
    assert "trunkline: end" in log
    assert "incoming/word" not in log
    assert "correct horse" not in log


def test_confirming_over_a_broken_connection_makes_a_new_one(admitted: Twin, lab: Environment) -> None:
    with engine(admitted, lab, "edge1") as started:
        assert admitted.run("edge1", "pkill -KILL -f '^sshd.*: deploy@notty'").returncode == 0
        time.sleep(0.5)
        (answer,) = started.confirm()
        assert (answer.armed, answer.ok) == (False, True), answer
        assert started.command("edge1", "echo back").stdout == "back\n"


def test_a_host_that_is_cut_off_is_noticed_within_20_seconds(admitted: Twin, lab: Environment) -> None:
    lost: list[HostEvent] = []

    def note(event: object) -> None:
        if isinstance(event, HostEvent) and event.state == "lost":
            lost.append(event)

    try:
        with Engine(lab, admitted.name, note) as started:
            started.open(["edge1"], deploy="engine_site:endless")
            started.lock("a test", "me", lease=5)
            started.plan()
            events = started.apply(["edge1"])
            next(events)
            admitted.cut("edge1")
            cut = time.monotonic()
            with pytest.raises(ApplyFailed, match=r"The connection to edge1 .* was lost"):
                list(events)
            assert time.monotonic() - cut < DEAD_PEER_SECONDS
        assert [event.host for event in lost] == ["edge1"]
    finally:
        admitted.mend("edge1")


@pytest.mark.parametrize(("site", "code"), [("files", 0), ("failing", 1)])
def test_pyinfras_own_command_line_is_a_way_in_and_leaves_no_lock(
    admitted: Twin, lab: Environment, tmp_path: Path, site: str, code: int
) -> None:
    deploy = tmp_path / "deploy.py"
    deploy.write_text(
        "import engine_site\n"
        "from deploys._engine.entry import run_when_started_by_pyinfra\n"
        f"run_when_started_by_pyinfra(engine_site.{site})\n"
    )
    admitted.run("edge2", "rm -f /var/lib/trunkline/first")
    environment = {**os.environ, "TRUNKLINE_TWIN": admitted.name}
    pyinfra = [str(Path(sys.executable).parent / "pyinfra"), "inventories/lab.py", str(deploy)]
    dry = subprocess.run([*pyinfra, "--dry"], cwd=TOP, env=environment, capture_output=True, text=True)
    assert dry.returncode == 0, dry.stderr
    assert admitted.run("edge2", "ls /var/lib/trunkline/first").returncode != 0
    done = subprocess.run([*pyinfra, "-y"], cwd=TOP, env=environment, capture_output=True, text=True)
    assert done.returncode == code, done.stderr
    assert admitted.run("edge2", "cat /var/lib/trunkline/first").stdout == "one"
    with engine(admitted, lab) as started:
        assert {started.agent(host, ["lock", "show"]).stdout.strip() for host in HOSTS} == {'{"held": null}'}
