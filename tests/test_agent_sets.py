"""Managed sets: the files of a service change together after the checker agreed, or nothing changes."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from typing import Any

import pytest
from agent_host import Host, fresh

from deploys._agent import check

MAIN, PART = "/etc/app/main.conf", "/etc/app/conf.d/10-part.conf"


@pytest.fixture
def host() -> Iterator[Host]:
    with fresh() as host:
        host.write(MAIN, "old main\n", 0o640)
        host.write("/etc/app/conf.d/50-provider.conf", "of the provider\n")
        yield host


def wanted(**more: Any) -> list[dict[str, Any]]:
    return [
        {"path": MAIN, "text": "new main\n", "mode": "0600", **more},
        {"path": PART, "text": "new part\n"},
        {"path": "/etc/app/conf.d/50-provider.conf", "kind": "absent"},
        {"path": "/etc/app/enabled/site", "kind": "symlink", "target": "../available/site"},
    ]


def sh(script: str) -> list[str]:
    return ["sh", "-c", script]


def clean(host: Host) -> bool:
    """Nothing of a command under way is left in the agent's state."""
    state = host.place("/var/lib/trunkline")
    left = [name for name in ("journal.json", "staging", "staging.json") if (state / name).exists()]
    return not left and not list(state.rglob("*.new")) and not list(state.glob("incoming/*"))


def test_a_set_brings_files_links_and_absences_into_force_with_final_owner_and_mode(host: Host) -> None:
    told = host.apply("app", wanted()).report
    assert told["changed"] == [item["path"] for item in wanted()]
    tree = host.tree("/etc/app")
    assert tree[MAIN] == ("file", 0o600, "new main\n")
    assert tree[PART] == ("file", 0o644, "new part\n")
    assert tree["/etc/app/enabled/site"] == ("symlink", 0, "../available/site")
    assert tree["/etc/app/enabled"][:2] == ("directory", 0o755)
    assert "/etc/app/conf.d/50-provider.conf" not in tree
    assert clean(host)


def test_the_same_set_again_changes_nothing_and_loads_nothing(host: Host) -> None:
    mark = host.root / "loads"
    load = sh(f"echo x >> {mark}")
    host.apply("app", wanted(), load=load)
    again = host.apply("app", wanted(), load=load).report
    assert again["changed"] == []
    assert again["generation"] is None
    assert mark.read_text() == "x\n"


def test_only_a_mode_that_differs_is_a_change(host: Host) -> None:
    host.apply("app", wanted())
    host.place(MAIN).chmod(0o644)
    assert host.apply("app", wanted()).report["changed"] == [MAIN]
    assert host.tree("/etc/app")[MAIN][1] == 0o600


def test_the_checker_reads_the_whole_staged_tree_at_its_real_path_before_anything_is_in_force(
    host: Host,
) -> None:
    real = host.root / "etc/app"
    script = (
        f"grep -q 'new main' {{{MAIN}}} && grep -q 'new part' {real}/conf.d/10-part.conf"
        f" && test ! -e {real}/conf.d/50-provider.conf && test -h {real}/enabled/site"
        f" && test ! -e {host.root}/var/lib/trunkline/journal.json"
    )
    assert check.can_be_private(), "this test needs root or user namespaces: it proves the private view"
    assert host.apply("app", wanted(), check=sh(script), check_tree="/etc/app").code == 0


def test_what_the_checker_refuses_never_came_into_force(host: Host) -> None:
    before = host.tree()
    words = sh("echo 'main.conf line 1: bad word' >&2; exit 1")
    refused = host.apply("app", wanted(), check=words, check_tree="/etc/app")
    assert refused.code == 1
    assert refused.report["error"] == "check"
    assert "main.conf line 1: bad word" in refused.sentence
    assert host.tree() == before
    assert not host.place("/var/lib/trunkline/kept/app").exists()
    assert clean(host)


