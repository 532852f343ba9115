"""Certificates on the disk and what renews them; of a private key only its public half leaves the host."""

from __future__ import annotations

import configparser
import glob
import grp
import hashlib
import os
import pwd
import subprocess
from typing import Any

from verify.on_host.section import SURROUNDINGS, Request, said, section, text

OURS = "/etc/trunkline/certs"
CERTBOT = "/etc/letsencrypt"
UNITS = ("certbot.timer", "certbot.service")
PROPERTIES = "Id,LoadState,UnitFileState,ActiveState,Result,NextElapseUSecRealtime,LastTriggerUSec"


@section("certificates")
def certificates(request: Request) -> dict[str, Any] | None:
    """Return each asked certificate as it stands, what Certbot keeps beside it, and what renews it."""
    names = request.get("certificates")
    if names is None:
        return None
    return {
        "files": {name: _held(f"{OURS}/{name}") for name in names},
        "lineages": sorted(path.split("/")[-2] for path in glob.glob(f"{CERTBOT}/live/*/")),
        "renewal": {_stem(path): _renewal(path) for path in glob.glob(f"{CERTBOT}/renewal/*.conf")},
        "hooks": [
            path
            for path in sorted(glob.glob(f"{CERTBOT}/renewal-hooks/deploy/*"))
            if os.access(path, os.X_OK)
        ],
        "units": _units(),
    }


def _stem(path: str) -> str:
    return os.path.basename(path).removesuffix(".conf")


def _held(place: str) -> dict[str, Any]:
    """Return one certificate's chain (it is public) and what is to be known of its key."""
    chain, key = os.path.realpath(f"{place}/fullchain.pem"), os.path.realpath(f"{place}/privkey.pem")
    found: dict[str, Any] = {"path": chain, "pem": text(chain), "key": None}
    try:
        status = os.stat(key)
    except OSError:
        return found
    asked = ["openssl", "pkey", "-in", key, "-pubout", "-outform", "DER"]
    public = subprocess.run(
        asked, env=SURROUNDINGS, stdin=subprocess.DEVNULL, capture_output=True, check=False
    )
    found["key"] = {
        "path": key,
        "mode": f"{status.st_mode & 0o7777:04o}",
        "owner": pwd.getpwuid(status.st_uid).pw_name,
        "group": grp.getgrgid(status.st_gid).gr_name,
        "public": hashlib.sha256(public.stdout).hexdigest() if public.returncode == 0 else "",
    }
    return found


def _renewal(path: str) -> dict[str, str]:
    """Return how Certbot means to renew one certificate; its account's name is left out."""
    parser = configparser.ConfigParser(interpolation=None, strict=False)
    parser.read_string("[top]\n" + text(path))
    known = ("server", "authenticator", "webroot_path", "installer", "preferred_profile", "autorenew")
    held = {**parser["top"], **(parser["renewalparams"] if parser.has_section("renewalparams") else {})}
    return {key: held[key].strip(" ,") for key in known if key in held}


def _units() -> dict[str, dict[str, str]]:
    found = {}
    for block in said("systemctl", "show", "-p", PROPERTIES, *UNITS).strip().split("\n\n"):
        unit = dict(line.partition("=")[::2] for line in block.splitlines())
        found[unit["Id"]] = unit
    return found
