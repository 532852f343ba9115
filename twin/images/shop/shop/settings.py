"""What the environment says: where the database, the broker and the cache are, and our keys."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Self

ROOT = Path(__file__).resolve().parent.parent


class NotSet(Exception):
    """An environment variable is missing; the message names it."""


@dataclass(frozen=True)
class Server:
    """A managed server, reached over TLS; `ca` is the file that its certificate is checked against."""

    host: str
    port: int
    user: str
    password: str
    name: str
    ca: str

    def __repr__(self) -> str:
        return f"Server({self.host}:{self.port})"


@dataclass(frozen=True)
class Settings:
    """Everything that differs from place to place."""

    database: Server
    cache: Server
    broker: str
    secret_key: bytes
    webhook_secret: bytes

    def __repr__(self) -> str:
        return f"Settings({self.database}, {self.cache})"

    @classmethod
    def of(cls, env: Mapping[str, str]) -> Self:
        """Read the settings; raises NotSet when one is missing."""
        try:
            return cls(
                database=_server(env, "DATABASE"),
                cache=_server(env, "CACHE"),
                broker=env["BROKER_URL"],
                secret_key=env["SECRET_KEY"].encode(),
                webhook_secret=env["WEBHOOK_SECRET"].encode(),
            )
        except KeyError as missing:
            raise NotSet(f"The environment variable {missing.args[0]} is not set.") from None


def _server(env: Mapping[str, str], prefix: str) -> Server:
    return Server(
        host=env[f"{prefix}_HOST"],
        port=int(env[f"{prefix}_PORT"]),
        user=env.get(f"{prefix}_USER", "default"),
        password=env[f"{prefix}_PASSWORD"],
        name=env.get(f"{prefix}_NAME", "0"),
        ca=env[f"{prefix}_CA"],
    )


@lru_cache
def settings() -> Settings:
    """Return the settings of this process."""
    return Settings.of(os.environ)


@lru_cache
def version() -> str:
    """Return which version of the shop this image holds."""
    return (ROOT / "VERSION").read_text(encoding="utf-8").strip()
