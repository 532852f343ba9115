"""Try an environment of real servers on this machine: a twin with its own secrets, deployed and proven."""

from __future__ import annotations

import os
import shutil

from control import places
from control.console import Console
from control.deploy import HOLDS, deploy
from control.plan import NOTHING, plan
from control.target import Target, target
from control.twins import down, up
from inventories.model.rehearsal import VARIABLE


def rehearse(env: str, twin: str, console: Console, *, keep: bool) -> int:
    """Boot the environment as a twin, deploy, verify, and see that a second plan is empty.

    No server of the environment is contacted and none of its secrets is read: the twin has its own. Returns
    0 when everything holds. The twin is erased at the end, unless `keep`.
    """
    chosen = rehearsal_of(env, twin)
    up(chosen, console, explain=True)
    try:
        return _rehearsed(chosen, console)
    finally:
        if keep:
            look = f"{VARIABLE}={env} invoke twin.status --env {env} --twin {chosen.instance}"
            console.say(f"The twin stays: `{look}`.")
        else:
            down(chosen, console, erase=True)
            shutil.rmtree(places.state_of(chosen.instance), ignore_errors=True)


def rehearsal_of(env: str, twin: str) -> Target:
    """Return the environment as its rehearsal, under a name that nothing real has."""
    os.environ[VARIABLE] = env
    os.environ["TRUNKLINE_TWIN"] = twin or f"{env}-rehearsal"
    return target(env)


def _rehearsed(chosen: Target, console: Console) -> int:
    code = deploy(chosen, console, adopt=False, wait=0)
    if code != HOLDS:
        return code
    if plan(chosen, console, adopt=False) != NOTHING:
        console.say("A second deploy would change something again: a step is not idempotent.", "bold red")
        return 1
    console.say(f"{chosen.environment.name} holds in its twin, and a second plan is empty.", "bold green")
    return HOLDS
