"""Every section, and the way in: importing this registers all of them."""

from __future__ import annotations

from verify.on_host import accounts, clock, daemons, foreign, kernel, packages
from verify.on_host.section import SECTIONS, main

__all__ = ["SECTIONS", "accounts", "clock", "daemons", "foreign", "kernel", "main", "packages"]