def test_a_set_that_only_takes_away_is_checked_as_well(host: Host) -> None:
    gone = [{"path": MAIN, "kind": "absent"}]
    there = sh(f"test -e {{{MAIN}}}")
    assert host.apply("app", gone, check=there, check_tree="/etc/app").report["error"] == "check"
    assert host.text(MAIN) == "old main\n"
    assert host.apply("app", gone, check=sh(f"! test -e {{{MAIN}}}"), check_tree="/etc/app").code == 0
    assert host.text(MAIN) is None


def test_a_directory_that_others_filled_meanwhile_does_not_keep_the_rest_from_returning(host: Host) -> None:
    before = host.text(MAIN)
    files = [{"path": "/srv/app", "kind": "directory", "mode": "0755"}, {"path": MAIN, "text": "new\n"}]
    load = sh(f"echo theirs > {host.root}/srv/app/theirs; exit 1")
    assert host.apply("app", files, load=load).report["error"] == "load"
    assert host.text(MAIN) == before
    assert host.text("/srv/app/theirs") == "theirs\n"
    assert clean(host)


def test_without_a_private_view_the_checker_decides_after_the_swap_and_all_returns(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(check, "can_be_private", lambda: False)
    before = host.tree()
    refused = host.apply("app", wanted(), check=sh("exit 1"), check_tree="/etc/app")
    assert refused.report["error"] == "check"
    assert host.tree() == before
    assert host.apply("app", wanted(), check=sh(f"grep -q new {{{MAIN}}}")).code == 0


@pytest.mark.parametrize("step", ["load", "loaded"])
def test_a_daemon_that_does_not_take_the_files_gets_the_old_ones_loaded_again(host: Host, step: str) -> None:
    before = host.tree()
    loads = host.root / "loads"
    load = f"cat {host.place(MAIN)} >> {loads}"
    fails = {"load": f"{load}; ! grep -q new {host.place(MAIN)}", "loaded": load}[step]
    refused = host.apply("app", wanted(), load=sh(fails), loaded=sh("exit 1"))
    assert refused.code == 1
    assert refused.report["error"] == step
    assert refused.report["returned"] is True
    assert host.tree() == before
    assert loads.read_text() == "new main\nold main\n"
    assert clean(host)


def test_loaded_is_asked_again_for_as_long_as_the_set_allows(host: Host) -> None:
    tries = host.root / "tries"
    loaded = sh(f"echo x >> {tries}; [ $(wc -l < {tries}) -ge 3 ]")
    assert host.apply("app", wanted(), load=sh("true"), loaded=loaded, loaded_within=5).code == 0


def test_a_checker_that_hangs_is_stopped_and_nothing_changed(host: Host) -> None:
    before = host.tree()
    refused = host.apply("app", wanted(), check=sh("sleep 60"), check_seconds=0.3)
    assert "did not end within 0.3 s" in refused.sentence
    assert host.tree() == before


def test_return_puts_the_last_generation_back_and_a_second_one_goes_further(host: Host) -> None:
    start = host.tree()
    host.apply("app", wanted())
    first = host.tree()
    host.apply("app", [{"path": MAIN, "text": "newer main\n", "mode": "0600"}])
    assert host.agent("set", "return", "app").report == {"service": "app", "changed": [MAIN], "generation": 2}
    assert host.tree() == first
    assert host.agent("set", "return", "app").code == 0
    # A set makes directories but a return leaves them: others may have put files there.
    tree = {path: seen for path, seen in host.tree().items() if path != "/etc/app/enabled"}
    assert tree == start
    assert host.agent("set", "return", "app").sentence.startswith("nothing is kept for app")


def test_return_loads_what_it_put_back(host: Host) -> None:
    loads = host.root / "loads"
    host.apply("app", wanted(), load=sh(f"cat {host.place(MAIN)} >> {loads}"))
    host.agent("set", "return", "app")
    assert loads.read_text() == "new main\nold main\n"


def test_five_generations_are_kept_and_no_number_is_used_twice(host: Host) -> None:
    for number in range(8):
        host.apply("app", [{"path": MAIN, "text": f"{number}\n"}])
    assert [item["generation"] for item in host.agent("set", "show", "app").report["generations"]] == [
        *range(4, 9)
    ]
    host.agent("set", "return", "app")
    assert host.apply("app", [{"path": MAIN, "text": "x\n"}]).report["generation"] == 9


def test_a_directory_gets_its_owner_and_mode_and_is_made_private_from_the_first_moment(host: Host) -> None:
    folder = {"path": "/home/deploy/.ssh", "kind": "directory", "mode": "0700"}
    assert host.apply("users", [folder]).report["changed"] == ["/home/deploy/.ssh"]
    assert host.tree("/home")["/home/deploy/.ssh"][1] == 0o700
    assert host.apply("users", [folder]).report["changed"] == []


def test_a_link_in_a_directory_of_another_user_is_not_followed(host: Host) -> None:
    if os.geteuid():
        pytest.skip("only root can make a directory of another user")
    home = host.place("/home/deploy")
    home.mkdir(parents=True)
    (home / ".ssh").symlink_to(host.place("/etc/app"))
    os.chown(home, 12345, 12345)
    refused = host.apply("users", [{"path": "/home/deploy/.ssh/authorized_keys", "text": "k"}])
    assert refused.code == 1
    assert "through the link .ssh" in refused.sentence
    assert not (host.place("/etc/app") / "authorized_keys").exists()
    assert clean(host)


def test_a_directory_with_files_in_it_is_never_replaced_by_a_file(host: Host) -> None:
    before = host.tree()
    refused = host.apply("app", [{"path": MAIN, "text": "x"}, {"path": "/etc/app/conf.d", "text": "x"}])
    assert refused.report["error"] == "place"
    assert host.tree() == before


@pytest.mark.parametrize(
    ("broken", "word"),
    [
        ({"path": "etc/app", "text": "x"}, "'etc/app'"),
        ({"path": "/etc/../app", "text": "x"}, "'/etc/../app'"),
        ({"path": MAIN, "kind": "file", "blob": "files/9", "sha256": "0"}, "did not arrive whole"),
        ({"path": MAIN, "text": "x", "owner": "nobody-of-that-name"}, "nobody-of-that-name"),
        ({"path": MAIN, "kind": "cow"}, "'cow'"),
    ],
)
def test_a_set_that_makes_no_sense_changes_nothing(host: Host, broken: dict[str, Any], word: str) -> None:
    before = host.tree()
    refused = host.apply("app", [{"path": PART, "text": "new"}, broken])
    assert refused.code == 1
    assert word in refused.sentence
    assert host.tree() == before


def test_no_word_of_a_secret_file_comes_out_of_a_checker(host: Host) -> None:
    secret = "password = tr0ub4dor-and-3\n"
    files = [{"path": MAIN, "text": secret, "secret": True, "mode": "0600"}]
    refused = host.apply("app", files, check=sh(f"cat {{{MAIN}}}; exit 1"), check_tree="/etc/app")
    assert refused.report["error"] == "check"
    assert "tr0ub4dor" not in json.dumps(refused.report) + refused.sentence


def test_the_uploaded_set_is_taken_away_whether_it_was_applied_or_refused(host: Host) -> None:
    for words in (sh("true"), sh("false")):
        host.apply("app", wanted(), check=words)
        assert clean(host)


def test_a_set_on_another_file_system_is_staged_there(host: Host) -> None:
    if os.geteuid():
        pytest.skip("only root can mount")
    import subprocess

    place = host.place("/srv/other")
    place.mkdir(parents=True)
    subprocess.run(["mount", "-t", "tmpfs", "other", str(place)], check=True)
    try:
        told = host.apply("app", [{"path": MAIN, "text": "a"}, {"path": "/srv/other/b", "text": "b"}])
        assert told.code == 0, told.sentence
        assert (place / "b").read_text() == "b"
        assert [path.name for path in place.iterdir()] == ["b"]
        assert host.agent("set", "return", "app").code == 0
        assert not list(place.iterdir())
        assert clean(host)
    finally:
        subprocess.run(["umount", str(place)], check=True)
