"""The security associations that a gateway has, as it tells them itself (`list-sas` of vici)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

GONE = ("DELETING", "DELETED", "DESTROYING", "REKEYED")
"""States of a child that carries nothing, or nothing for long."""


@dataclass(frozen=True)
class ChildSa:
    """One pair of selectors with its keys; counters are bytes and packets since its keys were made."""

    name: str
    state: str
    protocol: str
    encap: bool
    spi_in: str
    spi_out: str
    encryption: str
    integrity: str | None
    group: str | None
    """Of the last rekeying; None before the first: its keys are derived from the IKE SA's."""
    local_ts: tuple[str, ...]
    remote_ts: tuple[str, ...]
    bytes_in: int
    bytes_out: int
    packets_in: int
    packets_out: int


@dataclass(frozen=True)
class IkeSa:
    """One negotiation, and the children that it made."""

    name: str
    """The host at the other end."""
    version: int
    state: str
    initiator: bool
    local_id: str
    remote_id: str
    local_host: str
    remote_host: str
    local_port: int
    remote_port: int
    encap: bool
    """A NAT was seen between the two, or one of them says so."""
    encryption: str
    integrity: str | None
    prf: str
    group: str
    spi_i: str
    spi_r: str
    children: tuple[ChildSa, ...]

    @property
    def up(self) -> tuple[str, ...]:
        """The names of the children that carry."""
        return tuple(child.name for child in self.children if child.state == "INSTALLED")


def associations(events: Iterable[Mapping[str, Any]]) -> tuple[IkeSa, ...]:
    """Return what the events of `list-sas` tell."""
    return tuple(_ike(name, data) for event in events for name, data in event.items())


def _ike(name: str, data: Mapping[str, Any]) -> IkeSa:
    return IkeSa(
        name=name,
        version=int(data["version"]),
        state=data["state"],
        initiator=data.get("initiator") == "yes",
        local_id=data.get("local-id", ""),
        remote_id=data.get("remote-id", ""),
        local_host=data.get("local-host", ""),
        remote_host=data.get("remote-host", ""),
        local_port=int(data.get("local-port", 0)),
        remote_port=int(data.get("remote-port", 0)),
        encap=any(data.get(f"nat-{way}") == "yes" for way in ("local", "remote", "fake", "any")),
        encryption=_cipher(data),
        integrity=data.get("integ-alg"),
        prf=data.get("prf-alg", ""),
        group=data.get("dh-group", ""),
        spi_i=data.get("initiator-spi", ""),
        spi_r=data.get("responder-spi", ""),
        children=tuple(_child(its) for its in data.get("child-sas", {}).values()),
    )


def _child(data: Mapping[str, Any]) -> ChildSa:
    return ChildSa(
        name=data["name"],
        state=data["state"],
        protocol=data.get("protocol", ""),
        encap=data.get("encap") == "yes",
        spi_in=data.get("spi-in", ""),
        spi_out=data.get("spi-out", ""),
        encryption=_cipher(data),
        integrity=data.get("integ-alg"),
        group=data.get("dh-group"),
        local_ts=tuple(data.get("local-ts", ())),
        remote_ts=tuple(data.get("remote-ts", ())),
        bytes_in=int(data.get("bytes-in", 0)),
        bytes_out=int(data.get("bytes-out", 0)),
        packets_in=int(data.get("packets-in", 0)),
        packets_out=int(data.get("packets-out", 0)),
    )


def _cipher(data: Mapping[str, Any]) -> str:
    return "-".join(data[key] for key in ("encr-alg", "encr-keysize") if key in data)
