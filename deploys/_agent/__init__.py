"""The agent that runs on each host: lock, managed sets, manifest and guard. Standard library only, Python
3.10 and later."""

from __future__ import annotations

from functools import cache


@cache
def build() -> tuple[bytes, str]:
    """The agent as one executable zip, the same bytes on every machine, and the path it has on a host.

    Built once a process: a clone that is edited while a deploy runs must not change the agent in mid-deploy.
    """
    from .archive import build as build_archive

    return build_archive()
