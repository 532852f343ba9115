"""How a command ends: one clear sentence, what to do about it, and an exit code; never a traceback."""

from __future__ import annotations

import functools
import json
import os
import sys
import traceback
from collections.abc import Callable
from typing import ParamSpec

from invoke.exceptions import Exit

from control import advice
from control.engine import Interrupted as EngineInterrupted
from control.errors import Interrupted, Several, TrunklineError
from inventories.model import ModelError, lines, refusal

P = ParamSpec("P")
INTERRUPTED = 130
"""128 + SIGINT, as a shell reports it."""
READER_GONE = 141
"""128 + SIGPIPE."""


def ended(body: Callable[P, int | None]) -> Callable[P, None]:
    """Let a command end with an exit code and a sentence, whatever happens in its body.

    The body returns its exit code (None is 0). `--debug` shows the traceback, `--json` gives the sentence
    as an event on stdout too.
    """

    @functools.wraps(body)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        with advice.for_a_person():
            try:
                code = body(*args, **kwargs)
                sys.stdout.flush()
            except Exit:
                raise
            except BrokenPipeError:
                os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
                code = READER_GONE
            except BaseException as error:
                code = _tell(error, debug=bool(kwargs.get("debug")), as_json=bool(kwargs.get("json")))
        if code:
            raise Exit(code=code)

    return run


def _tell(error: BaseException, *, debug: bool, as_json: bool) -> int:
    if isinstance(error, SystemExit | GeneratorExit):
        raise error
    if debug:
        traceback.print_exception(error)
    explained = [(advice.completed(said), advice.completed(remedy)) for said, remedy in explanations(error)]
    if as_json:
        told = [{"message": message, "remedy": remedy} for message, remedy in explained]
        print(json.dumps({"event": "error", "errors": told}), flush=True)
    interrupted = is_interruption(error)
    for message, remedy in explained:
        sentence, *more = message.splitlines()
        print(sentence if interrupted else f"error: {sentence}", file=sys.stderr)
        for line in (*(f"  {said}" for said in more), *remedy.splitlines()):  # what to do stands out
            print(f"  {line}", file=sys.stderr)
    return INTERRUPTED if interrupted else 1


def is_interruption(error: BaseException) -> bool:
    """Say whether a person (or the system) ended the command."""
    return isinstance(error, KeyboardInterrupt | Interrupted | EngineInterrupted)


def explanations(error: BaseException) -> list[tuple[str, str]]:
    """Return each thing that went wrong as its sentence and what to do about it."""
    if isinstance(error, Several):
        return [(part.message, part.remedy) for part in error.parts]
    if isinstance(error, EngineInterrupted):
        return [("Interrupted.", "Nothing was changed.")]
    if isinstance(error, TrunklineError):
        return [(error.message, error.remedy)]
    if isinstance(error, ModelError):
        return [_refused(error)]
    if isinstance(error, KeyboardInterrupt):
        return [(str(error) or "Interrupted.", "")]
    if isinstance(error, PermissionError):
        what = f"{error.filename} may not be used by you." if error.filename else "You may not do this."
        return [(what, "Run the command as root: twins and their state belong to root.")]
    if isinstance(error, OSError):
        return [(f"{error.strerror or error}: {error.filename or 'the system refused'}.", "")]
    said = str(error).strip().splitlines()
    return [
        (
            f"Unexpected {type(error).__name__}: {said[0] if said else 'no further word'}",
            "This is a defect of Trunkline; --debug shows where.",
        )
    ]


def _refused(error: ModelError) -> tuple[str, str]:
    """Tell all that is wrong with an inventory as one error."""
    remedy, told = "Correct the inventory; nothing was contacted.", lines(error.problems)
    if len(error.problems) == 1:
        return told[0], remedy
    return f"The inventory is refused. {refusal(error.problems)}", "\n".join([*told, remedy])
