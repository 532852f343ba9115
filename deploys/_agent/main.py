"""The agent's command line: one command, JSON on stdout, one sentence on stderr, exit code 0, 1 or 97
(stale token)."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import sys
import traceback
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any, NoReturn

from . import lock
from .mutex import held as mutex
from .problem import AgentError

Handler = Callable[[argparse.Namespace], Any]


def main(arguments: list[str] | None = None) -> int:
    """Run one command and return its exit code."""
    os.umask(0o077)
    try:
        wanted = _parser().parse_args(arguments)
        _tell(wanted.run(wanted))
        return 0
    except AgentError as error:
        if error.report:
            _tell(error.report)
        return _fail(error.sentence, error.code, error.lines)
    except OSError as error:
        where = f": {error.filename}" if error.filename else ""
        return _fail(f"the host refused ({error.strerror or error}{where})", 1)
    except Exception as error:
        last = traceback.extract_tb(error.__traceback__)[-1]
        place = f"{os.path.basename(last.filename)}:{last.lineno}"
        return _fail(f"the agent itself failed at {place} ({type(error).__name__}: {error})", 1)


def _tell(answer: Any) -> None:
    # The controller may be gone: what was done stays done, whether or not somebody hears of it.
    with contextlib.suppress(BrokenPipeError):
        print(json.dumps(answer, sort_keys=True), flush=True)


def _fail(sentence: str, code: int, lines: Sequence[str] = ()) -> int:
    with contextlib.suppress(BrokenPipeError):
        for line in lines:
            print(line, file=sys.stderr)
        print(" ".join(sentence.split()), file=sys.stderr, flush=True)
    return code


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise AgentError(f"{self.prog}: {message}")


@cache
def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="agent", description="Host agent: lock, managed sets, manifest, guard.")
    topics = parser.add_subparsers(required=True, metavar="COMMAND", parser_class=_Parser)
    _lock_commands(topics.add_parser("lock"))
    _set_commands(topics.add_parser("set"))
    _guard_commands(topics.add_parser("guard"))
    _record_commands(topics)
    _stack_commands(topics.add_parser("stack"))
    return parser


def _command(parsers: Any, name: str, run: Handler, token: bool = False) -> Any:
    parser = parsers.add_parser(name)
    parser.set_defaults(run=run)
    if token:
        parser.add_argument("--token", type=int)
    return parser


def _lock_commands(parser: argparse.ArgumentParser) -> None:
    parsers = parser.add_subparsers(required=True, parser_class=_Parser)
    acquire = _command(parsers, "acquire", _acquire)
    acquire.add_argument("--holder", required=True)
    acquire.add_argument("--purpose", required=True)
    acquire.add_argument("--lease", type=float, required=True)
    renew = _command(parsers, "renew", lambda wanted: lock.renew(wanted.token, wanted.lease))
    renew.add_argument("--token", type=int, required=True)
    renew.add_argument("--lease", type=float, required=True)
    release = _command(parsers, "release", lambda wanted: lock.release(wanted.token))
    release.add_argument("--token", type=int, required=True)
    _command(parsers, "show", lambda wanted: {"held": lock.show()})


def _set_commands(parser: argparse.ArgumentParser) -> None:
    parsers = parser.add_subparsers(required=True, parser_class=_Parser)
    _command(parsers, "apply", _set_apply, token=True).add_argument("file")
    _command(parsers, "return", _set_return, token=True).add_argument("service")
    _command(parsers, "show", _set_show).add_argument("service")


def _guard_commands(parser: argparse.ArgumentParser) -> None:
    parsers = parser.add_subparsers(required=True, parser_class=_Parser)
    arm = _command(parsers, "arm", _guard_arm, token=True)
    arm.add_argument("--seconds", type=float, required=True)
    arm.add_argument("--services", default="")
    confirm = _command(parsers, "confirm", _guard_confirm, token=True)
    confirm.add_argument("--id", required=True)
    confirm.add_argument(
        "--settled", metavar="BOOT@SECONDS", help="since when sshd holds what stands on the disk"
    )
    extend = _command(parsers, "extend", _guard_extend, token=True)
    extend.add_argument("--id", required=True)
    extend.add_argument("--seconds", type=float, required=True)
    give_back = _command(parsers, "return", _guard_return, token=True)
    give_back.add_argument("--id")
    give_back.add_argument(
        "--due", action="store_true", help="only when the deadline has passed (the timer's call)"
    )
    _command(parsers, "show", _guard_show)


def _record_commands(topics: Any) -> None:
    manifest = topics.add_parser("manifest").add_subparsers(required=True, parser_class=_Parser)
    for name in ("show", "intend", "narrow", "orphans"):
        _command(manifest, name, _manifest, token=name in ("intend", "narrow")).set_defaults(verb=name)
    release = topics.add_parser("release").add_subparsers(required=True, parser_class=_Parser)
    _command(release, "record", _release_record, token=True)
    _command(release, "show", _release_show)
    _command(topics, "recover", _recover).add_argument("--boot", action="store_true")
    _command(topics, "state", _state)


def _stack_commands(parser: argparse.ArgumentParser) -> None:
    parsers = parser.add_subparsers(required=True, parser_class=_Parser)
    look = _command(parsers, "look", _stack_look)
    look.add_argument("name")
    look.add_argument("--spec", choices=["-"], help="the wanted spec on stdin, in place of the host's")
    look.add_argument("--settled", action="store_true", help="fail while anything differs")
    for name in ("converge", "remove"):
        _command(parsers, name, _stack_change, token=True).add_argument("name")
        parsers.choices[name].set_defaults(verb=name)


def _stdin() -> Any:
    try:
        return json.loads(sys.stdin.read())
    except ValueError as error:
        raise AgentError(f"stdin is not JSON: {error}") from error


def _acquire(wanted: argparse.Namespace) -> dict[str, Any]:
    answer = lock.acquire(wanted.holder, wanted.purpose, wanted.lease)
    from .recovery import recover

    with mutex("work"):
        answer["recovered"] = recover()["recovered"]
    return answer


def _set_apply(wanted: argparse.Namespace) -> Any:
    from . import sets
    from .bundle import open_bundle
    from .recovery import recover
    from .timer import ensure_recovery

    bundle = open_bundle(wanted.file)
    with mutex("work"):
        lock.fence(wanted.token)
        recover()
        ensure_recovery()
        return sets.apply(bundle)


def _set_return(wanted: argparse.Namespace) -> Any:
    from . import sets
    from .recovery import recover

    with mutex("work"):
        lock.fence(wanted.token)
        recover()
        return sets.give_back(wanted.service)


def _set_show(wanted: argparse.Namespace) -> Any:
    from . import sets

    return sets.show(wanted.service)


def _guard_arm(wanted: argparse.Namespace) -> Any:
    from . import guard
    from .recovery import recover

    described = _stdin()
    with mutex("work"):
        lock.fence(wanted.token)
        recover()
        return guard.arm(wanted.seconds, described, [name for name in wanted.services.split(",") if name])


def _guard_confirm(wanted: argparse.Namespace) -> Any:
    from . import guard
    from .recovery import recover

    with mutex("work"):
        lock.fence(wanted.token)
        recover()
        return guard.confirm(wanted.id, wanted.settled)


def _guard_extend(wanted: argparse.Namespace) -> Any:
    from . import guard

    with mutex("work"):
        lock.fence(wanted.token)
        return guard.extend(wanted.id, wanted.seconds)


def _guard_return(wanted: argparse.Namespace) -> Any:
    from . import guard_return
    from .recovery import end_guard

    # A return cannot wait for a checker or daemon that hangs: whoever holds the mutex is safe to kill.
    with mutex("work", wait=3.0, take_over=True):
        lock.fence(wanted.token)
        answer = guard_return.give_back(wanted.id, wanted.due, keep_lock=wanted.token is not None)
        end_guard()
        return answer


def _guard_show(wanted: argparse.Namespace) -> Any:
    from . import guard

    return guard.show()


def _manifest(wanted: argparse.Namespace) -> Any:
    from . import manifest

    if wanted.verb == "show":
        return manifest.show()
    if wanted.verb == "orphans":
        return {"orphans": manifest.orphans()}
    lock.fence(wanted.token)
    return manifest.intend(_stdin()) if wanted.verb == "intend" else manifest.narrow()


def _release_record(wanted: argparse.Namespace) -> Any:
    from . import release

    lock.fence(wanted.token)
    return release.record(_stdin())


def _release_show(wanted: argparse.Namespace) -> Any:
    from . import release

    return {"release": release.show()}


def _stack_look(wanted: argparse.Namespace) -> Any:
    from . import stack

    return stack.look(wanted.name, _stdin() if wanted.spec else None, wanted.settled)


def _stack_change(wanted: argparse.Namespace) -> Any:
    from . import stack

    change = stack.converge if wanted.verb == "converge" else stack.take_away
    return change(wanted.name, wanted.token)


def _recover(wanted: argparse.Namespace) -> Any:
    from .recovery import recover

    with mutex("work"):
        return recover(wanted.boot)


def _state(wanted: argparse.Namespace) -> Any:
    from . import state

    return state.state()
