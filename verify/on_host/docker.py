"""The container engine and every container on the host, as the engine itself tells them."""

from __future__ import annotations

import os
from typing import Any

from verify.on_host import engine
from verify.on_host.section import Request, section, text

LABELS = ("com.docker.compose.project", "com.docker.compose.service", "com.docker.compose.oneoff")


@section("docker")
def docker(request: Request) -> dict[str, Any] | None:
    """Return the engine's settings, all containers, images and networks; None where none is declared."""
    if not request["docker"]:
        return None
    info = engine.ask("/info")
    return {
        "version": info["ServerVersion"],
        "live_restore": info["LiveRestoreEnabled"],
        "containers": [_container(each) for each in engine.containers()],
        "images": {
            each["Id"]: {"tags": each["RepoTags"] or [], "digests": each["RepoDigests"] or []}
            for each in engine.ask("/images/json?all=1")
        },
        "networks": [_network(each) for each in engine.ask("/networks")],
        "proxies": _proxies(),
    }


def _container(each: dict[str, Any]) -> dict[str, Any]:
    """Return what a check may know of a container: never its environment or its output."""
    config, host, state = each["Config"], each["HostConfig"], each["State"]
    health = state.get("Health") or {}
    labels = config.get("Labels") or {}
    networks = (each.get("NetworkSettings") or {}).get("Networks") or {}
    tried = [entry["ExitCode"] for entry in health.get("Log") or ()]
    return {
        "id": each["Id"],
        "name": each["Name"].lstrip("/"),
        "image": each["Image"],
        "labels": {k: v for k, v in labels.items() if k in LABELS or k.startswith("trunkline.")},
        "state": state["Status"],
        "health": health.get("Status"),
        "tried": tried[-3:],
        "checked": (config.get("Healthcheck") or {}).get("Test") not in (None, [], ["NONE"]),
        "restart": (host.get("RestartPolicy") or {}).get("Name") or "no",
        "log": (host.get("LogConfig") or {}).get("Config") or {},
        "ports": [
            [bound.get("HostIp") or "0.0.0.0", int(bound["HostPort"] or 0), *inside.split("/")[::-1]]
            for inside, bindings in (host.get("PortBindings") or {}).items()
            for bound in bindings or ()
        ],
        "addresses": [n["IPAddress"] for n in networks.values() if n.get("IPAddress")],
        "host_network": host.get("NetworkMode") == "host",
    }


def _network(each: dict[str, Any]) -> dict[str, Any]:
    options = each.get("Options") or {}
    subnets = [entry.get("Subnet") for entry in (each.get("IPAM") or {}).get("Config") or ()]
    return {
        "name": each["Name"],
        "bridge": options.get("com.docker.network.bridge.name") or f"br-{each['Id'][:12]}",
        "driver": each["Driver"],
        "subnets": [subnet for subnet in subnets if subnet],
    }


def _proxies() -> list[str]:
    """Return the command line of every process that copies packets for a published port."""
    lines = (text(f"/proc/{pid}/cmdline").replace("\0", " ") for pid in os.listdir("/proc") if pid.isdigit())
    return [line.strip() for line in lines if line.partition(" ")[0].endswith("docker-proxy")]
