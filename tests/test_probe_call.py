"""A whole call to an echo: signalling by a server of the test's own, sound by an echo beside it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.rtp_echo import Echo
from tests.sip_server import Say, Uas, asked, described, reply, uas
from verify.probes.call import EchoCall, call_echo
from verify.probes.sip_flow import Server

TOP = Path(__file__).resolve().parent.parent
URI = "sip:echo@127.0.0.1"


@contextmanager
def answering(body: str, *, hang_up: bool = False, status: int = 200) -> Iterator[Uas]:
    """Answer calls with a description of sound; `hang_up`: end them after the ACK."""

    def script(request: str, say: Say) -> None:
        method = request.split(" ")[0]
        if method == "INVITE" and status != 200:
            say(reply(request, status, "Not Found"))
        elif method == "INVITE":
            script.invite = request  # type: ignore[attr-defined]
            say(reply(request, 200, "OK", "Contact: <sip:pbx@127.0.0.1>", body=body))
        elif method == "ACK" and hang_up:
            say(asked(script.invite, "BYE", 2))  # type: ignore[attr-defined]
        elif method == "BYE":
            say(reply(request, 200, "OK"))

    with uas(script) as server:
        yield server


def called(server: Uas, seconds: float = 1.0) -> EchoCall:
    """Call the server of a test."""
    return call_echo(Server("127.0.0.1", server.port), URI, seconds=seconds, patience=5)


def test_a_call_to_an_echo_hears_all_of_it_and_hangs_up() -> None:
    with Echo() as echo, answering(described(echo.port, "127.0.0.1")) as server:
        seen = called(server)
        invite, bye = server.wait("INVITE"), server.wait("BYE")
    assert (seen.status, seen.why, seen.ended) == (200, "", "we hung up")
    assert seen.sound is not None
    assert (seen.sound.hearing, seen.sound.loss, seen.sound.from_declared) == ("both ways", 0.0, True)
    assert seen.sound.declared_private
    assert "m=audio" in invite
    assert bye.startswith("BYE ")


def test_rtcp_goes_where_the_description_says() -> None:
    with Echo() as echo:
        body = described(echo.port, "127.0.0.1", f"a=rtcp:{echo.port + 1}")
        with answering(body) as server:
            called(server)
        assert echo.reports  # the goodbye at the end


def test_a_call_that_the_peer_ends_stops_at_once() -> None:
    with Echo() as echo, answering(described(echo.port, "127.0.0.1"), hang_up=True) as server:
        seen = called(server, seconds=60)
    assert seen.ended == "peer hung up"
    assert seen.sound is not None
    assert seen.sound.sent < 500


@pytest.mark.parametrize(
    ("body", "why"),
    [
        ("", "describes no sound"),
        ("v=0\r\nnonsense\r\n", "SDP"),
        (described(40000, "127.0.0.1").replace("RTP/AVP 0", "RTP/AVP 8"), "instead of PCMU"),
        (described(0, "127.0.0.1"), "describes no sound"),
    ],
)
def test_an_answer_without_our_sound_is_told_and_hung_up(body: str, why: str) -> None:
    with answering(body) as server:
        seen = called(server)
        server.wait("BYE")
    assert seen.sound is None
    assert why in seen.why


def test_a_refused_call_tells_the_answer() -> None:
    with answering("", status=404) as server:
        seen = called(server)
    assert (seen.status, seen.why, seen.ended) == (404, "404 Not Found", "never answered")


def run(*arguments: str, port: int = 0) -> subprocess.CompletedProcess[str]:
    """Run the command as a person does."""
    argv = [
        sys.executable,
        "-m",
        "invoke",
        "probe.call",
        *arguments,
        *(("--port", str(port)) if port else ()),
    ]
    surroundings = {**os.environ, "SIP_PASSWORD": "unused"}
    return subprocess.run(argv, cwd=TOP, env=surroundings, capture_output=True, text=True, check=False)


def test_the_command_prints_lines_or_json() -> None:
    with Echo(strict=False) as echo, answering(described(echo.port, "127.0.0.1")) as server:
        lines = run("127.0.0.1", "--seconds", "1", port=server.port).stdout
        found = json.loads(run("127.0.0.1", "--seconds", "1", "--json", port=server.port).stdout)
    assert "both ways" in lines
    assert "assumed: ITU-T G.107" in lines
    assert found["sound"]["hearing"] == "both ways"


def test_nobody_to_call_is_exit_code_1_and_no_traceback() -> None:
    done = run("no.such.name.invalid")
    assert done.returncode == 1
    assert done.stderr.startswith("no.such.name.invalid")
    assert "Traceback" not in done.stderr
