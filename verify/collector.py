"""Ask a host everything in one go: build the program, send it, read the snapshot."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from inventories.model import Environment, Host
from verify.asterisk import TIDY, TIMER, UNIT
from verify.asterisk import asked as telephony_asked
from verify.connection import Connection
from verify.on_host.all_sections import SECTIONS
from verify.snapshot import Snapshot
from verify.stacks import stacks_asked
from verify.tunnels import asked

SOURCES = Path(__file__).resolve().parent / "on_host"
PROBE_SOURCES = SOURCES.parent / "probes"
MODULES = (
    "section", "accounts", "clock", "daemons", "foreign", "kernel", "packages",
    "engine", "docker", "compose", "databases", "nginx", "certificates", "vici", "strongswan", "renewal",
    "by_sip", "asterisk_cli", "asterisk", "all_sections",
)  # fmt: skip
PROBES = ("postgresql", "redis", "arguments", "segment", "ping")
"""Probes that look from the host itself."""
APART: dict[str, tuple[str, ...]] = {
    "asked_now": ("stack_health", "databases"),
    "through": ("through",),
    "renewal": ("renewal",),
    "by_sip": ("by_sip",),
}
"""Sections that take seconds: looks of their own, beside the one that everything else waits for."""
SECONDS = 90
LOADER = """
import sys, types
def load(name, source):
    module = sys.modules[name] = types.ModuleType(name)
    parent, _, last = name.rpartition(".")
    if parent:
        setattr(sys.modules[parent], last, module)
    module.__path__ = []
    exec(compile(source, name, "exec"), module.__dict__)
for name, source in {sources!r}:
    load(name, source)
sys.modules["verify.on_host.all_sections"].main({request!r})
"""
WATCHED: dict[str, tuple[str, ...]] = {
    "ssh.service": ("/etc/ssh/sshd_config", "/etc/ssh/sshd_config.d/*.conf"),
    "fail2ban.service": ("/etc/fail2ban/*.conf", "/etc/fail2ban/*.local", "/etc/fail2ban/*.d/*"),
    "chrony.service": ("/etc/chrony/chrony.conf", "/etc/chrony/conf.d/*", "/etc/chrony/sources.d/*"),
    "strongswan.service": (
        "/etc/strongswan.conf",
        "/etc/strongswan.d/*.conf",
        "/etc/strongswan.d/charon/*.conf",
    ),
    "trunkline-tunnels.service": (),
    "systemd-journald.service": ("/etc/systemd/journald.conf", "/etc/systemd/journald.conf.d/*"),
    "ufw.service": (),
    "apt-daily.timer": (),
    "apt-daily-upgrade.timer": (),
    "systemd-timesyncd.service": (),
    UNIT: (),
    TIMER: (),
    TIDY: (),
}
"""Units, and the files whose change they must have taken up."""


def program(request: dict[str, Any]) -> str:
    """Return the Python program that looks at a host: all its modules, and what is asked."""
    names = [("verify", ""), ("verify.on_host", ""), ("verify.probes", "")]
    names += [(f"verify.probes.{name}", (PROBE_SOURCES / f"{name}.py").read_text()) for name in PROBES]
    sources = [(f"verify.on_host.{name}", (SOURCES / f"{name}.py").read_text()) for name in MODULES]
    return LOADER.format(sources=[*names, *sources], request=request)


def request_for(environment: Environment, host: Host) -> dict[str, Any]:
    """Return what is asked of a host, from its record."""
    controller = str(environment.controllers[0].network_address)
    sources = {"controller": controller, "stranger": "203.0.113.66"}
    users = dict.fromkeys((host.users.deploy, "root"))
    where = f"host=x,laddr={host.address.ip},lport={host.ssh.port}"
    return {
        "connections": {
            f"{user} from {source}": f"user={user},addr={address},{where}"
            for user in users
            for source, address in sources.items()
        },
        "sysctls": list(host.sysctls(environment)),
        "swap_file": host.swap.path if host.swap else None,
        "time_servers": list(host.time.servers),
        "units": {name: list(files) for name, files in WATCHED.items()},
        "nginx": host.nginx is not None,
        "certificates": sorted({each.name for each in host.certificates(environment)})
        if host.certbot
        else None,
        "tunnels": asked(host),
        "asterisk": telephony_asked(host),
        **stacks_asked(environment, host),
    }


def collect(connection: Connection, environment: Environment, look: str = "live") -> Snapshot:
    """Return what a host shows from inside: what a look apart is for, or everything else.

    Raises Unreachable.
    """
    apart = [name for names in APART.values() for name in names]
    sections = list(APART.get(look) or (name for name in SECTIONS if name not in apart))
    request = {**request_for(environment, connection.host), "sections": sections}
    answer = connection.python(program(request), SECONDS)
    return Snapshot.read(json.loads(answer))
