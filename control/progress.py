"""Long work as it goes: which host does which step, and for how long already."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from types import TracebackType
from typing import Protocol, Self

from rich.console import Console as Terminal
from rich.console import ConsoleOptions, RenderResult
from rich.live import Live
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

STILL = 15.0
"""Seconds of silence after which a plain log says that work still goes on."""


class Board(Protocol):
    """Where running work is shown."""

    def working(self, host: str, step: str) -> None:
        """Show that a host began a step."""

    def done(self, host: str, step: str, outcome: str = "", seconds: float | None = None) -> None:
        """Show that a step ended; without an outcome it merely goes away."""

    def said(self, host: str, text: str) -> None:
        """Show a line that stays."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


@dataclass
class Running:
    """The step that each host is in, and since when (monotonic seconds)."""

    steps: dict[str, tuple[str, float]] = field(default_factory=dict)
    began: float = field(default_factory=time.monotonic)

    def elapsed(self) -> str:
        """Return the time since the beginning."""
        return _clock(time.monotonic() - self.began)


class SilentBoard:
    """Shows nothing: a program reads the events instead."""

    def working(self, host: str, step: str) -> None:
        """Show nothing."""

    def done(self, host: str, step: str, outcome: str = "", seconds: float | None = None) -> None:
        """Show nothing."""

    def said(self, host: str, text: str) -> None:
        """Show nothing."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None


class LiveBoard(SilentBoard):
    """A line a host at the bottom of a terminal; what changed scrolls by above it."""

    def __init__(self, terminal: Terminal, what: str) -> None:
        self._terminal = terminal
        self._what = what
        self._running = Running()
        self._spinner = Spinner("dots")
        self._live = Live(self, console=terminal, refresh_per_second=4, transient=True)

    def working(self, host: str, step: str) -> None:
        """Show that a host began a step."""
        self._running.steps[host] = (step, time.monotonic())

    def done(self, host: str, step: str, outcome: str = "", seconds: float | None = None) -> None:
        """Take the line away; print what it came to."""
        self._running.steps.pop(host, None)
        if outcome:
            self._live.console.print(_line(self._running, host, step, outcome, seconds))

    def said(self, host: str, text: str) -> None:
        """Print a line above."""
        self._live.console.print(_line(self._running, host, text, "", None))

    def __rich_console__(self, terminal: Terminal, options: ConsoleOptions) -> RenderResult:
        now = time.monotonic()
        yield Text.assemble(
            str(self._spinner.render(now)), " ", (self._what, "bold"), f"  {self._running.elapsed()}"
        )
        table = Table(box=None, show_header=False, padding=(0, 2))
        for host, (step, since) in sorted(dict(self._running.steps).items()):
            table.add_row(Text(host, style="cyan"), Text(step), Text(_clock(now - since), style="dim"))
        if table.row_count:
            yield table

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._live.stop()


class PlainBoard(SilentBoard):
    """One line for each thing that came to something, and a sign of life in long silence."""

    def __init__(self, what: str) -> None:
        self._what = what
        self._running = Running()
        self._over = threading.Event()
        self._pulse = threading.Thread(target=self._signs_of_life, daemon=True)

    def working(self, host: str, step: str) -> None:
        """Remember that a host began a step."""
        self._running.steps[host] = (step, time.monotonic())

    def done(self, host: str, step: str, outcome: str = "", seconds: float | None = None) -> None:
        """Print what a step came to."""
        self._running.steps.pop(host, None)
        if outcome:
            _put(_line(self._running, host, step, outcome, seconds).plain)

    def said(self, host: str, text: str) -> None:
        """Print a line."""
        _put(_line(self._running, host, text, "", None).plain.rstrip())

    def _signs_of_life(self) -> None:
        while not self._over.wait(STILL):
            for host, (step, since) in sorted(dict(self._running.steps).items()):
                waited = time.monotonic() - since
                if waited >= STILL:
                    _put(f"{self._running.elapsed():>7}  {host}  {step}  ... {_clock(waited)}")

    def __enter__(self) -> Self:
        _put(self._what)
        self._pulse.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._pulse.join()


def _put(line: str) -> None:
    """Print a line in one piece: several threads tell what they do."""
    print(f"{line}\n", end="", flush=True)


def _line(running: Running, host: str, step: str, outcome: str, seconds: float | None) -> Text:
    colour = {"changed": "yellow", "failed": "red", "ok": "green"}.get(outcome, "")
    took = f" ({seconds:.1f} s)" if seconds is not None and seconds >= 0.05 else ""
    return Text.assemble(
        (f"{running.elapsed():>7}  ", "dim"), (host, "cyan"), f"  {step}  ", (outcome, colour), (took, "dim")
    )


def _clock(seconds: float) -> str:
    minutes, rest = divmod(seconds, 60)
    return f"{int(minutes)}:{rest:04.1f}" if minutes else f"{rest:.1f} s"
