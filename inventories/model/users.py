"""Who may log in to a host, and as what."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from inventories.model.record import Record, Service
from inventories.model.values import ControllerKey, PublicKey

UserName = Annotated[str, Field(pattern=r"^[a-z_][a-z0-9_-]{0,30}$")]


class User(Record):
    """A person's or the deploy's account: its keys are the only way in."""

    name: UserName
    keys: tuple[PublicKey | ControllerKey, ...]
    sudo: bool = False
    shell: str = "/bin/bash"


class Users(Service):
    """The accounts with a login shell: exactly these, with exactly these keys."""

    accounts: tuple[User, ...]
    deploy: UserName = "deploy"
    """The account that deploys use after the first contact; it must be one of `accounts`, with sudo."""

    def account(self, name: str) -> User:
        """Return one account by its name."""
        return next(user for user in self.accounts if user.name == name)
