"""What takes minutes on real hosts: whole files of tests, every check of the lab; too long for every run."""

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


def _holds(stage: Stage) -> Evidence:
    stage.healthy()
    seen = stage.verify("--disruptive", timeout=900)
    seen.ended.expect(0)
    return {"seconds": seen.ended.seconds, "checks": len(seen.entries)}


ROWS = (
    Row("hosts", "lab", "every check of the whole lab holds, the disruptive ones too", _holds, limit=900),
    *(
        Row(
            "hosts",
            service,
            f"{service}'s deploy keeps on real hosts what it promises",
            _passes(service),
            1500,
        )
        for service in ("strongswan", "asterisk")
    ),
)
