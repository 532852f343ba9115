"""What a host showed from inside, section by section; a section that could not be read proves nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from verify.verdict import NotProven


@dataclass(frozen=True)
class Snapshot:
    """One host at one moment."""

    now: float
    """The host's clock (Unix seconds)."""
    seconds: float
    sections: Mapping[str, Mapping[str, Any]]

    @classmethod
    def read(cls, held: Mapping[str, Any]) -> Snapshot:
        """Take over what the collector printed."""
        return cls(held["now"], held["seconds"], held["sections"])

    def __getitem__(self, name: str) -> Any:
        """Return a section. Raises NotProven when the host could not look."""
        section = self.sections[name]
        if "error" in section:
            raise NotProven(f"{name} could not be read: {section['error']}", "an answer of the host")
        return section["value"]

    def error(self, name: str) -> str | None:
        """Return why a section could not be read, None when it could."""
        return self.sections[name].get("error")

    def unit(self, name: str) -> dict[str, Any]:
        """Return what systemd says of a unit."""
        found: dict[str, Any] = self["units"].get(name) or {"Id": name, "LoadState": "not-found"}
        return found
