"""The other way in: `pyinfra inventories/lab.py deploys/site.py`, where pyinfra itself runs the file."""

from __future__ import annotations

import pyinfra
from pyinfra.context import ctx_host

from deploys._engine.plan import Deploy
from inventories.model import load


def run_when_started_by_pyinfra(deploy: Deploy) -> None:
    """Run the deploy for the present host when pyinfra's command line executes the file; else do nothing."""
    if not pyinfra.is_cli or not ctx_host.isset():  # type: ignore[no-untyped-call]
        return
    _, environment, host = ctx_host.get().name.split("/")  # type: ignore[no-untyped-call]
    found = load(environment)
    deploy(found.host(host), found)
