"""users: the declared accounts with exactly their keys and rights, and root's door closed last."""

from __future__ import annotations

from dataclasses import dataclass

from control import places
from deploys._ops import accounts
from deploys._ops.files import Checks, managed_set
from deploys._ops.guard import Guarded, login_proven
from deploys._ops.managed import ManagedFile
from deploys._ops.render import render
from inventories.model import ControllerKey, Environment, Host, User

SUDOERS = "/etc/sudoers.d/trunkline"


@dataclass(frozen=True)
class Account:
    """What the template of an authorized_keys file is made of."""

    keys: tuple[str, ...]


def keys_of(user: User, environment: Environment) -> tuple[str, ...]:
    """Return the lines of a user's authorized_keys; the controller's key is the one of this instance."""
    instance = places.instance_of(environment.name, in_twin=environment.in_twin)
    public = places.controller_key_of(instance).with_suffix(".pub")
    missing = f"# the key of {instance}'s controller, made by its twin"
    made = public.read_text().strip() if public.exists() else missing
    return tuple(made if isinstance(key, ControllerKey) else key for key in user.keys)


def _keys(name: str, home: str, account: Account) -> list[ManagedFile]:
    directory = f"{home}/.ssh"
    content = render("users", "authorized_keys", account)
    return [
        ManagedFile("users", directory, owner=name, group=name, mode="0700", kind="directory"),
        ManagedFile("users", f"{directory}/authorized_keys", content, owner=name, group=name, mode="0600"),
        ManagedFile("users", f"{directory}/authorized_keys2", kind="absent"),
    ]


def files(host: Host, environment: Environment) -> list[ManagedFile]:
    """Return every account's keys, all of them and no others, and the sudo rights."""
    found = [ManagedFile("users", SUDOERS, render("users", "trunkline", host.users), mode="0440")]
    for user in host.users.accounts:
        found += _keys(user.name, f"/home/{user.name}", Account(keys_of(user, environment)))
    return found


def root_files(host: Host, environment: Environment) -> list[ManagedFile]:
    """Return root's keys: none."""
    return _keys("root", "/root", Account(()))


def guarded(host: Host, environment: Environment) -> Guarded:
    """Return what the guard remembers: a key that nobody holds must not be the last one."""
    declared = [*files(host, environment), *root_files(host, environment)]
    paths = (file.path for file in declared if file.kind != "directory")
    return Guarded("users", files=tuple(paths))


def users(host: Host, environment: Environment) -> None:
    """Make the accounts, then their keys and rights; root's login stays open until theirs is proven."""
    for user in host.users.accounts:
        secret = user.console_password
        accounts.account(user.name, user.shell, secret is not None, name=f"users: account {user.name}")
        if secret:
            place = f"{environment.name}/{host.name}"
            accounts.console_password(user.name, secret, place, name=f"users: password of {user.name}")
    checks = Checks(check=("visudo", "--check", "--quiet"), check_tree=("/etc/sudoers", "/etc/sudoers.d"))
    managed_set("users", files(host, environment), checks, name="users: keys and sudo")


def close_root(host: Host, environment: Environment) -> None:
    """Take root's keys and password away, over a login of the deploy user that has just been made anew."""
    closing = root_files(host, environment)
    managed_set("root", closing, name="users: root's keys", before=login_proven)
    accounts.passwordless("root", name="users: root's password")
