"""Digest authentication of a request (RFC 3261 section 22, RFC 7616, SHA-2 by RFC 8760)."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from verify.probes.sip_grammar import Malformed, quoted
from verify.probes.sip_headers import Challenge, read_challenge
from verify.probes.sip_message import Request, Response

HASHES = {"md5": "md5", "sha-256": "sha256", "sha-512-256": "sha512_256"}
ALGORITHMS = ("MD5", "SHA-256", "SHA-512-256")
ASKED = {401: ("www-authenticate", "authorization"), 407: ("proxy-authenticate", "proxy-authorization")}
"""Status to the header that asks and the one that answers."""


@dataclass(frozen=True)
class Credentials:
    """Who asks; the password is never printed."""

    user: str
    password: str = field(repr=False)
    algorithms: tuple[str, ...] = ALGORITHMS
    """Those that may be used; the server's order decides among them (RFC 8760 section 2.4)."""


class Authenticator:
    """Answers challenges, and counts how often each nonce was used."""

    def __init__(self, credentials: Credentials) -> None:
        self.credentials = credentials
        self.algorithm = ""
        """The one that was used last."""
        self._uses: dict[str, int] = {}

    def answer(self, response: Response, request: Request) -> tuple[str, str] | None:
        """Return the header that answers a 401 or 407; None where no challenge can be answered."""
        asks, answers = ASKED[response.status]
        for challenge in challenges(response, asks):
            name = challenge.parameters.get("algorithm", "MD5")
            if self._usable(challenge, name):
                self.algorithm = name
                return answers, self._answer(challenge, name, request)
        return None

    def _usable(self, challenge: Challenge, name: str) -> bool:
        wanted = {each.lower() for each in self.credentials.algorithms}
        qop = qops(challenge)
        return (
            challenge.scheme.lower() == "digest"
            and {"realm", "nonce"} <= challenge.parameters.keys()
            and name.lower().removesuffix("-sess") in wanted & HASHES.keys()
            and (not qop or bool({"auth", "auth-int"} & set(qop)))
        )

    def _answer(self, challenge: Challenge, name: str, request: Request) -> str:
        said, cnonce = challenge.parameters, secrets.token_hex(8)
        offered = qops(challenge)
        qop = "auth" if "auth" in offered else offered[0] if offered else ""
        self._uses[said["nonce"]] = uses = self._uses.get(said["nonce"], 0) + 1
        count = f"{uses:08x}"
        result = digest(
            self.credentials, name, said["realm"], said["nonce"], request, qop=qop, count=count, cnonce=cnonce
        )
        parts = [f"username={quoted(self.credentials.user)}", f"realm={quoted(said['realm'])}",
                 f"nonce={quoted(said['nonce'])}", f"uri={quoted(request.uri)}",
                 f'response="{result}"']  # fmt: skip
        parts += [f"algorithm={name}"] if "algorithm" in said else []
        parts += [f"opaque={quoted(said['opaque'])}"] if "opaque" in said else []
        parts += [f"qop={qop}", f"nc={count}", f'cnonce="{cnonce}"'] if qop else []
        return f"Digest {', '.join(parts)}"


def challenges(response: Response, header: str) -> Iterable[Challenge]:
    """Yield the challenges of a response that can be read, in the server's order of preference."""
    for value in response.values(header):
        try:
            yield read_challenge(value)
        except Malformed:
            continue


def qops(challenge: Challenge) -> list[str]:
    """Return the qualities of protection that a challenge offers."""
    return [word.strip() for word in challenge.parameters.get("qop", "").split(",") if word.strip()]


def digest(
    credentials: Credentials,
    algorithm: str,
    realm: str,
    nonce: str,
    request: Request,
    *,
    qop: str = "",
    count: str = "",
    cnonce: str = "",
) -> str:
    """Return the response of RFC 7616 section 3.4.1; without qop that of RFC 2069."""
    hashed = _hashed(algorithm.lower().removesuffix("-sess"))
    who = hashed(f"{credentials.user}:{realm}:{credentials.password}".encode())
    if algorithm.lower().endswith("-sess"):
        who = hashed(f"{who}:{nonce}:{cnonce}".encode())
    body = f":{hashed(request.body)}" if qop == "auth-int" else ""
    what = hashed(f"{request.method}:{request.uri}{body}".encode("utf-8", "surrogateescape"))
    middle = f"{nonce}:{count}:{cnonce}:{qop}" if qop else nonce
    return hashed(f"{who}:{middle}:{what}".encode("utf-8", "surrogateescape"))


def _hashed(name: str) -> Callable[[bytes], str]:
    return lambda data: hashlib.new(HASHES[name], data, usedforsecurity=False).hexdigest()
