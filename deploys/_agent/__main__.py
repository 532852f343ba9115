"""Run the agent from the source tree: `python -m deploys._agent COMMAND`."""

from __future__ import annotations

import sys

from .main import main

if __name__ == "__main__":
    sys.exit(main())
