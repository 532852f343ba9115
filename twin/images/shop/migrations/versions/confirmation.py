"""When an order was confirmed, and when the worker was last heard of."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Add what version 0.9 did not know; it goes on working beside it."""
    op.add_column("orders", sa.Column("confirmed", sa.DateTime(timezone=True), nullable=True))
    op.create_index("orders_unconfirmed", "orders", ["confirmed"])
    op.create_table(
        "ticks",
        sa.Column("name", sa.String(40), primary_key=True),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
    )


def downgrade() -> None:
    """Take it away again."""
    op.drop_table("ticks")
    op.drop_index("orders_unconfirmed", "orders")
    op.drop_column("orders", "confirmed")
