"""RFC 4475 section 3.1.1: messages that look wrong and are right."""

from __future__ import annotations

from verify.probes.sip_torture_case import SDP, SDP_TYPE, Case, request, response

FOLDED = """\
INVITE sip:torture@@there@ SIP/2.0
TO :
  sip:torture@@there@ ;   tag    = folded
FROM   : "D'Arcy \\\\ the \\"Third\\""       <sip:tester@@here@>
  ;
  tag = @run@
mAX-forwaRDS: 0061
Call-ID:
\t@run@
cseq: 0031
  INVITE
Via  : SIP  /   2.0
 /UDP
    @here@ ; rport ;branch
   =  z9hG4bK@run@
s :
Brand-New:   a value
 that goes on, and on ;  and on
Odd-One: ;;,,;;,;
Content-Type: application/sdp
Route:
  <sip:@there@;lr;nobody=knows;this>
v:  SIP  / 2.0  / TCP     relay.example.com   ;
  branch  =   z9hG4bK-relay ,
 SIP  /    2.0   / UDP  192.0.2.62 : 5090 ; branch= z9hG4bK-phone
m:"Contact \\"\\"" <sip:tester@@here@;fresh=1;other> ; odd; q="0.5"
L: @length@

"""
METHOD = "!odd-Method_0+1*2`3.%really'~"
LONG_USER = "a-rather-long-name-" * 16
LONG_VIAS = ",\n ".join(f"SIP/2.0/TCP relay{n:02}.example.com;branch=z9hG4bK{'x' * 60}{n}" for n in range(33))
MULTIPART = """\
--cut-here-7
Content-Type: text/plain
Content-Transfer-Encoding: binary

Words, and behind them what is no text.
--cut-here-7
Content-Type: application/octet-stream
Content-Transfer-Encoding: binary

\0\x01\udcff\udcfe\x1a\t--cut-here-\udc80
--cut-here-7--
"""

CASES = (
    Case(
        "wsinv", "3.1.1.1", "folded lines, short names, space wherever it may stand", None, 481, FOLDED + SDP
    ),
    Case(
        "intmeth",
        "3.1.1.2",
        "every character that a method, a user and a display name may have",
        None,
        405,
        request(
            METHOD,
            "Hdr-!.%*+_`'~: \u00ff\u4e16\u754c \udcff",
            uri="sip:1_very!odd*user.(name')&=+$,;?/:&a+word=too$,@@there@",
            sender="From: one~` two'+_ three*%!.- <sip:tester@@here@>;tag=@run@",
            to='To: "bell \\\x07 nul \\\x00 del \\\x7f" <sip:1_very!odd*user@@there@>',
        ),
    ),
    Case(
        "esc01",
        "3.1.1.3",
        "escapes in user and parameters",
        None,
        404,
        request(
            "OPTIONS",
            uri="sip:sips%3Atorture%40example.org@@there@;sp%61ce=a%20b",
            to="To: <sip:%74orture@@there@>",
        ),
    ),
    Case(
        "escnull",
        "3.1.1.4",
        "escaped zero bytes in a URI",
        None,
        0,
        request(
            "REGISTER",
            "Contact: <sip:%00%00@@here@>",
            uri="sip:@there@",
            to="To: sip:zero-%00-zero@@there@",
            contact="Contact: <sip:%00@@here@>",
        ),
    ),
    Case(
        "esc02",
        "3.1.1.5",
        "per cent signs that escape nothing",
        None,
        405,
        request("O%50TION%53", sender='From: "%G%4F 50%" <sip:tester@@here@>;tag=@run@'),
    ),
    Case(
        "lwsdisp",
        "3.1.1.6",
        "no space between a display name and its angle bracket",
        None,
        0,
        request("OPTIONS", sender="From: tester<sip:tester@@here@>;tag=@run@"),
    ),
    Case(
        "longreq",
        "3.1.1.7",
        "very long values, and 34 Via",
        None,
        0,
        request(
            "INVITE",
            f"V: {LONG_VIAS}",
            f"A-{'long-' * 30}name: {'long value ' * 40}",
            SDP_TYPE,
            body=SDP,
            sender=f'From: "{"a long name, " * 20}" <sip:{LONG_USER}@@here@>;tag=@run@{"t" * 150}',
            call=f"Call-ID: @run@.{'very-' * 40}long",
            contact=f"m: <sip:{LONG_USER}@@here@>",
        ),
    ),
    Case(
        "dblreq",
        "3.1.1.8",
        "a second message behind the first in one datagram",
        None,
        0,
        request("REGISTER", uri="sip:@there@", length="Content-Length: 0", body=request("INVITE", body=SDP)),
    ),
    Case(
        "semiuri",
        "3.1.1.9",
        "a semicolon in the user of a URI",
        None,
        404,
        request("OPTIONS", uri="sip:torture;day=7%40example.org@@there@"),
    ),
    Case(
        "transports",
        "3.1.1.10",
        "transports in Via that nobody knows",
        None,
        0,
        request(
            "OPTIONS",
            "Via: SIP/2.0/SCTP relay1.example.com;branch=z9hG4bKa",
            "Via: SIP/2.0/TLS relay2.example.com;branch=z9hG4bKb",
            "Via: SIP/2.0/CARRIER-PIGEON relay3.example.com;branch=z9hG4bKc",
            "Via: SIP/2.0/TCP relay4.example.com;branch=z9hG4bKd",
        ),
    ),
    Case(
        "mpart01",
        "3.1.1.11",
        "a body of several parts, one of them no text",
        None,
        0,
        request(
            "MESSAGE",
            "MIME-Version: 1.0",
            "Content-Type: multipart/mixed;boundary=cut-here-7",
            body=MULTIPART,
            contact="",
        ),
    ),
    Case(
        "unreason",
        "3.1.1.12",
        "a reason phrase in several scripts",
        None,
        0,
        response(
            "SIP/2.0 200 besser als 7*29 \u2014 \u0447\u0435\u0441\u0442\u043d\u043e \u9053",
            "INVITE",
            contact="Contact: <sip:tester@@here@>",
        ),
    ),
    Case("noreason", "3.1.1.13", "no reason phrase", None, 0, response("SIP/2.0 100 ", "INVITE")),
)
