"""Tell what containers are made of and run. Argument: {"stacks", "images", "upstreams": [], "agent": path}.

Asks the engine over its socket, but never wakes it, and the host's agent for what each stack runs.
"""

from __future__ import annotations

import glob
import http.client
import json
import os
import socket
import subprocess
import sys
from typing import Any

SOCKET = "/run/docker.sock"
REMEMBERED = "/var/lib/trunkline/stacks/images.json"
AGENTS = "/usr/local/lib/trunkline/agent-*.pyz"
LOOK_SECONDS = 60


class Engine(http.client.HTTPConnection):
    """The engine's API over its own socket."""

    def connect(self) -> None:
        """Connect to the socket instead of a port."""
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(20)
        self.sock.connect(SOCKET)


def asked(path: str) -> Any:
    """Return the engine's answer; None where it does not answer or knows nothing of it."""
    engine = Engine("localhost")
    try:
        engine.request("GET", path)
        answer = engine.getresponse()
        return json.loads(answer.read()) if answer.status == 200 else None
    except (OSError, ValueError, http.client.HTTPException):
        return None
    finally:
        engine.close()


def runs() -> bool:
    """Say whether the engine runs: its socket alone is systemd's, which would start it for us."""
    argv = ("systemctl", "is-active", "--quiet", "docker.service")
    return os.path.exists(SOCKET) and subprocess.run(argv, check=False).returncode == 0


def read(path: str) -> Any:
    """Return a file's JSON; None where there is none."""
    try:
        with open(path) as file:
            return json.load(file)
    except (OSError, ValueError):
        return None


def images(wanted: list[str], means: dict[str, str], present: list[dict[str, Any]]) -> dict[str, str | None]:
    """Return the id of each wanted image, named by that id or by a reference that was resolved here."""
    ids = {image["Id"]: image["Id"] for image in present}
    ids |= {
        name.partition("@")[2]: image["Id"] for image in present for name in image.get("RepoDigests") or []
    }
    return {name: ids.get(name if name.startswith("sha256:") else means.get(name, "")) for name in wanted}


def layers(present: list[dict[str, Any]]) -> list[list[str]]:
    """Return the layers of each image that is there, from the bottom up; none where an archive must be whole.

    That is so where containerd keeps the images: it looks at every layer of what it loads.
    """
    status = (asked("/info") or {}).get("DriverStatus") or []
    if any("containerd" in str(value) for _, value in status):
        return []
    found = (asked(f"/images/{image['Id']}/json") for image in present)
    return [list(each["RootFS"]["Layers"]) for each in found if each]


def pinned(spec: dict[str, Any], means: dict[str, str]) -> dict[str, Any]:
    """Return what a stack shall be, with each reference that was resolved here by its digest."""
    services = []
    for service in spec["services"]:
        digest = means.get(service.get("reference") or "")
        image = f"{service['image'].partition('@')[0]}@{digest}" if digest else service["image"]
        services.append({**service, "image": image})
    return {**spec, "services": services}


def look(spec: dict[str, Any], agent: str) -> Any:
    """Return what the agent says of a stack that shall be so; a sentence where it cannot say anything."""
    if not os.path.exists(agent):
        agents = sorted(glob.glob(AGENTS), key=os.path.getmtime)
        if not agents:
            return None
        agent = agents[-1]
    argv = ("python3", "-I", agent, "stack", "look", spec["name"], "--spec", "-")
    told = json.dumps(spec)
    try:
        done = subprocess.run(
            argv, input=told, capture_output=True, text=True, check=False, timeout=LOOK_SECONDS
        )
    except subprocess.TimeoutExpired:
        return f"it was not told within {LOOK_SECONDS} s"
    if done.returncode:
        return " ".join(done.stderr.split()) or f"exit code {done.returncode}"
    return json.loads(done.stdout)


def main() -> None:
    """Print everything as one object."""
    wanted = json.loads(sys.argv[1])
    running = runs()
    present = (asked("/images/json") or []) if running else []
    means = read(REMEMBERED) or {}
    found = images(wanted["images"], means, present)
    specs = [pinned(spec, means) for spec in wanted["stacks"]]
    print(
        json.dumps(
            {
                "remembered": means,
                "images": found,
                "layers": layers(present) if None in found.values() else [],
                "upstreams": {path: os.path.exists(path) for path in wanted["upstreams"]},
                "stacks": {spec["name"]: look(spec, wanted["agent"]) if running else None for spec in specs},
            }
        )
    )


main()
