"""New versions of a stack under load: no request fails, and what does not work is never served.

Each row deploys a copy of this tree in which the shop is another version, while a stranger asks its site two
hundred times a second.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from prove.process import Ended, run
from prove.row import Evidence, Row, require
from prove.stage import TOP, Stage
from prove.tree import Edit
from twin.enter import enter_argv

HOST, SITE = "web1", "shop.lab.example"
RATE = 200
"""Requests a second."""
DEPLOY = ("nice", "-n", "10", sys.executable, "-m", "invoke", "deploy", "--env", "lab", "--limit", HOST)
"""Other hosts have no part in it; and who deploys and builds sits at another machine than who answers."""
SHOP = "twin/images/shop"
NEW = "next"
MIGRATION = '''"""A column that the version before does not know."""

import sqlalchemy as sa
from alembic import op

revision = "9001"
down_revision = "0002"


def upgrade() -> None:
    """{what}."""
    {how}


def downgrade() -> None:
    """Take it away again."""
    op.drop_column("orders", "note")
'''
COLUMN = MIGRATION.format(
    what="Add a note", how='op.add_column("orders", sa.Column("note", sa.String(80), nullable=True))'
)
BROKEN = MIGRATION.format(what="Fail half-way", how='op.execute("SELECT nothing_of_that_name")')


def version(name: str) -> Edit:
    """Make the shop another version."""
    return (f"{SHOP}/Dockerfile", "ARG VERSION=", f"ARG VERSION={name}")


def migration(text: str) -> Edit:
    """Add a revision to the shop's database."""
    return (f"{SHOP}/migrations/versions/note.py", "", text)


@dataclass
class Load:
    """A load that is under way."""

    process: subprocess.Popen[str]

    def ended(self) -> dict[str, Any]:
        """End it; return what came of the requests."""
        told, _ = self.process.communicate(timeout=60)
        seen: dict[str, Any] = json.loads(told)
        return seen


@contextmanager
def load(stage: Stage) -> Iterator[Load]:
    """Ask the site from the stranger's place while the block runs."""
    argv = [*enter_argv(stage.name, "stranger"), sys.executable, "-m", "prove.load", SITE]
    argv += ["--ca", str(stage.twin.acme_root()), "--rate", str(RATE)]
    process = subprocess.Popen(
        argv, cwd=TOP, env=stage.env(), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        time.sleep(2)
        yield Load(process)
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()


def _deploy(stage: Stage, top: Path) -> Ended:
    return run(DEPLOY, top, stage.env(PYTHONPATH=str(top)), 500)


def _unharmed(seen: dict[str, Any]) -> None:
    require(seen["sent"] > RATE, f"the load asked {seen['sent']} times only")
    require(seen["rate"] > 0.8 * RATE, f"the load asked {seen['rate']} times a second, wanted {RATE}")
    require(
        not seen["failed"], f"{seen['failed']} of {seen['sent']} requests failed: {seen['first_failures']}"
    )


def _replaced(stage: Stage) -> Evidence:
    stage.healthy()
    with stage.copy((version(NEW), migration(COLUMN))) as top, load(stage) as under:
        done = _deploy(stage, top).expect(0)
        time.sleep(2)
        seen = under.ended()
        again = [step for step in stage.planned(top) if step.startswith(HOST)]
    _unharmed(seen)
    require(NEW in seen["versions"], f"the new version never answered: {seen['versions']}")
    require(len(seen["versions"]) == 2, f"other versions answered: {seen['versions']}")
    require(not again, f"the same deploy would do again: {', '.join(again)}")
    return {"deploy_seconds": done.seconds, **seen}


def _refused(stage: Stage, edits: tuple[Edit, ...], said: tuple[str, ...]) -> Evidence:
    stage.healthy()
    with stage.copy(edits) as top, load(stage) as under:
        done = _deploy(stage, top).expect(1)
        time.sleep(2)
        seen = under.ended()
    _unharmed(seen)
    require(NEW not in seen["versions"], f"what does not work was served: {seen['versions']}")
    require("Traceback" not in done.stderr, f"a traceback reached the user: {done.tail}")
    missing = [word for word in said if word not in done.output]
    require(not missing, f"the deploy does not say {', '.join(missing)}: {done.tail}")
    _deploy(stage, stage.top).expect(0)
    return {"said": done.tail[-600:], **seen}


def _sick(stage: Stage) -> Evidence:
    sick = (f"{SHOP}/shop/health.py", "PARTS:", "raise SystemExit('this version is never healthy')\nPARTS:")
    return _refused(
        stage,
        (version(NEW), sick),
        ("api failed", "is unhealthy", "its check ended with 1", "the old version serves"),
    )


def _unmigrated(stage: Stage) -> Evidence:
    return _refused(stage, (version(NEW), migration(BROKEN)), ("migration", "nothing_of_that_name"))


ROWS = (
    Row(
        "switches", "no-request-fails",
        f"a new image with a migration is deployed under {RATE} requests a second, and none fails",
        _replaced, 600, (HOST,),
    ),
    Row(
        "switches", "sick-version-is-not-served",
        "a version whose health check fails leaves the old one serving, and the deploy names it",
        _sick, 900, (HOST,),
    ),
    Row(
        "switches", "failed-migration-is-not-served",
        "a version whose migration fails leaves the old one serving, and the deploy says why",
        _unmigrated, 900, (HOST,),
    ),
)  # fmt: skip
