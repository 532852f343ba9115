"""SIPp, which shares nothing with the probe, takes its calls and calls it by the book."""

from __future__ import annotations

import re
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from verify.probes.sip_digest import Credentials
from verify.probes.sip_flow import Server, Transport, opened
from verify.probes.sip_invite import invite
from verify.probes.sip_look import Question, look
from verify.probes.sip_offer import PCMA, PCMU, negotiated, offer

MODES: dict[Transport, str] = {"UDP": "u1", "TCP": "t1"}
CHALLENGE = """\
<?xml version="1.0" encoding="ISO-8859-1" ?>
<scenario name="asks for a password">
  <recv request="REGISTER" crlf="true"/>
  <send><![CDATA[
    SIP/2.0 401 Unauthorized
    [last_Via:]
    [last_From:]
    [last_To:];tag=[call_number]
    [last_Call-ID:]
    [last_CSeq:]
    WWW-Authenticate: Digest realm="pbx", nonce="47ebe028cda119c35d48", algorithm=MD5, qop="auth"
    Content-Length: 0

  ]]></send>
  <recv request="REGISTER">
    <action>
      <verifyauth assign_to="right" username="me" password="open sesame"/>
    </action>
  </recv>
  <nop hide="true" test="right" next="yes"/>
  <send next="end"><![CDATA[
    SIP/2.0 403 Forbidden
    [last_Via:]
    [last_From:]
    [last_To:];tag=[call_number]
    [last_Call-ID:]
    [last_CSeq:]
    Content-Length: 0

  ]]></send>
  <label id="yes"/>
  <send><![CDATA[
    SIP/2.0 200 OK
    [last_Via:]
    [last_From:]
    [last_To:];tag=[call_number]
    [last_Call-ID:]
    [last_CSeq:]
    Content-Length: 0

  ]]></send>
  <label id="end"/>
  <timewait milliseconds="100"/>
</scenario>
"""


@contextmanager
def sipp(
    directory: Path, *scenario: str, transport: Transport = "UDP"
) -> Iterator[tuple[int, Callable[[], None]]]:
    """Run SIPp on loopback for one call.

    Yield its port, and what waits for its end and fails unless it found the call without fault.
    """
    kind = socket.SOCK_DGRAM if transport == "UDP" else socket.SOCK_STREAM
    with socket.socket(socket.AF_INET, kind) as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    argv = ["sipp", *scenario, "-t", MODES[transport], "-i", "127.0.0.1", "-p", str(port), "-m", "1",
            "-nostdin", "-timeout", "60", "-timeout_error"]  # fmt: skip
    with subprocess.Popen(argv, cwd=directory, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as running:

        def finish() -> None:
            said, _ = running.communicate(timeout=60)
            assert running.returncode == 0, said[-2000:].decode(errors="replace")

        try:
            _listening(port, transport, running)
            yield port, finish
        finally:
            running.kill()


def _listening(port: int, transport: Transport, running: subprocess.Popen[bytes]) -> None:
    table = Path(f"/proc/net/{transport.lower()}")
    for _ in range(200):
        assert running.poll() is None, running.stdout and running.stdout.read()
        if re.search(rf"0100007F:{port:04X} ", table.read_text(encoding="ascii")):
            return
        time.sleep(0.05)
    raise TimeoutError("SIPp does not listen")


@pytest.mark.parametrize("transport", MODES)
def test_sipp_takes_a_call_and_finds_no_fault_with_it(tmp_path: Path, transport: Transport) -> None:
    with (
        sipp(tmp_path, "-sn", "uas", transport=transport) as (port, finish),
        opened(Server("127.0.0.1", port, transport)) as flow,
    ):
        call = invite(flow, f"sip:service@127.0.0.1:{port}", offer("127.0.0.1", 41000, (PCMA, PCMU)))
        assert call.dialog, call.outcomes
        assert [each.status for each in call.outcomes[-1].responses] == [180, 200]
        live = call.dialog
        assert live.local
        assert live.remote
        assert [codec.name for codec in negotiated(live.local, live.remote)] == ["PCMU"]
        bye = live.bye()
        assert bye
        assert bye.status == 200
        finish()


@pytest.mark.parametrize(("password", "wanted"), [("open sesame", "ready"), ("open says me", "refused")])
def test_sipp_finds_a_password_right_or_wrong(tmp_path: Path, password: str, wanted: str) -> None:
    (tmp_path / "challenge.xml").write_text(CHALLENGE, encoding="ascii")
    with sipp(tmp_path, "-sf", "challenge.xml") as (port, finish):
        question = Question("REGISTER", credentials=Credentials("me", password))
        answer = look(Server("127.0.0.1", port), question).answers[0]
        finish()
    assert answer.meaning == wanted
    assert answer.statuses[0] == 401
