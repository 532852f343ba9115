"""What Asterisk's console prints, as values, and what the declared records come to in its words."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Network
from typing import Any

from inventories.model import AmiUser, Asterisk, Environment, Host, RegisteringTrunk, Trunk
from inventories.model.asterisk import LOG
from inventories.model.trunk import SIP_PORTS

UNIT = "asterisk.service"
TIMER, TIDY = "trunkline-asterisk.timer", "trunkline-asterisk.service"
RECORDINGS = "/var/spool/asterisk/recordings"
VERIFY, VERIFICATION = "verify", "verification"
"""The endpoint of `invoke verify`, and its context."""
ANY = "0.0.0.0"
WIDTH = 53
"""Signs of a registration's name and server that the console shows."""


@dataclass(frozen=True)
class Registration:
    """A registration at a carrier, as Asterisk has it."""

    name: str
    server: str
    status: str

    def is_at(self, server: str) -> bool:
        """Say whether it is at a server; of a long name the console shows the beginning alone."""
        begins = f"sip:{server}:"
        cut_off = len(self.name) + len(self.server) >= WIDTH and begins.startswith(self.server)
        return self.server.startswith(begins) or cut_off


@dataclass(frozen=True)
class Line:
    """An endpoint that a trunk comes to: one for each server that calls are sent to."""

    name: str
    trunk: Trunk
    server: str
    first: bool
    """Calls from the trunk's addresses are this one's."""

    @property
    def registers(self) -> bool:
        """We register there."""
        return isinstance(self.trunk, RegisteringTrunk)


def asterisk_of(host: Host) -> Asterisk:
    """Return the declared telephony of a host that has it."""
    assert host.asterisk is not None
    return host.asterisk


def asked(host: Host) -> dict[str, Any] | None:
    """Return what the collector asks of a host's telephony."""
    if host.asterisk is None:
        return None
    kept = (tenant.name for tenant in host.asterisk.tenants if tenant.recording)
    return {"unit": UNIT, "log": LOG, "recordings": {name: f"{RECORDINGS}/{name}" for name in kept}}


def lines_of(trunk: Trunk) -> tuple[Line, ...]:
    """Return the endpoints of a trunk, the one in reserve last."""
    return tuple(
        Line(trunk.name if not place else f"{trunk.name}-{field}", trunk, server, not place)
        for place, (field, server) in enumerate(trunk.servers)
    )


def lines(asterisk: Asterisk) -> tuple[Line, ...]:
    """Return the endpoints of all trunks."""
    return tuple(line for trunk in asterisk.trunks for line in lines_of(trunk))


def controllers(environment: Environment) -> tuple[IPv4Network, ...]:
    """Return from where the echo may be asked."""
    return tuple(each for each in environment.controllers if isinstance(each, IPv4Network))


def wanted_objects(asterisk: Asterisk) -> dict[str, set[str]]:
    """Return the names of what must be loaded, by the word that the console lists them by."""
    all_lines = lines(asterisk)
    return {
        "endpoints": {VERIFY, *(line.name for line in all_lines)},
        "aors": {line.name for line in all_lines},
        "auths": {f"{VERIFY}-auth", *(f"{line.name}-auth" for line in all_lines if line.registers)},
        "identifies": {VERIFY, *(each.name for each in all_lines if each.first and each.trunk.addresses)},
        "registrations": {line.name for line in all_lines if line.registers},
    }


LISTED = "deny/permit"
"""What Asterisk says of an access list that stands in the endpoint itself."""
OF_EVERY_ENDPOINT = {
    "identify_by": "ip", "direct_media": "false", "rtp_symmetric": "true", "force_rport": "true",
    "allow_transfer": "false", "allow_subscribe": "false", "trust_id_inbound": "false",
    "media_address": "", "media_encryption": "no", "timers": "yes", "from_user": "", "auth": "",
    "outbound_auth": "",
}  # fmt: skip
"""What an endpoint must say of itself, or must not."""


def wanted_endpoints(asterisk: Asterisk) -> dict[str, dict[str, str]]:
    """Return the settings of each endpoint that must be in force."""
    found = {
        VERIFY: {
            **OF_EVERY_ENDPOINT, "acl": LISTED, "context": VERIFICATION, "allow": "(ulaw|alaw)",
            "auth": f"{VERIFY}-auth", "transport": asterisk.transports[0],
        }
    }  # fmt: skip
    for line in lines(asterisk):
        own = {"context": f"from-{line.trunk.name}", "transport": line.trunk.transport}
        own["acl"] = LISTED if line.trunk.addresses else ""
        if isinstance(line.trunk, RegisteringTrunk):
            own |= {"from_user": line.trunk.user, "outbound_auth": f"{line.name}-auth"}
        found[line.name] = {**OF_EVERY_ENDPOINT, "allow": f"({'|'.join(line.trunk.codecs)})", **own}
    return found


def wanted_transport(host: Host, transport: str) -> dict[str, list[str]]:
    """Return what a transport must say of addresses, each setting with all its values."""
    networks = asterisk_of(host).local_networks(host)
    return {
        "bind": [f"{ANY}:{SIP_PORTS[transport]}"],
        "external_media_address": [str(host.address.ip)],
        "external_signaling_address": [str(host.address.ip)],
        "local_net": sorted(each.with_netmask for each in networks),
    }


