"""The child's life: requests one after another until the parent closes, goes away, or tells it to stop."""

from __future__ import annotations

import logging
import os
import signal
import sys
import traceback
from collections.abc import Callable

import gevent
from gevent.event import Event
from gevent.queue import Queue

from control.errors import TrunklineError
from deploys._engine.session import Request, Result, Session
from deploys._engine.wire import Wire

PATIENCE_SECONDS = 4
"""How long a running command may go on after we were told to stop."""


def main() -> int:
    """Serve one parent; exit code 0 after an orderly close, 1 when it was stopped."""
    wire = Wire()
    if os.environ.get("TRUNKLINE_DEBUG"):
        logging.basicConfig(level=logging.DEBUG, stream=sys.stderr)
    stopping = Event()
    session = Session(wire, stopping)
    requests: Queue[Request | None] = Queue()
    hurry = gevent.Greenlet(session.abandon)

    def stop() -> None:
        if not stopping.is_set():
            hurry.start_later(PATIENCE_SECONDS)
        stopping.set()
        requests.put(None)

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        gevent.signal_handler(number, stop)
    gevent.spawn(_receive, wire, requests, stop)
    for request in iter(requests.get, None):
        result = _answered(session, request)
        wire.emit("result", do=request.get("do", ""), **result)
        if request.get("do") == "close" or stopping.is_set():
            break
    hurry.kill()
    result = _answered(session, {"do": "close"})
    if not result["ok"]:
        wire.emit("problem", error=result["error"], remedy=result.get("remedy", ""))
    return 1 if stopping.is_set() else 0


def _receive(wire: Wire, requests: Queue[Request | None], stop: Callable[[], None]) -> None:
    for request in wire.requests():
        if request.get("do") == "stop":
            stop()
        else:
            requests.put(request)
    stop()


def _answered(session: Session, request: Request) -> Result:
    """Return the result of a request; no exception leaves a session without one."""
    try:
        return session.handle(request)
    except TrunklineError as error:
        return {"ok": False, "error": error.message, "remedy": error.remedy}
    except Exception as error:
        traceback.print_exc(file=sys.stderr)
        place = traceback.extract_tb(error.__traceback__)[-1]
        return {
            "ok": False,
            "error": f"The engine failed in {place.name} ({place.lineno}): {type(error).__name__}: {error}",
            "remedy": "This is a defect of ours; --debug shows where.",
        }
