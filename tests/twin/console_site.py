"""Deploys for the test of console passwords: accounts and sshd alone, which takes seconds."""

from __future__ import annotations

from deploys import site, ssh, users
from inventories.model import Environment, Host, Users


def declared(host: Host, environment: Environment) -> None:
    """Make the accounts and close SSH to passwords, as the whole deploy does."""
    site.begin(host, environment)
    users.users(host, environment)
    ssh.ssh(host, environment)


def undeclared(host: Host, environment: Environment) -> None:
    """Do the same for accounts whose console passwords were taken out of the inventory."""
    accounts = tuple(user.model_copy(update={"console_password": None}) for user in host.users.accounts)
    declared(host.model_copy(update={"users": Users(accounts=accounts)}), environment)
