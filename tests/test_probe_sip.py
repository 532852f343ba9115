"""The SIP probe tells what each answer means, counts what was sent again, and reads addresses."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.sip_server import Say, Script, described, header, reply, uas
from tests.tls_server import Authority, authority
from verify.probes.sip_addresses import private
from verify.probes.sip_flow import Server, Transport
from verify.probes.sip_look import Look, Question, look
from verify.probes.sip_transaction import Timers

TOP = Path(__file__).resolve().parent.parent
QUICK = Timers(t1=0.1, t2=0.4, limit=1.2)
PATIENT = Timers(t1=0.1, t2=0.4, limit=8.0)


def answering(status: int, phrase: str = "x", *more: str, body: str = "") -> Script:
    """Return what answers everything alike."""

    def script(request: str, say: Say) -> None:
        if not request.startswith("ACK"):
            say(reply(request, status, phrase, *more, body=body))

    return script


def asked(script: Script, transport: Transport = "UDP", count: int = 1, **how: object) -> Look:
    """Ask a server of this script."""
    with uas(script, transport) as server:
        question = Question(**{"timers": PATIENT, **how})  # type: ignore[arg-type]
        return look(Server("127.0.0.1", server.port, transport), question, count)


@pytest.mark.parametrize(
    ("status", "wanted"),
    [(200, "ready"), (401, "challenged"), (407, "challenged"), (404, "routing wrong"), (416, "routing wrong"),
     (302, "routing wrong"), (403, "refused"), (603, "refused"), (503, "draining"), (500, "failing")],
)  # fmt: skip
def test_each_final_response_has_a_meaning(status: int, wanted: str) -> None:
    seen = asked(answering(status, "As it says"))
    assert (seen.answers[0].meaning, seen.answers[0].status) == (wanted, status)
    assert seen.answers[0].why == "As it says"


@pytest.mark.parametrize("transport", ["UDP", "TCP"])
def test_a_provisional_response_is_not_the_end(transport: Transport) -> None:
    def script(request: str, say: Say) -> None:
        say(reply(request, 100, "Trying"))
        say(reply(request, 200, "OK"))

    assert asked(script, transport).answers[0].statuses == (100, 200)


def test_what_was_sent_again_is_loss_and_no_latency() -> None:
    """Every second request is not answered; of a request sent twice nobody knows which one was."""
    heard: list[str] = []

    def script(request: str, say: Say) -> None:
        heard.append(request)
        if len(heard) % 3 != 1:
            say(reply(request, 200, "OK"))

    seen = asked(script, count=4)
    assert seen.meanings == {"ready": 4}
    assert seen.lost == sum(each.lost for each in seen.answers) >= 1
    assert seen.sent == 4 + seen.lost
    assert seen.p50 is not None
    assert max(each.seconds for each in seen.answers) > (seen.p95 or 0)


def test_silence_of_a_bound_port_is_said_in_time() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        answer = look(Server("127.0.0.1", sock.getsockname()[1]), Question(timers=QUICK)).answers[0]
    assert (answer.meaning, answer.ending) == ("banned or dropped", "silent")
    assert answer.seconds == pytest.approx(1.2, abs=0.8)


@pytest.mark.parametrize(
    ("transport", "said"),
    [("UDP", "ICMP type 3 code 3 from 127.0.0.1"), ("TCP", "ECONNREFUSED"), ("TLS", "ECONNREFUSED")],
)
def test_a_closed_port_is_dead_at_once_and_who_said_so_is_named(transport: Transport, said: str) -> None:
    answer = look(Server("127.0.0.1", 9, transport), Question()).answers[0]
    assert (answer.meaning, answer.ending) == ("dead", "refused")
    assert said in answer.why
    assert answer.seconds < 2


@pytest.mark.parametrize("route", ["prohibit", "unreachable"])
@pytest.mark.parametrize("transport", ["UDP", "TCP"])
def test_what_the_network_forbids_is_told_apart_from_the_dead(route: str, transport: str) -> None:
    """In a network of its own, where a route says no to one address."""
    asks = f"{sys.executable} -m verify.probes.sip 203.0.113.5 --transport {transport} --json"
    script = f"ip link set lo up && ip route add {route} 203.0.113.5 && {asks}"
    done = subprocess.run(["unshare", "-n", "sh", "-c", script], cwd=TOP, capture_output=True, check=True)
    answer = json.loads(done.stdout)["looks"][0]["answers"][0]
    assert (answer["meaning"], answer["ending"]) == ("banned or dropped", "unreachable")


def test_what_this_machine_cannot_ask_is_no_answer_of_the_servers() -> None:
    with pytest.raises(OSError, match="assign"):
        look(Server("127.0.0.1", 5060, source="203.0.113.77"), Question(timers=QUICK))
    with pytest.raises(OSError, match=r"known|resolution"):
        look(Server("no.such.name.invalid"), Question(timers=QUICK))


def test_the_way_back_is_told_and_every_private_address_named() -> None:
    def script(request: str, say: Say) -> None:
        answer = reply(request, 200, "OK", "Contact: <sip:pbx@10.0.0.5:5080>", body=described())
        answer = re.sub(r";rport\b", ";received=203.0.113.9;rport=61000", answer)
        say(answer.replace("o=pbx 7 1 IN IP4 192.0.2.20", "o=pbx 7 1 IN IP4 10.168.7.7"))

    answer = asked(script).answers[0]
    assert answer.seen_as == "203.0.113.9 port 61000"
    named = {each.where: (each.host, each.port, each.private) for each in answer.addresses}
    assert named["Contact"] == ("10.0.0.5", 5080, True)
    assert named["SDP o="] == ("10.168.7.7", 0, True)
    assert named["SDP c="] == ("192.0.2.20", 0, False)
    assert "Via" not in named, "that one is our own"
    assert named["Via received"] == ("203.0.113.9", 61000, False)


@pytest.mark.parametrize(
    ("host", "wanted"),
    [("10.1.2.3", True), ("172.31.0.1", True), ("172.32.0.1", False), ("100.64.1.1", True), ("fd00::1", True),
     ("::ffff:192.168.1.1", True), ("203.0.113.4", False), ("2001:db8::1", False), ("pbx.example", False)],
)  # fmt: skip
def test_private_is_what_nobody_outside_reaches(host: str, wanted: bool) -> None:
    assert private(host) is wanted


def test_an_answered_invite_is_hung_up_at_once() -> None:
    seen: list[str] = []

    def script(request: str, say: Say) -> None:
        seen.append(request.split(" ")[0])
        if not request.startswith("ACK"):
            say(reply(request, 200, "OK", "Contact: <sip:pbx@127.0.0.1>", body=described()))

    answer = asked(script, method="INVITE", uri="sip:+1555@127.0.0.1").answers[0]
    assert (answer.meaning, answer.status) == ("ready", 200)
    assert seen == ["INVITE", "ACK", "BYE"]


def test_a_call_that_rang_was_taken() -> None:
    invites: list[str] = []

    def script(request: str, say: Say) -> None:
        if request.startswith("INVITE"):
            invites.append(request)
            say(reply(request, 180, "Ringing"))
        elif request.startswith("CANCEL"):
            say(reply(request, 200, "OK"))
            say(reply(invites[0], 487, "Request Terminated"))

    answer = asked(script, method="INVITE", uri="sip:a@127.0.0.1", patience=0.2).answers[0]
    assert (answer.meaning, answer.statuses) == ("ready", (180, 487))


def test_a_broken_response_is_told_with_what_is_wrong() -> None:
    def script(request: str, say: Say) -> None:
        say(reply(request, 200, "OK", "Contact: Joe Q. (PBX) <sip:x@y>", "Date: yesterday", body="v=1\r\n"))

    answer = asked(script).answers[0]
    assert answer.meaning == "ready"
    assert len(answer.objections) == 3


@pytest.fixture(scope="module")
def ca(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return authority(tmp_path_factory.mktemp("authority"))


def run(*argv: str, said: str = "", **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the probe alone, as a person would."""
    return subprocess.run(
        [sys.executable, "-m", "verify.probes.sip", "127.0.0.1", *argv], cwd=TOP, input=said,
        capture_output=True, text=True, check=False, timeout=60, env={**os.environ, **environment},
    )  # fmt: skip


