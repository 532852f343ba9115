"""SIP through a tunnel: what the host carries, what its answers mean, and how the check judges them."""

from __future__ import annotations

import base64
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from inventories.model import load
from verify import by_sip as look
from verify import test_strongswan_sip as checks
from verify.by_sip import Answer, BySip, Question, answer, places, questions, result
from verify.on_host import by_sip as on_host
from verify.probes.sip_answer import reply
from verify.probes.sip_message import Request, build, parse
from verify.verdict import Failed, Judgement, NotProven

LAB = load("lab")
VPN1 = LAB.host("vpn1")
assert VPN1.strongswan
(HQ,) = VPN1.strongswan.peers
WELL = Answer("hq", "vpn1", "10.10.10.1", 200, "OK", "10.10.10.1")
IN = replace(WELL, place="dialer/dialer")
COUNTED = {"packets-out": 2, "packets-in": 2, "bytes-out": 800, "bytes-in": 900}
DIALER = {"stack": "dialer", "runs_as": ["dialer"]}


def judged(*answers: Answer, rose: dict[str, int] = COUNTED) -> Judgement | None:
    """Return how the check ends for these answers; None: it holds."""
    try:
        checks.test_sip_reaches_the_pbx_behind_each_peer((BySip("hq", answers, COUNTED, rose),), {})
    except Judgement as judgement:
        return judgement
    return None


def asked() -> Question:
    """Return what the host itself asks."""
    return next(questions(VPN1, HQ))


def heard(*datagrams: bytes, **more: Any) -> dict[str, Any]:
    """Return what the host tells of an exchange."""
    held = [base64.b64encode(each).decode() for each in datagrams]
    return {"unasked": "", "ended": "", "sent": 1, "heard": held, **more}


def said(question: Question, status: int, phrase: str) -> bytes:
    """Return a PBX's response to a question."""
    request = parse(question.data)
    assert isinstance(request, Request)
    return build(reply(request, status, phrase))


def test_the_host_and_each_container_in_its_network_ask() -> None:
    assert list(places(VPN1)) == [("vpn1", None), ("dialer/dialer", DIALER)]
    assert [place for place, _ in places(LAB.host("vpn2"))] == ["vpn2"]
    assert [place for place, _ in places(LAB.host("web1"))] == ["web1"]
    assert checks.has_pbx(VPN1)
    assert not checks.has_pbx(LAB.host("web1"))


def test_each_place_asks_from_the_tunnels_address_and_a_port_of_its_own() -> None:
    one, two = questions(VPN1, HQ)
    assert one.port != two.port
    for each in (one, two):
        request = parse(each.data)
        assert isinstance(request, Request)
        assert (request.method, request.uri) == ("OPTIONS", "sip:192.168.150.10")
        assert str(request.vias[0]).startswith(f"SIP/2.0/UDP 10.10.10.1:{each.port};")
        assert request.vias[0].branch == each.branch


def test_an_answer_is_read_with_whom_the_pbx_saw() -> None:
    question = asked()
    data = said(question, 200, "OK")
    assert answer(question, heard(data)) == WELL
    elsewhere = data.replace(b";rport", b";received=192.0.2.9;rport=1", 1)
    assert answer(question, heard(elsewhere)).seen_as == "192.0.2.9"


def test_an_answer_after_a_provisional_one_counts() -> None:
    question = asked()
    assert answer(question, heard(said(question, 100, "Trying"), said(question, 200, "OK"))).status == 200
    assert answer(question, heard(said(question, 100, "Trying"))).why == "only 100 Trying"


@pytest.mark.parametrize(
    ("datagrams", "more", "why"),
    [
        ((), {}, "nothing came back"),
        ((), {"ended": "Connection refused"}, "Connection refused"),
        ((b"OPTIONS",), {}, "what it said is no SIP: "),
        ((b"\x00\xff" * 400,), {}, "what it said is no SIP: "),
        ((said(asked(), 200, "OK"),), {}, "what it said is no answer to this question"),
        ((asked().data,), {}, "what it said is no answer to this question"),
    ],
)
def test_what_is_no_answer_is_said_as_what_it_is(
    datagrams: tuple[bytes, ...], more: dict[str, Any], why: str
) -> None:
    found = answer(asked(), heard(*datagrams, **more))
    assert found.status == 0
    assert found.why.startswith(why)
    assert isinstance(judged(found), Failed)


def test_what_the_counters_must_show_is_what_was_sent_and_heard() -> None:
    one, two = questions(VPN1, HQ)
    back = said(one, 200, "OK")
    seen = {
        "peer": "hq",
        "heard": [heard(back, sent=2), heard(unasked="it does not run", sent=0)],
        "rose": {},
    }
    found = result((one, two), seen)
    assert found.least == {
        "packets-out": 2, "packets-in": 1, "bytes-out": 2 * len(one.data), "bytes-in": len(back)
    }  # fmt: skip
    assert found.uncounted == dict.fromkeys(found.least, 0)


def test_what_is_answered_untranslated_and_counted_holds() -> None:
    assert judged(WELL, IN) is None


@pytest.mark.parametrize(
    ("answers", "seen"),
    [
        ((WELL, replace(IN, status=401, why="Unauthorized")),
         "dialer/dialer hears 401 Unauthorized from hq"),
        ((WELL, replace(IN, status=0, why="Cannot assign requested address")),
         "dialer/dialer hears no answer (Cannot assign requested address) from hq"),
        ((replace(WELL, status=0, why="nothing came back"), replace(IN, unasked="it does not run")),
         "vpn1 hears no answer (nothing came back) from hq"),
        ((WELL, replace(IN, seen_as="192.168.150.1")),
         "10.10.10.1 of dialer/dialer arrives at hq as 192.168.150.1"),
    ],
)  # fmt: skip
def test_what_does_not_hold_fails_with_the_place(answers: tuple[Answer, ...], seen: str) -> None:
    ended = judged(*answers)
    assert isinstance(ended, Failed)
    assert ended.seen == seen


