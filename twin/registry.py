"""The twin's image registry: it answers for Docker Hub and for every registry that the model names.

How to reach it: from any node of the twin under the registry's own names, port 443, TLS by the twin's
authority. A builder outside runs its tools by `registry.argv("skopeo", ...)`: in the controller's network,
where DNS gives the names.

`Twin.up` fills it from `twin.images`.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from inventories.model import Environment
from twin.authority import Authority
from twin.cell import Cell
from twin.enter import enter_argv
from twin.layout import CONTROLLER, REGISTRY, WORLD
from twin.outside import registries

NAME = "registry-1.docker.io"
"""What to push under: hosts pull `registry-1.docker.io/library/redis:7-alpine` as `redis:7-alpine`."""


@dataclass(frozen=True)
class Registry:
    """Where a twin's registry is, for who puts images into it."""

    twin: str
    names: tuple[str, ...]
    """All names it answers to; empty where the environment has no containers, and so no registry."""
    ca: Path
    """PEM of the authority that vouches for it: SSL_CERT_FILE of tools that push, or `--cert-dir`."""
    node: str = CONTROLLER
    """Whose network it is to be reached from."""

    @property
    def host(self) -> str:
        """The name to push under."""
        return NAME

    def argv(self, *argv: str) -> list[str]:
        """Return the argv of a program that reaches the registry, and trusts nothing else over TLS."""
        return [*enter_argv(self.twin, self.node), "env", f"SSL_CERT_FILE={self.ca}", *argv]


def registry_of(environment: Environment, twin: str) -> Registry:
    """Return the registry of a twin, whether it runs or not."""
    return Registry(twin, registries(environment), Authority(twin).certificate)


def registry_cell(registry: Registry, image: Path, directory: Path, data: Path) -> Cell:
    """Return the process that is to run: docker-registry with its images in `data`.

    `directory` takes its configuration.
    """
    chain, key = Authority(registry.twin).leaf("registry", registry.names)
    configuration = {
        "version": "0.1",
        "log": {"level": "warn", "accesslog": {"disabled": True}},
        "storage": {"filesystem": {"rootdirectory": "/data"}, "delete": {"enabled": True}},
        "http": {
            "addr": f"{REGISTRY}:443",
            "tls": {"certificate": "/conf/registry.pem", "key": "/conf/registry.key"},
        },
    }
    files = {
        "config.json": json.dumps(configuration),
        "registry.pem": chain.read_text(),
        "registry.key": key.read_text(),
    }
    return Cell(
        name="registry",
        twin=registry.twin,
        node=WORLD,
        image=image,
        directory=directory,
        account="docker-registry",
        files=files,
        data=data,
        argv=("/usr/bin/docker-registry", "serve", "/conf/config.json"),
        port=443,
    )
