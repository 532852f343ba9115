"""The lock of an environment on a host: one holder, a lease that ends by itself, a token that only grows."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
from collections.abc import Iterator

import pytest
from agent_host import Answer, Host, fresh

from deploys._agent import clock


@pytest.fixture
def host() -> Iterator[Host]:
    with fresh() as host:
        yield host


def acquire(host: Host, holder: str = "alice@desk", lease: float = 30) -> Answer:
    words = ("--holder", holder, "--purpose", "deploy lab", "--lease", str(lease))
    return host.agent("lock", "acquire", *words)


def token(answer: Answer) -> str:
    return str(answer.report["token"])


def token_file(host: Host) -> str | None:
    return host.text("/var/lib/trunkline/token")


def test_a_second_holder_is_told_who_holds_the_lock_why_and_for_how_long(host: Host) -> None:
    acquire(host)
    refused = acquire(host, "bob@desk")
    assert refused.code == 1
    assert "held by alice@desk for deploy lab since 20" in refused.sentence
    assert refused.sentence.endswith("s")
    assert 25 < refused.report["held"]["remaining"] <= 30


def test_a_token_only_grows_over_releases_and_expiries(host: Host) -> None:
    first = acquire(host).report["token"]
    host.agent("lock", "release", "--token", str(first))
    second = acquire(host, lease=0).report["token"]
    third = acquire(host, "bob@desk").report["token"]
    assert 0 < first < second < third


def test_a_token_of_before_a_restored_state_is_refused_although_the_host_counts_on_from_there(
    host: Host,
) -> None:
    host.agent("lock", "release", "--token", token(acquire(host)))
    home, copy = host.place("/var/lib/trunkline"), host.root / "snapshot"
    shutil.copytree(home, copy)
    left_over = token(acquire(host))
    shutil.rmtree(home)
    copy.rename(home)
    present = token(acquire(host, "bob@desk"))
    for words in (
        ("lock", "renew", "--lease", "9"),
        ("manifest", "intend"),
        ("guard", "arm", "--seconds", "9"),
        ("guard", "confirm", "--id", "g-1"),
        ("lock", "release"),
    ):
        refused = host.agent(*words, "--token", left_over, stdin={"format": 1, "resources": []})
        assert refused.code == 97, words
        assert "bob@desk" in refused.sentence
    assert token_file(host) == f"{present}\n"


def test_a_host_that_counted_before_tokens_were_random_goes_on_from_its_number(host: Host) -> None:
    before = {"format": 1, "token": 41, "held": None, "revoked": None}
    host.write("/var/lib/trunkline/lock.json", json.dumps(before))
    assert int(token(acquire(host))) > 41


def test_the_token_file_holds_the_present_token_and_is_gone_after_release(host: Host) -> None:
    present = token(acquire(host))
    assert token_file(host) == f"{present}\n"
    assert host.agent("lock", "release", "--token", present).report == {"released": True}
    assert token_file(host) is None
    assert host.agent("lock", "release", "--token", present).report == {"released": False}


def test_the_lease_of_a_dead_holder_expires_by_itself(host: Host) -> None:
    acquire(host, lease=2)
    assert acquire(host, "bob@desk").code == 1
    time.sleep(2.1)
    assert acquire(host, "bob@desk").code == 0


def test_a_renewed_lease_begins_again(host: Host) -> None:
    present = token(acquire(host, lease=0.2))
    assert host.agent("lock", "renew", "--token", present, "--lease", "30").report["remaining"] == 30
    time.sleep(0.25)
    assert acquire(host, "bob@desk").code == 1


def test_a_holder_that_was_taken_over_can_neither_renew_release_nor_change_anything(host: Host) -> None:
    dead = token(acquire(host, lease=0))
    present = token(acquire(host, "bob@desk"))
    for words in (
        ("lock", "renew", "--lease", "9"),
        ("lock", "release"),
        ("manifest", "intend"),
        ("set", "return", "ssh"),
        ("guard", "arm", "--seconds", "9"),
    ):
        refused = host.agent(*words, "--token", dead, stdin={"format": 1, "resources": []})
        assert refused.code == 97, words
        assert "bob@desk" in refused.sentence
    assert token_file(host) == f"{present}\n"


def test_the_shell_fence_of_the_contract_lets_only_the_present_token_pass(host: Host) -> None:
    present = token(acquire(host))
    path = host.place("/var/lib/trunkline/token")
    for number, code in ((present, 0), (1, 97)):
        script = f'[ "$(cat {path} 2>/dev/null)" = {number} ] || exit 97; true'
        assert subprocess.run(["sh", "-c", script], check=False).returncode == code


def test_a_lease_of_an_earlier_boot_counts_from_this_boot(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    present = token(acquire(host, lease=60))
    monkeypatch.setattr(clock, "boot_id", lambda: "another-boot")
    monkeypatch.setattr(clock, "uptime", lambda: 20.0)
    assert acquire(host, "bob@desk").report["held"]["remaining"] == 40
    monkeypatch.setattr(clock, "uptime", lambda: 61.0)
    assert host.agent("lock", "show").report == {"held": None}
    renewed = host.agent("lock", "renew", "--token", present, "--lease", "60")
    assert renewed.code == 0, "its holder rebooted the host and lives on"


@pytest.mark.parametrize("step", range(1, 25))
def test_a_kill_at_any_step_of_acquire_leaves_the_lock_free_or_held_by_a_lease_that_ends(
    host: Host, step: int
) -> None:
    words = ("lock", "acquire", "--holder", "dead", "--purpose", "deploy", "--lease", "0")
    host.killed_at(step, *words)
    following = acquire(host, "bob@desk")
    assert following.code == 0
    assert token_file(host) == f"{token(following)}\n"


@pytest.mark.parametrize("step", range(1, 25))
def test_a_kill_at_any_step_of_a_takeover_never_leaves_the_old_token_beside_a_new_holder(
    host: Host, step: int
) -> None:
    acquire(host, lease=0)
    host.killed_at(step, "lock", "acquire", "--holder", "b", "--purpose", "p", "--lease", "30")
    record = json.loads(host.text("/var/lib/trunkline/lock.json") or "{}")
    assert token_file(host) in (None, f"{record['token']}\n")


def test_uploads_that_a_dead_session_left_are_dropped_and_fresh_ones_stay(host: Host) -> None:
    for name, age in (("old.tar", 7200), ("new.tar", 5)):
        path = host.write(f"/var/lib/trunkline/incoming/{name}", "secret")
        os.utime(path, (time.time() - age, time.time() - age))
    acquire(host)
    assert [path.name for path in host.place("/var/lib/trunkline/incoming").iterdir()] == ["new.tar"]


def test_the_state_directory_is_for_its_owner_alone(host: Host) -> None:
    acquire(host)
    home = host.place("/var/lib/trunkline")
    assert home.stat().st_mode & 0o777 == 0o700
    assert all(path.stat().st_mode & 0o077 == 0 for path in home.rglob("*"))
