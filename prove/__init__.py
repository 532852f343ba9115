"""PROVE: every fault, lockout, kill, leak and error, from a healthy twin, with a recorded result."""

from prove.proving import run

__all__ = ["run"]
