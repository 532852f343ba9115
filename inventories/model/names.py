"""Names in DNS: which are well formed, and which are examples only."""

from __future__ import annotations

import re
from ipaddress import ip_address
from typing import Annotated

from pydantic import AfterValidator

from inventories.model.wanted import Wanted, refusal, shown

LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
EXAMPLES = ("example", "example.com", "example.net", "example.org", "test", "invalid", "localhost")
"""Names that nobody can own (RFC 2606, RFC 6761)."""


def is_example(name: str) -> bool:
    """Say whether a name is, or is below, one that exists in examples only."""
    return any(name == each or name.endswith(f".{each}") for each in EXAMPLES)


def is_name(name: str) -> bool:
    """Say whether a name is a fully qualified host name in small letters (RFC 1123)."""
    labels = name.split(".")
    formed = all(map(LABEL.fullmatch, labels)) and not labels[-1].isdigit()
    return formed and len(labels) >= 2 and len(name) <= 253


def _domain(value: str) -> str:
    if not is_name(value):
        remedy = "write two or more labels in small letters, such as lab.example"
        raise refusal(shown(value), "a domain name", remedy)
    return value


def _server(value: str) -> str:
    try:
        ip_address(value)
    except ValueError:
        if not is_name(value):
            remedy = "write it as ntp.example.net, with no port or scheme"
            raise refusal(shown(value), "a host name or an address", remedy) from None
    return value


def _host(value: str) -> str:
    if not LABEL.fullmatch(value) or not value[0].isalpha() or len(value) > 31:
        remedy = "use up to 31 small letters, digits and inner hyphens, a letter first"
        raise refusal(shown(value), "a host name", remedy)
    return value


DomainName = Annotated[str, AfterValidator(_domain), Wanted("a domain name", "put it in quotes")]
ServerName = Annotated[str, AfterValidator(_server), Wanted("a host name or an address", "put it in quotes")]
HostName = Annotated[str, AfterValidator(_host), Wanted("a host name", "put it in quotes")]
