"""The process that probes are forked from: what they import is imported once, not for every look.

`python -m verify.forker` with a datagram socket as its stdin. Each message is a JSON object {"module",
"arguments", "enter"} with four descriptors: the probe's stdin, stdout and stderr, and where its process id
and its exit code are told, a line each. It ends when the other end of the socket is closed.
"""

from __future__ import annotations

import importlib
import json
import os
import signal
import socket
import sys
import traceback
from typing import Any, NoReturn

LONGEST = 1 << 17
"""Bytes of one message."""
DESCRIPTORS = 4


def serve(asked: socket.socket) -> None:
    """Fork a probe for each message until nobody asks any more."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for a child: each tells its own end
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # whoever asks ends it, by closing the socket
    while True:
        message, descriptors, *_ = socket.recv_fds(asked, LONGEST, DESCRIPTORS)
        if not message:
            return
        request = json.loads(message)
        for module in ("twin.enter", request["module"]) if request["enter"] else (request["module"],):
            _import(module)
        if os.fork() == 0:
            asked.close()
            _become(request, descriptors)
        for descriptor in descriptors:
            os.close(descriptor)


def _import(module: str) -> None:
    try:
        importlib.import_module(module)
    except Exception:  # the probe itself says why, on its own stderr
        return


def _become(request: dict[str, Any], descriptors: list[int]) -> NoReturn:
    """Be the probe, from its arguments to its exit code."""
    code, told = 1, descriptors[-1]
    try:
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        for number, descriptor in enumerate(descriptors[:-1]):
            os.dup2(descriptor, number)
        os.write(told, f"{os.getpid()}\n".encode())
        code = _ended(request)
        sys.stdout.flush()
        sys.stderr.flush()
        os.write(told, f"{code}\n".encode())
    finally:
        os._exit(code)


def _ended(request: dict[str, Any]) -> int:
    """Run the probe where it is wanted and return its exit code, as the interpreter itself would."""
    try:
        if request["enter"]:
            from twin.enter import enter

            enter(*request["enter"])
        sys.argv = [request["module"], *request["arguments"]]
        raise SystemExit(importlib.import_module(request["module"]).main())
    except SystemExit as end:
        if end.code is None or isinstance(end.code, int):
            return end.code or 0
        sys.stderr.write(f"{end.code}\n")
    except BaseException:  # whatever it is: a process of its own would end with it, too
        traceback.print_exc()
    return 1


if __name__ == "__main__":
    serve(socket.socket(fileno=0))
