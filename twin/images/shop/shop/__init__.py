"""A small web shop: orders, a worker that confirms them, and calls that a telephone system reports."""
