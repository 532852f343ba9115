"""How a build in a twin reaches Python packages: by the twin's proxy, with the machine's settings of pip."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from control import places
from twin.layout import PACKAGES, PACKAGES_PORT

INSIDE = "/mnt"
"""Where a build sees the files; every image has this directory, and it is empty."""
_PIP = """
import json
from pip._internal.configuration import Configuration
c = Configuration(isolated=False); c.load(); d = dict(c.items())
print(json.dumps({n: d.get(f':env:.{n}') or d.get(f'global.{n}') for n in ('index-url', 'cert')}))
"""


def volumes(twin: str) -> dict[Path, str]:
    """Return what is to be mounted while an image is built: file or directory -> its place in the image.

    Nothing of it stays in the image, which is therefore what production would build.
    """
    directory = places.run() / twin / "build"
    (directory / "mnt").mkdir(parents=True, exist_ok=True)
    settings = _settings()
    lines = ["[global]", f"proxy = http://{PACKAGES}:{PACKAGES_PORT}", f"cert = {INSIDE}/ca.pem"]
    if index := settings.get("index-url"):
        lines.append(f"index-url = {index}")
    (directory / "mnt" / "ca.pem").write_bytes(_authorities(settings.get("cert")))
    configuration = directory / "pip.conf"
    configuration.write_text("\n".join([*lines, ""]))
    return {directory / "mnt": INSIDE, configuration: "/etc/pip.conf"}


def _settings() -> dict[str, str | None]:
    done = subprocess.run([sys.executable, "-c", _PIP], capture_output=True, text=True, timeout=30)
    found: dict[str, str | None] = json.loads(done.stdout) if done.returncode == 0 else {}
    return found


def _authorities(declared: str | None) -> bytes:
    """Return the authorities that this machine's pip trusts, all of them."""
    for path in (declared, "/etc/ssl/certs/ca-certificates.crt"):
        if path and Path(path).is_file():
            return Path(path).read_bytes()
    return b""
