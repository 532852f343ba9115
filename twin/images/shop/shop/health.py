"""Says whether a part of the shop works: `python -m shop.health api|beat|worker NAME`, exit code 0 or 1.

It is asked every few seconds for as long as the shop runs, so each part imports what it needs and no more.
"""

from __future__ import annotations

import json
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable

API = "http://127.0.0.1:8000/api/health"
OLD = 20.0
"""Seconds after which the beat's last tick is too old: four were missed."""
PATIENCE = 5.0
"""Seconds that a worker has for its answer."""


class Unwell(Exception):
    """Why a part does not do its work."""


def api(address: str = API) -> None:
    """Ask the API, which itself asks the database; raises Unwell."""
    try:
        with urllib.request.urlopen(address, timeout=4) as answer:
            json.load(answer)
    except urllib.error.HTTPError as error:
        raise Unwell(f"the API answers {error.code}: {error.read(200).decode(errors='replace')}") from None
    except (OSError, ValueError) as error:
        raise Unwell(f"the API does not answer: {error}") from None


def beat() -> None:
    """Look at the age of the beat's last tick; raises Unwell."""
    from redis import RedisError

    from shop.stores import BEAT, broker

    try:
        seen = broker().get(BEAT)
    except RedisError as error:
        raise Unwell(f"the broker does not answer: {error}") from None
    if seen is None:
        raise Unwell("the beat never ticked")
    age = time.time() - float(str(seen))
    if age > OLD:
        raise Unwell(f"the beat's last tick is {age:.0f} s old")


def worker(name: str) -> None:
    """Ask a worker by Celery's own `inspect ping`; raises Unwell.

    Asked by its name, its one answer is waited for; else ping waits for more until its time is up.
    """
    from celery import Celery
    from kombu.exceptions import OperationalError

    from shop.settings import settings

    app = Celery("health", broker=settings().broker)
    app.conf.broker_transport_options = {"max_retries": 1, "interval_start": 0, "socket_timeout": PATIENCE}
    try:
        answer = app.control.inspect(destination=[name], timeout=PATIENCE, limit=1).ping()
    except (OperationalError, OSError) as error:
        raise Unwell(f"the broker does not answer: {error}") from None
    if not answer:
        raise Unwell(f"{name} does not answer within {PATIENCE:g} s")


PARTS: dict[str, Callable[..., None]] = {"api": api, "beat": beat, "worker": worker}


def main(words: list[str]) -> int:
    """Look at the part that was named; a worker's own name follows."""
    part, *names = words or [""]
    if part not in PARTS or len(names) != (part == "worker"):
        print(f"name one of: {', '.join(PARTS)}, and after worker its own name", file=sys.stderr)
        return 2
    try:
        PARTS[part](*names)
    except Unwell as why:
        print(f"{part}: {why}", file=sys.stderr)
        return 1
    print(f"{part}: ok")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
