"""Ask registries which digest each reference means now. Argument: [reference, ...]. Changes nothing.

The registry API (OCI distribution specification) with the token that its challenge asks for (RFC 6750).
Prints {"digests": {reference: digest}, "problems": {reference: sentence}}.
"""

from __future__ import annotations

import hashlib
import json
import re
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from http.client import HTTPException
from typing import Any

HUB = "registry-1.docker.io"
SECONDS = 20
ATTEMPTS = 3
KINDS = ", ".join(
    (
        "application/vnd.oci.image.index.v1+json",
        "application/vnd.docker.distribution.manifest.list.v2+json",
        "application/vnd.oci.image.manifest.v1+json",
        "application/vnd.docker.distribution.manifest.v2+json",
    )
)


class Unknown(Exception):
    """The registry answered, and not with a digest."""


def parsed(reference: str) -> tuple[str, str, str]:
    """Return registry, repository and tag as Docker understands a reference."""
    first, slash, rest = reference.partition("/")
    named = bool(slash) and ("." in first or ":" in first or first == "localhost")
    registry, path = (first, rest) if named else (HUB, reference)
    repository, _, tag = path.rpartition(":")
    if registry in (HUB, "docker.io", "index.docker.io"):
        registry = HUB
        repository = repository if "/" in repository else f"library/{repository}"
    return registry, repository, tag


def answered(request: urllib.request.Request) -> Any:
    """Return the answer, trying again where the network or the registry stumbles."""
    for attempt in range(ATTEMPTS):
        try:
            return urllib.request.urlopen(request, timeout=SECONDS)
        except urllib.error.HTTPError as error:
            if error.code < 500 or attempt == ATTEMPTS - 1:
                raise
        except (OSError, HTTPException):
            if attempt == ATTEMPTS - 1:
                raise
        time.sleep(attempt + 1)
    raise AssertionError("unreachable")


def token(challenge: str) -> str:
    """Return the token that a registry's WWW-Authenticate asks for."""
    told = dict(re.findall(r'(\w+)="([^"]*)"', challenge))
    if not challenge.lower().startswith("bearer") or "realm" not in told:
        raise Unknown("it asks for a password, and none is declared")
    query = urllib.parse.urlencode({key: told[key] for key in ("service", "scope") if key in told})
    with answered(urllib.request.Request(f"{told['realm']}?{query}")) as answer:
        said = json.load(answer)
    return str(said.get("token") or said["access_token"])


def manifest(url: str, method: str, headers: dict[str, str]) -> Any:
    """Return the answer to a question for a manifest, with a token where one is asked for."""
    try:
        return answered(urllib.request.Request(url, headers=headers, method=method))
    except urllib.error.HTTPError as error:
        if error.code != 401 or "Authorization" in headers:
            raise
        allowed = token(error.headers.get("WWW-Authenticate", ""))
    return manifest(url, method, {**headers, "Authorization": f"Bearer {allowed}"})


def digest(reference: str) -> str:
    """Return the digest that a reference means now; asking for the head alone counts as no pull."""
    if "@" in reference:
        return reference.partition("@")[2]
    registry, repository, tag = parsed(reference)
    url = f"https://{registry}/v2/{repository}/manifests/{tag}"
    with manifest(url, "HEAD", {"Accept": KINDS}) as answer:
        told = str(answer.headers.get("Docker-Content-Digest") or "")
    if told.startswith("sha256:"):
        return told
    with manifest(url, "GET", {"Accept": KINDS}) as answer:
        return f"sha256:{hashlib.sha256(answer.read()).hexdigest()}"


def problem(error: Exception, registry: str) -> str:
    """Return what went wrong, in one clause."""
    if isinstance(error, urllib.error.HTTPError):
        if error.code in (401, 403, 404):
            return f"{registry} has no such image, or does not show it to everybody ({error.code})"
        if error.code == 429:
            return f"{registry} answers that this address has asked too often (429); try again later"
        return f"{registry} answers {error.code} {error.reason}"
    if isinstance(error, Unknown):
        return f"{registry}: {error}"
    return f"{registry} cannot be reached: {getattr(error, 'reason', None) or error}"


def main() -> None:
    """Print the digests, and what stands in the way of the others."""
    digests, problems = {}, {}
    for reference in json.loads(sys.argv[1]):
        try:
            digests[reference] = digest(reference)
        except (OSError, HTTPException, ValueError, KeyError, Unknown) as error:
            problems[reference] = problem(error, parsed(reference)[0])
    print(json.dumps({"digests": digests, "problems": problems}))


main()
