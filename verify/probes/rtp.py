"""Which UDP ports of a range can really be reached: a responder on the host, and questions from here.

The silence of a UDP port says nothing: a dropped packet, a rejected one and a port that nobody has bound look
alike. So `responder` is started on the host for the length of the look, over SSH, and every port is asked.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import shlex
import socket
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from verify.probes import responder
from verify.probes.arguments import parser, ports, ranges, show
from verify.probes.child import Child

TOP = Path(__file__).resolve().parents[2]
PROGRAM = Path(responder.__file__).read_bytes()
SECONDS = 120
"""The responder's life at most."""
START_SECONDS = 20.0
SLICE_SECONDS = 60.0
RATE = 20_000
"""Answers a second at most, twice what is asked."""
ASKER = (sys.executable, "-m", "verify.probes.udp_rounds")


Way = tuple[str, str]
"""A place, and the address that is asked from there."""


@dataclass
class UdpRange:
    """What one place saw of one address; ports are written as ranges."""

    address: str
    place: str
    source: str = ""
    """The local address that was asked from; empty where that place cannot send to the address."""
    open: str = ""
    closed: str = ""
    """Bound, asked, and not heard at either end although the control was."""
    one_way: str = ""
    """The host heard the question, its answer did not arrive here."""
    held: str = ""
    """Bound by another process of the host: its own probe has to tell."""
    unproven: str = ""
    why: str = ""
    control: str = ""
    loss: float = 0.0
    round_trip_ms: float | None = None
    sent: int = 0
    foreign: int = 0
    slices: int = 0
    seconds: float = 0.0


@dataclass
class _Sum:
    """The slices of one place and address, added up."""

    range: UdpRange
    number: int
    """Which asker it is: told in each question, and by the responder."""
    found: dict[str, set[int]] = field(default_factory=dict)

    def add(self, state: str, numbers: Iterable[int]) -> None:
        self.found.setdefault(state, set()).update(numbers)

    controls: int = 0
    answered: int = 0

    def take(self, answer: dict[str, Any], ports: Iterable[int]) -> None:
        """Add what the asker heard of one slice, or why it could not ask."""
        if "error" in answer:
            self.add("unproven", ports)
            self.range.why = answer["error"]
            return
        self.add("open", answer["open"])
        self.add("closed", answer["silent"])
        self.add("unproven", answer["unproven"])
        total = self.range
        total.source, total.control = answer["source"], answer["control"] or total.control
        total.why = answer["why"] or total.why
        self.controls, self.answered = self.controls + answer["controls"], self.answered + answer["answered"]
        total.loss = round(1 - self.answered / self.controls, 4) if self.controls else 0.0
        times = [t for t in (total.round_trip_ms, answer["round_trip_ms"]) if t is not None]
        total.round_trip_ms = min(times, default=None)
        total.sent, total.foreign = total.sent + answer["sent"], total.foreign + answer["foreign"]
        total.slices += 1

    def not_asked(self, said: dict[str, Any], local: Mapping[str, str]) -> None:
        """Add what the responder could not bind, and which silent ports of the last slice it did hear."""
        self.add("held", said["held"])
        if said["given_up"]:
            self.add("unproven", said["given_up"])
            self.range.why = "nearly all ports are in use: the rest was left to the calls"
        heard = {port for address, port, asker in said["heard"]
                 if (local[address], asker) == (self.range.address, self.number)}  # fmt: skip
        lost = heard & self.found.get("closed", set())
        self.add("one_way", lost)
        self.found.get("closed", set()).difference_update(lost)

    def result(self, began: float) -> UdpRange:
        for state, numbers in self.found.items():
            setattr(self.range, state, ranges(numbers))
        self.range.seconds = round(time.monotonic() - began, 3)
        return self.range


def on_host(numbers: Iterable[int]) -> str:
    """Return the shell command that starts the responder; as root only for ports that only root may bind."""
    start = f"python3 -I -c {shlex.quote(responder.LOADER)} {len(PROGRAM)}"
    if min(numbers) > 1023:
        return f"exec {start}"
    return f'if [ "$(id -u)" = 0 ]; then exec {start}; else exec sudo -n {start}; fi'


