"""Copies of the project's tree that differ from it in what a row or a test wants changed."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from prove import ledger
from prove.process import run
from prove.row import require

Edit = tuple[str, str, str]
"""A file, the text that stands there ("" for the end of the file), and the text that takes its place."""


@contextmanager
def lent(edits: Iterable[Edit] = ()) -> Iterator[Path]:
    """Lend a copy of the tree, with what is not committed in it, changed."""
    with tempfile.TemporaryDirectory(prefix="trunkline-copy-") as directory:
        top = Path(directory) / "trunkline"
        run(["git", "clone", "-q", "--shared", str(ledger.TOP), str(top)], ledger.TOP, os.environ).expect(0)
        for path in ledger.files("."):
            (top / path.relative_to(ledger.TOP)).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(path, top / path.relative_to(ledger.TOP))
        for name, old, new in edits:
            text = (top / name).read_text(encoding="utf-8") if (top / name).exists() else ""
            require(old in text, f"{name} has no {old!r} any more: this row has to be written anew")
            text = text.replace(old, new, 1) if old else text + new
            (top / name).write_text(text, encoding="utf-8")
        yield top
