"""Who may confirm a guard: the right id, over a login that the host's present configuration let in."""

from __future__ import annotations

import pytest
from agent_guarded import MAIN, arm, host
from agent_host import Host

from deploys._agent import clock, connection

__all__ = ["host"]


def test_a_confirmed_guard_is_confirmed_again_without_harm_and_returns_nothing(host: Host) -> None:
    guard = arm(host)
    host.write(MAIN, "Port 2222\n")
    for _ in range(2):
        assert host.agent("guard", "confirm", "--id", guard).report["outcome"] == "confirmed"
    assert host.agent("guard", "return").report == {"outcome": "none"}
    assert host.text(MAIN) == "Port 2222\n"


def test_a_returned_guard_cannot_be_confirmed_and_the_sentence_says_when_it_returned(host: Host) -> None:
    guard = arm(host)
    host.agent("guard", "return")
    refused = host.agent("guard", "confirm", "--id", guard)
    assert refused.code == 1
    assert f"the guard {guard} returned at 20" in refused.sentence
    assert host.agent("guard", "confirm", "--id", "g-other").sentence == (
        "the guard g-other is not armed on this host"
    )


def test_the_connection_that_armed_a_guard_does_not_confirm_it_but_a_later_one_does(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    boot = clock.boot_id()
    armed_over = {"pid": 100, "start": clock.boottime() - 5, "boot_id": boot}
    monkeypatch.setattr(connection, "current", lambda: armed_over)
    guard = arm(host)
    older = {"pid": 99, "start": clock.boottime() - 60, "boot_id": boot}
    for seen in (armed_over, older):
        monkeypatch.setattr(connection, "current", lambda seen=seen: seen)
        refused = host.agent("guard", "confirm", "--id", guard)
        assert refused.sentence.startswith("only a new SSH connection confirms")
    later = {"pid": 101, "start": clock.boottime() + 1, "boot_id": boot}
    monkeypatch.setattr(connection, "current", lambda: later)
    assert host.agent("guard", "confirm", "--id", guard).code == 0


@pytest.mark.parametrize(
    ("settled_boot", "settled_ago", "login_ago", "refusal"),
    [
        ("this", 2, 1, None),
        ("this", 1, 2, "only a login that is newer than sshd's present configuration confirms"),
        ("another", 2, 1, "the host has rebooted since sshd took on what stands on the disk"),
    ],
    ids=["after sshd settled", "before sshd settled", "in another boot than sshd settled"],
)
def test_a_login_confirms_that_was_made(
    host: Host,
    monkeypatch: pytest.MonkeyPatch,
    settled_boot: str,
    settled_ago: float,
    login_ago: float,
    refusal: str | None,
) -> None:
    monkeypatch.setattr(clock, "boot_id", lambda: "the boot of arming")
    guard = arm(host)
    monkeypatch.setattr(clock, "boot_id", lambda: "this")
    now = clock.boottime()
    login = {"pid": 101, "start": now - login_ago, "boot_id": "this"}
    monkeypatch.setattr(connection, "current", lambda: login)
    settled = f"{settled_boot}@{now - settled_ago}"
    told = host.agent("guard", "confirm", "--id", guard, "--settled", settled)
    if refusal is None:
        assert told.report["outcome"] == "confirmed"
    else:
        assert told.sentence.startswith(refusal)
        assert host.agent("guard", "show").report["armed"]["id"] == guard
