"""pyinfra's connector `@trunkline/<environment>/<host>`."""

from __future__ import annotations

from collections.abc import Iterator
from io import IOBase
from typing import Any, cast

from pyinfra.api.command import StringCommand
from pyinfra.api.exceptions import ConnectError, FactError, PyinfraError
from pyinfra.api.facts import get_fact
from pyinfra.api.host import Host
from pyinfra.api.state import State
from pyinfra.api.util import get_file_io
from pyinfra.connectors.base import BaseConnector
from pyinfra.connectors.util import CommandOutput, OutputLine, make_unix_command

from control.errors import TrunklineError
from deploys._connector import plain
from deploys._connector.causes import failure_of
from deploys._connector.connection import Outcome
from deploys._connector.failure import Failure, Refused
from deploys._connector.line import CHANGE_SECONDS, READ_SECONDS, Line

lines: dict[str, Line] = {}
"""Lines that the engine holds open, by pyinfra's host name. pyinfra on its own opens them itself."""

OURS = ("_sudo", "_sudo_password", "_use_sudo_login", "_preserve_sudo_env", "_get_pty")
"""Arguments without meaning here: everything runs as root, without a terminal."""


class TrunklineConnector(BaseConnector):
    """Root commands and files over one connection; facts cached, changes fenced."""

    handles_execution = True

    def __init__(self, state: State, host: Host) -> None:
        """Stand for one host. PyinfraError where pyinfra is to reach none: it would end with 0."""
        if state.limit_hosts == []:
            known = f"'*/{host.name.rpartition('/')[2]}'"
            raise PyinfraError(f"--limit and --exclude leave no host: write one as --limit {known}.")
        super().__init__(state, host)
        self._line: Line | None = lines.get(host.name)
        self._own: plain.PlainLine | None = None
        host.get_fact = self.get_fact  # type: ignore[method-assign,assignment]

    @staticmethod
    def make_names_data(name: str) -> Iterator[tuple[str, dict[str, Any], list[str]]]:
        """Yield the host itself: its data comes from the inventory."""
        yield f"@trunkline/{name}", {}, []

    @property
    def line(self) -> Line:
        """The line to the host; raises ConnectError when it is not connected."""
        if self._line is None:
            raise ConnectError(f"{self.host.name} is not connected")
        return self._line

    @property
    def fencing_token(self) -> int:
        """The token of the lock that we hold on this host; 0 without a lock."""
        return self._line.token if self._line else 0

    def connect(self) -> None:
        """Use the engine's line, or open one of our own; raises ConnectError with the remedy."""
        if self._line is not None:
            return
        try:
            self._own = plain.open_line(self.host.name)
        except TrunklineError as error:
            raise ConnectError(str(error)) from error
        self._line = self._own.line

    def disconnect(self) -> None:
        """Release the lock and close, where pyinfra runs on its own."""
        if self._own is not None:
            self._own.close()
            self._line = self._own = None

    def get_fact(self, fact: Any, *args: Any, **kwargs: Any) -> Any:
        """Return a fact; unlike pyinfra's own, a command that fails stops the host instead of being empty."""
        line = self.line
        line.failure = None
        with line.reading():
            try:
                value = get_fact(self.state, self.host, fact, args=args, kwargs=kwargs)
            except TrunklineError as error:
                raise FactError(f"{fact.__name__}: {error}") from error
            except PyinfraError as error:
                raise FactError(self._fact_failed(fact, str(error))) from error
        if self.host in self.state.failed_hosts:
            raise FactError(self._fact_failed(fact, "its output could not be understood"))
        return value

    def _fact_failed(self, fact: Any, otherwise: str) -> str:
        failure = self.line.failure or Failure(otherwise)
        return f"{fact.__name__} could not be read: {failure.sentence} {failure.output}".strip()

    def run_shell_command(
        self,
        command: StringCommand,
        print_output: bool = False,
        print_input: bool = False,
        **arguments: Any,
    ) -> tuple[bool, CommandOutput]:
        """Run a command as root: a fact's from the cache where possible, all others fenced."""
        timeout = arguments.pop("_timeout", None)
        stdin = _bytes(arguments.pop("_stdin", None))
        good = arguments.pop("_success_exit_codes", None) or [0]
        script = _script(command, arguments)
        if self.line.is_reading:
            outcome = self.line.read(script, stdin, timeout or READ_SECONDS)
        else:
            self._refuse_while_planning()
            outcome = self.line.change(script, stdin, timeout or CHANGE_SECONDS)
        return self._judged(outcome, good), _output(outcome)

    def put_file(
        self,
        filename_or_io: str | IOBase,
        remote_filename: str,
        remote_temp_filename: str | None = None,
        print_output: bool = False,
        print_input: bool = False,
        **arguments: Any,
    ) -> bool:
        """Upload a file over a command's stdin; it is 0600 and complete before it has its name."""
        self._refuse_while_planning()
        with get_file_io(cast("Any", filename_or_io)) as source:
            data = source.read()
        return self._judged(self.line.upload(_bytes(data), remote_filename), [0])

    def get_file(
        self,
        remote_filename: str,
        filename_or_io: str | IOBase,
        remote_temp_filename: str | None = None,
        print_output: bool = False,
        print_input: bool = False,
        **arguments: Any,
    ) -> bool:
        """Download a file over a command's stdout."""
        outcome = self.line.download(remote_filename)
        if outcome.code == 0:
            with get_file_io(cast("Any", filename_or_io), "wb") as target:
                target.write(outcome.stdout)
        return self._judged(outcome, [0])

    def _refuse_while_planning(self) -> None:
        if not self.state.is_executing:
            error = Refused("An operation tried to change the host while it was planned.")
            self.line.note(error)
            raise error

    def _judged(self, outcome: Outcome, good: list[int]) -> bool:
        if outcome.code in good:
            return True
        self.line.failure = failure_of(outcome)
        return False


def _script(command: StringCommand, arguments: dict[str, Any]) -> str:
    """Return the text that the root shell runs. Another user or shell is wrapped by pyinfra's own rules."""
    rest = {key: value for key, value in arguments.items() if key not in OURS}
    if arguments.get("_sudo_user"):
        rest["_sudo"] = True
    elif rest.get("_shell_executable") in (None, "sh") and not rest.get("_su_user"):
        rest["_shell_executable"] = None
    return str(make_unix_command(command, **rest).get_raw_value())


def _bytes(data: Any) -> bytes:
    if data is None:
        return b""
    if hasattr(data, "read"):
        data = data.read()
    if isinstance(data, list | tuple):
        data = "".join(f"{item}\n" for item in data)
    return data if isinstance(data, bytes) else str(data).encode()


def _output(outcome: Outcome) -> CommandOutput:
    said = [OutputLine("stdout", line) for line in outcome.text.splitlines()]
    return CommandOutput(said + [OutputLine("stderr", line) for line in outcome.errors.splitlines()])
