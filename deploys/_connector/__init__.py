"""The way to a host: pyinfra's connector `@trunkline/<environment>/<host>` over one SSH connection."""

from deploys._connector.connector import TrunklineConnector

__all__ = ["TrunklineConnector"]
