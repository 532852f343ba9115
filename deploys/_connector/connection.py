"""One host's connection: root commands and files over a single SSH transport."""

from __future__ import annotations

import contextlib
import secrets
import threading
import time
from dataclasses import dataclass, replace
from typing import NoReturn

import paramiko

from control.errors import TrunklineError
from deploys._connector.failure import ConnectionLost, TimedOut, Unreachable
from deploys._connector.login import CHANNEL_SECONDS, Login, log_in
from deploys._connector.proof import prove_port
from deploys._connector.pulse import Pulse
from deploys._connector.route import Route
from deploys._connector.script import KILL_SECONDS, OUT_OF_TIME, carried, ending, launcher

POLL_SECONDS = 0.5
LINGER_SECONDS = 2.0
"""How long output is awaited after the exit code: a daemon that inherited the pipe never closes it."""
GRACE_SECONDS = 15
"""How much longer than the host's own time limit an answer is awaited."""
DIRECT_BYTES = 1 << 20
"""Input up to this size fits sshd's receive window and is sent without a thread."""
DYING_SECONDS = 0.5
SLICE_BYTES = 1 << 16
ENDING_SECONDS = 2
"""How long it may take to tell the host that its commands are to end, and to hear that they have."""
READ_SECONDS = 120
KILLED = 255
"""Our exit code for a command that a signal ended: SSH gives none (RFC 4254 section 6.10)."""


@dataclass(frozen=True)
class Outcome:
    """What a command said, and its exit code."""

    code: int
    stdout: bytes
    stderr: bytes

    @property
    def text(self) -> str:
        """Standard output as text."""
        return self.stdout.decode(errors="replace")

    @property
    def errors(self) -> str:
        """Standard error as text."""
        return self.stderr.decode(errors="replace")


class Connection:
    """A host that we are root on. Not shared between processes; commands may run at the same time."""

    def __init__(self, route: Route) -> None:
        self.route = route
        self.abandoned = False
        """Its commands were ended before their end: what they say after that means nothing."""
        self._login: Login | None = None
        self._pulse: Pulse | None = None
        self._mark = f"trunkline-{secrets.token_hex(8)}"
        self._running = 0

    @property
    def login(self) -> Login:
        """The present login; raises ConnectionLost when there is none."""
        if self._login is None:
            raise ConnectionLost(f"{self.route.host} is not connected.")
        return self._login

    @property
    def alive(self) -> bool:
        """Say whether the transport still stands."""
        return self._login is not None and self._login.transport.is_active()

    def connect(self) -> None:
        """Log in as the first user that can become root; raises Unreachable with every reason."""
        refused: list[str] = []
        for user in self.route.users:
            login = log_in(self.route, user)
            if login is None:
                refused.append(f"{user} is not let in")
                continue
            self._adopt(login)
            problem = self._root_problem(user)
            if problem is None:
                return
            refused.append(problem)
            self.close()
        raise Unreachable(
            f"{self.route.host} ({self.route.address}) cannot be deployed to: {'; '.join(refused)}.",
            _keys_remedy(self.route),
        )

    def anew(self) -> Connection:
        """Return a new login as it will be made from now on: the deploy user, on the declared port.

        Whom and which port ssh_config says beside them proves nothing. Raises Unreachable when the next
        person could not log in.
        """
        route = self.route
        connection = Connection(replace(route, users=route.users[:1], ports=route.ports[:1]))
        connection.connect()
        prove_port(connection)
        return connection

    def take_over(self, other: Connection) -> None:
        """Go on over another connection's login; the present one is closed."""
        login, pulse = other.login, other._pulse
        other._login = other._pulse = None
        self.close()
        self._login, self._pulse = login, pulse

    def run(self, script: str, stdin: bytes = b"", seconds: int = READ_SECONDS) -> Outcome:
        """Run a script as root in sh; raises ConnectionLost or TimedOut, never for an exit code.

        Neither the script nor its input ever stands in the host's process list.
        """
        self._running += 1
        try:
            return self._run(script, stdin, seconds, self._mark)
        finally:
            self._running -= 1

    def abandon(self) -> None:
        """End the commands that are running on the host; hang up where that cannot be done in a few seconds.

        Commands that begin later are run as ever.
        """
        self.abandoned = True
        if not self._running:
            return
        threading.Thread(target=self._end_commands, daemon=True).start()
        until = time.monotonic() + KILL_SECONDS + ENDING_SECONDS
        while self._running and time.monotonic() < until:
            time.sleep(0.05)
        if self._running:
            self.close()

    def _end_commands(self) -> None:
        with contextlib.suppress(TrunklineError):
            self._run(ending(self._mark), b"", KILL_SECONDS, mark="")

    def _run(self, script: str, stdin: bytes, seconds: int, mark: str) -> Outcome:
        login = self.login
        body = carried(script)
        channel = self._open(login)
        try:
            command = launcher(len(body), seconds, sudo=login.user != "root", mark=mark)
            outcome = _Exchange(channel, command, body + stdin, seconds + GRACE_SECONDS).outcome()
        except TimeoutError:
            self._out_of_time(seconds)
        except (paramiko.SSHException, EOFError, OSError) as error:
            self._lost(error)
        finally:
            channel.close()
        if outcome is None:
            # The transport closes its channels just before it says that it is dead itself.
            login.transport.join(DYING_SECONDS)
            if not login.transport.is_active():
                self._lost(None)
            outcome = Outcome(KILLED, b"", b"the command was ended by a signal")
        if outcome.code == OUT_OF_TIME:
            self._out_of_time(seconds)
        return outcome

    def close(self) -> None:
        """Close the transport; never raises."""
        if self._pulse is not None:
            self._pulse.end()
        if self._login is not None:
            self._login.close()
        self._login = self._pulse = None

    def _adopt(self, login: Login) -> None:
        self._login = login
        self._pulse = Pulse(login.transport)

    def _root_problem(self, user: str) -> str | None:
        outcome = self.run("[ $(id -u) = 0 ]", seconds=20)
        if outcome.code == 0:
            return None
        said = (outcome.errors.strip().splitlines() or [f"exit code {outcome.code}"])[-1]
        return f"{user} is let in but does not become root ({said})"

    def _open(self, login: Login) -> paramiko.Channel:
        try:
            return login.transport.open_session(timeout=CHANNEL_SECONDS)
        except (paramiko.SSHException, EOFError, OSError) as error:
            if login.transport.is_active():
                raise ConnectionLost(
                    f"{self.route.host} refuses one more session on the connection ({error}).",
                    "sshd's MaxSessions must be at least 4.",
                ) from error
            self._lost(error)

    def _lost(self, error: BaseException | None) -> NoReturn:
        reason = f" ({error})" if error is not None and str(error) else ""
        raise ConnectionLost(
            f"The connection to {self.route.host} ({self.route.address}) was lost{reason}.",
            "What the running command did is not known; the next deploy finds out.",
        ) from error

    def _out_of_time(self, seconds: int) -> NoReturn:
        raise TimedOut(
            f"A command on {self.route.host} took longer than {seconds} s and was ended.",
            "Look at what hangs there; a held lock or a question on the terminal is the usual reason.",
        )


