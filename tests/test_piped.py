"""A program as a socket, also where gevent has taken the place of Python's sockets, as in the engine."""

from __future__ import annotations

import subprocess
import sys

import pytest

from control.piped import Piped, shell_of

ECHO = """
import time
from control.piped import Piped, shell_of
with Piped(shell_of("sh -c 'echo first; cat'")) as stream:
    assert stream.heard(5)
    assert stream.recv(6) == b"first\\n"
    time.sleep(0.3)  # by now it waits for more
    stream.sendall(b"second")
    assert stream.recv(6) == b"second"
"""


@pytest.mark.parametrize("before", ["", "from gevent import monkey\nmonkey.patch_all()\n"])
def test_what_is_sent_and_heard_passes_whole(before: str) -> None:
    done = subprocess.run([sys.executable, "-c", before + ECHO], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_a_program_that_ends_is_not_heard_and_has_the_last_word() -> None:
    with Piped(shell_of("sh -c 'echo one >&2; echo no way there >&2'")) as stream:
        assert not stream.heard(5)
        assert stream.last_word() == "no way there"


def test_a_program_that_says_nothing_is_waited_for_and_ended() -> None:
    stream = Piped(shell_of("sleep 4321"))
    assert not stream.heard(0.2)
    stream.close()
    assert stream._process.returncode is not None
