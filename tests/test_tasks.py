"""The command line: complete help, one sentence for every mistake, never a traceback."""

from __future__ import annotations

import inspect
import json
import subprocess
import sys
from pathlib import Path

import pytest

import tasks
from control.command import command
from control.commands import sentences

ROOT = Path(tasks.__file__).parent
NAMES = sorted(tasks.namespace.task_names)
INVOKE = [sys.executable, "-m", "invoke"]


def run(*words: str) -> subprocess.CompletedProcess[str]:
    """Run `invoke` as a person does."""
    return subprocess.run(
        [*INVOKE, *words], cwd=ROOT, capture_output=True, text=True, check=False, timeout=60
    )


@pytest.mark.parametrize("name", NAMES)
def test_every_command_says_in_one_sentence_what_it_does(name: str) -> None:
    sentence = (tasks.namespace[name].__doc__ or "").strip().splitlines()[0]
    assert sentence.endswith(".")
    assert len(sentence.split()) >= 5


@pytest.mark.parametrize("name", NAMES)
def test_every_option_is_explained(name: str) -> None:
    task = tasks.namespace[name]
    options = [each for each in inspect.signature(task.body).parameters if each != "c"]
    assert set(options) == set(task.help)
    for option in options:
        assert len(task.help[option].split()) >= 3, option


def test_an_option_that_nobody_explained_cannot_be_written() -> None:
    def mystery(c: object, knob: str = "") -> None:
        """Do something that one option steers in secret."""

    with pytest.raises(TypeError, match="mystery: nobody explained knob"):
        command()(mystery)


def test_invoke_alone_says_what_this_is_and_lists_every_command() -> None:
    said = run().stdout
    assert "Trunkline: servers as one typed value" in said
    for name, _ in sentences(tasks.namespace):
        assert name in said


MISTAKES = [
    (("show", "--env", "nosuch"), "There is no environment 'nosuch'.", "Known: "),
    (("plan", "--limit", "edge1,edgex"), "--limit names edgex", "vpn1, vpn2, pbx1, web1."),
    (("deploy", "--limit", "edgex"), "--limit names edgex", "vpn1, vpn2, pbx1, web1."),
    (("deploy", "--limit", ","), "--limit names no host.", "separated by commas"),
    (("deploy", "--wait", "soon"), "--wait 'soon' cannot be used.", "a number from 0 to"),
    (("deploy", "--wait=-1"), "--wait '-1' cannot be used.", "a number from 0 to"),
    (("verify", "--report", "/"), "--report '/' cannot be written.", "Name a file in a directory"),
    (("verify", "--junit", "nowhere/of.xml"), "--junit 'nowhere/of.xml' cannot be written.", "that is there"),
    (("secrets.generate", "psk", "--length", "3"), "--length '3' cannot be used.", "from 16 to 512"),
    (("secrets.set", "Bad-Name"), "'Bad-Name' is no name for a secret.", "small letter"),
    (
        ("trust", "--replace", "edgex"),
        "--replace names edgex.",
        "Hosts: edge1, edge2, vpn1, vpn2, pbx1, web1.",
    ),
    (("twin.shell", "edgex"), "lab has no host 'edgex'.", "Hosts: edge1, edge2, vpn1, vpn2, pbx1, web1"),
    (("render", "--host", "edgex"), "--limit names edgex", "Its hosts are"),
]


@pytest.mark.parametrize(
    ("words", "sentence", "remedy"), MISTAKES, ids=[" ".join(words) for words, _, _ in MISTAKES]
)
def test_a_mistake_ends_with_one_sentence_and_its_remedy(
    words: tuple[str, ...], sentence: str, remedy: str
) -> None:
    ran = run(*words)
    assert ran.returncode == 1
    assert f"error: {sentence}" in ran.stderr
    assert remedy in ran.stderr
    assert "Traceback" not in ran.stderr + ran.stdout
    assert len(ran.stderr.strip().splitlines()) <= 3


@pytest.mark.parametrize("words", [("nosuch",), ("show", "--nosuch"), ("secrets.set",)])
def test_an_unknown_word_is_named_without_a_traceback(words: tuple[str, ...]) -> None:
    ran = run(*words)
    assert ran.returncode == 1
    assert "Traceback" not in ran.stderr + ran.stdout
    assert words[-1].lstrip("-") in ran.stderr


@pytest.mark.parametrize("words", [("show",), ("openings",), ("lint",), ("secrets.list",)])
def test_json_gives_one_event_a_line_and_nothing_else(words: tuple[str, ...]) -> None:
    ran = run(*words, "--json")
    assert ran.returncode == 0, ran.stderr
    events = [json.loads(line) for line in ran.stdout.splitlines()]
    assert events
    assert all(isinstance(each["event"], str) for each in events)


def test_lint_names_every_problem_of_an_example_and_fails() -> None:
    ran = run("lint", "--env", "prod")
    assert ran.returncode == 1
    first, *rest = ran.stdout.splitlines()
    count = len(rest)
    assert count > 10
    assert first == (
        f"inventories/prod.py is refused. It is an example: replace its {count} placeholders"
        " (addresses, names, keys) by your own values."
    )
    assert all(line.startswith("  ") for line in rest)
    assert "RFC 5737" in ran.stdout


def test_every_command_refuses_an_example_and_says_all_that_is_wrong_with_it() -> None:
    said = run("deploy", "--env", "prod").stderr.splitlines()
    assert said[0].startswith("error: The inventory is refused. It is an example: replace its ")
    assert all(line.startswith("  ") for line in said[1:])
    assert said[-1] == "  Correct the inventory; nothing was contacted."


def test_an_error_is_an_event_too_for_a_program() -> None:
    ran = run("show", "--env", "nosuch", "--json")
    (event,) = [json.loads(line) for line in ran.stdout.splitlines()]
    assert event["event"] == "error"
    assert event["errors"][0]["message"] == "There is no environment 'nosuch'."
    assert ran.returncode == 1


def test_a_reader_that_goes_away_leaves_no_traceback() -> None:
    ran = subprocess.run(
        f"{' '.join(INVOKE)} show | head -n 1",
        shell=True,
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert "Traceback" not in ran.stderr
    assert "BrokenPipe" not in ran.stderr
