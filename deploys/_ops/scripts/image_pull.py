"""Pull one image by its digest, keep it under a tag of ours, and remember what its reference means.

Arguments: reference, name with digest, our tag.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys

REMEMBERED = "/var/lib/trunkline/stacks/images.json"


def docker(*words: str) -> None:
    """Call docker; SystemExit with its last line when it fails."""
    done = subprocess.run(("docker", *words), capture_output=True, text=True, check=False)
    if done.returncode:
        lines = (done.stderr.strip() or done.stdout.strip()).splitlines()
        sys.exit(f"docker {' '.join(words)}: {lines[-1] if lines else f'exit code {done.returncode}'}")


def remember(reference: str, digest: str) -> None:
    """Write down what a reference means: from now on it means nothing else here."""
    os.makedirs(os.path.dirname(REMEMBERED), mode=0o700, exist_ok=True)
    try:
        with open(REMEMBERED) as file:
            known = json.load(file)
    except FileNotFoundError:
        known = {}
    with open(f"{REMEMBERED}.new", "w") as file:
        json.dump({**known, reference: digest}, file, indent=1, sort_keys=True)
        file.flush()
        os.fsync(file.fileno())
    os.rename(f"{REMEMBERED}.new", REMEMBERED)


def main() -> None:
    """Pull, tag, remember."""
    reference, pinned, tag = sys.argv[1:]
    docker("pull", "--quiet", pinned)
    docker("tag", pinned, tag)
    remember(reference, pinned.partition("@")[2])


main()
