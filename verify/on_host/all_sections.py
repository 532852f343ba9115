"""Every section, and the way in: importing this registers all of them."""

from __future__ import annotations

from verify.on_host import accounts, clock, compose, daemons, databases, docker, foreign, kernel, packages
from verify.on_host.section import SECTIONS, main

__all__ = [
    "SECTIONS", "accounts", "clock", "compose", "daemons", "databases", "docker", "foreign", "kernel",
    "main", "packages",
]  # fmt: skip
