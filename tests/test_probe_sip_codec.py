"""What is built is read as it was meant, what is hostile is refused, and nothing else comes of any bytes."""

from __future__ import annotations

import string
import time
from contextlib import suppress
from itertools import pairwise

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from verify.probes.sip_digest import Credentials, digest
from verify.probes.sip_grammar import Malformed, quoted, split, unquoted
from verify.probes.sip_headers import Address, Via, read_address, read_challenge, read_cseq, read_via
from verify.probes.sip_message import MOST, Request, Response, build, objections, parse, read
from verify.probes.sip_offer import EVENTS, PCMA, PCMU, answer, changed, negotiated, offer
from verify.probes.sip_sdp import Codec, Connection, Media, Origin, Session, build_sdp, read_sdp
from verify.probes.sip_stream import Stream
from verify.probes.sip_uri import Uri, read_uri

BUSY = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
"""The machine may have much else to do."""
SAFE = string.ascii_letters + string.digits + "-_.!~*'()"
tokens = st.text(string.ascii_letters + string.digits + "-.!%*_+`'~", min_size=1, max_size=12)
names = tokens.map(str.lower)
labels = st.text(string.ascii_lowercase + string.digits, min_size=1, max_size=8)
hosts = st.one_of(
    st.lists(labels, min_size=1, max_size=3).map(lambda parts: ".".join((*parts, "example"))),
    st.ip_addresses(v=4).map(str),
    st.ip_addresses(v=6).map(str),
)
ports = st.none() | st.integers(0, 65535)
escaped = st.lists(st.sampled_from((*SAFE, "%20", "%00", "%aF")), min_size=1, max_size=10).map("".join)
texts = st.text(st.characters(exclude_characters="\r\n\x00", codec="utf-8"), max_size=20)
lines = texts.map(lambda text: text.strip(" \t"))

uri_parameters = st.lists(st.tuples(names.filter(lambda n: "%" not in n and "`" not in n and "+" not in n),
                                    st.none() | escaped), max_size=3).map(tuple)  # fmt: skip
uris = st.builds(
    Uri, st.sampled_from(("sip", "sips")), hosts, st.none() | escaped, st.none(), ports, uri_parameters,
    st.just("") | escaped,
)  # fmt: skip
parameters = st.lists(st.tuples(names, st.none() | tokens | texts.map(quoted)), max_size=4).map(tuple)
displays = st.just("") | st.text(string.printable.strip() + " ", min_size=1, max_size=12).map(str.strip)
addresses = st.builds(Address, uris, displays, parameters)
vias = st.builds(Via, tokens, hosts, ports, parameters.filter(lambda p: ("branch", "z9hG4bK") not in p))


@BUSY
@given(uris)
def test_a_uri_survives_being_written(uri: Uri) -> None:
    assert read_uri(str(uri)) == uri


@BUSY
@given(addresses)
def test_an_address_survives_being_written(address: Address) -> None:
    assert read_address(str(address)) == address


@BUSY
@given(vias)
def test_a_via_survives_being_written(via: Via) -> None:
    assert read_via(str(via)) == via


@BUSY
@given(texts)
def test_a_text_survives_its_quotes(text: str) -> None:
    assert unquoted(quoted(text)) == text
    assert split(f"{quoted(text)},x", ",") == [quoted(text), "x"]


extras = st.lists(
    st.tuples(st.sampled_from(("subject", "x-one", "server", "organization")), lines), max_size=4
)
bodies = st.binary(max_size=60)


@st.composite
def messages(draw: st.DrawFn) -> Request | Response:
    """Make a message that has nothing wrong with it."""
    method, body = draw(tokens), draw(bodies)
    headers = (
        *(("via", str(via)) for via in draw(st.lists(vias, min_size=1, max_size=3))),
        ("from", str(draw(addresses))),
        ("to", str(draw(addresses))),
        ("call-id", draw(tokens)),
        ("cseq", f"{draw(st.integers(0, (1 << 31) - 1))} {method}"),
        *draw(extras),
        ("content-length", str(len(body))),
    )
    if draw(st.booleans()):
        uri = draw(uris.filter(lambda each: not each.headers))
        return Request(method, str(uri), headers=headers, body=body)
    return Response(draw(st.integers(100, 699)), draw(lines), headers=headers, body=body)


