"""What differs between releases is data that somebody reads: a field nobody reads says nothing."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from inventories.model import RELEASES, Release

TOP = Path(__file__).resolve().parent.parent
RECORD = TOP / "inventories/model/release.py"
LAYERS = ("inventories", "deploys", "templates", "verify", "control", "twin")
ON_HOSTS = sorted(
    path
    for place in ("deploys/_agent", "deploys/_ops/scripts", "verify/on_host")
    for path in (TOP / place).glob("*.py")
)
OLDEST = min(release.python for release in RELEASES.values())


def read_of_a_release() -> set[str]:
    """Return what the source asks a release for, and what those of its properties read in turn."""
    paths = [path for layer in LAYERS for path in (TOP / layer).rglob("*") if path.suffix in (".py", ".j2")]
    text = "\n".join(path.read_text(encoding="utf-8") for path in paths)
    asked = set(re.findall(r"\b(?:of_)?release\.([a-z_0-9]+)", text))
    return asked | {field for name, fields in properties() if name in asked for field in fields}


def properties() -> Iterator[tuple[str, set[str]]]:
    """Yield each property of the record with the fields that it reads."""
    for node in ast.walk(ast.parse(RECORD.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef):
            inner = (each for each in ast.walk(node) if isinstance(each, ast.Attribute))
            own = (each for each in inner if isinstance(each.value, ast.Name) and each.value.id == "self")
            yield node.name, {each.attr for each in own}


@pytest.mark.parametrize("field", Release.model_fields)
def test_every_field_of_a_release_is_read_by_somebody(field: str) -> None:
    assert field in read_of_a_release()


@pytest.mark.parametrize("path", ON_HOSTS, ids=lambda path: path.relative_to(TOP).as_posix())
def test_what_runs_on_the_hosts_is_written_for_the_oldest_python(path: Path) -> None:
    ast.parse(path.read_text(encoding="utf-8"), feature_version=OLDEST)
