"""Says whether a part of the shop does its work: `python -m shop.health api|beat`, exit code 0 or 1."""

from __future__ import annotations

import json
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable

from redis import RedisError

from shop.stores import BEAT, broker

API = "http://127.0.0.1:8000/api/health"
OLD = 20.0
"""Seconds after which the beat's last tick is too old: four were missed."""


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
    try:
        seen = broker().get(BEAT)
    except RedisError as error:
        raise Unwell(f"the broker does not answer: {error}") from None
    if seen is None:
        raise Unwell("the beat never ticked")
    age = time.time() - float(str(seen))
    if age > OLD:
        raise Unwell(f"the beat's last tick is {age:.0f} s old")


PARTS: dict[str, Callable[[], None]] = {"api": api, "beat": beat}


def main(words: list[str]) -> int:
    """Look at the part that was named."""
    if len(words) != 1 or words[0] not in PARTS:
        print(f"name one of: {', '.join(PARTS)}", file=sys.stderr)
        return 2
    try:
        PARTS[words[0]]()
    except Unwell as why:
        print(f"{words[0]}: {why}", file=sys.stderr)
        return 1
    print(f"{words[0]}: ok")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
