"""What a reader may expect of every file."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

TOP = Path(__file__).resolve().parent.parent
TYPED = ("inventories", "deploys", "verify", "control", "twin", "prove", "tasks.py")
MAX_FILE_LINES = 300
MAX_FUNCTION_LINES = 45
REGISTRIES = re.compile(r"\b(pypi|pythonhosted|npmjs|rubygems|crates|ghcr|quay)\.(org|io|com)\b")
"""Not Docker's: docker.io is a package of Debian's, and where an image without a registry is."""
HOSTS = re.compile(r"(?<![\w.-])[\w-]+\.(debian|ubuntu)\.(org|com|net)\b")


def tracked() -> list[Path]:
    """Return the files that git knows, and those it would take."""
    argv = [
        "git",
        "-c",
        f"safe.directory={TOP}",
        "ls-files",
        "-z",
        "--cached",
        "--others",
        "--exclude-standard",
    ]
    found = subprocess.run(argv, cwd=TOP, check=True, capture_output=True, text=True).stdout
    return [TOP / name for name in found.split("\0") if name and (TOP / name).is_file()]


def python() -> list[Path]:
    """Return every Python file of ours."""
    return [path for path in tracked() if path.suffix == ".py"]


def clean(*argv: str) -> None:
    """Fail with a tool's own words unless it ends with 0."""
    done = subprocess.run([sys.executable, "-m", *argv], cwd=TOP, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_ruff_finds_nothing() -> None:
    clean("ruff", "check", ".")


def test_every_file_is_formatted() -> None:
    clean("ruff", "format", "--check", ".")


def test_mypy_in_strict_mode_finds_nothing() -> None:
    clean("mypy", "--strict", *(name for name in TYPED if (TOP / name).exists()))


def test_no_file_is_longer_than_a_reader_can_hold() -> None:
    long = {path.name: n for path in python() if (n := len(path.read_text().splitlines())) > MAX_FILE_LINES}
    assert not long


def test_no_function_is_longer_than_a_screen() -> None:
    long = [
        f"{path.relative_to(TOP)}:{node.lineno} {node.name}"
        for path in python()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (node.end_lineno or node.lineno) - node.lineno + 1 > MAX_FUNCTION_LINES
    ]
    assert not long


def test_no_file_is_named_after_its_role() -> None:
    roles = {"utils", "util", "helpers", "helper", "manager", "common", "misc", "base"}
    assert not [path.relative_to(TOP) for path in python() if path.stem in roles]


def test_no_star_import() -> None:
    stars = [
        f"{path.relative_to(TOP)}:{node.lineno}"
        for path in python()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.ImportFrom) and any(alias.name == "*" for alias in node.names)
    ]
    assert not stars


def test_no_file_names_a_package_registry() -> None:
    """Where packages come from is the machine's setting, never ours."""
    named = [
        f"{path.relative_to(TOP)}: {found.group()}"
        for path in tracked()
        if (found := REGISTRIES.search(path.read_text(encoding="utf-8", errors="replace")))
    ]
    assert not named


def test_the_lock_has_hashes_and_no_place() -> None:
    lock = (TOP / "requirements.lock").read_text(encoding="utf-8")
    assert not re.search(r"://|file:|^-|@ ", lock, re.MULTILINE)
    pinned = re.findall(r"^[a-z0-9-]+==\S+.*\\\n    --hash=sha256:[0-9a-f]{64}", lock, re.MULTILINE)
    assert len(pinned) == len(re.findall(r"^\w", lock, re.MULTILINE)) > 20


def commands() -> list[str]:
    """Return the lines of the README's first fenced block."""
    fenced = re.search(
        r"^```\w*\n(.*?)^```", (TOP / "README.md").read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE
    )
    assert fenced
    return fenced.group(1).splitlines()


def test_the_readme_starts_with_two_lines_deploy_and_test() -> None:
    assert len(commands()) == 2
    assert commands()[0].endswith("invoke deploy --env lab")
    assert "pytest" in commands()[1]


def test_the_readme_is_shorter_than_a_hundred_lines() -> None:
    assert len((TOP / "README.md").read_text(encoding="utf-8").splitlines()) < 100


def test_ci_runs_the_second_line_of_the_readme() -> None:
    """It takes the line from there, so the two cannot differ."""
    script = (TOP / ".ci/run").read_text(encoding="utf-8")
    taken = re.search(r"^line=\$\((.*)\)$", script, re.MULTILINE)
    assert taken
    shown = subprocess.run(
        ["bash", "-c", taken.group(1)], cwd=TOP, check=True, capture_output=True, text=True
    )
    assert shown.stdout.rstrip("\n") == commands()[1]
    assert 'eval "$line"' in script


@pytest.fixture(scope="module")
def tasks() -> list[dict[str, str]]:
    argv = [sys.executable, "-m", "invoke", "--list", "--list-format", "json"]
    listed = json.loads(subprocess.run(argv, cwd=TOP, check=True, capture_output=True, text=True).stdout)

    def flat(collection: dict[str, Any], prefix: str = "") -> list[dict[str, str]]:
        own = [{**task, "name": prefix + task["name"]} for task in collection["tasks"]]
        below = [flat(each, f"{prefix}{each['name']}.") for each in collection["collections"]]
        return [*own, *(task for group in below for task in group)]

    return flat(listed)


def test_every_command_has_a_help_worth_reading(tasks: list[dict[str, str]]) -> None:
    assert tasks
    assert not [task["name"] for task in tasks if len((task["help"] or "").split()) < 4]


def test_every_command_that_the_readme_names_exists(tasks: list[dict[str, str]]) -> None:
    named = set(re.findall(r"`invoke ([a-z][a-z.-]*)", (TOP / "README.md").read_text(encoding="utf-8")))
    assert named <= {task["name"] for task in tasks}
