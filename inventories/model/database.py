"""A managed database: a server of the provider's, which we use and do not configure."""

from __future__ import annotations

from typing import Literal

from inventories.model.compose import Label
from inventories.model.names import DomainName
from inventories.model.record import Record
from inventories.model.values import Port, Secret


class Database(Record):
    """Where a managed database is, and who we are there. Always over TLS."""

    name: Label
    kind: Literal["postgresql", "redis"]
    host: DomainName
    port: Port = 25060
    user: str = "doadmin"
    database: str = "defaultdb"
    password: Secret
    ca: Secret
    """The provider's CA certificate (PEM), against which the server's name is checked (verify-full)."""
