"""What a row takes for a good error: a sentence that says something, and a remedy that is meant as one."""

from __future__ import annotations

import pytest

from prove.errors import judged, told
from prove.process import Ended
from prove.row import Disproved

LEFT = (
    "edge2: 2 of 25 steps done, 23 not; edge1: 1 of 23 steps done, 22 not (`packages: install` was left in "
)
LEFT += "the middle). The lock is released; the next deploy goes on from here."
FULL = "edge1: packages: install: The disk was full."


def ended(*lines: str, code: int = 1) -> Ended:
    """A command that ended with these words."""
    return Ended(("invoke", "deploy"), code, "deploy lab\n", "".join(f"{line}\n" for line in lines), 1.0)


def test_a_sentence_with_its_remedy_is_good_whatever_a_program_said_meanwhile() -> None:
    good = ended(f"error: {FULL}", "    dpkg: error", "     deeper", f"  Make room there. {LEFT}")
    assert judged(good, "edge1", "full", "make room") == {
        "error": FULL, "remedy": f"Make room there. {LEFT}", "code": 1,
    }  # fmt: skip


def test_every_error_is_told_with_its_own_remedy() -> None:
    both = ended("warn  clock", "error: One.", "  Do this.", "error: Two.", "  Do that,", "  and that.")
    assert told(both.stderr) == [("One.", "Do this."), ("Two.", "Do that,\nand that.")]


@pytest.mark.parametrize(
    ("end", "why"),
    [
        (ended(f"error: {FULL}", "  Make room.", code=0), "as if all were well"),
        (ended("Traceback (most recent call last):", "error: Broken.", "  Mend it."), "a traceback"),
        (ended("edge1: broken"), "no sentence"),
        (ended(f"error: {FULL}"), "no remedy"),
        (ended(f"error: {FULL}", "    dpkg: error: make room"), "no remedy"),
        (ended(f"error: {FULL}", f"  {LEFT}"), "no remedy"),
        (ended(f"error: {FULL}", "  edge1 is finished; edge2, vpn1 not changed. The lock is released; "
               "the next deploy goes on from here."), "no remedy"),
        (ended("error: One.", "  Do this.", "error: Two."), "no remedy: Two"),
        (ended("error: edge1: packages: install: A command failed with exit code 1.", "  Mend it."),
         "says nothing"),
        (ended(f"error: {FULL}", "    make room", "  Go on."), "does not name make room"),
        (ended(f"error: {'long ' * 100}", "  Go on."), "too long"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)  # fmt: skip
def test_what_is_no_good_error_is_disproved(end: Ended, why: str) -> None:
    with pytest.raises(Disproved, match=why):
        judged(end, "make room")
