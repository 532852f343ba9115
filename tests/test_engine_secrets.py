"""What a secret may look like in text, and that none of it is left."""

from __future__ import annotations

import base64
import json
import os
import shlex
import urllib.parse
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deploys._engine import secrets
from deploys._engine.wire import Masked
from inventories.model import Secret

KEY = "-----BEGIN KEY-----\nMC4CAQAwBQYDK2VwBCIEIPz8\nshort\nAxUdjWMvRZ2nYQ0QH5Vn\n-----END KEY-----\n"


@pytest.fixture(autouse=True)
def nothing_is_left() -> Iterator[None]:
    yield
    secrets.load({})


def test_a_value_is_found_by_its_name_and_by_its_reference() -> None:
    secrets.load({"unifi_psk": "x y"})
    assert secrets.value("unifi_psk") == secrets.value(Secret(name="unifi_psk")) == "x y"


def test_a_missing_secret_says_how_to_set_it() -> None:
    with pytest.raises(secrets.SecretMissingError, match="The secret 'psk' has no value") as caught:
        secrets.value("psk")
    assert caught.value.remedy == "Set it with `invoke secrets.set psk`."


@pytest.mark.parametrize(
    "written",
    [
        str,
        shlex.quote,
        repr,
        json.dumps,
        urllib.parse.quote,
        urllib.parse.quote_plus,
        lambda text: base64.b64encode(text.encode()).decode(),
        lambda text: base64.b64encode(f"{text}\n".encode()).decode(),
    ],
)
@pytest.mark.parametrize("value", ["plain-word", 'it\'s "quoted" \\ & <b>', "tab\tand\nline", "pässwörd ✓"])
def test_a_value_is_masked_however_it_is_written(value: str, written: object) -> None:
    assert callable(written)
    secrets.load({"a": value})
    masked = secrets.mask(f"before {written(value)} after")
    assert masked.startswith("before ")
    assert masked.endswith(" after")
    assert secrets.MASK in masked
    assert written(value) not in masked


def test_each_telling_line_of_a_key_is_masked_in_a_diff_and_what_every_key_has_is_not() -> None:
    secrets.load({"key": KEY})
    diff = "".join(f"+{line}\n" for line in KEY.splitlines())
    assert secrets.mask(diff).splitlines() == [
        "+-----BEGIN KEY-----",
        "+***",
        "+short",
        "+***",
        "+-----END KEY-----",
    ]


def test_the_longer_of_two_values_is_masked_whole() -> None:
    secrets.load({"a": "pass", "b": "password"})
    assert secrets.mask("password pass") == "*** ***"


@given(st.text("abc", min_size=4), st.text("abc*"), st.text("abc*"))
def test_no_text_around_a_value_saves_it(value: str, before: str, after: str) -> None:
    secrets.load({"a": value})
    assert value not in secrets.mask(before + value + after)


def test_every_string_of_a_message_is_masked() -> None:
    secrets.load({"a": "marker"})
    message = {"marker": ["a marker", 1, None, {"x": ("marker",)}]}
    assert secrets.mask_all(message) == {"***": ["a ***", 1, None, {"x": ["***"]}]}


def test_diagnostics_are_masked_even_when_a_value_arrives_in_pieces() -> None:
    secrets.load({"a": "marker"})
    reader, writer = os.pipe()
    stream = Masked(writer)
    stream.write(b"one mar")
    stream.write(b"ker\ntwo")
    os.close(writer)
    assert os.read(reader, 100) == b"one ***\n"
    os.close(reader)
