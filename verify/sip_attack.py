"""An attack on SIP from an address that is used once, and packets forged in the carriers' names."""

from __future__ import annotations

import json
import time
from typing import Any

from inventories.model import Host
from verify.attack import FORGIVE, refused
from verify.collector import program
from verify.observed import Observed
from verify.sip_asked import NOBODYS, foreign_to
from verify.vantage import Unseen, Vantage, throw_away

LONGEST = 40.0
"""Seconds after which the attack counts as not noticed."""
FORGED = 20
"""Packets in a carrier's name: several times what bans."""
INVITE = (
    "INVITE sip:{number}@{to} SIP/2.0\r\n"
    "Via: SIP/2.0/UDP {by}:5060;branch=z9hG4bK{n}\r\nMax-Forwards: 70\r\n"
    "From: <sip:{n}@{by}>;tag={n}\r\nTo: <sip:{number}@{to}>\r\n"
    "Call-ID: forged-{n}@{by}\r\nCSeq: 1 INVITE\r\nContact: <sip:{n}@{by}>\r\n"
    'Authorization: Digest username="{n}", realm="{to}", nonce="{n}", uri="sip:{number}@{to}",'
    ' response="{n:032x}"\r\nContent-Length: 0\r\n\r\n'
)


class SipAttack:
    """Calls without a password until the packet filter refuses the attacker."""

    def __init__(self, observed: Observed, declared: Host, vantage: Vantage) -> None:
        self.observed, self.declared, self.vantage = observed, declared, vantage
        self.address = str(declared.address.ip)
        self.source = throw_away()
        self.tries = 0

    def until_banned(self) -> bool:
        """Call until a set of the kernel names the attacker; say whether that happened."""
        deadline = time.monotonic() + LONGEST
        while time.monotonic() < deadline:
            self.tries += len(NOBODYS)
            self.status("INVITE")
            for _ in range(4):  # the last line of the log to the ban takes up to a second
                if self.source in self.refused():
                    return True
                time.sleep(0.3)
        return False

    def status(self, method: str = "OPTIONS") -> int:
        """Return what the attacker gets last, 0 for silence."""
        words = [word for each in NOBODYS for word in ("--to", each)]
        words = words if method == "INVITE" else []
        try:
            seen = self.vantage.probe(
                "sip", self.address, "--method", method, "--timeout", "1.5", "--borrow", self.source, *words
            )
        except Unseen:
            return 0
        return int(seen["looks"][-1]["answers"][-1]["status"])

    def refused(self) -> set[str]:
        """Return the addresses that the kernel refuses now."""
        answer = self.observed.connection(self.declared).python(program({"sections": ["nft"]}), 20)
        section: dict[str, Any] = json.loads(answer)["sections"]["nft"]
        return refused(section.get("value") or [])

    def in_the_name_of(self, source: str) -> int:
        """Call from the stranger's place under another's address; return how many packets were sent."""
        from twin.forge import forge

        number, to = (*foreign_to(self.observed, self.declared), *NOBODYS)[0], self.address
        packets = [INVITE.format(number=number, to=to, by=source, n=n).encode() for n in range(FORGED)]
        return forge(self.observed.instance, source, to, packets, per_second=50)

    def forgive(self) -> None:
        """Take the attacker's ban back."""
        self.observed.connection(self.declared).python(FORGIVE.format(self.source), 20)
