"""Pack the agent into one file that is the same on every machine: sorted names, fixed times, no
compression."""

from __future__ import annotations

import hashlib
import io
import zipfile
from pathlib import Path

PACKAGE = "trunkline_agent"
HOME = "/usr/local/lib/trunkline"
_NOT_PACKED = {"__init__.py", "__main__.py", "archive.py"}
_START = f"import sys\n\nfrom {PACKAGE}.main import main\n\nsys.exit(main())\n"


def build() -> tuple[bytes, str]:
    """The zipapp and its versioned path on a host, so that an armed guard keeps the version that armed it."""
    here = Path(__file__).parent
    files = {f"{PACKAGE}/{source.name}": source.read_bytes() for source in here.glob("*.py")}
    files = {name: data for name, data in files.items() if name.rpartition("/")[2] not in _NOT_PACKED}
    files["__main__.py"] = _START.encode()
    files[f"{PACKAGE}/__init__.py"] = b""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_STORED) as archive:
        for name in sorted(files):
            member = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
            member.create_system = 3
            member.external_attr = 0o100644 << 16
            archive.writestr(member, files[name])
    data = packed.getvalue()
    return data, f"{HOME}/agent-{hashlib.sha256(data).hexdigest()[:12]}.pyz"
