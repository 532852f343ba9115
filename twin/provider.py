"""What a provider's image has, and what the twin puts below the deploy instead of the real world.

Everything the twin substitutes is in this file, so that it can be printed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from inventories.model import Environment, stood_in
from inventories.model.rehearsal import is_rehearsed
from twin.archive import Suite
from twin.carriers import carriers, has_telephony
from twin.esp import has_esp
from twin.layout import ACME, DNS, NTP, PACKAGES, PACKAGES_PORT, REGISTRY
from twin.offices import offices
from twin.outside import directories, registries, uses
from twin.trust import BUNDLE, OWN

PACKAGES_OF_IMAGE = (
    "apt-utils",
    "ca-certificates",
    "curl",
    "dbus",
    "gnupg",
    "iproute2",
    "iputils-ping",
    "kmod",
    "less",
    "libpam-systemd",
    "nano",
    "netbase",
    "openssh-server",
    "procps",
    "python3",
    "sudo",
    "systemd",
    "systemd-sysv",
    "tzdata",
    "udev",
    "vim-tiny",
    "wget",
)


class Substitution(NamedTuple):
    """Something that is not as in production: what, by what, and where it is put."""

    what: str
    by: str
    where: str

    def __str__(self) -> str:
        return f"{self.what}: {self.by} ({self.where})"


MASKED = (
    "console-getty.service",
    "systemd-ask-password-console.path",
    "systemd-ask-password-wall.path",
)
"""Nobody is at the console of a twin's host; each of these takes one of the machine's inotify instances."""
SUBSTITUTIONS = (
    Substitution("DNS", f"the twin's own server at {DNS}", "/etc/resolv.conf"),
    Substitution("time servers", f"the twin's own servers at {', '.join(NTP)}, by DNS", "DNS"),
    Substitution("way to packages", f"the proxy at {PACKAGES}:{PACKAGES_PORT}", "/etc/apt/apt.conf.d/00twin"),
    Substitution(
        "setting the clock", "chronyd -x, which only measures", "/etc/systemd/system/chrony.service.d"
    ),
    Substitution("dpkg's fsync", "force-unsafe-io", "/etc/dpkg/dpkg.cfg.d/00twin"),
    Substitution(
        "console", "nobody there: no login, no question for a password", f"masked: {', '.join(MASKED)}"
    ),
    Substitution("kernel", "the machine's; only net.* settings are the host's own", "systemd-nspawn"),
)
REHEARSED = (
    Substitution("secrets", "values made for this twin; no real one is read", "the twin's own store"),
    Substitution("controller's key", "the twin's own, beside the declared ones", "the deploy account"),
)
"""What is not as in production where real servers are rehearsed."""


def substitutions(environment: Environment) -> tuple[Substitution, ...]:
    """Return everything that is not as in production in a twin of this environment."""
    releases = (
        Substitution(f"OS release of {host}", f"{booted} in place of {declared}", "base image")
        for host, declared, booted in stood_in(environment.name)
    )
    return (
        *SUBSTITUTIONS,
        *_outside(environment),
        *releases,
        *(REHEARSED if is_rehearsed(environment.name) else ()),
    )


def _outside(environment: Environment) -> Iterator[Substitution]:
    if uses(environment):
        yield Substitution(
            "trusted authorities", "the public ones, and the twin's own beside them", f"/{OWN}, /{BUNDLE}"
        )
    if names := registries(environment):
        by = f"the twin's registry at {REGISTRY} with images made of Debian packages"
        yield Substitution("image registries", by, f"DNS: {', '.join(names)}")
    if found := directories(environment):
        by = f"pebble at {ACME}; its chains lead to the twin's own authority"
        yield Substitution("ACME authority", by, f"DNS: {', '.join(dict.fromkeys(d.name for d in found))}")
        yield Substitution(
            "ACME accounts",
            "kept by hosts, registered anew when a twin comes up again",
            "/etc/letsencrypt/accounts",
        )
    for database in environment.databases:
        by = "the twin's own server, password and authority"
        yield Substitution(f"managed {database.kind} {database.name}", by, f"DNS: {database.host}")
    yield from _offices(environment)
    for carrier in carriers(environment):
        by = f"Asterisk at {', '.join(carrier.addresses)}"
        yield Substitution(f"carrier {carrier.name}", by, f"nodes {', '.join(carrier.nodes)}")


def _offices(environment: Environment) -> Iterator[Substitution]:
    found = offices(environment)
    pbx = "Asterisk" if has_telephony(environment) else "who echoes"
    for office in found:
        nat = ", behind NAT" if office.wan else ""
        by = f"strongSwan with the peer's parameters at {office.address}{nat}, and {pbx} as its PBX"
        yield Substitution(f"office {office.name}", by, f"nodes {', '.join(office.nodes)}")
    if found:
        by = "values and an authority made for this twin"
        yield Substitution("tunnels' keys and certificates", by, "the twin's own store")
    if found and not has_esp():
        by = "strongSwan's own, in userland: this machine's kernel has none"
        yield Substitution("ESP", by, "kernel-libipsec, at the gateways; hosts find out by themselves")


def image_files(suites: Iterable[Suite], apt: dict[str, str]) -> dict[str, str]:
    """Return the files of every host of a release: path -> text."""
    settings = {"Acquire::http::Proxy": f"http://{PACKAGES}:{PACKAGES_PORT}"} | apt
    suites = tuple(suites)
    notifies = any(suite.name.partition("-")[0] in NOTIFYING for suite in suites)
    return {
        "/etc/apt/sources.list": "".join(f"{suite.source}\n" for suite in suites),
        "/etc/apt/apt.conf.d/00twin": "".join(f'{name} "{value}";\n' for name, value in settings.items()),
        "/etc/dpkg/dpkg.cfg.d/00twin": "force-unsafe-io\n",
        "/etc/ssh/sshd_config.d/50-cloud-init.conf": "PasswordAuthentication yes\n",
        "/etc/systemd/system/chrony.service.d/00twin.conf": CHRONY + (FORKING if notifies else ""),
    }


CHRONY = """\
# The twin's hosts share the machine's clock and must not set it: chronyd measures, -x.
[Unit]
ConditionCapability=
[Service]
ExecStart=
ExecStart=!/usr/sbin/chronyd -x $DAEMON_OPTS
"""
NOTIFYING = ("forky", "testing")
"""Suites whose unit waits for chronyd's own word (sd_notify(3)): what is in the background cannot give it."""
FORKING = "Type=forking\nPIDFile=/run/chrony/chronyd.pid\n"


def host_files(host: str, domain: str, machine_id: str, authorized_keys: str) -> dict[str, str]:
    """Return the files that differ from host to host: path -> text."""
    return {
        "/etc/hostname": f"{host}\n",
        "/etc/hosts": f"127.0.0.1 localhost\n127.0.1.1 {host}.{domain} {host}\n::1 localhost ip6-localhost\n",
        "/etc/machine-id": f"{machine_id}\n",
        "/etc/resolv.conf": resolv_conf(domain),
        "/root/.ssh/authorized_keys": authorized_keys,
    }


def resolv_conf(domain: str) -> str:
    """Return the resolv.conf(5) of everything in the twin."""
    return f"nameserver {DNS}\nsearch {domain}\n"
