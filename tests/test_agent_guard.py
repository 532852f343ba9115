"""The guard remembers what a change may touch and brings exactly that back, once, and says what it did."""

from __future__ import annotations

import json
import os
import signal
import time

import pytest
from agent_guarded import DROPS, MAIN, arm, host, service
from agent_host import Host

from deploys._agent import clock, timer

__all__ = ["host"]


def test_a_return_replaces_deletes_and_brings_back_and_then_reloads_once(host: Host) -> None:
    before = host.tree()
    guard = arm(host)
    host.write(MAIN, "Port 2222\n", 0o666)
    host.write(f"{DROPS}/01-mine.conf", "AllowUsers nobody\n")
    host.write("/etc/ssh/absent", "not any more\n")
    host.place(f"{DROPS}/50-cloud-init.conf").unlink()
    told = host.agent("guard", "return").report
    assert host.tree() == before
    assert told["problems"] == []
    assert (told["id"], told["outcome"]) == (guard, "returned")
    assert {f"file {DROPS}/01-mine.conf", f"file {MAIN}", "file /etc/ssh/absent"} < set(told["restored"])
    assert (host.root / "reloads").read_text() == "Port 22\n"


def test_what_a_return_took_away_is_kept(host: Host) -> None:
    guard = arm(host)
    host.write(f"{DROPS}/01-mine.conf", "AllowUsers nobody\n")
    host.agent("guard", "return")
    kept = [path for path in host.place("/var/lib/trunkline/guard/past").rglob("*") if path.is_file()]
    assert any(guard in str(path) and path.read_text() == "AllowUsers nobody\n" for path in kept)


def test_run_time_settings_come_back_with_what_a_glob_named_at_arming(host: Host) -> None:
    arm(host, sysctls=["net.ipv4.ip_default_ttl", "net.ipv4.conf.*.rp_filter", "net.no.such"])
    host.write("/proc/sys/net/ipv4/ip_default_ttl", "1")
    host.write("/proc/sys/net/ipv4/conf/eth0/rp_filter", "1")
    restored = host.agent("guard", "return").report["restored"]
    assert host.text("/proc/sys/net/ipv4/ip_default_ttl") == "64"
    assert host.text("/proc/sys/net/ipv4/conf/eth0/rp_filter") == "2"
    assert "sysctl net.ipv4.conf.eth0.rp_filter" in restored


def test_a_tree_that_was_not_there_is_gone_again_with_its_hidden_files(host: Host) -> None:
    before = host.tree()
    arm(host, files=["/etc/app"])
    host.write("/etc/app/deep/.hidden", "x")
    host.agent("guard", "return")
    assert host.tree() == before


def test_modes_of_directories_come_back(host: Host) -> None:
    before = host.tree()
    arm(host)
    host.place("/etc/ssh").chmod(0o777)
    host.agent("guard", "return")
    assert host.tree() == before


def test_one_thing_that_cannot_be_restored_is_told_and_stops_nothing_else(host: Host) -> None:
    guard = arm(host, reload=[["sh", "-c", "exit 3"], ["sh", "-c", f"touch {host.root}/second"]])
    host.place(MAIN).unlink()
    host.write(f"{MAIN}/occupied", "x")
    host.write(f"{DROPS}/01-mine.conf", "x")
    told = host.agent("guard", "return").report
    assert [problem.split()[0] for problem in told["problems"]] == [MAIN, "sh"]
    assert not host.place(f"{DROPS}/01-mine.conf").exists()
    assert (host.root / "second").exists()
    assert host.agent("guard", "show").report["last"]["id"] == guard


def test_a_damaged_journal_or_kept_copy_does_not_keep_a_guard_from_returning(host: Host) -> None:
    before = host.tree()
    arm(host)
    host.write(MAIN, "Port 2222\n")
    host.write("/var/lib/trunkline/journal.json", "{ half")
    host.write("/var/lib/trunkline/kept/ssh/1/record.json", "{ half")
    host.write("/var/lib/trunkline/lock.json", "{ half")
    told = host.agent("guard", "return").report
    assert told["outcome"] == "returned"
    assert [problem.split(":")[0] for problem in told["problems"]] == ["the journal", "kept generations"]
    assert host.tree() == before


def test_a_second_guard_is_refused_and_the_first_is_named(host: Host) -> None:
    guard = arm(host)
    refused = host.agent("guard", "arm", "--seconds", "60", stdin=service(host))
    assert refused.code == 1
    assert f"the guard {guard} is armed until " in refused.sentence
    assert refused.report["armed"]["id"] == guard


def test_the_timer_is_a_real_unit_with_an_absolute_persistent_exact_deadline(host: Host) -> None:
    told = host.agent("guard", "arm", "--seconds", "90", stdin=service(host)).report
    units = host.place("/etc/systemd/system")
    text = (units / timer.TIMER).read_text()
    calendar = told["deadline"].replace("T", " ").replace("Z", "")
    armed = time.mktime(time.strptime(calendar, "%Y-%m-%d %H:%M:%S"))
    line = next(line for line in text.splitlines() if line.startswith("OnCalendar="))
    fires = time.mktime(time.strptime(line, "OnCalendar=%Y-%m-%d %H:%M:%S UTC"))
    assert 0 <= fires - armed <= 1
    for setting in ("Persistent=true", "AccuracySec=100ms", "OnActiveSec=90s", "DefaultDependencies=no"):
        assert setting in text.splitlines()
    link = units / "timers.target.wants" / timer.TIMER
    assert os.readlink(link) == f"/etc/systemd/system/{timer.TIMER}"
    host.agent("guard", "return")
    assert not link.is_symlink()
    assert not (units / timer.TIMER).exists()
    assert not (units / timer.SERVICE).exists()


