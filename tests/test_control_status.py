"""What `status` says of a host, from the words of its agent."""

from __future__ import annotations

from typing import Any

import pytest

from control.status import deployed, guard, lock


@pytest.mark.parametrize(
    ("held", "said"),
    [
        (None, "free"),
        (
            {"holder": "ann@box", "purpose": "deploy", "since": "x", "remaining": 42, "token": 7},
            "ann@box: deploy (42 s)",
        ),
    ],
)
def test_the_holder_of_the_lock_is_named(held: dict[str, Any] | None, said: str) -> None:
    assert lock(held) == said


@pytest.mark.parametrize(
    ("shown", "said"),
    [
        (None, "none"),
        ({"armed": None, "last": None}, "none"),
        (
            {"armed": {"services": ["ssh", "firewall"], "remaining": 60}},
            "armed: returns ssh, firewall in 60 s",
        ),
        ({"armed": None, "last": {"outcome": "returned", "when": "10:00"}}, "last returned 10:00"),
    ],
)
def test_an_armed_guard_is_told_before_the_last_one(shown: dict[str, Any] | None, said: str) -> None:
    assert guard(shown) == said


def test_a_release_is_told_with_its_verdicts_in_their_order() -> None:
    release = {"commit": "abc", "who": "me@box", "when": "now", "verdicts": {"warn": 1, "ok": 9, "fail": 2}}
    assert deployed(release) == ("abc", "me@box", "now", "9 ok, 1 warn, 2 fail")
    assert deployed({"commit": "abc", "verdicts": {}})[3] == "not run"
    assert deployed(None)[0] == "never"
