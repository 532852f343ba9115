"""The database: PostgreSQL over TLS, its tables, and a session for each piece of work."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from functools import lru_cache

from sqlalchemy import DateTime, Engine, String, create_engine, func
from sqlalchemy.engine import URL
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from shop.settings import Server, settings


class Base(DeclarativeBase):
    """The tables as this version knows them; `migrations/` brings a database there."""


class Order(Base):
    """What somebody wants."""

    __tablename__ = "orders"

    id: Mapped[int] = mapped_column(primary_key=True)
    customer: Mapped[str] = mapped_column(String(80))
    item: Mapped[str] = mapped_column(String(80))
    quantity: Mapped[int]
    created: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())
    confirmed: Mapped[datetime | None] = mapped_column(DateTime(timezone=True), index=True)


class Tick(Base):
    """A sign of life."""

    __tablename__ = "ticks"

    name: Mapped[str] = mapped_column(String(40), primary_key=True)
    at: Mapped[datetime] = mapped_column(DateTime(timezone=True))


def connect_arguments(server: Server) -> dict[str, str | int]:
    """Return what libpq is told: TLS, our CA only, and the server's name must be in its certificate."""
    return {
        "sslmode": "verify-full",
        "sslrootcert": server.ca,
        "connect_timeout": 5,
        "application_name": "shop",
    }


@lru_cache
def engine() -> Engine:
    """Return this process's pool of connections; a dead one is noticed before it is used."""
    server = settings().database
    url = URL.create(
        "postgresql+psycopg", server.user, server.password, server.host, server.port, server.name
    )
    return create_engine(
        url, connect_args=connect_arguments(server), pool_pre_ping=True, pool_size=10, max_overflow=5
    )


def session() -> Iterator[Session]:
    """Give a session to one request."""
    with Session(engine()) as opened:
        yield opened
