"""Kernel settings: our hardening and what the services contribute."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from pydantic import BeforeValidator, Field

from inventories.model.problem import Problem
from inventories.model.record import Service
from inventories.model.wanted import Wanted

if TYPE_CHECKING:
    from inventories.model.environment import Environment
    from inventories.model.host import Host

HARDENING: dict[str, str] = {
    "net.ipv4.conf.all.accept_redirects": "0",
    "net.ipv4.conf.default.accept_redirects": "0",
    "net.ipv6.conf.all.accept_redirects": "0",
    "net.ipv6.conf.default.accept_redirects": "0",
    "net.ipv4.conf.all.send_redirects": "0",
    "net.ipv4.conf.default.send_redirects": "0",
    "net.ipv4.conf.all.accept_source_route": "0",
    "net.ipv4.conf.default.accept_source_route": "0",
    "net.ipv4.conf.all.rp_filter": "2",
    "net.ipv4.conf.default.rp_filter": "2",
    "net.ipv4.icmp_echo_ignore_broadcasts": "1",
    "net.ipv4.tcp_syncookies": "1",
    "kernel.dmesg_restrict": "1",
    "kernel.kptr_restrict": "2",
    "kernel.unprivileged_bpf_disabled": "1",
    "fs.protected_fifos": "2",
    "fs.protected_regular": "2",
    "fs.suid_dumpable": "0",
}


def _text(value: Any) -> Any:
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


Key = Annotated[
    str,
    Field(pattern=r"^[a-z0-9_]+(\.[A-Za-z0-9_/-]+)+$"),
    Wanted("a sysctl key", "write it with dots, as sysctl -a shows it"),
]
Value = Annotated[
    str,
    BeforeValidator(_text),
    Field(pattern=r"^[^\s].*$"),
    Wanted("a sysctl value", 'write it in quotes, as sysctl -n shows it, on one line: "1"'),
]


class Sysctl(Service):
    """Kernel settings beyond the services' own. A setting wins over the hardening, never over a service."""

    collects: ClassVar[bool] = True

    settings: dict[Key, Value] = Field(default_factory=dict)
    hardening: bool = True

    def sysctls(self, host: Host, environment: Environment) -> Iterator[tuple[str, str]]:
        """Yield the hardening, then what the inventory adds or overrides."""
        if self.hardening:
            yield from HARDENING.items()
        yield from self.settings.items()

    def lint(self, host: Host, environment: Environment) -> Iterator[Problem]:
        """Yield settings that contradict a service, and those that would cut the host off."""
        needed: dict[str, tuple[str, str]] = {}
        for name, service in host.services.items():
            for key, value in service.sysctls(host, environment) if service is not self else ():
                if needed.setdefault(key, (name, value))[1] != value:
                    other, its = needed[key]
                    yield self.problem(
                        host,
                        key,
                        f"{other} needs {its} but {name} needs {value}",
                        "one value",
                        "change one of them",
                    )
        for key, value in self.settings.items():
            if key in needed and needed[key][1] != value:
                name, its = needed[key]
                yield self.problem(
                    host,
                    key,
                    f"{value}, but {name} needs {its}",
                    its,
                    f"take {key} out of settings, or change {name}",
                )
            yield from self._cut_off(host, key, value)

    def _cut_off(self, host: Host, key: str, value: str) -> Iterator[Problem]:
        leaf = key.rpartition(".")[2]
        if leaf == "disable_ipv6" and value == "1" and host.address6:
            yield self.problem(
                host,
                key,
                f"{value} takes away the address {host.address6.ip}",
                "IPv6 on a host that has address6",
                "take it out of settings, or address6 out of the host",
            )
        if leaf == "icmp_echo_ignore_all" and value == "1" and host.firewall.answer_ping:
            yield self.problem(
                host,
                key,
                f"{value} leaves every ping unanswered",
                "what firewall.answer_ping says",
                "take it out of settings, or set answer_ping=False",
            )
        if key == "net.ipv4.ip_default_ttl" and (not value.isdigit() or not 32 <= int(value) <= 255):
            yield self.problem(
                host,
                key,
                f"{value} lets replies die on their way",
                "32 to 255 hops",
                "take it out of settings, 64 is the kernel's own",
            )