def test_the_timers_own_call_holds_back_while_the_deadline_was_moved(host: Host) -> None:
    guard = arm(host, 5)
    host.write(MAIN, "Port 2222\n")
    moved = host.agent("guard", "extend", "--id", guard, "--seconds", "60")
    assert moved.report["seconds"] == 60
    assert host.agent("guard", "return", "--due").report == {"id": guard, "outcome": "extended"}
    assert host.text(MAIN) == "Port 2222\n"


@pytest.mark.parametrize(
    ("boot", "wall", "elapsed", "uptime", "passed"),
    [
        ("same", -1, 10, 10, True),
        ("same", 50, 10, 10, False),
        ("same", 9999, 61, 61, True),
        ("other", -1, 0, 1, True),
        ("other", 50, 9999, 1, False),
        ("other", 9999, 0, 61, True),
    ],
    ids=[
        "the wall clock says so",
        "neither says so",
        "the wall clock was set back but the seconds have passed",
        "it passed while the host was off",
        "another boot's seconds say nothing",
        "after a reboot with a clock set back it counts from the boot",
    ],
)
def test_a_deadline_has_passed_when(
    monkeypatch: pytest.MonkeyPatch, boot: str, wall: float, elapsed: float, uptime: float, passed: bool
) -> None:
    monkeypatch.setattr(clock, "boot_id", lambda: "same")
    monkeypatch.setattr(clock, "uptime", lambda: uptime)
    record = {
        "deadline": time.time() + wall,
        "seconds": 60,
        "boottime": clock.boottime() - elapsed,
        "boot_id": boot,
    }
    assert timer.passed(record) is passed


def test_a_return_revokes_the_lock_unless_its_holder_asked_for_it(host: Host) -> None:
    words = ("lock", "acquire", "--holder", "alice", "--purpose", "deploy", "--lease", "60")
    own = str(host.agent(*words).report["token"])
    arm(host)
    host.agent("guard", "return", "--token", own)
    assert host.agent("lock", "renew", "--token", own, "--lease", "60").code == 0
    arm(host)
    host.agent("guard", "return")
    refused = host.agent("lock", "renew", "--token", own, "--lease", "60")
    assert refused.code == 97
    assert "revoked" in refused.sentence
    assert host.agent("lock", "release", "--token", own).code == 97
    assert host.agent(*words).report["token"] > int(own)


def test_a_set_applied_under_a_guard_is_no_generation_to_return_to_once_the_guard_returned(
    host: Host,
) -> None:
    host.apply("ssh", [{"path": MAIN, "text": "Port 23\n"}])
    before = host.tree()
    arm(host)
    host.apply("ssh", [{"path": MAIN, "text": "Port 24\n"}])
    host.agent("guard", "return")
    assert host.tree() == before
    assert [item["generation"] for item in host.agent("set", "show", "ssh").report["generations"]] == [1]


def gone(pid: int) -> bool:
    """The process has ended; where nobody reaps orphans it stays a zombie."""
    with open(f"/proc/{pid}/stat", encoding="utf-8") as file:
        return file.read().rpartition(")")[2].split()[0] == "Z"


def test_a_return_ends_a_set_whose_daemon_hangs_and_kills_what_it_waited_for(host: Host) -> None:
    before = host.tree()
    arm(host)
    pid = host.root / "pid"
    load = ["sh", "-c", f"echo $$ > {pid}; sleep 50"]
    path = host.bundle("ssh", [{"path": MAIN, "text": "Port 24\n"}], load=load)
    child = os.fork()
    if child == 0:
        host.agent("set", "apply", path)
        os._exit(0)
    while not pid.exists() or not pid.read_text().strip():
        time.sleep(0.01)
    begin = time.monotonic()
    told = host.agent("guard", "return").report
    assert time.monotonic() - begin < 8
    assert os.WTERMSIG(os.waitpid(child, 0)[1]) == signal.SIGKILL
    assert "set ssh" in told["restored"]
    assert host.tree() == before
    state = json.loads(json.dumps(host.agent("state").report))
    assert state["journal"] is None
    assert not os.path.exists(f"/proc/{pid.read_text().strip()}/cmdline") or gone(int(pid.read_text()))


@pytest.mark.parametrize("stdin", ["", "{}", '{"services":[]}', '{"services":[{"files":[]}]}'])
def test_a_guard_over_nothing_is_refused_and_leaves_nothing(host: Host, stdin: str) -> None:
    refused = host.agent("guard", "arm", "--seconds", "60", stdin=stdin)
    assert refused.code == 1
    assert refused.sentence
    assert host.agent("guard", "show").report == {"armed": None, "last": None}
    assert not list(host.place("/etc").rglob("trunkline-guard*"))


def test_services_can_be_chosen_out_of_those_described_and_unknown_ones_are_refused(host: Host) -> None:
    words = ("guard", "arm", "--seconds", "60", "--services")
    assert "dns" in host.agent(*words, "ssh,dns", stdin=service(host)).sentence
    assert host.agent(*words, "ssh", stdin=service(host)).report["services"] == ["ssh"]
