"""Every section, and the way in: importing this registers all of them."""

from __future__ import annotations

from verify.on_host import (
    accounts,
    asterisk,
    by_sip,
    certificates,
    clock,
    compose,
    daemons,
    databases,
    docker,
    foreign,
    kernel,
    nginx,
    packages,
    renewal,
    strongswan,
)
from verify.on_host.section import SECTIONS, main

__all__ = [
    "SECTIONS", "accounts", "asterisk", "by_sip", "certificates", "clock", "compose", "daemons",
    "databases", "docker", "foreign", "kernel", "main", "nginx", "packages", "renewal", "strongswan",
]  # fmt: skip
