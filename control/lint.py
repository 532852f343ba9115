"""Everything that is wrong with an inventory, at once."""

from __future__ import annotations

from control.console import Console
from control.target import target
from inventories.model import ModelError, lines, refusal


def lint(env: str, console: Console) -> int:
    """Show every problem of an environment; 0 when there is none, else 1. Contacts nobody."""
    try:
        environment = target(env).environment
    except ModelError as error:
        console.say(f"inventories/{env}.py is refused. {refusal(error.problems)}", "bold red")
        for problem in error.problems:
            console.event("problem", **vars(problem), sentence=str(problem))
        if not console.as_json:
            for line in lines(error.problems):
                console.say(f"  {line}", "red")
        return 1
    services = sum(len(host.services) for host in environment.hosts)
    console.say(f"inventories/{env}.py holds: {len(environment.hosts)} hosts, {services} services.", "green")
    return 0
