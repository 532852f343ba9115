"""A gateway's strongSwan: its daemon as a process of the twin's world, and its control socket."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import TypeVar

from control.errors import TrunklineError
from twin.caller import SOCKET
from twin.cell import Cell
from twin.command import command
from twin.esp import has_esp
from twin.layout import namespace
from twin.vici import Vici, vici
from twin.world_image import image_of

T = TypeVar("T")
_CAPABILITIES = "--bounding-set=-all,+net_admin,+net_raw,+net_bind_service,+dac_override"
_PLUGINS = (
    "random nonce openssl gcm pem pkcs1 pkcs8 x509 pubkey constraints {esp}kernel-netlink socket-default vici"
)
_CONF = """\
charon {{
  load = {plugins}
  # Else its last tries are a minute apart, and a host that is back waits that long for its call.
  retransmit_limit = 10
  plugins {{
    vici {{
      socket = unix:///data/{socket}
    }}
  }}
  filelog {{
    stderr {{
      time_format = %b %e %T
      default = 1
      flush_line = yes
    }}
  }}
}}
"""


class Charon:
    """The daemon of one gateway."""

    def __init__(self, twin: str, node: str, directory: Path) -> None:
        self.twin = twin
        self.node = node
        self.directory = directory
        self.data = directory / "data"

    @cached_property
    def cell(self) -> Cell:
        """Its process; ESP is done by itself where this machine's kernel cannot."""
        esp = "" if has_esp() else "kernel-libipsec "
        return Cell(
            name=self.node,
            twin=self.twin,
            node=self.node,
            image=image_of(self.twin),
            directory=self.directory,
            account="root",
            argv=("setpriv", _CAPABILITIES, "/usr/sbin/charon-systemd"),
            port=None,
            files={"strongswan.conf": _CONF.format(plugins=_PLUGINS.format(esp=esp), socket=SOCKET)},
            data=self.data,
            environment={"STRONGSWAN_CONF": "/conf/strongswan.conf"},
            devices=("net/tun",),
        )

    def settle(self) -> None:
        """Wait until it answers."""
        self.cell.daemon.serves(self._answers)

    def _answers(self) -> bool:
        with suppress(OSError), vici(self.data / SOCKET) as asked:
            asked.ask("version")
            return True
        return False

    def ask(self, question: Callable[[Vici], T]) -> T:
        """Ask it something."""
        try:
            with vici(self.data / SOCKET) as daemon:
                return question(daemon)
        except OSError as error:
            raise TrunklineError(
                f"{self.node} of the twin {self.twin} does not answer: {error}.",
                f"Start it, or bring the twin up: `invoke twin.up --twin {self.twin}`.",
            ) from None

    def crash(self) -> None:
        """End it without a farewell, with all that it put into the kernel."""
        self.cell.end()
        for what in ("state", "policy"):
            with suppress(TrunklineError):
                command("ip", "-n", namespace(self.twin, self.node), "xfrm", what, "flush")
