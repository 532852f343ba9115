"""Prints everything in the database, a line of JSON a row, as of one moment: `python -m shop.dump`."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from typing import Any

from sqlalchemy import Connection, MetaData, select

from shop.database import engine


def rows(connection: Connection) -> Iterator[dict[str, Any]]:
    """Yield each table's columns and rows, as the database has them, not as this version would."""
    found = MetaData()
    found.reflect(connection)
    for table in found.sorted_tables:
        yield {"table": table.name, "columns": [column.name for column in table.columns]}
        for row in connection.execute(select(table).order_by(*table.primary_key.columns)):
            yield {"in": table.name, "row": list(row)}


def main() -> None:
    """Print the dump of our database."""
    with engine().connect().execution_options(isolation_level="REPEATABLE READ") as connection:
        for line in rows(connection):
            json.dump(line, sys.stdout, default=str)
            sys.stdout.write("\n")


if __name__ == "__main__":
    main()
