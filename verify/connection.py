"""One SSH connection a host, kept open for the whole run: the collector and testinfra share it.

OpenSSH's own client (ssh(1), ControlMaster), so that the user's ssh_config with its jump hosts holds: what
it says of the way to a host by the rules that deploys go by, everything else by its own.
"""

from __future__ import annotations

import contextlib
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from control import places
from control.operator import Operator, operator
from control.pins import known_hosts_of
from control.piped import shell_of
from control.ssh_config import Said, files, filled, said_of_host
from inventories.model import Environment, Host
from verify.children import run

CONNECT_SECONDS = 10
ANY_HOST = ("Host *", "  BatchMode yes")
"""For jump hosts as well: nobody is here whom ssh could ask."""
QUIET: dict[str, Any] = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.DEVNULL)
AS_ROOT = 'if [ "$(id -u)" = 0 ]; then exec python3 -I -; else exec sudo -n python3 -I -; fi'


class Unreachable(Exception):
    """A host that does not let us in; the message is ssh's own last word."""


@dataclass(frozen=True)
class Way:
    """How the hosts of one environment are reached: pinned keys, own key, one directory of sockets."""

    environment: Environment
    instance: str
    directory: Path
    """Private, short (a socket's path has at most 107 bytes), removed by whoever made it."""

    @property
    def config(self) -> Path:
        """The ssh_config(5) that every client of this run uses."""
        return self.directory / "config"

    @property
    def joining(self) -> Path:
        """The part of it that is ours: enough for whoever uses a connection that is open already.

        OpenSSH refuses to read the settings of one user for another, also for root.
        """
        return self.directory / "joining"

    @property
    def operator(self) -> Operator | None:
        """Whose own ssh files count beside ours; nobody's in a twin, which has a key of its own."""
        return None if self.environment.in_twin else operator()

    @property
    def as_themselves(self) -> tuple[str, ...]:
        """The beginning of an argv that runs as whoever's files count."""
        return self.operator.as_themselves if self.operator else ()

    @property
    def client(self) -> list[str]:
        """The beginning of an argv of ssh(1) that may open a connection."""
        return [*self.as_themselves, "ssh", "-F", str(self.config)]

    def write(self) -> None:
        """Write the ssh_config: ours first, then the user's own (the first value of a setting wins)."""
        ours = [line for host in self.environment.hosts for line in self._block(host)]
        self.joining.write_text("\n".join(ours) + "\n")
        self.config.write_text("\n".join([*ours, *self._own()]) + "\n")
        if self.operator:
            for path in (self.config, self.joining, self.directory):
                self.operator.owns(path)

    def _own(self) -> list[str]:
        if self.operator is None:
            return []
        return [*ANY_HOST, *(f'  Include "{path}"' for path in files())]

    def said(self, host: Host) -> Said:
        """Return what the user's ssh_config says of the way to a host."""
        return said_of_host(self.environment, host)

    def end(self, host: Host) -> str:
        """Return the address, or the name, that this way leads to."""
        return self.said(host).hostname or str(host.address.ip)

    def stream(self, host: Host) -> tuple[str, ...]:
        """Return the argv behind whose input and output sshd's port is; nothing where the way is direct."""
        said = self.said(host)
        if said.command:
            port, name = host.ssh.port, host.name
            command = filled(said.command, self.end(host), port, host.users.deploy, name)
            return (*self.as_themselves, *shell_of(command))
        if not said.jumps:
            return ()
        *before, last = said.jumps
        jumps = ["-J", ",".join(before)] if before else []
        there = f"[{self.end(host)}]:{host.ssh.port}"
        return (*self.client, *jumps, "-W", there, _as_uri(last))

    def socket(self, host: Host) -> Path:
        """Return the control socket of a host."""
        return self.directory / host.name

    def _block(self, host: Host) -> list[str]:
        lines = [
            f"Host {host.name}", f"  HostName {self.end(host)}", f"  Port {host.ssh.port}",
            f"  HostKeyAlias {host.address.ip}", "  StrictHostKeyChecking yes", "  BatchMode yes",
            "  PasswordAuthentication no", f"  ConnectTimeout {CONNECT_SECONDS}", "  ServerAliveInterval 5",
            "  ServerAliveCountMax 3", "  ControlPersist 120", "  LogLevel ERROR",
        ]  # fmt: skip
        if self.environment.in_twin:
            lines += [f"  IdentityFile {places.controller_key_of(self.instance)}", "  IdentitiesOnly yes"]
        lines += [f"  {line}" for line in self.said(host).lines()]
        return [*lines, f"  UserKnownHostsFile {known_hosts_of(self.environment, self.instance)}"]


@dataclass(frozen=True)
class Connection:
    """An open connection to one host; `user` is who was let in."""

    way: Way
    host: Host
    user: str

    @property
    def argv(self) -> list[str]:
        """The beginning of an argv that runs a command on the host."""
        return [*self.way.client, "-o", f"ControlPath={self.way.socket(self.host)}", self.host.name]

    def python(self, program: str, timeout: float) -> bytes:
        """Run a Python program on the host as root and return what it prints. Raises Unreachable."""
        try:
            done = run([*self.argv, AS_ROOT], input=program.encode(), timeout=timeout)
        except subprocess.TimeoutExpired as error:
            raise Unreachable(f"{self.host.name} did not answer within {timeout:.0f} s") from error
        if done.returncode:
            raise Unreachable(f"{self.user}@{self.host.name}: {_last_word(done.stderr)}")
        return done.stdout

    def close(self) -> None:
        """End the connection."""
        with contextlib.suppress(OSError, subprocess.TimeoutExpired):
            subprocess.run(
                [*self.argv[:-1], "-O", "exit", self.host.name], capture_output=True, timeout=5, check=False
            )


def connect(way: Way, host: Host) -> Connection:
    """Log in as the deploy user, on a host that does not know it yet as root. Raises Unreachable."""
    said = ""
    for user in dict.fromkeys((host.users.deploy, "root")):
        connection = Connection(way, host, user)
        said = _log_in(connection)
        if not said:
            return connection
        if "Permission denied" not in said:
            break
    raise Unreachable(said)


def _log_in(connection: Connection) -> str:
    """Open the connection in the background; return why not, or nothing."""
    errors = connection.way.directory / f"{connection.host.name}.log"
    *most, name = connection.argv
    argv = [*most, "-M", "-N", "-f", "-l", connection.user, "-E", str(errors), name]
    errors.unlink(missing_ok=True)
    try:
        done = subprocess.run(argv, **QUIET, timeout=2 * CONNECT_SECONDS, check=False)
    except subprocess.TimeoutExpired:
        return f"no answer within {2 * CONNECT_SECONDS} s"
    return "" if done.returncode == 0 else _last_word(errors.read_bytes() if errors.exists() else b"")


def root_is_let_in(way: Way, host: Host) -> str:
    """Try to log in as root with the controller's key, anew; return "let in" or ssh's words."""
    argv = [*way.client, "-o", "ControlPath=none", "-l", "root", host.name, "true"]
    done = run(argv, timeout=20)
    return "let in" if done.returncode == 0 else _last_word(done.stderr)


def _as_uri(jump: str) -> str:
    return jump if jump.startswith("ssh://") else f"ssh://{jump}"


def _last_word(stderr: bytes) -> str:
    lines = [line.strip() for line in stderr.decode(errors="replace").splitlines() if line.strip()]
    return lines[-1][:300] if lines else "ssh gave no reason"
