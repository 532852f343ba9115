"""Tell which certificates daemons find, and what the authority refused."""

from __future__ import annotations

import calendar
import configparser
import json
import os
import re
import subprocess
import time
from typing import Any

TOP = "/etc/trunkline/certs"
LIVE = "/etc/letsencrypt/live"
RENEWAL = "/etc/letsencrypt/renewal"
STATE = "/var/lib/trunkline/certbot"
WEBROOT = "/srv/trunkline/acme"
HOUR = 3600


def facts(path: str) -> dict[str, Any] | None:
    """Return a certificate's names and the share of its lifetime that is left; None where there is none."""
    if not os.path.exists(path):
        return None
    argv = ("openssl", "x509", "-in", path, "-noout", "-dates", "-ext", "subjectAltName")
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    dates = dict(re.findall(r"^(notBefore|notAfter)=(.*)$", done.stdout, re.MULTILINE))
    if done.returncode or len(dates) != 2:
        return None
    begin, end = (moment(dates[key]) for key in ("notBefore", "notAfter"))
    names = re.findall(r"DNS:([^,\s]+)", done.stdout)
    return {"names": names, "left": round((end - time.time()) / max(1, end - begin), 4)}


def moment(said: str) -> int:
    """Return seconds since 1970 of a date as OpenSSL prints it."""
    return calendar.timegm(time.strptime(said, "%b %d %H:%M:%S %Y %Z"))


def renewal(name: str) -> dict[str, str]:
    """Return what Certbot remembers of a certificate."""
    try:
        with open(f"{RENEWAL}/{name}.conf") as file:
            text = file.read()
    except OSError:
        return {}
    parser = configparser.ConfigParser(interpolation=None, strict=False)
    parser.read_string("[top]\n" + text)
    return dict(parser["renewalparams"]) if parser.has_section("renewalparams") else {}


def certificate(name: str) -> dict[str, Any] | None:
    """Return what stands for a name: the authority's where there is one, else the placeholder."""
    placed = f"{TOP}/{name}"
    linked = os.path.realpath(placed) == os.path.realpath(f"{LIVE}/{name}")
    seen = facts(f"{LIVE}/{name}/fullchain.pem")
    if seen is None:
        held = facts(f"{placed}/fullchain.pem")
        return {"issued": False, "linked": False, **held} if held else None
    kept = renewal(name)
    profile = kept.get("required_profile") or kept.get("preferred_profile")
    there = os.path.exists(f"{placed}/fullchain.pem")
    return {
        "issued": True,
        "linked": linked and there,
        "directory": kept.get("server"),
        "profile": profile if profile not in ("", "None") else None,
        **seen,
    }


def refused(name: str) -> dict[str, Any] | None:
    """Return what the authority last refused, and how many seconds it is not to be asked again."""
    try:
        with open(f"{STATE}/{name}.json") as file:
            kept = json.load(file)
    except (OSError, ValueError):
        return None
    again = kept["failed"] + HOUR
    stamp = "%Y-%m-%d %H:%M:%S UTC"
    return {
        "digest": kept["digest"],
        "said": kept["said"],
        "when": time.strftime(stamp, time.gmtime(kept["failed"])),
        "again": time.strftime(stamp, time.gmtime(again)),
        "wait": max(0, int(again - time.time())),
    }


def listed(directory: str) -> list[str]:
    """Return the names in a directory, none where there is none."""
    return os.listdir(directory) if os.path.isdir(directory) else []


def main() -> None:
    """Print everything as one object."""
    found = {
        name: certificate(name)
        for name in sorted({*listed(TOP), *listed(LIVE)})
        if not name.endswith((".new", "README"))
    }
    denied = {name: refused(name) for name in (file.removesuffix(".json") for file in listed(STATE))}
    print(
        json.dumps(
            {
                "certificates": {name: seen for name, seen in found.items() if seen},
                "refused": {name: seen for name, seen in denied.items() if seen},
                "webroot": os.path.isdir(WEBROOT),
            }
        )
    )


main()
