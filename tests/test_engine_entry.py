"""pyinfra's own command line as a way in: what is done on no host at all, for a typo, is no success."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

TOP = Path(__file__).resolve().parent.parent
PYINFRA = [str(Path(sys.executable).parent / "pyinfra"), "inventories/lab.py"]


def run(*words: str) -> subprocess.CompletedProcess[str]:
    """Run pyinfra as a person does; nobody is contacted for an inventory."""
    return subprocess.run([*PYINFRA, *words], cwd=TOP, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    "words", [("--limit", "edgex"), ("--limit", "edge1,edge2"), ("--limit", "*/edge1", "--exclude", "*")]
)
def test_a_limit_that_leaves_no_host_ends_with_a_sentence_and_not_with_0(words: tuple[str, ...]) -> None:
    ran = run("deploys/site.py", "-y", *words)
    assert ran.returncode == 1
    assert "leave no host: write one as --limit '*/edge1'" in ran.stderr
    assert "Traceback" not in ran.stderr


def test_a_limit_by_the_end_of_a_name_chooses_that_host() -> None:
    ran = run("debug-inventory", "--limit", "*/edge1")
    assert ran.returncode == 0, ran.stderr
    assert "@trunkline/lab/edge1" in ran.stdout + ran.stderr
