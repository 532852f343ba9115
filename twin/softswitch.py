"""One carrier of a twin: real Asterisks that bring calls and take them, and what can be made wrong there."""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from control.errors import TrunklineError
from inventories.model import Environment
from twin import between, network
from twin.asterisk import Asterisk
from twin.asterisk_conf import CAUSES, ECHO, TONE, Behaviour, files
from twin.carriers import Carrier, Proxy, carriers
from twin.given import given
from twin.layout import Layout
from twin.outward import CALLER, PATIENCE, Outward
from twin.result import CarrierStatus
from twin.sip_heard import TOKEN, Call, Heard, Message
from twin.world_image import image_of


@dataclass(frozen=True)
class Registration:
    """Who is registered where, until when (seconds since the epoch)."""

    proxy: str
    """primary or backup."""
    user: str
    contact: str
    source: str
    """The address and port that it came from."""
    expires: float


class Softswitch:
    """What a twin does with one carrier."""

    def __init__(self, environment: Environment, layout: Layout, carrier: Carrier, directory: Path) -> None:
        self.environment = environment
        self.layout = layout
        self.carrier = carrier
        self.twin = layout.twin
        self.machines = {proxy: Asterisk(self.twin, proxy, directory) for proxy in carrier.proxies}
        self._state = directory / f"carrier-{carrier.name}.json"

    @property
    def name(self) -> str:
        """The carrier's name."""
        return self.carrier.name

    @property
    def kind(self) -> str:
        """How it knows us: address or registration."""
        return self.carrier.kind

    @property
    def addresses(self) -> tuple[str, ...]:
        """Every address that it calls from; of one at which we register: primary, backup."""
        return self.carrier.addresses

    @property
    def nodes(self) -> tuple[str, ...]:
        """The nodes of its machines."""
        return self.carrier.nodes

    def leads_to(self, *hosts: str) -> bool:
        """Say whether a trunk of one of these hosts leads here."""
        return any(host.name in hosts for host, _ in self.carrier.lines)

    def start(self) -> None:
        """Power everything on that is not; what was made wrong stays so."""
        with ThreadPoolExecutor() as pool:
            list(pool.map(lambda proxy: self.machines[proxy].start(self._files(proxy)), self.machines))
        self._fence()

    def restore(self) -> None:
        """Let everything be as declared, and start it anew: nobody is registered, no call is remembered."""
        self.renew()
        self.start()

    def renew(self) -> None:
        """End everything, forget what was made wrong, and lay new cables; `start` starts it."""
        for machine in self.machines.values():
            machine.end()
        self._state.unlink(missing_ok=True)
        self._fence()
        for node in self.nodes:
            network.attach(self.layout, node)

    def call(
        self,
        number: str,
        caller: str = CALLER,
        seconds: float = 3.0,
        source: str | None = None,
        codecs: Sequence[str] = (),
        host: str | None = None,
        patience: float = PATIENCE,
    ) -> Call:
        """Call a number and speak so many seconds; return what became of it when it is over.

        `source` is one of the addresses, `host` one of the hosts whose trunk leads here; `patience` is how
        many seconds an answer is waited for. Where nobody is registered there is nobody to call.
        """
        with self.calling(number, caller, seconds, source, codecs, host, patience) as begun:
            return begun.ended(patience + seconds + 5)

    @contextmanager
    def calling(
        self,
        number: str,
        caller: str = CALLER,
        seconds: float = 3600.0,
        source: str | None = None,
        codecs: Sequence[str] = (),
        host: str | None = None,
        patience: float = PATIENCE,
    ) -> Iterator[Outward]:
        """Call a number as `call` does, and go on at once; it is hung up at the end of the block."""
        self._refuse_tls()
        host = host or self.carrier.lines[0][0].name
        proxy, address, place = self._way(host, source)
        token = secrets.token_hex(8)
        begun = Outward(self.carrier, self.machines[proxy], token, self.addresses)
        begun.begin(host, address, place, number, caller, seconds, codecs, patience)
        try:
            yield begun
        finally:
            begun.hang_up()

    def calls(self) -> tuple[Call, ...]:
        """Return what was called out by this carrier, since its start or `forget`."""
        self._refuse_tls()
        found = []
        for machine in self.machines.values():
            theirs = [m for m in self._heard(machine) if not m.header(TOKEN)]
            found += [*Heard(machine.directory).calls(theirs, self.addresses)]
        return tuple(sorted(found, key=lambda call: call.at))

    def messages(self) -> tuple[Message, ...]:
        """Return every SIP message that was on the carrier's cables, since its start or `forget`."""
        every = (message for machine in self.machines.values() for message in self._heard(machine))
        return tuple(sorted(every, key=lambda message: message.at))

    def forget(self) -> None:
        """Forget the calls and messages so far."""
        self._keep(self.behaviour, since=time.time())

    def registrations(self) -> tuple[Registration, ...]:
        """Return who is registered now."""
        return tuple(
            Registration(
                proxy.field,
                its["uri"].partition(":")[2].partition("@")[0],
                its["uri"],
                f"{its['via_addr']}:{its['via_port']}",
                float(its["expiration_time"]),
            )
            for proxy, machine in self.machines.items()
            for its in (machine.contacts() if machine.cell.daemon.alive() else ())
            if float(its["expiration_time"]) > time.time()
        )

    def reject(self, on: bool = True) -> None:
        """Refuse registrations (403), or take them again."""
        self._change(reject=on)

    def challenge(self, on: bool = True) -> None:
        """Hold every password for wrong (401), or know the right one again."""
        self._change(challenge=on)

    def answers(self, how: str | int) -> None:
        """Answer the calls that come with a tone or an echo, or refuse them with a status."""
        if how not in (TONE, ECHO, *CAUSES):
            known = ", ".join(map(str, (TONE, ECHO, *CAUSES)))
            raise TrunklineError(f"A carrier cannot answer with {how!r}.", f"It can with: {known}.")
        self._change(answers=how)

    def down(self, which: str) -> None:
        """Let a proxy (primary, backup) or an address be silent: what is sent there or from there is lost."""
        self._change(down=tuple(dict.fromkeys((*self.behaviour.down, *self._addresses(which)))))

    def up(self, which: str) -> None:
        """Let it be there again."""
        gone = self._addresses(which)
        self._change(down=tuple(each for each in self.behaviour.down if each not in gone))

    def status(self) -> CarrierStatus:
        """Return how the carrier is."""
        alive = all(machine.cell.daemon.alive() for machine in self.machines.values())
        now, truth = asdict(self.behaviour), asdict(Behaviour())
        changed = tuple(name for name in truth if now[name] != truth[name])
        return CarrierStatus(self.name, self.addresses, "up" if alive else "off", changed)

    @property
    def behaviour(self) -> Behaviour:
        """What the carrier does now."""
        found = dict(self._read()["behaviour"])
        return Behaviour(**found | {"down": tuple(found.get("down", ()))})

    def _heard(self, machine: Asterisk) -> list[Message]:
        return Heard(machine.directory).messages(self._read()["since"])

    def _refuse_tls(self) -> None:
        if self.carrier.trunk.transport == "tls":
            raise TrunklineError(
                f"The trunk {self.name} is over TLS, which a twin's carrier does not speak.",
                "Rehearse it over udp or tcp.",
            )

    def _way(self, host: str, source: str | None) -> tuple[Proxy, str, str]:
        """Return where a call to a host begins, and the host's own place."""
        if not any(its.name == host for its, _ in self.carrier.lines):
            raise TrunklineError(f"No trunk of {host} leads to the carrier {self.name}.")
        chosen = self.addresses if source is None else (source,)
        if not set(chosen) <= set(self.addresses):
            known = ", ".join(self.addresses)
            raise TrunklineError(f"The carrier {self.name} has no address {source}.", f"It has: {known}.")
        address = str(self.environment.host(host).address.ip)
        proxies = {its: proxy for proxy in self.machines for its in proxy.addresses if its in chosen}
        if self.kind == "address":
            return proxies[chosen[0]], chosen[0], address
        for its in chosen:
            for there in self.registrations():
                if there.proxy == proxies[its].field and there.source.startswith(f"{address}:"):
                    return proxies[its], its, there.contact.partition("@")[2]
        raise TrunklineError(f"{host} is not registered at the carrier {self.name}: it cannot be called.")

    def _addresses(self, which: str) -> tuple[str, ...]:
        named = {proxy.field: proxy.addresses for proxy in self.machines}
        named |= {address: (address,) for address in self.addresses}
        if which not in named:
            raise TrunklineError(f"The carrier {self.name} has no {which}.", f"It has: {', '.join(named)}.")
        return named[which]

    def _change(self, **changes: Any) -> None:
        self._keep(replace(self.behaviour, **changes))
        for proxy, machine in self.machines.items():
            machine.load(self._files(proxy))
        self._fence()

    def _fence(self) -> None:
        """Let what is down be silent, outside of its node."""
        for proxy in self.machines:
            gone = [address for address in proxy.addresses if address in self.behaviour.down]
            lines = [f"ip {way} {address} drop" for address in gone for way in ("saddr", "daddr")]
            between.on_cable(image_of(self.twin), self.layout, proxy.node, "down", lines)

    def _files(self, proxy: Proxy) -> dict[str, str]:
        return files(self.carrier, proxy, self.behaviour, given(self.environment, self.twin))

    def _read(self) -> dict[str, Any]:
        try:
            found: dict[str, Any] = json.loads(self._state.read_text())
        except (OSError, ValueError):
            return {"behaviour": {}, "since": 0.0}
        return found

    def _keep(self, behaviour: Behaviour, since: float | None = None) -> None:
        state = {"behaviour": asdict(behaviour), "since": self._read()["since"] if since is None else since}
        temporary = self._state.with_suffix(".new")
        temporary.write_text(json.dumps(state))
        temporary.rename(self._state)


class Softswitches:
    """The carriers of one twin."""

    def __init__(self, environment: Environment, layout: Layout, directory: Path) -> None:
        every = (Softswitch(environment, layout, each, directory) for each in carriers(environment))
        self.all = {each.name: each for each in every}

    def start(self) -> None:
        """Power on what is not."""
        self._each(Softswitch.start)

    def renew(self, *hosts: str) -> None:
        """End all of them, or those that these hosts' trunks lead to; what was made wrong is forgotten."""
        self._each(Softswitch.renew, *hosts)

    def _each(self, do: Callable[[Softswitch], None], *hosts: str) -> None:
        for each in self.all.values():
            if not hosts or each.leads_to(*hosts):
                do(each)