class _Exchange:
    """One command: send it and its input, collect what comes back."""

    def __init__(self, channel: paramiko.Channel, command: str, payload: bytes, seconds: float) -> None:
        self.channel = channel
        self.until = time.monotonic() + seconds
        self.out: list[bytes] = []
        self.err: list[bytes] = []
        channel.settimeout(POLL_SECONDS)
        _exec(channel, command)
        if len(payload) <= DIRECT_BYTES:
            self._send(payload)
        else:
            threading.Thread(target=self._send, args=(payload,), daemon=True).start()

    def outcome(self) -> Outcome | None:
        """Return what the command said; None when the connection broke before its exit code came."""
        quiet_since: float | None = None
        while True:
            try:
                data = self.channel.recv(65536)
            except TimeoutError:
                if time.monotonic() > self.until:
                    raise
                self._drain_errors()
                quiet_since = self._quiet(quiet_since)
                if quiet_since is not None and time.monotonic() - quiet_since > LINGER_SECONDS:
                    break
                continue
            self._drain_errors()
            quiet_since = None
            if not data:
                break
            self.out.append(data)
        return self._ended()

    def _quiet(self, since: float | None) -> float | None:
        if not self.channel.exit_status_ready():
            return None
        return time.monotonic() if since is None else since

    def _ended(self) -> Outcome | None:
        while not self.channel.exit_status_ready() and not self.channel.closed:
            if not self.channel.status_event.wait(POLL_SECONDS) and time.monotonic() > self.until:
                raise TimeoutError
        self._drain_errors()
        if self.channel.exit_status < 0:
            return None
        return Outcome(self.channel.exit_status, b"".join(self.out), b"".join(self.err))

    def _drain_errors(self) -> None:
        while self.channel.recv_stderr_ready():
            data = self.channel.recv_stderr(65536)
            if not data:
                return
            self.err.append(data)

    def _send(self, payload: bytes) -> None:
        """Send all input; a command that ends without reading it is no error here."""
        view = memoryview(payload)
        with contextlib.suppress(OSError, EOFError, paramiko.SSHException):
            while view and time.monotonic() < self.until:
                with contextlib.suppress(TimeoutError):
                    view = view[self.channel.send(bytes(view[:SLICE_BYTES])) :]
            self.channel.shutdown_write()


def _exec(channel: paramiko.Channel, command: str) -> None:
    """Ask for a command without waiting for the answer, which saves a round trip: a refusal shows anyway."""
    message = paramiko.Message()
    message.add_byte(paramiko.common.cMSG_CHANNEL_REQUEST)
    message.add_int(channel.remote_chanid)
    message.add_string("exec")
    message.add_boolean(False)
    message.add_string(command)
    channel.get_transport()._send_user_message(message)  # type: ignore[attr-defined]


def _keys_remedy(route: Route) -> str:
    tried = ", ".join(str(path) for path in route.keys if path.exists()) or "none"
    agent = " and the SSH agent's" if route.agent else ""
    return f"Keys tried: {tried}{agent}. Is one in that user's authorized_keys, and sudo without a password?"
