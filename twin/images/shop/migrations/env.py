"""Run by alembic: the revisions, on the database that the environment names, one runner at a time."""

from __future__ import annotations

from logging.config import fileConfig

from alembic import context
from sqlalchemy import Connection, text

from shop.database import Base, engine

ONE_AT_A_TIME = 7_467_011
"""Key of PostgreSQL's advisory lock: a second migration waits for the first."""


def run(connection: Connection) -> None:
    """Bring the database to the revision that alembic was asked for."""
    context.configure(connection=connection, target_metadata=Base.metadata)
    with context.begin_transaction():
        if connection.dialect.name == "postgresql":
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": ONE_AT_A_TIME})
        context.run_migrations()


if context.config.config_file_name:
    fileConfig(context.config.config_file_name, disable_existing_loggers=False)
given = context.config.attributes.get("connection")
if given is not None:
    run(given)
else:
    with engine().connect() as connection:
        run(connection)