def test_tls_is_looked_at_with_its_certificate_whether_or_not_it_is_trusted(ca: Authority) -> None:
    with uas(answering(200, "OK"), "TLS", ca.leaf("pbx.example")) as server:
        argv = ("--transport", "TLS", "--port", str(server.port), "--name", "pbx.example", "--json")
        trusted, other = (json.loads(run(*argv, *more).stdout)["looks"][0] for more in (("--ca", ca.ca), ()))
    assert [each["answers"][0]["meaning"] for each in (trusted, other)] == ["ready", "ready"]
    assert trusted["certificate"]["chain"][0]["names"] == ["pbx.example"]
    assert trusted["certificate"]["trust"] == ""
    assert "issuer" in other["certificate"]["trust"]


def test_the_password_comes_from_the_environment_or_stdin_and_is_not_printed() -> None:
    def script(request: str, say: Say) -> None:
        known = header(request, "Authorization").startswith('Digest username="me"')
        ask = 'WWW-Authenticate: Digest realm="pbx", nonce="n", algorithm=MD5, qop="auth"'
        say(reply(request, 200, "OK") if known else reply(request, 401, "Unauthorized", ask))

    with uas(script) as server:
        argv = ("--port", str(server.port), "--user", "me", "--method", "REGISTER")
        done = [run(*argv, said="open sesame\n"), run(*argv, SIP_PASSWORD="open sesame")]
    for each in done:
        assert "ready       200 OK" in each.stdout
        assert "asks for    MD5 (pbx)" in each.stdout
        assert "sesame" not in each.stdout + each.stderr
    assert {header(text, "CSeq").split()[1] for text in server.seen} == {"REGISTER"}
    assert {header(text, "To") for text in server.seen} == {"<sip:me@127.0.0.1>"}
    assert {header(text, "Contact") for text in server.seen} == {""}, "it only asks what is registered"


def test_what_cannot_be_asked_is_a_sentence() -> None:
    done = run("--to", "sip:a b@c")
    assert (done.returncode, done.stderr) == (
        1,
        "127.0.0.1: 'sip:a b@c' is no URI: its user is not escaped\n",
    )
