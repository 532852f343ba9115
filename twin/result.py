"""What twin calls return."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Result:
    """The end of a command run inside a host."""

    returncode: int
    stdout: str
    stderr: str


@dataclass(frozen=True)
class Forward:
    """A port of this machine's loopback that leads into the twin, as the controller comes."""

    address: str
    port: int
    host: str
    host_port: int
    what: str


@dataclass(frozen=True)
class HostStatus:
    """One host: `phase` is ready, booting, rebooting, off or absent (no disk yet)."""

    name: str
    os: str
    phase: Literal["ready", "booting", "rebooting", "off", "absent"]
    addresses: tuple[str, ...]
    boots: int
    disk_mb: int
    """What the disk's file takes on this machine."""
    problem: str = ""


@dataclass(frozen=True)
class OfficeStatus:
    """An office: `state` is up, or what is missing; `changed` names what was made wrong there on purpose."""

    name: str
    address: str
    pbx: str
    state: str
    changed: tuple[str, ...]


@dataclass(frozen=True)
class CarrierStatus:
    """A carrier: `state` is up or off; `changed` names what was made wrong there on purpose."""

    name: str
    addresses: tuple[str, ...]
    state: str
    changed: tuple[str, ...]


@dataclass(frozen=True)
class TwinStatus:
    """A whole twin."""

    name: str
    environment: str
    up: bool
    hosts: tuple[HostStatus, ...]
    forwards: tuple[Forward, ...]
    snapshots: tuple[str, ...]
    ntp_offset: float
    offices: tuple[OfficeStatus, ...] = ()
    carriers: tuple[CarrierStatus, ...] = ()
