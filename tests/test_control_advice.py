"""Every command that a sentence names exists, and is about the environment that one works on."""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Iterator
from fnmatch import fnmatchcase
from itertools import pairwise
from pathlib import Path

import pytest
from invoke.exceptions import Exit

import tasks
from control import advice
from control.advice import DEFAULT, OF_NO_ENVIRONMENT, OF_NO_TWIN, Subject
from control.console import Console
from control.ending import ended
from control.errors import TrunklineError
from control.target import target
from inventories.model import ModelError
from inventories.model.rehearsal import VARIABLE
from verify.report import Entry, Report

TOP = Path(tasks.__file__).parent
LAYERS = ("control", "deploys", "inventories", "verify", "twin", "prove", "tasks.py")
COMMANDS = {
    name: inspect.signature(tasks.namespace[name].body).parameters for name in tasks.namespace.task_names
}
NAMED = re.compile(r"`(?:[A-Z_]+=\S+ )?(?:\./setup )?invoke ([a-z][^`]+)`")
TYPED = re.compile(r"^(?:\./setup )?invoke .+$", re.MULTILINE)
"""A line of a page that is to be typed as it is."""


def strings(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Yield every string of a module, docstrings as well; what is filled in reads WORD."""
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            parts = (str(each.value) if isinstance(each, ast.Constant) else "WORD" for each in node.values)
            yield node.lineno, "".join(parts)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.lineno, node.value


def wrong(text: str) -> Iterator[str]:
    """Yield what a text names that does not exist: `a.b / c --option` names a.b and a.c, and of both an
    option. Names in capitals stand for any."""
    for found in NAMED.findall(text):
        words = str(found).split()
        options = [word.split("=")[0] for word in words if word.startswith("--")]
        names = [words[0]]
        for before, word in pairwise(words):
            if before == "/":
                names.append(f"{words[0].rpartition('.')[0]}.{word}".lstrip("."))
        for name in names:
            known = [each for each in COMMANDS if each == name or fnmatchcase(each, name)]
            if not known:
                yield f"invoke {name}"
            for each in known:
                there = {f"--{option.replace('_', '-')}" for option in COMMANDS[each]} | {"--help"}
                yield from (f"invoke {each} {option}" for option in options if option not in there)


def test_the_search_finds_what_does_not_exist() -> None:
    assert list(wrong("Say `invoke reboot`, `invoke deploy --adopt`, or `invoke plan --wait 3`.")) == [
        "invoke reboot",
        "invoke plan --wait",
    ]
    assert list(wrong("`invoke twin.up / down / reboots --env E`, `invoke secrets.*`")) == [
        "invoke twin.reboots"
    ]


@pytest.mark.parametrize("layer", LAYERS)
def test_every_command_that_a_string_names_exists_with_its_options(layer: str) -> None:
    paths = [TOP / layer] if layer.endswith(".py") else sorted((TOP / layer).rglob("*.py"))
    assert not [
        f"{path.relative_to(TOP)}:{line}: {each}"
        for path in paths
        for line, text in strings(ast.parse(path.read_text(encoding="utf-8")))
        for each in wrong(text)
    ]


@pytest.mark.parametrize(
    "page", [TOP / "README.md", *sorted((TOP / "docs").glob("*.md"))], ids=lambda p: p.name
)
def test_every_command_that_a_page_names_exists_with_its_options(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert not list(wrong(TYPED.sub(r"`\g<0>`", text)))


def test_what_is_added_to_a_command_is_an_option_of_it() -> None:
    for name, options in COMMANDS.items():
        about_one = not name.startswith(OF_NO_ENVIRONMENT)
        assert not about_one or "env" in options, name
        assert not about_one or name in OF_NO_TWIN or "twin" in options, name
        assert not about_one or options["env"].default in (DEFAULT, inspect.Parameter.empty), name


@pytest.mark.parametrize(
    ("subject", "text", "shown"),
    [
        (Subject("lab"), "`invoke deploy`", "`invoke deploy`"),
        (Subject("lab", "lab"), "`invoke deploy`", "`invoke deploy`"),
        (Subject("prod"), "then `invoke deploy`.", "then `invoke deploy --env prod`."),
        (Subject("prod", "prod"), "`invoke plan --adopt`", "`invoke plan --adopt --env prod`"),
        (
            Subject("prod"),
            "`invoke secrets.set db` or `invoke lint`",
            "`invoke secrets.set db --env prod` or `invoke lint --env prod`",
        ),
        (Subject("prod"), "`invoke trust --env prod`", "`invoke trust --env prod`"),
        (Subject("prod"), "`invoke deploy --env lab`", "`invoke deploy --env lab`"),
        (Subject("prod"), "`invoke secrets.identity`", "`invoke secrets.identity`"),
        (Subject("prod"), "`invoke probe.ike 192.0.2.1`", "`invoke probe.ike 192.0.2.1`"),
        (Subject("lab", "two"), "`invoke verify`", "`invoke verify --twin two`"),
        (Subject("lab", "two"), "`invoke twin.up --twin two`", "`invoke twin.up --twin two`"),
        (Subject("lab", "two"), "`invoke lint`", "`invoke lint`"),
        (Subject("prod"), "invoke deploy, `ssh`, `invoked`", "invoke deploy, `ssh`, `invoked`"),
    ],
)
def test_a_command_is_completed_to_be_about_its_environment(subject: Subject, text: str, shown: str) -> None:
    assert subject.completed(text) == shown
    assert subject.completed(shown) == shown


def test_in_a_rehearsal_no_command_is_about_the_real_servers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "prod")
    subject = Subject("prod", "prod-rehearsal")
    told = f"`{VARIABLE}=prod invoke deploy --env prod --twin prod-rehearsal`"
    for text in ("`invoke deploy`", "`invoke deploy --env prod`"):
        assert subject.completed(text) == told
    assert subject.completed(told) == told
    assert subject.completed("`invoke lint`") == "`invoke lint --env prod`"
    assert Subject("lab").completed("`invoke deploy`") == "`invoke deploy`"


@pytest.mark.parametrize(("env", "added"), [("lab", ""), ("staging", " --env staging")])
def test_a_command_says_what_to_type_wherever_it_says_it(
    env: str, added: str, capsys: pytest.CaptureFixture[str]
) -> None:
    @ended
    def body(json: bool = False) -> int:
        advice.about(env)
        Console(as_json=json).say("Look: `invoke status`.")
        Console(as_json=json).warn("Mind: `invoke trust --replace edge1`.")
        raise TrunklineError("It lacks psk.", "Set it with `invoke secrets.set psk`.")

    for json in (False, True):
        with pytest.raises(Exit):
            body(json=json)
        said = "".join(capsys.readouterr())
        assert f"`invoke status{added}`" in said
        assert f"`invoke trust --replace edge1{added}`" in said
        assert said.count(f"`invoke secrets.set psk{added}`") == 1 + json
    assert advice.completed("`invoke deploy`") == "`invoke deploy`"


def test_a_command_is_about_what_it_was_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TRUNKLINE_TWIN", raising=False)
    with advice.for_a_person():
        assert advice.completed("`invoke deploy`") == "`invoke deploy`"
        target("lab", twin="two")
        assert advice.completed("`invoke deploy`") == "`invoke deploy --twin two`"
        with pytest.raises(TrunklineError):
            target("nowhere")
        assert advice.completed("`invoke lint`") == "`invoke lint --env nowhere`"
        with pytest.raises(ModelError):
            target("staging")
        assert advice.completed("`invoke deploy`") == "`invoke deploy --env staging`"


def test_a_report_of_checks_says_what_to_type() -> None:
    report = Report("prod", "prod", "2026-01-01T00:00:00+00:00", False)
    entry = Entry(
        "edge1/time.ok", "time.ok", "edge1", "time", "it is", "fail", True, remedy="`invoke deploy`"
    )
    kept = report.add(entry)
    assert report.entries[entry.id] is kept
    assert kept.remedy == "`invoke deploy --env prod`"
    assert kept.line().endswith(kept.remedy)
