"""Have a certificate put into force. `ask NAME DIGEST WHY`: from the authority; `link NAME`: what is there.

What the authority refuses is remembered with its time, so that it is not asked in a loop.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from typing import Any

DECLARED = "/etc/trunkline/certificates.json"
HOOK = "/etc/letsencrypt/renewal-hooks/deploy/trunkline"
STATE = "/var/lib/trunkline/certbot"
LIVE = "/etc/letsencrypt/live"
RENEWAL = "/etc/letsencrypt/renewal"
SECONDS = 300
ANSWERS = re.compile(r"Detail:|Error|error:|urn:ietf|Problem|refus|denied|invalid", re.IGNORECASE)


def argv(name: str, asked: dict[str, Any], again: bool) -> list[str]:
    """Return the command that asks for one certificate; a new declaration replaces the old at once."""
    words = ["certbot", "certonly", "--non-interactive", "--agree-tos", "--no-eff-email"]
    words += ["--email", asked["email"], "--server", asked["directory"], "--cert-name", name]
    words += ["--key-type", "ecdsa", "--elliptic-curve", "secp256r1", "--renew-with-new-domains"]
    words += ["--webroot", "--webroot-path", asked["webroot"]] if asked["webroot"] else ["--standalone"]
    words += ["--required-profile", asked["profile"]] if asked["profile"] else []
    words += ["--force-renewal"] if again else []
    words += ["--break-my-certs"] if again and asked["staging"] else []
    for each in asked["certificates"][name]["names"]:
        words += ["--domain", each]
    return words


def gist(output: str) -> str:
    """Return what the authority said, out of what Certbot printed."""
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    telling = [line for line in lines if ANSWERS.search(line)] or lines
    return " | ".join(telling[-4:])[:600] or "it said nothing"


def remember(name: str, digest: str, said: str) -> None:
    """Keep a refusal with its time."""
    os.makedirs(STATE, mode=0o700, exist_ok=True)
    staged = f"{STATE}/{name}.json.new"
    with open(staged, "w") as file:
        json.dump({"digest": digest, "failed": int(time.time()), "said": said}, file)
    os.rename(staged, f"{STATE}/{name}.json")


def forget(name: str) -> None:
    """Forget a refusal."""
    if os.path.exists(f"{STATE}/{name}.json"):
        os.unlink(f"{STATE}/{name}.json")


def ask(name: str, digest: str, why: str) -> None:
    """Ask the authority once; SystemExit with what it said when it refuses."""
    with open(DECLARED) as file:
        asked = json.load(file)
    again = os.path.exists(f"{RENEWAL}/{name}.conf")
    known = dict(os.environ, **({"REQUESTS_CA_BUNDLE": asked["ca_bundle"]} if asked["ca_bundle"] else {}))
    # Kept before the question: an order that is cut off counts at the authority all the same.
    remember(name, digest, "the last order did not end")
    try:
        done = subprocess.run(
            argv(name, asked, again), env=known, capture_output=True, text=True, check=False, timeout=SECONDS
        )
    except subprocess.TimeoutExpired:
        remember(name, digest, f"no answer within {SECONDS} s")
        sys.exit(
            f"{name}: {asked['directory']} did not answer within {SECONDS} s; look at /var/log/letsencrypt"
        )
    if done.returncode:
        said = gist(done.stdout + "\n" + done.stderr)
        remember(name, digest, said)
        sys.exit(
            f"{name}: {asked['directory']} issued no certificate: {said}; it is not asked again for an hour"
        )
    forget(name)


def link(name: str) -> None:
    """Put what stands into force, as the renewal timer does."""
    known = dict(os.environ, RENEWED_LINEAGE=f"{LIVE}/{name}")
    done = subprocess.run((HOOK,), env=known, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(done.stderr.strip() or f"{HOOK} failed without a word")


def main() -> None:
    """Ask where that is wanted; then put into force."""
    verb, name, *rest = sys.argv[1:]
    if verb == "ask":
        ask(name, *rest)
    link(name)


main()
