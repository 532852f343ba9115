"""A real attack on SSH from an address that nobody needs afterwards, and the controller erring as badly."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import Any

from inventories.model import Host
from verify.collector import program
from verify.observed import Observed
from verify.vantage import Unseen, Vantage, throw_away

LONGEST = 40.0
"""Seconds after which the attack counts as not noticed."""
FORGIVE = (
    "import subprocess; subprocess.run(['fail2ban-client', 'unban', {0!r}], check=True, capture_output=True)"
)


class Attack:
    """Wrong passwords until the packet filter refuses the attacker."""

    def __init__(self, observed: Observed, declared: Host, vantage: Vantage, address: str) -> None:
        self.observed, self.declared, self.vantage, self.address = observed, declared, vantage, address
        self.source = throw_away(ip_address(address).version)
        self.tries = 0

    def until_banned(self) -> bool:
        """Try wrong passwords until a set of the kernel names the attacker; say whether that happened."""
        deadline = time.monotonic() + LONGEST
        while time.monotonic() < deadline:
            self._err(self.vantage, "--borrow", self.source)
            for _ in range(4):  # the last line of the log to the ban takes up to a second
                if self.source in self.refused():
                    return True
                time.sleep(0.3)
        return False

    def by_the_controller(self) -> set[str]:
        """Let the controller err as badly; return which trusted addresses are refused now."""
        for _ in range(2):
            self._err(self.observed.vantages["controller"])
        time.sleep(2)
        trusted = self.observed.environment.never_banned(self.declared)
        return {address for address in self.refused() if _touches(address, trusted)}

    def _err(self, vantage: Vantage, *where: str) -> None:
        """Send as many wrong passwords as one connection takes."""
        port, tries = str(self.declared.ssh.port), self.declared.ssh.max_auth_tries
        self.tries += tries
        user = ("--user", self.declared.users.deploy, "--password", "--tries", str(tries))
        try:
            vantage.probe("ssh", self.address, "--port", port, "--timeout", "5", *user, *where)
        except Unseen:
            return  # shut out in the middle of it

    def state(self) -> str:
        """Return the state of the SSH port as the attacker sees it."""
        port = self.declared.ssh.port
        seen = self.vantage.probe(
            "tcp", self.address, "--ports", str(port), "--timeout", "1", "--borrow", self.source
        )
        return str(seen["ports"][0]["state"])

    def refused(self) -> set[str]:
        """Return the addresses that the kernel refuses now."""
        answer = self.observed.connection(self.declared).python(program({"sections": ["nft"]}), 20)
        section: dict[str, Any] = json.loads(answer)["sections"]["nft"]
        return refused(section.get("value") or [])

    def forgive(self) -> None:
        """Take the attacker's ban back."""
        self.observed.connection(self.declared).python(FORGIVE.format(self.source), 20)


def _touches(refused: str, trusted: Iterable[IPv4Network | IPv6Network]) -> bool:
    """Say whether an address or network that is refused has one in it that is trusted."""
    network = ip_network(refused)
    return any(network.overlaps(each) for each in trusted if each.version == network.version)


def refused(ruleset: list[dict[str, Any]]) -> set[str]:
    """Return the addresses that nftables refuses before UFW's chains are asked (a hook before priority 0)."""
    hooked = {
        item["chain"]["name"]
        for item in ruleset
        if "chain" in item
        and item["chain"].get("hook") in ("input", "prerouting")
        and item["chain"]["prio"] < 0
    }
    rules = [item["rule"] for item in ruleset if "rule" in item and item["rule"]["chain"] in hooked]
    used = {set_of(rule) for rule in rules if _is_ban(rule)}
    sets = (item["set"] for item in ruleset if "set" in item)
    return {_address(element) for each in sets if each["name"] in used for element in each.get("elem", ())}


def set_of(rule: dict[str, Any]) -> str:
    """Return the name of the set that a rule looks into, or nothing."""
    rights = (part["match"]["right"] for part in rule["expr"] if "match" in part)
    return next((r.removeprefix("@") for r in rights if isinstance(r, str) and r.startswith("@")), "")


def _is_ban(rule: dict[str, Any]) -> bool:
    """Say whether a rule refuses by addresses and ports alone, not by the way a packet has come."""
    ends = any("reject" in part or "drop" in part for part in rule["expr"])
    asked = [part["match"]["left"] for part in rule["expr"] if "match" in part]
    return ends and all("payload" in left or left.get("meta", {}).get("key") == "l4proto" for left in asked)


def _address(element: Any) -> str:
    """Return an element's address or network: nft wraps one that has a timeout or a counter."""
    while isinstance(element, dict):
        if "prefix" in element:
            return f"{element['prefix']['addr']}/{element['prefix']['len']}"
        element = element.get("elem", element.get("val", ""))
    return str(element)
