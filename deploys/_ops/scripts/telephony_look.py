"""Tell whether Asterisk holds what is declared. No argument."""

from __future__ import annotations

import json
import os
import subprocess

PROGRAM = "/usr/local/lib/trunkline/asterisk"


def main() -> None:
    """Print it as one object."""
    loaded = os.path.exists(PROGRAM) and (
        subprocess.run((PROGRAM, "check"), capture_output=True, check=False, timeout=60).returncode == 0
    )
    print(json.dumps({"loaded": loaded}))


main()
