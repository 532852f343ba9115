"""A host whose sshd a guard answers for."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from agent_host import Host, fresh

MAIN, DROPS = "/etc/ssh/sshd_config", "/etc/ssh/sshd_config.d"


@pytest.fixture
def host() -> Iterator[Host]:
    with fresh() as host:
        host.write(MAIN, "Port 22\n", 0o600)
        host.write(f"{DROPS}/50-cloud-init.conf", "PasswordAuthentication yes\n")
        host.write("/proc/sys/net/ipv4/ip_default_ttl", "64\n")
        host.write("/proc/sys/net/ipv4/conf/eth0/rp_filter", "2\n")
        yield host


def service(host: Host, **more: Any) -> dict[str, Any]:
    files = [MAIN, f"{DROPS}/*", "/etc/ssh/absent"]
    reload = [["sh", "-c", f"cat {host.place(MAIN)} >> {host.root}/reloads"]]
    return {"services": [{"service": "ssh", "files": files, "reload": reload, **more}]}


def arm(host: Host, seconds: float = 60, **more: Any) -> str:
    told = host.agent("guard", "arm", "--seconds", str(seconds), stdin=service(host, **more))
    assert told.code == 0, told.sentence
    return str(told.report["id"])
