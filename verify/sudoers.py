"""Who may become whom: sudoers(5) as `cvtsudoers -f json` prints it, resolved to account names."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any


def rights(
    sudoers: Mapping[str, Any], groups: Mapping[str, Any], accounts: list[dict[str, Any]]
) -> dict[str, set[str]]:
    """Return each account's rights; a group counts for its members, a group without members for nobody."""
    found: dict[str, set[str]] = {}
    aliases = sudoers.get("User_Aliases", {})
    for spec in sudoers.get("User_Specs", ()):
        held = {text for command in spec.get("Cmnd_Specs", ()) for text in _commands(command)}
        for member in spec["User_List"]:
            for name in _names(member, aliases, groups, accounts):
                found.setdefault(name, set()).update(held)
    return found


def loosened(sudoers: Mapping[str, Any]) -> list[str]:
    """Return the defaults that spare passwords or keep a caller's environment, whoever they are meant for."""
    loose = {"authenticate": False, "env_reset": False, "setenv": True}
    options = [
        item
        for default in sudoers.get("Defaults", ())
        for o in default.get("Options", ())
        for item in o.items()
    ]
    return [f"{key} {value}".lower() for key, value in options if key in loose and loose[key] == value]


def _names(
    member: Mapping[str, Any],
    aliases: Mapping[str, Any],
    groups: Mapping[str, Any],
    accounts: list[dict[str, Any]],
) -> Iterator[str]:
    if "useralias" in member:
        for each in aliases.get(member["useralias"], ()):
            yield from _names(each, aliases, groups, accounts)
    elif "usergroup" in member:
        group = groups.get(member["usergroup"], {"gid": None, "members": []})
        yield from group["members"]
        yield from (account["name"] for account in accounts if account["gid"] == group["gid"])
    elif "userid" in member:
        yield from (account["name"] for account in accounts if account["uid"] == member["userid"])
    else:
        yield str(member.get("username", member))


def _commands(spec: Mapping[str, Any]) -> Iterator[str]:
    options = {key: value for option in spec.get("Options", ()) for key, value in option.items()}
    tag = "NOPASSWD " if options.get("authenticate") is False else ""
    runas = "/".join(str(next(iter(user.values()))) for user in spec.get("runasusers", ())) or "root"
    for command in spec.get("Commands", ()):
        yield f"{tag}{command.get('command', command)} as {runas}"
