"""What the console of an office's gateway says of one tunnel, as UniFi has it, in strongSwan's terms."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields, replace
from itertools import product
from typing import Any

from control.errors import TrunklineError
from inventories.model import Host
from inventories.model.ipsec import EspProposal, IkeProposal
from inventories.model.strongswan import Peer
from twin.vici import Message

DPD = 30
"""Seconds; the console does not let it be changed."""
REKEY = 0.9
"""The share of a lifetime after which keys are renewed."""


@dataclass(frozen=True)
class FarSide:
    """One tunnel as the far side has it."""

    host: str
    """The name of the host at the other end, and of the connection."""
    own: str
    address: str
    """The host's."""
    id: str
    host_id: str
    ike: str
    esp: str
    """Without a group: that is what `pfs` says."""
    pfs: str | None
    local: tuple[str, ...]
    """The networks of the office."""
    remote: tuple[str, ...]
    ike_lifetime: int
    esp_lifetime: int
    psk: str | None = field(default=None, repr=False)
    certificate: str | None = field(default=None, repr=False)
    """PEM, as the key and the authority's."""
    key: str | None = field(default=None, repr=False)
    ca: str | None = field(default=None, repr=False)
    encap: bool = True
    calls: bool = True
    restarts: bool = False
    """It begins anew what the host ends, as some gateways do: two ends that both call never come to rest."""
    expired: bool = False
    """It shows a certificate that is not valid any more."""

    def changed(self, **changes: Any) -> FarSide:
        """Return what it says after these changes; TrunklineError where it has no such field."""
        known = {each.name for each in fields(self)}
        if wrong := changes.keys() - known:
            raise TrunklineError(f"A console has no {', '.join(wrong)}.", f"It has: {', '.join(known)}.")
        plain: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in changes.items()}
        return replace(self, **plain)

    @property
    def children(self) -> dict[str, tuple[str, str]]:
        """The pairs of selectors, each with the name of its child."""
        pairs = product(self.local, self.remote)
        return {f"{self.host}-{number}": pair for number, pair in enumerate(pairs, 1)}

    def connection(self) -> Message:
        """Return the message of `load-conn` (swanctl.conf(5), connections)."""
        way = "psk" if self.psk is not None else "pubkey"
        local: dict[str, Any] = {"auth": way, "id": self.id}
        remote: dict[str, Any] = {"auth": way, "id": self.host_id}
        if self.certificate and self.ca:
            local["certs"], remote["cacerts"] = [self.certificate], [self.ca]
        settings = {
            "version": "2",
            "local_addrs": [self.own],
            "remote_addrs": [self.address],
            "proposals": [self.ike],
            "encap": "yes" if self.encap else "no",
            "mobike": "no",
            "unique": "replace",
            "keyingtries": "0",
            "dpd_delay": str(DPD),
            "rekey_time": str(int(self.ike_lifetime * REKEY)),
            "over_time": str(self.ike_lifetime - int(self.ike_lifetime * REKEY)),
            "local": local,
            "remote": remote,
            "children": dict(self._children()),
        }
        return {self.host: settings}

    def _children(self) -> Iterator[tuple[str, Message]]:
        for name, (local, remote) in self.children.items():
            yield (
                name,
                {
                    "local_ts": [local],
                    "remote_ts": [remote],
                    "esp_proposals": [f"{self.esp}-{self.pfs}" if self.pfs else self.esp],
                    "rekey_time": str(int(self.esp_lifetime * REKEY)),
                    "life_time": str(self.esp_lifetime),
                    "dpd_action": "restart" if self.calls else "clear",
                    # The caller calls: a start here would follow a duplicate's end with the next duplicate.
                    "close_action": "start" if self.restarts else "none",
                },
            )

    def secrets(self) -> Iterator[tuple[str, Message]]:
        """Yield the commands that give the daemon what proves who it is."""
        if self.psk is not None:
            yield "load-shared", {"id": self.host, "type": "IKE", "data": self.psk, "owners": [self.host_id]}
        if self.key:
            yield "load-key", {"type": "any", "data": self.key}


def far_side(host: Host, peer: Peer, own: str, proof: Mapping[str, str]) -> FarSide:
    """Return what the console must say for a tunnel to come up; `proof` fills the fields that prove it."""
    return FarSide(
        host=host.name,
        own=own,
        address=str(host.address.ip),
        id=peer.id,
        host_id=peer.own_id(host),
        ike=ike_text(peer.ike),
        esp=esp_text(peer.esp),
        pfs=peer.pfs,
        local=tuple(map(str, peer.remote)),
        remote=tuple(map(str, peer.local)),
        ike_lifetime=peer.ike_lifetime,
        esp_lifetime=peer.esp_lifetime,
        psk=proof.get("psk"),
        certificate=proof.get("certificate"),
        key=proof.get("key"),
        ca=proof.get("ca"),
    )


def ike_text(ike: IkeProposal) -> str:
    """Return a proposal of IKE as strongSwan writes it."""
    return f"{ike.encryption}-{'prf' if ike.combined else ''}{ike.integrity}-{ike.group}"


def esp_text(esp: EspProposal) -> str:
    """Return a proposal of ESP as strongSwan writes it, without a group."""
    return esp.encryption if esp.combined else f"{esp.encryption}-{esp.integrity}"