def test_an_answer_that_the_tunnel_has_not_carried_fails() -> None:
    ended = judged(WELL, IN, rose={**COUNTED, "packets-in": 1})
    assert isinstance(ended, Failed)
    assert (ended.seen, ended.wanted) == (
        "answered by hq, counted by its SAs packets-in 1", "packets-in 2 or more"
    )  # fmt: skip


def test_what_nobody_could_ask_is_not_proven_and_gates() -> None:
    ended = judged(WELL, replace(IN, status=0, seen_as="", unasked="it does not run"))
    assert isinstance(ended, NotProven)
    assert ended.gates
    assert ended.seen == "nobody could ask from dialer/dialer: it does not run"


@pytest.fixture
def pbx() -> Iterator[Callable[[bytes | None], int]]:
    """Start somebody who answers each datagram by this (None: with silence); the port is returned."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        sock.settimeout(10)
        threads: list[threading.Thread] = []

        def serve(said: bytes | None) -> None:
            _, source = sock.recvfrom(65535)
            if said is not None:
                sock.sendto(said, source)

        def start(said: bytes | None) -> int:
            threads.append(threading.Thread(target=serve, args=(said,), daemon=True))
            threads[0].start()
            return int(sock.getsockname()[1])

        yield start
        for each in threads:
            each.join(10)


def carried(
    port: int, *, source: str = "127.0.0.1", container: dict[str, Any] | None = None
) -> dict[str, Any]:
    """Return what the host tells of one exchange over loopback."""
    asked = {"peer": "hq", "address": "127.0.0.1", "port": port, "source": source}
    place = {"container": container, "port": 0, "data": base64.b64encode(b"asked").decode()}
    return on_host.from_place(asked, place)


def test_bytes_are_carried_there_and_back(pbx: Callable[[bytes | None], int]) -> None:
    assert carried(pbx(b"said")) == heard(b"said")


def test_silence_is_asked_again_and_ends(
    pbx: Callable[[bytes | None], int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(on_host, "PATIENCE", 0.4)
    monkeypatch.setattr(on_host, "AGAIN", 0.1)
    assert carried(pbx(None)) == heard(sent=3)


def test_a_port_where_nobody_listens_says_so() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        port = sock.getsockname()[1]
    assert carried(port) == heard(ended="Connection refused")


def test_an_address_that_is_not_there_is_what_was_seen_and_a_port_that_is_taken_is_not() -> None:
    assert carried(9, source="192.0.2.77") == heard(ended="Cannot assign requested address", sent=0)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        asked = {"address": "127.0.0.1", "port": 9, "source": "127.0.0.1"}
        place = {"container": None, "port": sock.getsockname()[1], "data": ""}
        assert on_host.from_place(asked, place) == heard(unasked="Address already in use", sent=0)


def container(status: str, pid: int) -> dict[str, Any]:
    """Return the lab's dialer as the engine tells it."""
    labels = {"com.docker.compose.project": "dialer", "com.docker.compose.service": "dialer"}
    return {"Config": {"Labels": labels}, "State": {"Status": status, "Pid": pid}}


def test_a_container_that_does_not_run_cannot_be_asked_from(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(on_host.engine, "containers", lambda: [container("exited", 0)])
    assert carried(9, container=DIALER) == heard(unasked="it does not run", sent=0)


def test_a_container_is_asked_from_within_its_own_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """One whose loopback is down, as a new network's is; this machine's would carry it."""
    before = Path("/proc/self/ns/net").readlink()
    with subprocess.Popen(
        ["unshare", "--net", "sh", "-c", "echo; sleep 30"], stdout=subprocess.PIPE
    ) as other:
        try:
            assert other.stdout
            other.stdout.readline()
            monkeypatch.setattr(on_host.engine, "containers", lambda: [container("running", other.pid)])
            assert carried(9, container=DIALER)["ended"] == "Network is unreachable"
        finally:
            other.kill()
    assert Path("/proc/thread-self/ns/net").readlink() == before


def test_each_peer_s_counters_are_read_before_and_after(monkeypatch: pytest.MonkeyPatch) -> None:
    counted = iter([{"packets-out": 5}, {"packets-out": 7}])
    monkeypatch.setattr(on_host, "counters", lambda peer: next(counted))
    monkeypatch.setattr(on_host, "from_place", lambda asked, place: heard())
    asked = {"peer": "hq", "places": [{}, {}]}
    assert on_host.by_sip({"by_sip": [asked]}) == [
        {"peer": "hq", "heard": [heard(), heard()], "rose": {"packets-out": 2}}
    ]
    assert on_host.by_sip({}) == []


@pytest.mark.parametrize(("carried", "asked"), [((1,), 1), ((0, 1), 2), ((0, 0), 2)])
def test_counters_that_fell_short_are_looked_at_once_more(
    monkeypatch: pytest.MonkeyPatch, carried: tuple[int, ...], asked: int
) -> None:
    """With new keys they begin anew."""
    looked = iter([(BySip("hq", (WELL,), {"packets-in": 1}, {"packets-in": each}),) for each in carried])
    monkeypatch.setattr(look, "_asked", lambda observed, host: next(looked))
    observed: Any = None
    (found,) = look.by_sip(observed, VPN1)
    assert found.rose == {"packets-in": carried[asked - 1]}
    assert list(looked) == []
