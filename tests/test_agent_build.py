"""One file, the same everywhere, that needs nothing but the standard library of the oldest Python."""

from __future__ import annotations

import ast
import hashlib
import io
import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from agent_host import Host, fresh

from deploys import _agent
from deploys._agent import archive
from inventories.model import RELEASES

SOURCES = sorted(Path(archive.__file__).parent.glob("*.py"))
OLDEST = min(release.python for release in RELEASES.values())


def run(path: Path, *words: str, root: Path) -> subprocess.CompletedProcess[str]:
    argv = [sys.executable, "-I", str(path), *words]
    environment = {**os.environ, "AGENT_ROOT": str(root)}
    return subprocess.run(argv, env=environment, capture_output=True, text=True, check=False)


def test_two_builds_are_the_same_bytes_and_the_path_is_named_after_them(tmp_path: Path) -> None:
    here, path = _agent.build()
    script = "import sys; from deploys._agent import build; sys.stdout.buffer.write(build()[0])"
    top = Path(archive.__file__).parents[2]
    environment = {**os.environ, "PYTHONHASHSEED": "7", "TZ": "Asia/Tokyo"}
    other = subprocess.run(
        [sys.executable, "-c", script], cwd=top, env=environment, capture_output=True, check=True
    )
    assert other.stdout == here
    assert path == f"/usr/local/lib/trunkline/agent-{hashlib.sha256(here).hexdigest()[:12]}.pyz"
    with zipfile.ZipFile(io.BytesIO(here)) as packed:
        names = packed.namelist()
        assert names == sorted(names)
        assert {member.date_time for member in packed.infolist()} == {(1980, 1, 1, 0, 0, 0)}


def test_the_packed_agent_answers_without_anything_of_ours_on_its_path(tmp_path: Path) -> None:
    packed = tmp_path / "agent.pyz"
    packed.write_bytes(_agent.build()[0])
    with fresh() as host:
        done = run(packed, "state", root=host.root)
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout)["problems"] == []


@pytest.mark.parametrize("source", SOURCES, ids=lambda source: source.name)
def test_every_module_is_of_the_standard_library_and_of_the_oldest_python(source: Path) -> None:
    tree = ast.parse(source.read_text(encoding="utf-8"), feature_version=OLDEST)
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            outside = [name.name for name in node.names if name.name not in sys.stdlib_module_names]
            assert not outside
        if isinstance(node, ast.ImportFrom) and not node.level:
            assert str(node.module).split(".")[0] in sys.stdlib_module_names


def test_only_what_the_standard_library_of_the_oldest_python_had_is_used() -> None:
    version = ("--python-version", ".".join(map(str, OLDEST)))
    argv = ["-m", "mypy", "--strict", *version, "--cache-dir", os.devnull, "deploys/_agent"]
    top = Path(archive.__file__).parents[2]
    done = subprocess.run([sys.executable, *argv], cwd=top, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(
    "words",
    [
        (),
        ("bogus",),
        ("lock", "acquire"),
        ("lock", "renew", "--token", "x", "--lease", "1"),
        ("set", "apply", "/no/such/file"),
        ("guard", "arm", "--seconds", "many"),
        ("guard", "confirm"),
    ],
)
def test_a_wrong_command_is_one_sentence_and_code_1(words: tuple[str, ...]) -> None:
    with fresh() as host:
        refused = host.agent(*words)
        assert refused.code == 1
        assert refused.sentence
        assert "\n" not in refused.sentence
        assert "Traceback" not in refused.sentence


def test_a_damaged_record_is_named_by_its_path_and_not_overwritten() -> None:
    with fresh() as host:
        lock = host.write("/var/lib/trunkline/lock.json", "{ half")
        refused = host.agent("lock", "acquire", "--holder", "a", "--purpose", "p", "--lease", "1")
        assert refused.code == 1
        assert str(lock) in refused.sentence
        assert lock.read_text() == "{ half"


def test_a_listener_that_is_gone_does_not_undo_what_was_done(tmp_path: Path) -> None:
    packed = tmp_path / "agent.pyz"
    packed.write_bytes(_agent.build()[0])
    with fresh() as host:
        reader, writer = os.pipe()
        os.close(reader)
        argv = [sys.executable, "-I", str(packed), "manifest", "intend"]
        environment = {**os.environ, "AGENT_ROOT": str(host.root)}
        done = subprocess.run(
            argv,
            env=environment,
            input=b'{"format":1,"resources":[]}',
            stdout=writer,
            stderr=subprocess.PIPE,
            check=False,
        )
        os.close(writer)
        assert b"Traceback" not in done.stderr
        assert shown(host) == []


def shown(host: Host) -> object:
    return host.agent("manifest", "show").report["resources"]
