"""Values as compose.yaml takes them, and the digest that says when a service must be replaced."""

from __future__ import annotations

import hashlib
import json
from functools import cache
from typing import Any


def written(value: Any) -> str:
    """Return a value as YAML that is JSON as well; `$` is doubled, or Compose would put a variable there."""
    return json.dumps(value).replace("$", "$$")


def config_of(shown: Any, private: Any) -> str:
    """Return a SHA-256 over what everybody may see and what nobody may.

    The digest is seen in labels and plans: a slow hash stands for the secrets, so that none can be guessed
    from it.
    """
    hidden = _slow(json.dumps(private, sort_keys=True))
    return hashlib.sha256(json.dumps([shown, hidden], sort_keys=True).encode()).hexdigest()


@cache
def _slow(text: str) -> str:
    return hashlib.scrypt(text.encode(), salt=b"trunkline.config", n=1 << 14, r=8, p=1, dklen=32).hex()
