"""RFC 5118: IPv6 addresses wherever a message may have them."""

from __future__ import annotations

from functools import partial

from verify.probes.sip_torture_case import SDP_TYPE, Case, request

Ipv6 = partial(Case, rfc=5118)
FIRST = "v=0\no=tester 9 1 IN IP6 2001:db8:5::61\ns=-\n"
SIX, FOUR = "c=IN IP6 2001:db8:5::61\n", "c=IN IP4 192.0.2.61\n"
AUDIO = "m=audio 40004 RTP/AVP 0\n"
SDP6 = f"{FIRST}{SIX}t=0 0\n{AUDIO}"
BOTH = f"{FIRST}t=0 0\n{AUDIO}{SIX}{AUDIO}{FOUR}"
MAPPED = SDP6.replace("2001:db8:5::61", "::ffff:192.0.2.61")
HOP = "Via: SIP/2.0/UDP [2001:db8:5::62]:5062"

CASES = (
    Ipv6(
        "ipv6-good",
        "4.1",
        "addresses in brackets",
        None,
        0,
        request("REGISTER", uri="sip:[2001:db8:5::10]", contact="Contact: <sip:tester@[2001:db8:5::61]>"),
    ),
    Ipv6(
        "ipv6-bad",
        "4.2",
        "an address without brackets in the URI of a request",
        "uri",
        400,
        request("REGISTER", uri="sip:2001:db8:5::10", contact="Contact: <sip:tester@[2001:db8:5::61]>"),
    ),
    Ipv6(
        "port-ambiguous",
        "4.3",
        "a port that became a part of the address",
        None,
        0,
        request(
            "REGISTER", uri="sip:[2001:db8:5::10:5070]", contact="Contact: <sip:tester@[2001:db8:5::61]>"
        ),
    ),
    Ipv6(
        "port-unambiguous",
        "4.4",
        "a port behind the brackets",
        None,
        0,
        request(
            "REGISTER", uri="sip:[2001:db8:5::10]:5070", contact="Contact: <sip:tester@[2001:db8:5::61]>"
        ),
    ),
    Ipv6(
        "via-received-param-with-delim",
        "4.5",
        "brackets around the address in received",
        None,
        0,
        request("OPTIONS", f"{HOP};received=[2001:db8:5::63];branch=z9hG4bKa"),
    ),
    Ipv6(
        "via-received-param-no-delim",
        "4.5",
        "no brackets around the address in received",
        None,
        0,
        request("OPTIONS", f"{HOP};received=2001:db8:5::63;branch=z9hG4bKa"),
    ),
    Ipv6(
        "ipv6-in-sdp",
        "4.6",
        "an address in the description",
        None,
        0,
        request("INVITE", SDP_TYPE, body=SDP6, contact="Contact: <sip:tester@[2001:db8:5::61]>"),
    ),
    Ipv6(
        "mult-ip-in-header",
        "4.7",
        "addresses of both versions in headers",
        None,
        0,
        request(
            "BYE",
            "Via: SIP/2.0/UDP [2001:db8:5::62]:5062;branch=z9hG4bKa",
            "Via: SIP/2.0/TCP [2001:db8:5::64];received=192.0.2.64;branch=z9hG4bKb",
            contact="",
        ),
    ),
    Ipv6(
        "mult-ip-in-sdp",
        "4.8",
        "addresses of both versions in one description",
        None,
        0,
        request("INVITE", SDP_TYPE, body=BOTH, contact="Contact: <sip:tester@[2001:db8:5::61]>"),
    ),
    Ipv6(
        "ipv4-mapped-ipv6",
        "4.9",
        "addresses of version 4 written as version 6",
        None,
        0,
        request("INVITE", SDP_TYPE, body=MAPPED, contact="Contact: <sip:tester@[::ffff:192.0.2.61]:5066>"),
    ),
    Ipv6(
        "ipv6-bug-abnf-3-colons",
        "4.10",
        "three colons, which the first grammar of RFC 3261 asked for",
        "uri",
        400,
        request("OPTIONS", uri="sip:torture@[2001:db8:::192.0.2.10]"),
    ),
)