def names(said: Mapping[str, str], kind: str) -> set[str]:
    """Return the names that `pjsip show KIND` lists."""
    text = said[f"pjsip show {kind}"]
    if kind == "registrations":
        return set(registrations(text))
    word = {"endpoints": "Endpoint", "aors": "Aor", "auths": "Auth", "identifies": "Identify",
            "transports": "Transport"}[kind]  # fmt: skip
    return set(re.findall(rf"(?m)^ *{word}: +([^<\s/][^\s/]*)", text))


def values(text: str) -> dict[str, list[str]]:
    """Read the table that the console shows of one thing: each setting with all its values."""
    found: dict[str, list[str]] = {}
    for name, value in re.findall(r"(?m)^ (\w+) +: ?(.*?) *$", text):
        found.setdefault(name, []).append(value)
    found.pop("ParameterName", None)
    return {name: sorted(each) for name, each in found.items()}


def settings(text: str) -> dict[str, str]:
    """Read the same where each setting stands once."""
    return {name: ", ".join(each) for name, each in values(text).items()}


def identified(text: str) -> dict[str, set[str]]:
    """Read `pjsip show identifies`: the endpoint's name to the networks that it is known by."""
    found: dict[str, set[str]] = {}
    name = ""
    for kind, value in re.findall(r"(?m)^ *(Identify|Match): +([^<\s].*?) *$", text):
        if kind == "Identify":
            name = value.rpartition("/")[2]
            found.setdefault(name, set())
        else:
            found[name].add(value)
    return found


def registrations(text: str) -> dict[str, Registration]:
    """Read `pjsip show registrations`."""
    rows = re.findall(r"(?m)^ ([^\s/<]+)/(sips?:\S+) +\S+ +(\w+)", text)
    return {name: Registration(name, server, status) for name, server, status in rows}


def contacts(text: str) -> dict[str, str]:
    """Read `pjsip show contacts`: the name of what is asked every so often, and what came of it."""
    return dict(re.findall(r"(?m)^ *Contact: +([^\s/<]+)/\S+ +[0-9a-f]+ +(\w+)", text))


def shown(text: str) -> dict[str, str]:
    """Read lines of `name: value`, as the console shows general settings."""
    return {name.strip(): value.strip() for name, value in re.findall(r"(?m)^ *([^:\n]+): +(.*)$", text)}


def wanted_user(user: AmiUser) -> dict[str, Any]:
    """Return what the console must say of a user of AMI."""
    nobody = "0.0.0.0/0.0.0.0"
    return {
        "read": sorted(user.read), "write": sorted(user.write),
        "acl": [f"deny {nobody}", *(f"allow {each.with_netmask}" for each in user.permit)],
    }  # fmt: skip


def ami_users(said: Mapping[str, str]) -> dict[str, dict[str, Any]]:
    """Read `manager show users`, and what is shown of each."""
    listed = said["manager show users"].partition("--------\n")[2].partition("---------")[0]
    return {name: _ami_user(said[f"manager show user {name}"]) for name in listed.split()}


def _ami_user(text: str) -> dict[str, Any]:
    found = shown(text)
    rights = {how: found.get(f"{how} perm", "") for how in ("read", "write")}
    return {
        **{how: sorted(set(may.split(",")) - {"<none>", ""}) for how, may in rights.items()},
        "acl": [f"{how} {where}" for how, where in re.findall(r"(?m)^ +\d+: +(\w+) - (\S+)$", text)],
    }


def ari_users(text: str) -> dict[str, str]:
    """Read `ari show users`: the name, and whether it may only read; Asterisk 18 and 20 tell of no ACL."""
    rows = re.findall(r"(?m)^(Yes|No) +(?:(?:Yes|No) +)?(\S+) *$", text)
    return {name: only.lower() for only, name in rows}


def applications(text: str) -> set[str]:
    """Read `ari show apps`: the programs that are connected."""
    return set(text.partition("====\n")[2].split()) if "====\n" in text else set()


def bound(said: Mapping[str, str]) -> dict[str, str]:
    """Return where AMI and HTTP are bound, as Asterisk says; `off` where one is not."""
    manager, http = shown(said["manager show settings"]), said["http show status"]
    on = manager.get("Manager (AMI)") == "Yes"
    plain = re.search(r"(?m)^Server Enabled and Bound to (\S+)", http)
    secure = re.search(r"(?m)^HTTPS Server Enabled and Bound to (\S+)", http)
    return {
        "AMI": manager.get("TCP Bindaddress", "") if on else "off",
        "AMI over TLS": manager.get("TLS Bindaddress", "") if manager.get("TLS Enable") == "Yes" else "off",
        "AMI over HTTP": "off" if manager.get("Web Manager (AMI/HTTP)") == "No" else "on",
        "HTTP": plain[1] if plain else "off",
        "HTTPS": secure[1] if secure else "off",
    }


def wanted_bound(asterisk: Asterisk) -> dict[str, str]:
    """Return where they must be bound."""
    places = {"AMI": asterisk.ami, "HTTP": asterisk.ari}
    wanted = {name: f"{each.bind}:{each.port}" if each else "off" for name, each in places.items()}
    return {**wanted, "AMI over TLS": "off", "AMI over HTTP": "off", "HTTPS": "off"}


def log_channels(text: str) -> Iterator[tuple[str, set[str]]]:
    """Read `logger show channels`: each file that is written, and the levels that it is told of."""
    for path, levels in re.findall(r"(?m)^(/\S+) +File +\S+ +Enabled +- (.*?) *$", text):
        yield path, set(levels.split())
