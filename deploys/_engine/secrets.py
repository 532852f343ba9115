"""Secret values inside the engine's process: given to operations, removed from all that leaves it."""

from __future__ import annotations

import base64
import json
import shlex
import urllib.parse
from collections.abc import Iterator, Mapping
from typing import Any

from control.errors import TrunklineError
from inventories.model import Secret

MASK = "***"
SHORTEST_LINE = 8
"""Lines of a multi-line value that are shorter than this many characters tell nothing and are left."""

_values: dict[str, str] = {}
_forms: tuple[str, ...] = ()


class SecretMissingError(TrunklineError, LookupError):
    """An operation wants a secret that nobody handed over."""


def load(values: Mapping[str, str]) -> None:
    """Hold these values from now on, and only these."""
    global _forms
    _values.clear()
    _values.update(values)
    forms = {form for value in values.values() for form in _written(value) if form}
    _forms = tuple(sorted(forms, key=len, reverse=True))


def value(name: str | Secret) -> str:
    """Return a secret by its name or reference; raises SecretMissingError with what to do."""
    wanted = name.name if isinstance(name, Secret) else name
    if wanted not in _values:
        raise SecretMissingError(
            f"The secret {wanted!r} has no value.", f"Set it with `invoke secrets.set {wanted}`."
        )
    return _values[wanted]


def conceal(derived: str) -> str:
    """Mask this as well from now on, and return it: it is made of a secret and worth as much, as its hash."""
    global _forms
    if derived not in _forms:
        _forms = tuple(sorted({*_forms, *_written(derived)}, key=len, reverse=True))
    return derived


def mask(text: str) -> str:
    """Return the text with every secret value replaced by stars, however it is written."""
    for form in _forms:
        text = text.replace(form, MASK)
    return text


def mask_all(message: Any) -> Any:
    """Return a JSON value with every string in it masked, keys included."""
    if isinstance(message, str):
        return mask(message)
    if isinstance(message, Mapping):
        return {mask_all(key): mask_all(item) for key, item in message.items()}
    if isinstance(message, list | tuple):
        return [mask_all(item) for item in message]
    return message


def _written(secret: str) -> Iterator[str]:
    """Yield the ways in which a value turns up in commands, files and messages."""
    yield secret
    yield secret.strip()
    yield json.dumps(secret)[1:-1]
    yield json.dumps(secret, ensure_ascii=False)[1:-1]
    yield repr(secret)[1:-1]
    yield shlex.quote(secret)
    yield urllib.parse.quote(secret)
    yield urllib.parse.quote_plus(secret)
    yield base64.b64encode(secret.encode()).decode()
    yield base64.b64encode(f"{secret}\n".encode()).decode()
    lines = secret.splitlines()
    if len(lines) > 1:
        yield from (line for line in lines if len(line) >= SHORTEST_LINE and not line.startswith("-----"))
