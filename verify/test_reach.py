"""The controller gets in: what every look from inside the host needs first."""

from __future__ import annotations

from typing import Any

from inventories.model import Host
from verify.checks import check
from verify.connection import Unreachable
from verify.observed import Observed
from verify.verdict import fail


@check(
    fault="controller-shut-out",
    needs=("ssh.daemon_answers_on_every_address",),
    remedy="Compare the pinned host key (`invoke trust`), AllowUsers, the deploy user's key and sudo.",
)
def test_controller_is_let_in(declared: Host, observed: Observed, evidence: dict[str, Any]) -> None:
    try:
        evidence["user"] = observed.connection(declared).user
        evidence["seconds to look"] = observed.snapshot(declared).seconds
    except Unreachable as error:
        fail(str(error), f"a login as {declared.users.deploy} who can become root")
