"""What takes minutes on real hosts: whole files of tests, every check of the lab; too long for every run."""

from __future__ import annotations

from collections.abc import Callable

from prove.row import Evidence, Row
from prove.stage import Stage

WHERE = "tests/twin/exhaustive/test_{}_on_hosts.py"
FILES = {
    "agent_guard": "the guard returns a locked-out host, whatever ends meanwhile",
    "agent_sets": "files are applied whole or not at all on real hosts, also when the power is cut",
    "agent_stack": "stacks are converged without a failed request, wherever a converge is killed",
    "console_password": "a console's password opens the console and sudo, and nothing from outside",
    "deploys_docker": "Docker's deploy and its stacks keep on real hosts what they promise",
    "deploys_certbot": "certificates are asked for, renewed and put into force on a real host",
    "deploys_strongswan": "strongSwan's deploy keeps on real hosts what it promises",
    "deploys_asterisk": "Asterisk's deploy keeps on real hosts what it promises",
    "twin_office_pbx": "the PBX behind an office's gateway answers SIP where there is telephony",
    "twin_carriers": "the twin's carriers call, answer, register and fail as they are told",
}


def _passes(name: str) -> Callable[[Stage], Evidence]:
    def put(stage: Stage) -> Evidence:
        argv = ("-m", "pytest", "-q", "-p", "no:cacheprovider", WHERE.format(name))
        ended = stage.python(*argv, timeout=1500, TRUNKLINE_TWIN=f"{stage.name}-hosts").expect(0)
        return {"seconds": ended.seconds, "summary": ended.stdout.rstrip().splitlines()[-1]}

    return put


def _holds(stage: Stage) -> Evidence:
    stage.healthy()
    seen = stage.verify("--disruptive", timeout=900).holds()
    return {"seconds": seen.ended.seconds, "checks": len(seen.entries)}


ROWS = (
    Row("hosts", "lab", "every check of the whole lab holds, the disruptive ones too", _holds, limit=900),
    *(Row("hosts", name.replace("_", "-"), claim, _passes(name), 1500) for name, claim in FILES.items()),
)
