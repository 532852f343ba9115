"""A parent that applies the slow deploy until somebody kills it; its argument is the way to edge1."""

from __future__ import annotations

import ast
import sys

from engine_bench import Here

from control.engine import StepEvent
from inventories.lab import environment


def main(way: str) -> None:
    """Say when the first step has started."""
    with Here(environment, "lab") as engine:
        engine.open(["edge1"], ssh={"edge1": ast.literal_eval(way)}, deploy="engine_site:slow")
        engine.command("edge1", "rm -rf /var/lib/trunkline/*")
        engine.lock("a test", "me", lease=60)
        engine.plan()
        for event in engine.apply(["edge1"]):
            if isinstance(event, StepEvent) and event.status == "started":
                print("started", flush=True)


if __name__ == "__main__":
    main(sys.argv[1])
