"""Whether the machine's kernel can do ESP (CONFIG_INET_ESP): else strongSwan does it itself."""

from __future__ import annotations

from functools import cache

from control.errors import TrunklineError
from twin.command import command

_STATE = (
    *("src", "192.0.2.1", "dst", "192.0.2.2", "proto", "esp", "spi", "0x100", "mode", "tunnel"),
    *("aead", "rfc4106(gcm(aes))", f"0x{'00' * 20}", "128"),
)


@cache
def has_esp() -> bool:
    """Say whether a security association can be put into a network that nobody uses (ip-xfrm(8))."""
    try:
        command("unshare", "--net", "--", "ip", "xfrm", "state", "add", *_STATE)
    except TrunklineError:
        return False
    return True
