"""Everything that is wrong with an inventory, at once."""

from __future__ import annotations

from control.console import Console
from control.target import target
from inventories.model import ModelError


def lint(env: str, console: Console) -> int:
    """Show every problem of an environment; 0 when there is none, else 1. Contacts nobody."""
    try:
        environment = target(env).environment
    except ModelError as error:
        for problem in error.problems:
            if console.as_json:
                console.event("problem", **vars(problem), sentence=str(problem))
            else:
                console.say(str(problem), "red")
        count = len(error.problems)
        console.say(
            f"inventories/{env}.py is refused: {count} problem{'s' if count > 1 else ''}.", "bold red"
        )
        return 1
    services = sum(len(host.services) for host in environment.hosts)
    console.say(f"inventories/{env}.py holds: {len(environment.hosts)} hosts, {services} services.", "green")
    return 0
