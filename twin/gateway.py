"""One office of a twin: its gateway's real strongSwan, the NAT before it, and who answers behind it."""

from __future__ import annotations

import hashlib
import json
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

from control.errors import TrunklineError
from inventories.model import Environment
from twin import between, network
from twin.associations import IkeSa, associations
from twin.caller import CALLS, call
from twin.cgroup import Cgroup, cgroup_of
from twin.charon import Charon
from twin.daemon import Daemon
from twin.far_side import FarSide, far_side
from twin.given import proof_of
from twin.layout import Layout
from twin.office_pbx import OfficePbx
from twin.offices import Office, offices
from twin.result import OfficeStatus
from twin.vici import Vici
from twin.world_image import image_of

_SAS = ("list-sas", "list-sa")


class Gateway:
    """What a twin does with one office; wrong on purpose where a test wants that."""

    def __init__(self, environment: Environment, layout: Layout, office: Office, directory: Path) -> None:
        self.environment = environment
        self.layout = layout
        self.office = office
        self.twin = layout.twin
        self.directory = directory / office.gateway
        self.charon = Charon(self.twin, office.gateway, self.directory)
        self.behind = OfficePbx(environment, self.twin, office, self.directory)
        self._state = self.directory / "state.json"
        self._loaded = self.directory / "loaded"

    @property
    def name(self) -> str:
        """The office's name."""
        return self.office.name

    @property
    def address(self) -> str:
        """The office's public address."""
        return self.office.address

    @property
    def pbx(self) -> str:
        """The address of the PBX."""
        return str(self.office.phones[0].ip)

    @property
    def lan(self) -> str:
        """The gateway's address in the PBX's network."""
        return str(self.office.lan[0].ip)

    @property
    def nodes(self) -> tuple[str, ...]:
        """The office's nodes, from outside in."""
        return self.office.nodes

    def ends(self, *hosts: str) -> bool:
        """Say whether a tunnel of one of these hosts ends here."""
        return any(host.name in hosts for host, _ in self.office.tunnels)

    @property
    def log(self) -> Path:
        """What the gateway's daemon prints."""
        return self.charon.cell.daemon.log

    def start(self) -> None:
        """Power everything on that is not; what was made wrong stays so."""
        self._route()
        new = self.charon.cell.start()
        if new or not self._loaded.exists() or self._loaded.read_text() != self._text():
            self.charon.settle()
            self._load()
        group = Cgroup(cgroup_of(self.twin))
        Daemon(self.directory, "caller").start(
            [sys.executable, "-m", "twin.caller", str(self.charon.data)], group
        )
        self.behind.start()

    def crash(self) -> None:
        """Cut the gateway's power: nobody is told."""
        self.charon.crash()

    def restore(self) -> None:
        """Let everything be as declared, and start it anew."""
        self.renew()
        self.start()

    def renew(self) -> None:
        """End everything, forget what was made wrong, and lay new cables; `start` starts it."""
        Daemon(self.directory, "caller").stop(wait=0)
        self.behind.end()
        self.charon.crash()
        self._state.unlink(missing_ok=True)
        for node in self.office.nodes:
            network.attach(self.layout, node)

    def reload(self, *, keep: bool = False, **changes: Any) -> None:
        """Change what the console says, on top of what was changed before, for every tunnel.

        The names are those of FarSide's fields. The tunnels are begun anew unless `keep`.
        """
        for each in self.consoles():
            each.changed(**changes)
        state = self._read()
        self._write(state | {"changes": state["changes"] | changes})
        if self.charon.cell.daemon.alive():
            self._load()
            if not keep:
                self.terminate()
                self.charon.ask(lambda daemon: call(daemon, self._calls()))

    def forwarding(self, on: bool) -> None:
        """Let the NAT pass IKE from outside on to the gateway, or not; it forgets who called whom."""
        self._write(self._read() | {"forwarding": on})
        if self.office.wan:
            network.attach(self.layout, self.office.outer)
        self._route()

    def only(self, *, udp: bool) -> None:
        """Put a firewall before the office that passes UDP only, or take it away."""
        lines = between.udp_only() if udp else []
        between.on_cable(image_of(self.twin), self.layout, self.office.outer, "only", lines)

    def sas(self) -> tuple[IkeSa, ...]:
        """Return what the gateway says of its tunnels."""
        return associations(self.charon.ask(lambda daemon: daemon.stream(*_SAS)))

    def initiate(self, wait: float = 10) -> bool:
        """Call every host; say whether all children are up within `wait` seconds."""
        self.charon.ask(self._begin)
        end = time.monotonic() + wait
        while not self.up():
            if time.monotonic() > end:
                return False
            time.sleep(0.05)
        return True

    def up(self) -> bool:
        """Say whether every child of every tunnel carries."""
        there = {name for sa in self.sas() for name in sa.up}
        return there >= {child for each in self.consoles() for child in each.children}

    def status(self) -> OfficeStatus:
        """Return how the office is."""
        try:
            up = sum(len(sa.up) for sa in self.sas())
        except TrunklineError:
            state = "off"
        else:
            wanted = sum(len(each.children) for each in self.consoles())
            state = "up" if self.up() else f"{up} of {wanted} children up"
        its = self._read()
        changed = (*its["changes"], *(() if its["forwarding"] else ("forwarding",)))
        return OfficeStatus(self.name, self.address, self.pbx, state, changed)

    def rekey(self, *, ike: bool = False) -> None:
        """Ask for new keys of every child, or of the negotiations; only other SPIs are proof of them."""
        for each in self.consoles():
            for message in [{"ike": each.host}] if ike else [{"child": child} for child in each.children]:
                self.charon.ask(partial(Vici.ask, command="rekey", message=message))

    def terminate(self) -> None:
        """End all tunnels in order; the hosts are told."""
        self.charon.ask(lambda daemon: _end(daemon, [sa.name for sa in associations(daemon.stream(*_SAS))]))

    def consoles(self) -> tuple[FarSide, ...]:
        """Return what the gateway's console says of each tunnel now."""
        office, state = self.office, self._read()
        own = str(office.wan.ip) if office.wan else office.address
        expired = bool(state["changes"].get("expired"))
        proofs = [proof_of(self.environment, self.twin, peer, expired=expired) for _, peer in office.tunnels]
        return tuple(
            far_side(host, peer, own, proof).changed(**state["changes"])
            for (host, peer), proof in zip(office.tunnels, proofs, strict=True)
        )

    def _begin(self, daemon: Vici) -> None:
        _end(daemon, [sa.name for sa in associations(daemon.stream(*_SAS)) if sa.state == "CONNECTING"])
        call(daemon, self._calls(everyone=True))

    def _calls(self, *, everyone: bool = False) -> dict[str, list[str]]:
        return {each.host: [*each.children] for each in self.consoles() if each.calls or everyone}

    def _load(self) -> None:
        consoles = self.consoles()

        def load(daemon: Vici) -> None:
            daemon.ask("clear-creds")
            for each in consoles:
                for name, message in each.secrets():
                    daemon.ask(name, message)
                daemon.ask("load-conn", each.connection())

        self.charon.ask(load)
        (self.charon.data / CALLS).write_text(json.dumps(self._calls()))
        self._loaded.write_text(self._text())

    def _text(self) -> str:
        """What differs when something else would be loaded."""
        return hashlib.sha256(repr([*map(asdict, self.consoles())]).encode()).hexdigest()

    def _route(self) -> None:
        image, office = image_of(self.twin), self.office
        if office.wan:
            inside = str(office.wan.ip) if self._read()["forwarding"] else None
            between.rules(image, self.layout, office.outer, between.nat(inside))
        remote = dict.fromkeys(network for each in self.consoles() for network in each.remote)
        between.rules(image, self.layout, office.gateway, between.gateway(remote))

    def _read(self) -> dict[str, Any]:
        try:
            found: dict[str, Any] = json.loads(self._state.read_text())
        except (OSError, ValueError):
            return {"forwarding": True, "changes": {}}
        return found

    def _write(self, state: Mapping[str, Any]) -> None:
        temporary = self._state.with_suffix(".new")
        temporary.write_text(json.dumps(state))
        temporary.rename(self._state)


class Gateways:
    """The offices of one twin."""

    def __init__(self, environment: Environment, layout: Layout, directory: Path) -> None:
        every = (Gateway(environment, layout, each, directory) for each in offices(environment))
        self.all = {gateway.name: gateway for gateway in every}

    def start(self) -> None:
        """Power on what is not."""
        self._each(Gateway.start)

    def renew(self, *hosts: str) -> None:
        """End all of them, or those that these hosts lead to; what was made wrong is forgotten."""
        self._each(Gateway.renew, *hosts)

    def _each(self, do: Callable[[Gateway], None], *hosts: str) -> None:
        chosen = [each for each in self.all.values() if not hosts or each.ends(*hosts)]
        with ThreadPoolExecutor() as pool:
            list(pool.map(do, chosen))


def _end(daemon: Vici, names: Iterable[str]) -> None:
    for name in dict.fromkeys(names):
        with suppress(TrunklineError):
            daemon.ask("terminate", {"ike": name, "force": "yes", "timeout": "2000"})
