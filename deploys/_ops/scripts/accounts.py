"""Tell who may log in here. Argument: [names of interest]. Accounts with a login shell are always told."""

from __future__ import annotations

import grp
import hashlib
import json
import os
import pwd
import stat
import sys
from typing import Any

NO_LOGIN = ("/usr/sbin/nologin", "/sbin/nologin", "/bin/false", "/usr/bin/false", "/bin/sync")


def shadow() -> dict[str, list[str]]:
    """Return the fields of shadow(5) by account; a password's hash never leaves this program."""
    with open("/etc/shadow") as file:
        return {fields[0]: fields for fields in (line.rstrip("\n").split(":") for line in file)}


def directory(path: str) -> dict[str, Any] | None:
    """Return owner and mode of a directory; None where there is none."""
    try:
        status = os.lstat(path)
    except OSError:
        return None
    if not stat.S_ISDIR(status.st_mode):
        return None
    return {"uid": status.st_uid, "mode": f"{stat.S_IMODE(status.st_mode):04o}"}


def keys(home: str) -> int:
    """Count the lines that could be keys in an account's authorized_keys files."""
    found = 0
    for name in ("authorized_keys", "authorized_keys2"):
        try:
            with open(os.path.join(home, ".ssh", name), errors="replace") as file:
                found += sum(1 for line in file if line.strip() and not line.startswith("#"))
        except OSError:
            continue
    return found


def account(entry: pwd.struct_passwd, fields: list[str]) -> dict[str, Any]:
    """Return what a deploy compares of one account."""
    password = fields[1] if len(fields) > 1 else "*"
    return {
        "uid": entry.pw_uid,
        "gid": entry.pw_gid,
        "home": entry.pw_dir,
        "shell": entry.pw_shell,
        "locked": password.startswith(("!", "*")),
        "password": hashlib.sha256(password.encode()).hexdigest(),
        "expires": fields[7] if len(fields) > 7 else "",
        "groups": sorted(group.gr_name for group in grp.getgrall() if entry.pw_name in group.gr_mem),
        "home_directory": directory(entry.pw_dir),
        "keys": keys(entry.pw_dir),
    }


def main() -> None:
    """Print {"users": {name: account}}."""
    named, secrets = set(json.loads(sys.argv[1])), shadow()
    users = {
        entry.pw_name: account(entry, secrets.get(entry.pw_name, []))
        for entry in pwd.getpwall()
        if entry.pw_name in named or entry.pw_shell not in NO_LOGIN
    }
    print(json.dumps({"users": users}))


main()
