"""Kernel settings: our hardening and what the services contribute."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from inventories.model.record import Service

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


class Sysctl(Service):
    """Kernel settings beyond the services' own; a later entry wins over the hardening."""

    settings: dict[str, str] = {}
    hardening: bool = True

    def sysctls(self, host: Host, environment: Environment) -> Iterator[tuple[str, str]]:
        """Yield the hardening, then what the inventory adds or overrides."""
        if self.hardening:
            yield from HARDENING.items()
        yield from self.settings.items()
