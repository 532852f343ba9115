"""Accounts, looked at where the system keeps them: who may log in, by which key, and who may become root."""

from __future__ import annotations

from control import places
from inventories.model import ControllerKey, Environment, Host
from verify.checks import check
from verify.observed import Observed
from verify.snapshot import Snapshot
from verify.sshd import fingerprint, settings
from verify.sudoers import loosened, rights
from verify.verdict import exactly, fail

DEPLOY = "Declare it in the inventory, or take it away by hand; `invoke deploy` removes only what it made."
NO_SHELLS = ("/nologin", "/false", "/sync", "/shutdown", "/halt", "")
AS_GOOD_AS_ROOT = ("root", "disk", "shadow", "kmem", "docker", "lxd")
"""Groups whose members can become root without sudo."""
KEY_SOURCES = {
    "authorizedkeyscommand": "none",
    "trustedusercakeys": "none",
    "authorizedprincipalsfile": "none",
}


@check(fault="user-with-shell", remedy=DEPLOY)
def test_login_shells_are_exactly_the_declared(declared: Host, live: Snapshot) -> None:
    seen = {f"{a['name']} {a['shell']}" for a in live["accounts"] if not a["shell"].endswith(NO_SHELLS[:-1])}
    seen |= {f"{a['name']} (sh)" for a in live["accounts"] if a["shell"] == ""}  # passwd(5): empty is /bin/sh
    exactly(seen, {f"{user.name} {user.shell}" for user in declared.users.accounts} | {"root /bin/bash"})


@check(
    fault=("user-with-password", "console-password-locked"),
    remedy="Say `invoke deploy` for a declared account; else `passwd --lock NAME`: keys are the only way in.",
)
def test_passwords_are_locked_but_for_the_declared(declared: Host, live: Snapshot) -> None:
    seen = [f"{a['name']} ({a['password']})" for a in live["accounts"] if a["password"] != "locked"]
    wanted = [f"{user.name} (set)" for user in declared.users.accounts if user.console_password]
    exactly(seen, wanted, of="password")


@check(fault="second-root", remedy="Remove the account: another name for root escapes every other check.")
def test_only_root_has_uid_zero(live: Snapshot) -> None:
    exactly([a["name"] for a in live["accounts"] if a["uid"] == 0], ["root"])


@check(fault="sudo-right-by-hand", remedy=DEPLOY)
def test_sudo_rights_are_exactly_the_declared(declared: Host, live: Snapshot) -> None:
    held = rights(live["sudoers"], live["groups"], live["accounts"])
    seen = {f"{name}: {', '.join(sorted(texts))}" for name, texts in held.items() if texts}
    seen |= {f"{name} in the group {group}" for group in AS_GOOD_AS_ROOT for name in _members(live, group)}
    seen |= {f"for everybody: {text}" for text in loosened(live["sudoers"])}
    wanted = {f"{user.name}: NOPASSWD ALL as ALL" for user in declared.users.accounts if user.sudo}
    exactly(seen, {*wanted, "root: ALL as ALL"})


def _members(live: Snapshot, group: str) -> list[str]:
    found = live["groups"].get(group, {"gid": None, "members": []})
    primary = [a["name"] for a in live["accounts"] if a["gid"] == found["gid"] and a["name"] != "root"]
    return [*found["members"], *primary]


@check(fault="key-by-hand", remedy=DEPLOY)
def test_keys_are_exactly_the_declared(
    declared: Host, live: Snapshot, environment: Environment, observed: Observed
) -> None:
    for text in live["sshd"].values():
        found = settings(text)
        if other := {
            key: found[key][0] for key, none in KEY_SOURCES.items() if found.get(key, (none,))[0] != none
        }:
            fail(other, KEY_SOURCES)
    seen = {f"{key['user']} {fingerprint(key['line'])}" for key in live["keys"]}
    exactly(seen, _declared_keys(declared, observed.instance), of="keys")


def _declared_keys(declared: Host, instance: str) -> set[str]:
    made = places.controller_key_of(instance).with_suffix(".pub")
    return {
        f"{user.name} {fingerprint(made.read_text() if isinstance(key, ControllerKey) else key)}"
        for user in declared.users.accounts
        for key in user.keys
    }