@BUSY
@given(messages())
def test_a_message_survives_being_built(message: Request | Response) -> None:
    assert parse(build(message)) == message
    assert parse(build(message), stream=True) == message


@BUSY
@given(st.lists(bodies, min_size=1, max_size=4), st.lists(st.floats(0, 1), max_size=8))
def test_messages_of_a_stream_come_whole_however_it_is_cut(inner: list[bytes], where: list[float]) -> None:
    sent = [Response(200, "OK", headers=(("content-length", str(len(body))),), body=body) for body in inner]
    whole = b"\r\n\r\n".join(build(message) for message in sent)
    cuts = sorted({0, len(whole), *(int(share * len(whole)) for share in where)})
    stream, got = Stream(), []
    for start, end in pairwise(cuts):
        stream.feed(whole[start:end])
        while message := stream.next():
            got.append(message)
    assert got == sent


connections = st.builds(Connection, st.ip_addresses(v=4).map(str)) | st.builds(
    Connection, st.ip_addresses(v=6).map(str), st.just("IP6")
)
attributes = st.lists(st.tuples(names.filter(lambda n: ":" not in n), st.none() | texts), max_size=4).map(
    tuple
)
medias = st.builds(
    Media, st.sampled_from(("audio", "video", "image")), st.integers(0, 65535),
    st.lists(tokens, min_size=1, max_size=4).map(tuple), st.sampled_from(("RTP/AVP", "RTP/SAVPF")),
    st.integers(1, 9), st.lists(connections, max_size=2).map(tuple),
    st.lists(st.tuples(st.just("b"), texts), max_size=2).map(tuple), attributes,
)  # fmt: skip
sessions = st.builds(
    Session, st.builds(Origin, connections, st.integers(0, 1 << 63), st.integers(0, 1 << 63), tokens),
    st.none() | connections, st.lists(medias, max_size=3).map(tuple), texts,
    st.lists(st.tuples(st.just("i"), texts), max_size=1).map(tuple), st.just((("t", "0 0"),)), attributes,
)  # fmt: skip


@BUSY
@given(sessions)
def test_a_description_survives_being_built(session: Session) -> None:
    assert read_sdp(build_sdp(session)) == session


@BUSY
@given(st.binary(max_size=300))
def test_no_bytes_do_more_than_be_refused(data: bytes) -> None:
    for reader in (parse, read_sdp):
        with suppress(Malformed):
            reader(data)


@BUSY
@given(st.sampled_from((read_uri, read_via, read_address, read_cseq, read_challenge)), texts)
def test_no_text_does_more_than_be_refused(reader: object, text: str) -> None:
    with suppress(Malformed):
        reader(text)  # type: ignore[operator]


@pytest.mark.parametrize("header", ["X: a\r\nEvil: 1", "X: a\nb", "X: a\rb"])
def test_no_line_is_smuggled_into_a_message(header: str) -> None:
    name, _, value = header.partition(": ")
    with pytest.raises(Malformed, match="break in two"):
        build(Request("OPTIONS", "sip:a@b", headers=((name.lower(), value),)))


