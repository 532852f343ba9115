"""Reading is cached, changing is fenced, the lock is held: on a real connection, with the real agent."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator

import pytest
from ssh_peer import Peer, peer

from control.errors import TrunklineError
from deploys._connector.agent import AgentFailed, answer
from deploys._connector.connection import Connection, Outcome
from deploys._connector.failure import LockLost, Refused
from deploys._connector.hold import acquire
from deploys._connector.line import Line, _upload_script, tail


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Peer]:
    with peer(tmp_path_factory.mktemp("peer")) as started:
        yield started


@pytest.fixture
def line(server: Peer) -> Iterator[Line]:
    connection = Connection(server.route())
    connection.connect()
    connection.run("rm -rf /var/lib/trunkline/* /tmp/engine-line; mkdir /tmp/engine-line")
    yield Line(connection)
    connection.run("rm -rf /tmp/engine-line")
    connection.close()


def lock(line: Line, holder: str = "me", lease: int = 60, wait: float = 0) -> int:
    return acquire(line, holder, "a test", lease, wait).token


def test_what_was_read_is_read_again_only_after_a_change(line: Line) -> None:
    lock(line)
    count = "echo x >> /var/lib/trunkline/count; wc -l < /var/lib/trunkline/count"
    assert [line.read(count).text.strip() for _ in range(3)] == ["1", "1", "1"]
    line.change("true")
    assert line.read(count).text.strip() == "2"


def test_a_failed_change_forgets_what_was_read_as_well(line: Line) -> None:
    lock(line)
    line.read("echo before")
    line.change("exit 1")
    assert not line._read


def test_nothing_is_changed_without_the_lock(line: Line) -> None:
    with pytest.raises(Refused, match="the lock is not held"):
        line.change("touch /var/lib/trunkline/changed")
    assert line.connection.run("ls /var/lib/trunkline/changed").code != 0


def test_a_change_is_refused_by_the_host_once_a_newer_holder_has_the_lock(line: Line) -> None:
    lock(line)
    line.connection.run("echo 999 > /var/lib/trunkline/token")
    with pytest.raises(LockLost, match="taken over by another deploy"):
        line.change("touch /var/lib/trunkline/changed")
    with pytest.raises(LockLost):
        line.upload(b"x", "/var/lib/trunkline/changed")
    assert line.connection.run("ls /var/lib/trunkline/changed").code != 0


def test_a_change_is_refused_by_a_host_that_was_restored_to_a_state_of_before_the_lock(line: Line) -> None:
    home = "/var/lib/trunkline"
    line.connection.run(f"rm -rf /tmp/engine-line/before; cp -a {home} /tmp/engine-line/before")
    lock(line)
    line.connection.run(f"rm -rf {home}/*; cp -a /tmp/engine-line/before/. {home}")
    other = Line(line.connection)
    lock(other, holder="the next deploy")
    with pytest.raises(LockLost, match="taken over by another deploy"):
        line.change(f"touch {home}/changed")
    assert other.change(f"ls {home}/changed").code != 0


def test_reading_is_not_fenced(line: Line) -> None:
    assert line.read("echo looked").text == "looked\n"


def test_an_upload_is_complete_and_private_before_it_has_its_name(line: Line) -> None:
    lock(line)
    path = "/var/lib/trunkline/incoming/it's here.tar"
    assert line.upload(b"\0data\n" * 100_000, path).code == 0
    assert line.download(path).stdout == b"\0data\n" * 100_000
    modes = line.connection.run("stat -c %a /var/lib/trunkline/incoming /var/lib/trunkline/incoming/*").text
    assert modes.split() == ["700", "600"]


def test_an_upload_elsewhere_keeps_the_mode_of_the_file_it_replaces(line: Line) -> None:
    lock(line)
    line.change("umask 077; echo old > /tmp/engine-line/f; chmod 0640 /tmp/engine-line/f")
    line.upload(b"new", "/tmp/engine-line/f")
    line.upload(b"fresh", "/tmp/engine-line/g")
    seen = line.connection.run("cd /tmp/engine-line; stat -c '%a %n' *; cat f g; ls -A").text
    assert seen == "640 f\n600 g\nnewfreshf\ng\n"


def test_an_upload_that_breaks_off_leaves_nothing(line: Line) -> None:
    outcome = line.connection.run(_upload_script("/tmp/engine-line/f", 100), b"only part of it")
    assert outcome.code == 1
    assert "broke off" in outcome.errors
    assert line.connection.run("ls -A /tmp/engine-line").text == ""


def test_a_full_disk_is_named_and_the_old_file_stays(line: Line) -> None:
    lock(line)
    mount = "mkdir /tmp/engine-line/small; mount -t tmpfs -o size=64k none /tmp/engine-line/small"
    assert line.change(f"{mount}; echo old > /tmp/engine-line/small/f").code == 0
    outcome = line.upload(b"x" * 200_000, "/tmp/engine-line/small/f")
    assert "No space left on device" in outcome.errors.splitlines()[-1]
    assert line.change("cat /tmp/engine-line/small/*; umount /tmp/engine-line/small").text == "old\n"


def test_the_lock_names_its_holder_to_the_next_one(line: Line) -> None:
    lock(line, holder="alice@box")
    other = Line(line.connection)
    with pytest.raises(
        TrunklineError, match=r"edge1 is locked by alice@box for a test since 20\d\d"
    ) as caught:
        lock(other, holder="bob")
    assert "the lease ends in" in caught.value.message
    assert other.token == 0


def test_a_dead_holders_lease_ends_and_the_next_one_waits_for_it(line: Line) -> None:
    words = ["lock", "acquire", "--holder", "dead", "--purpose", "x", "--lease", "2"]
    dead = answer(line.connection, words)
    assert lock(line, wait=10) > dead["token"]


def test_a_living_holder_keeps_the_lock_beyond_its_lease(line: Line) -> None:
    hold = acquire(line, "me", "a test", 1)
    time.sleep(2.5)
    assert line.change("true").code == 0
    hold.release()
    assert answer(line.connection, ["lock", "show"]) == {"held": None}


def test_losing_the_lock_between_commands_stops_the_next_change(line: Line) -> None:
    acquire(line, "me", "a test", 1)
    line.connection.run("rm /var/lib/trunkline/token")
    time.sleep(1)
    with pytest.raises(LockLost, match=r"was lost|taken over"):
        line.change("true")


def test_a_host_without_python_is_told_which_package_to_install(
    line: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = line.connection.run
    hidden = 'command() { [ "$2" != python3 ] || return 1; builtin command "$@"; }\n'
    monkeypatch.setattr(line.connection, "run", lambda script, *rest: run(hidden + script, *rest))
    with pytest.raises(TrunklineError, match="edge1 has no python3") as caught:
        answer(line.connection, ["lock", "show"])
    assert caught.value.remedy == "Install it there: apt-get install python3"


def test_an_agent_that_refuses_gives_its_own_sentence(line: Line) -> None:
    with pytest.raises(AgentFailed, match="nothing is intended on this host"):
        answer(line.connection, ["manifest", "narrow"])


def test_a_new_agent_replaces_old_ones(line: Line) -> None:
    folder = "/usr/local/lib/trunkline"
    line.connection.run(f"mkdir -p {folder}; rm -f {folder}/*; touch {folder}/agent-000000000000.pyz")
    answer(line.connection, ["lock", "show"])
    (name,) = line.connection.run(f"ls {folder}").text.split()
    assert name != "agent-000000000000.pyz"


def test_a_failed_container_is_told_with_its_last_lines() -> None:
    lines = [f"line {number}" for number in range(20)]
    own = json.dumps({"container": "shop-api-a-1", "logs": lines})
    report = {"error": "load", "output": "\n".join([own, *lines, "stack shop: api failed"])}
    sentence = "shop did not load its new files, everything is as it was: line 19; stack shop: api failed"
    said = tail(Outcome(1, json.dumps(report).encode(), sentence.encode())).splitlines()
    assert said == [*lines, "stack shop: api failed", sentence]


def test_a_short_report_is_not_told_twice() -> None:
    report = json.dumps({"output": "bad line 3"}).encode()
    assert tail(Outcome(1, report, b"the checker refused: bad line 3")) == "the checker refused: bad line 3"
    assert tail(Outcome(1, b"only output", b"")) == "only output"
