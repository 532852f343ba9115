"""The base of every record: frozen, typed, unknown keys refused."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import BaseModel, ConfigDict

from inventories.model import fault
from inventories.model.problem import Problem

if TYPE_CHECKING:
    from pydantic._internal._model_construction import ModelMetaclass

    from inventories.model.certificate import Certificate
    from inventories.model.environment import Environment
    from inventories.model.firewall import Forward
    from inventories.model.host import Host
    from inventories.model.values import Jail, Network, Opening
else:
    ModelMetaclass = type(BaseModel)


class RecordType(ModelMetaclass):
    """Makes records: while an inventory is being read, a wrong one is noted instead of raised."""

    if not TYPE_CHECKING:

        def __call__(cls, *args: Any, **given: Any) -> Any:
            reading = fault.current()
            if reading is None or args:
                return super().__call__(*args, **given)
            return reading.build(cls, super().__call__, given)


class Record(BaseModel, metaclass=RecordType):
    """A frozen value; an unknown key is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    partial: ClassVar[bool] = False
    """Worth checking without its wrong fields, so that one wrong service hides nothing of the others."""
    stand_ins: ClassVar[dict[str, Any]] = {}
    """What stands for a required field that is wrong, while the rest is checked."""


class Service(Record):
    """One service of one host. It contributes what it needs; the firewall, fail2ban and sysctl collect."""

    collects: ClassVar[bool] = False
    """Judges what the other services contribute, so it is not checked while one of them is wrong."""

    def openings(self, host: Host, environment: Environment) -> Iterator[Opening]:
        """Yield the ports this service needs reachable, and by whom."""
        yield from ()

    def passed_on(self, host: Host, environment: Environment) -> Iterator[Forward]:
        """Yield what the host passes on between two networks for this service."""
        yield from ()

    def trusted(self, host: Host, environment: Environment) -> Iterator[Network]:
        """Yield whom this service lives on, so that no jail may ever ban them: peers, trunks."""
        yield from ()

    def jails(self, host: Host, environment: Environment) -> Iterator[Jail]:
        """Yield the fail2ban jails that protect this service."""
        yield from ()

    def certificates(self, host: Host, environment: Environment) -> Iterator[Certificate]:
        """Yield the certificates this service needs from the ACME authority."""
        yield from ()

    def sysctls(self, host: Host, environment: Environment) -> Iterator[tuple[str, str]]:
        """Yield the kernel settings this service needs, as (key, value)."""
        yield from ()

    def undisturbed(self, host: Host, environment: Environment) -> Iterator[str]:
        """Yield the systemd units that needrestart must never restart by itself."""
        yield from ()

    def lint(self, host: Host, environment: Environment) -> Iterator[Problem]:
        """Yield what no single field can see: this record against its host and environment."""
        yield from ()

    def between(self, host: Host, environment: Environment) -> Iterator[Problem]:
        """Yield what contradicts the host's other services; not asked while one of them is wrong."""
        yield from ()

    def problem(
        self, host: Host, field: str, seen: str, wanted: str, remedy: str, *, bare: bool = False,
        example: bool = False,
    ) -> Problem:  # fmt: skip
        """Return a problem of this service on a host."""
        return Problem(host.name, type(self).__name__.lower(), field, seen, wanted, remedy, bare, example)
