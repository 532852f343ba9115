"""Sections of a snapshot: each looks at one thing, all at once, and one that breaks harms no other."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

Request = dict[str, Any]
Look = Callable[[Request], Any]
SECTIONS: dict[str, Look] = {}
SURROUNDINGS = {
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "LC_ALL": "C.UTF-8",
    "HOME": "/root",
    "DEBIAN_FRONTEND": "noninteractive",
    "SYSTEMD_PAGER": "cat",
}


def section(name: str) -> Callable[[Look], Look]:
    """Register a function as the section `name`."""

    def register(look: Look) -> Look:
        SECTIONS[name] = look
        return look

    return register


def said(*argv: str, timeout: float = 20, accept: tuple[int, ...] = (0,)) -> str:
    """Return what a program prints; RuntimeError with its last words when it ends badly."""
    done = subprocess.run(
        argv, env=SURROUNDINGS, stdin=subprocess.DEVNULL, capture_output=True, timeout=timeout, check=False
    )
    if done.returncode not in accept:
        words = done.stderr.decode(errors="replace").strip().splitlines()[-1:] or ["no word of why"]
        raise RuntimeError(f"{' '.join(argv[:3])} ended with {done.returncode}: {words[0][:300]}")
    return done.stdout.decode(errors="replace")


def text(path: str) -> str:
    """Return a file's text, empty when there is no such file, or no such process any more (proc(5))."""
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read()
    except (FileNotFoundError, NotADirectoryError, ProcessLookupError):
        return ""


def modified(path: str) -> float | None:
    """Return when a file was last written (Unix seconds), None when there is none."""
    try:
        return os.stat(path).st_mtime
    except OSError:
        return None


def snapshot(request: Request) -> dict[str, Any]:
    """Look at every section the request names (all when it names none)."""
    names = request.get("sections") or list(SECTIONS)
    with ThreadPoolExecutor(max_workers=8) as pool:
        return dict(zip(names, pool.map(lambda name: _look(name, request), names), strict=True))


def _look(name: str, request: Request) -> dict[str, Any]:
    began = time.monotonic()
    try:
        found: dict[str, Any] = {"value": SECTIONS[name](request)}
    except Exception as error:  # the answer carries it: a broken section is no proof of anything
        found = {"error": f"{type(error).__name__}: {error}"[:500]}
    return {**found, "seconds": round(time.monotonic() - began, 3)}


def main(request: Request) -> None:
    """Print the snapshot as one JSON object."""
    began = time.monotonic()
    sections = snapshot(request)
    held = {"now": time.time(), "seconds": round(time.monotonic() - began, 3), "sections": sections}
    json.dump(held, sys.stdout)
