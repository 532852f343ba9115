"""Whole files of tests on real hosts that take minutes each: too long for every run of the tests."""

from __future__ import annotations

from collections.abc import Callable

from prove.row import Evidence, Row
from prove.stage import Stage

WHERE = "tests/twin/exhaustive/test_deploys_{}_on_hosts.py"


def _passes(service: str) -> Callable[[Stage], Evidence]:
    def put(stage: Stage) -> Evidence:
        argv = ("-m", "pytest", "-q", "-p", "no:cacheprovider", WHERE.format(service))
        ended = stage.python(*argv, timeout=1500).expect(0)
        return {"seconds": ended.seconds, "summary": ended.stdout.rstrip().splitlines()[-1]}

    return put


ROWS = tuple(
    Row(
        "hosts",
        service,
        f"{service}'s deploy keeps on real hosts what it promises",
        _passes(service),
        limit=1500,
    )
    for service in ("strongswan", "asterisk")
)