def udp_ranges(
    addresses: Sequence[str],
    numbers: Sequence[int],
    host: Sequence[str],
    places: Mapping[str, Sequence[str]],
    *,
    inner: Mapping[str, str] | None = None,
    tcp: Mapping[str, int] | None = None,
    timeout: float = 1.0,
    source: str | None = None,
) -> tuple[UdpRange, ...]:
    """Look at UDP ports of a host's addresses from several places at once, a slice at a time.

    `host` is an argv that runs its last argument as a shell command on the host, its stdin passed on; each of
    `places` an argv's beginning that starts a program there. `inner` maps an address to the one that the host
    has itself (behind a NAT). `tcp`: by place, a port that answers it, for where no UDP port does.
    Raises OSError when the responder cannot be started or an asker says nothing; a place that cannot
    send to an address has no `source` there.
    """
    began, key = time.monotonic(), secrets.token_hex(16)
    local = {(inner or {}).get(address, address): address for address in addresses}
    request = {"key": key, "addresses": list(local), "ports": sorted(set(numbers)), "rate": RATE}
    question = {"key": key, "timeout": timeout, "source": source}
    ways = [(place, address) for address in addresses for place in places]
    sums = {way: _Sum(UdpRange(way[1], way[0]), number) for number, way in enumerate(ways)}
    with contextlib.ExitStack() as stack:
        far = stack.enter_context(Child("the responder", [*host, on_host(numbers)]))
        far.write(PROGRAM)
        far.say({**request, "seconds": SECONDS})
        askers = {each: stack.enter_context(_asker(each[0], places[each[0]])) for each in sums}
        controls: dict[Way, int] = {}
        left = True
        while left:
            said = far.hear(START_SECONDS)
            left = bool(said["left"])
            controls = {each: port for each, port in controls.items() if port in said["kept"]}
            for each in sums.values():
                each.not_asked(said, local)
            if said["bound"]:
                _ask_slice(askers, sums, controls, tcp or {}, {**question, "ports": said["bound"]})
            far.say({"keep": sorted(set(controls.values()))})
        said = far.hear(START_SECONDS)
        for each in sums.values():
            each.not_asked(said, local)
    return tuple(each.result(began) for each in sums.values())


def _asker(place: str, prefix: Sequence[str]) -> Child:
    surroundings = {**os.environ, "PYTHONPATH": str(TOP), "PYTHONDONTWRITEBYTECODE": "1"}
    return Child(f"the asker at {place}", [*prefix, *ASKER], env=surroundings, cwd=str(TOP))


def _ask_slice(
    askers: Mapping[Way, Child], sums: Mapping[Way, _Sum], controls: dict[Way, int],
    tcp: Mapping[str, int], question: dict[str, Any],
) -> None:  # fmt: skip
    """Ask one slice from all places at once."""
    for key, asker in askers.items():
        control = {"control": controls.get(key), "tcp": tcp.get(key[0]), "asker": sums[key].number}
        asker.say({**question, **control, "address": key[1]})
    for key, asker in askers.items():
        answer = asker.hear(SLICE_SECONDS)
        sums[key].take(answer, question["ports"])
        if answer.get("open"):
            controls.setdefault(key, answer["open"][0])


def lines_of(seen: UdpRange) -> list[str]:
    """Return what was seen, for a person."""
    trip = "" if seen.round_trip_ms is None else f", round trip {seen.round_trip_ms:.1f} ms"
    found = [
        f"{seen.address} from {seen.place} ({seen.source}): {seen.sent} packets in {seen.slices} slices,"
        f" {seen.seconds:.2f} s{trip}, loss {seen.loss:.1%}, control {seen.control or 'none'}"
    ]
    meanings = {"one_way": "one way (its answers are lost)", "held": "held by another process",
                "unproven": f"not proven ({seen.why})"}  # fmt: skip
    for state in ("open", "closed", "one_way", "held", "unproven"):
        numbers = getattr(seen, state)
        found += [f"  {meanings.get(state, state)}: {numbers}"] if numbers else []
    return found


def ssh_argv(destination: str) -> list[str]:
    """Return the argv of ssh(1) to a destination; options of ssh may stand before it."""
    return ["ssh", "-T", "-o", "BatchMode=yes", *shlex.split(destination)]


def main() -> int:
    """Print which ports are open, closed, held or not proven; exit code 1 when it was impossible to look."""
    arguments = parser("verify.probes.rtp", "Prove which UDP ports of a host can be reached.")
    arguments.add_argument("--ports", type=ports, required=True, help="such as 10000-10199")
    arguments.add_argument("--ssh", metavar="DESTINATION", help="start the responder by ssh: root@host")
    arguments.add_argument("--through", metavar="COMMAND", help="what runs a shell command on the host")
    arguments.add_argument("--inner", metavar="ADDRESS", help="the host's own address, behind a NAT")
    arguments.add_argument("--control", type=int, metavar="PORT", help="a TCP port that answers from here")
    given = arguments.parse_args()
    host = ssh_argv(given.ssh) if given.ssh else shlex.split(given.through or "")
    if not host:
        sys.stderr.write(
            f"{given.address}: nobody answers there unless a responder is started; say how: --ssh root@"
            f"{given.address}, or --through with what runs a shell command there, its stdin passed on\n"
        )
        return 1
    tcp = {"here": given.control} if given.control else None
    try:
        address = str(socket.getaddrinfo(given.address, 9, type=socket.SOCK_DGRAM)[0][4][0])
        seen = udp_ranges(
            [address], given.ports, host, {"here": ()}, tcp=tcp, timeout=given.timeout,
            source=given.source, inner={address: given.inner} if given.inner else None,
        )  # fmt: skip
        if not seen[0].source and seen[0].why:
            raise OSError(seen[0].why)
    except OSError as error:
        sys.stderr.write(f"{given.address}: {error.strerror or error}\n")
        return 1
    show(asdict(seen[0]), [line for each in seen for line in lines_of(each)], as_json=given.json)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