HOSTILE = {
    "spaces before a bracket": ("from", " " * 60000 + "<"),
    "open brackets": ("contact", "<" * 60000),
    "open quotes": ("contact", '"' + '\\"' * 30000),
    "quotes in pairs": ("contact", '""' * 30000),
    "commas": ("via", "," * 60000),
    "semicolons": ("via", ";" * 60000),
    "dots": ("via", "SIP/2.0/UDP " + "a." * 30000),
    "slashes": ("via", "SIP" + " " * 30000 + "/" + " " * 29000),
    "escapes": ("contact", "<sip:" + "%41" * 20000 + "@b>"),
    "hyphens": ("contact", "<sip:" + "a-" * 30000 + ">"),
    "digits": ("cseq", "9" * 60000),
    "challenge": ("www-authenticate", "Digest " + "a=b," * 15000),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_values_cost_little_time(name: str) -> None:
    """Processor time of this process: two orders below it no machine is too busy."""
    message = Response(200, "OK", headers=(HOSTILE[name],))
    began = time.process_time()
    assert list(objections(read(build(message))))
    assert time.process_time() - began < 1.5


def test_a_body_of_many_parts_within_parts_is_never_opened() -> None:
    body = b"".join(
        b"--%d\r\nContent-Type: multipart/mixed;boundary=%d\r\n\r\n" % (n, n + 1) for n in range(900)
    )
    message = Request(
        "MESSAGE", "sip:a@b", headers=(("content-type", "multipart/mixed;boundary=0"),), body=body
    )
    assert read(build(message)).body == body


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"SIP/2.0 200 OK\r\n" + b"X: y\r\n" * 300 + b"\r\n", "too large"),
        (b"SIP/2.0 200 OK\r\nX: " + b"y" * MOST + b"\r\n\r\n", "too large"),
        (b"SIP/2.0 200 OK\r\nX: y\n\r\n\r\n", "line"),
        (b"SIP/2.0 200 OK\r\nX: y\r\n", "line"),
        (b"SIP/2.0 200 OK\r\nContent-Length: 70000\r\n\r\n", "content length"),
    ],
)
def test_what_is_too_large_or_no_message_is_refused(data: bytes, reason: str) -> None:
    with pytest.raises(Malformed) as caught:
        read(data)
    assert caught.value.reason == reason


def test_a_stream_holds_no_more_than_one_message() -> None:
    stream = Stream()
    stream.feed(b"SIP/2.0 200 OK\r\nX: ")
    with pytest.raises(Malformed, match="within 65536 bytes"):  # noqa: PT012
        for _ in range(100):
            stream.feed(b"y" * 1000)
            assert stream.next() is None


@pytest.mark.parametrize(
    ("algorithm", "wanted"),
    [
        ("MD5", "8ca523f5e9506fed4657c9700eebdbec"),
        ("SHA-256", "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"),
    ],
)
def test_a_digest_is_that_of_the_published_example(algorithm: str, wanted: str) -> None:
    """RFC 7616 section 3.9.1."""
    known = Credentials("Mufasa", "Circle of Life")
    nonce = "7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v"
    cnonce = "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ"
    asked = Request("GET", "/dir/index.html")
    found = digest(known, algorithm, "http-auth@example.org", nonce, asked, qop="auth", count="00000001",
                   cnonce=cnonce)  # fmt: skip
    assert found == wanted


def test_an_answer_takes_the_codecs_that_both_have_and_mirrors_the_direction() -> None:
    offered = offer("192.0.2.1", 4000, (Codec(9, "G722"), PCMA, PCMU, EVENTS), "sendonly")
    video = Media("video", 4002, ("96",), attributes=(("rtpmap", "96 VP8/90000"),))
    offered = Session(offered.origin, offered.connection, (video, *offered.media))
    answered = answer(offered, "2001:db8::1", 5000, (PCMU, EVENTS))
    assert [(each.kind, each.port) for each in answered.media] == [("video", 0), ("audio", 5000)]
    audio = answered.audio()
    assert audio
    assert (audio.formats, answered.direction(audio)) == (("0", "101"), "recvonly")
    assert [codec.name for codec in negotiated(offered, answered)] == ["PCMU", "telephone-event"]
    with pytest.raises(Malformed, match="no audio"):
        answer(offered, "192.0.2.2", 5000, (Codec(18, "G729"),))
    with pytest.raises(Malformed, match="other media"):
        negotiated(offered, changed(offer("192.0.2.2", 1), "sendrecv"))
