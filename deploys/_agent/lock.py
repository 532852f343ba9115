"""The lock of an environment on one host: holder, lease, and a fencing token that only ever grows.

The lease is counted by CLOCK_BOOTTIME within a boot; after a reboot it counts anew from the boot. The file
`token` holds the present holder's token: every change command compares it, so a holder that was taken over
is refused by the host. The token's lower bits are random: a host that was restored to an earlier state
counts on from there, and the number alone would come a second time.
"""

from __future__ import annotations

import os
import time
from typing import Any

from . import clock, durable
from .mutex import held as mutex
from .places import state
from .problem import AgentError, StaleToken

FORMAT = 1
_RANDOM_BITS = 64
_UPLOAD_AGE = 3600.0


def acquire(holder: str, purpose: str, lease: float) -> dict[str, Any]:
    """Take the lock; AgentError names the holder while a live lease stands."""
    with mutex("lock"):
        record = _read()
        remaining = _remaining(record)
        if record["held"] and remaining > 0:
            seen = _public(record)
            raise AgentError(
                f"the lock is held by {seen['holder']} for {seen['purpose']} since {seen['since']}; "
                f"its lease ends in {remaining:.0f} s",
                held=seen,
            )
        token = _token_after(int(record["token"]))
        since = clock.stamp()
        durable.unlink(state("token"))
        _write(token, {"holder": holder, "purpose": purpose, "since": since, **_lease(lease)})
        durable.write(state("token"), f"{token}\n".encode())
    _drop_old_uploads()
    return {"token": token, "holder": holder, "purpose": purpose, "since": since, "lease": lease}


def renew(token: int, lease: float) -> dict[str, Any]:
    """Let the lease begin again; StaleToken when another holds the lock or a returning guard revoked it."""
    with mutex("lock"):
        record = _read()
        if record["token"] != token or not record["held"] or current() != token:
            raise _stale(token, record)
        _write(token, {**record["held"], **_lease(lease)})
    return {"token": token, "remaining": lease}


def release(token: int) -> dict[str, Any]:
    """Give the lock up; StaleToken when it is not the caller's any more."""
    with mutex("lock"):
        record = _read()
        if record["token"] != token or (record["held"] and current() != token):
            raise _stale(token, record)
        if not record["held"]:
            if record["revoked"]:
                raise _stale(token, record)
            return {"released": False}
        durable.unlink(state("token"))
        _write(token, None)
    return {"released": True}


def revoke(reason: str) -> None:
    """Take the lock from whoever holds it, because what it protected is being returned."""
    with mutex("lock"):
        durable.unlink(state("token"))
        record = _read()
        if record["held"]:
            _write(int(record["token"]), None, reason)


def show() -> dict[str, Any] | None:
    """The present holder, or None; an expired lease is nobody's."""
    record = _read()
    return _public(record) if record["held"] and _remaining(record) > 0 else None


def current() -> int | None:
    """The token that change commands must carry, or None while nobody may change."""
    try:
        with open(state("token"), encoding="ascii") as file:
            return int(file.read())
    except (FileNotFoundError, ValueError):
        return None


def fence(token: int | None) -> None:
    """Refuse a stale holder; a caller that gives no token is not fenced."""
    if token is not None and current() != token:
        raise _stale(token, _read())


def _token_after(token: int) -> int:
    """A greater token that nobody can have had before, whatever state this host was restored to."""
    unguessable = int.from_bytes(os.urandom(_RANDOM_BITS // 8), "big")
    return ((token >> _RANDOM_BITS) + 1) << _RANDOM_BITS | unguessable


def _stale(token: int, record: dict[str, Any]) -> StaleToken:
    if record["revoked"] and record["token"] == token:
        why = f"it was revoked: {record['revoked']}"
    elif record["held"]:
        why = f"{record['held']['holder']} holds it now for {record['held']['purpose']}"
    else:
        why = "it was released"
    return StaleToken(f"the lock with token {token} is not yours any more, {why}")


def _read() -> dict[str, Any]:
    record = durable.read_json(state("lock.json")) or {
        "format": FORMAT,
        "token": 0,
        "held": None,
        "revoked": None,
    }
    if record["format"] != FORMAT:
        raise AgentError(
            f"the lock on this host has format {record['format']}, this release reads format {FORMAT}"
        )
    return dict(record)


def _write(token: int, holder: dict[str, Any] | None, revoked: str | None = None) -> None:
    durable.write_json(
        state("lock.json"), {"format": FORMAT, "token": token, "held": holder, "revoked": revoked}
    )


def _lease(seconds: float) -> dict[str, Any]:
    return {"lease": seconds, "boot_id": clock.boot_id(), "expires": clock.boottime() + seconds}


def _remaining(record: dict[str, Any]) -> float:
    holder = record["held"]
    if not holder:
        return 0.0
    if holder["boot_id"] == clock.boot_id():
        return float(holder["expires"]) - clock.boottime()
    return float(holder["lease"]) - clock.uptime()


def _public(record: dict[str, Any]) -> dict[str, Any]:
    holder = record["held"]
    shown = {key: holder[key] for key in ("holder", "purpose", "since")}
    return {**shown, "remaining": round(max(0.0, _remaining(record)), 1), "token": record["token"]}


def _drop_old_uploads() -> None:
    """Uploads may hold secrets; what an hour did not use, a dead session left."""
    incoming = state("incoming")
    durable.make_dir(incoming)
    for name in os.listdir(incoming):
        path = os.path.join(incoming, name)
        if time.time() - os.lstat(path).st_mtime > _UPLOAD_AGE:
            durable.remove_tree(path)
