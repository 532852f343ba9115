"""A real SSH server for tests: real sockets, keys and commands; only the host around it is this machine.

Its commands have a /var/lib/trunkline and a /usr/local/lib/trunkline of their own (a mount namespace),
so the real agent works in there. `python tests/ssh_peer.py DIRECTORY` serves and prints its port.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import paramiko

from deploys._connector.route import Route

PRIVATE = ("/var/lib/trunkline", "/usr/local/lib/trunkline")
SUDO = """#!/bin/sh
if [ -e "$0.refuses" ]; then echo "sudo: a password is required" >&2; exit 1; fi
shift
exec "$@"
"""


@dataclass
class Peer:
    """A running server. `users` may log in with `key`; everybody else is refused."""

    directory: Path
    port: int
    process: subprocess.Popen[str]
    address: str = "127.0.0.1"
    users: list[str] = field(default_factory=lambda: ["root"])

    @property
    def key(self) -> Path:
        """The private key that is let in."""
        return self.directory / "key"

    @property
    def known_hosts(self) -> Path:
        """The pinned host key."""
        return self.directory / "known_hosts"

    def signal(self, number: int) -> None:
        """Send a signal to the server itself, such as SIGSTOP for a host that freezes."""
        inside = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        os.kill(int(inside[0]), number)

    def admit(self, *users: str) -> None:
        """Let exactly these users in from now on."""
        self.users = list(users)
        (self.directory / "users").write_text("\n".join(users))

    def sudo(self, works: bool) -> None:
        """Let sudo work, or ask for a password."""
        refuses = self.directory / "bin/sudo.refuses"
        refuses.unlink(missing_ok=True) if works else refuses.touch()

    def route(self, **changes: Any) -> Route:
        """Return the way to this peer."""
        given = {**self.ssh(), "agent": False, **changes}
        for name in ("known_hosts", "keys"):
            given[name] = [Path(path) for path in given[name]]
        rest: Any = {name: tuple(v) if isinstance(v, list) else v for name, v in given.items()}
        said = {"trust": "Pin it with `invoke trust`.", "changed": "Replace it with `invoke trust`."}
        return Route(host="edge1", **{**said, **rest})

    def ssh(self, **changes: Any) -> dict[str, Any]:
        """Return the engine's override that leads to this peer."""
        return {
            "address": self.address,
            "ports": [self.port],
            "users": ["deploy", "root"],
            "names": [self.address],
            "known_hosts": [str(self.known_hosts)],
            "keys": [str(self.key)],
            **changes,
        }


@contextmanager
def peer(directory: Path) -> Iterator[Peer]:
    """Start a server with fresh keys; it is gone afterwards, with all that ran on it."""
    for name in ("host", "key"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", directory / name], check=True)
    (directory / "bin").mkdir()
    sudo = directory / "bin/sudo"
    sudo.write_text(SUDO)
    sudo.chmod(0o755)
    (directory / "users").write_text("root")
    script = " && ".join(f"mkdir -p {path} && mount -t tmpfs -o mode=0755 none {path}" for path in PRIVATE)
    own = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]
    as_root = [] if os.geteuid() == 0 else ["--map-root-user"]
    process = subprocess.Popen(
        [
            *own,
            *as_root,
            "sh",
            "-c",
            f"{script} && exec {sys.executable} {Path(__file__).resolve()} {directory}",
        ],
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert process.stdout is not None
    try:
        port = int(process.stdout.readline())
        kind, key = (directory / "host.pub").read_text().split()[:2]
        (directory / "known_hosts").write_text(f"127.0.0.1 {kind} {key}\n")
        yield Peer(directory, port, process)
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


class Door(paramiko.ServerInterface):
    """Who may come in, and what they may run."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def get_allowed_auths(self, username: str) -> str:
        """Only keys."""
        return "publickey"

    def check_auth_publickey(self, username: str, key: paramiko.PKey) -> int:
        """Let the admitted users in with the one key."""
        admitted = (self.directory / "users").read_text().split()
        ours = (self.directory / "key.pub").read_text().split()[1]
        fits = username in admitted and key.get_base64() == ours
        return paramiko.common.AUTH_SUCCESSFUL if fits else paramiko.common.AUTH_FAILED

    def check_channel_request(self, kind: str, chanid: int) -> int:
        """Sessions only."""
        return paramiko.common.OPEN_SUCCEEDED

    def check_channel_direct_tcpip_request(
        self, chanid: int, origin: tuple[str, int], destination: tuple[str, int]
    ) -> int:
        """Be a jump host."""
        self.destination = destination
        return paramiko.common.OPEN_SUCCEEDED

    def check_channel_exec_request(self, channel: paramiko.Channel, command: bytes) -> bool:
        """Run a command."""
        path = f"{self.directory}/bin:{os.environ['PATH']}"
        ends = channel.getpeername(), channel.get_transport().sock.getsockname()
        told = " ".join(f"{address} {port}" for address, port in ends)
        process = subprocess.Popen(
            ["/bin/sh", "-c", command.decode()],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={"PATH": path, "HOME": "/", "SSH_CONNECTION": told},
            start_new_session=True,
        )
        threading.Thread(target=_serve, args=(channel, process), daemon=True).start()
        return True


def _serve(channel: paramiko.Channel, process: subprocess.Popen[bytes]) -> None:
    assert process.stdin is not None
    assert process.stdout is not None
    assert process.stderr is not None
    readers = [
        threading.Thread(target=_copy, args=(process.stdout, channel.sendall)),
        threading.Thread(target=_copy, args=(process.stderr, channel.sendall_stderr)),
    ]
    threading.Thread(target=_feed, args=(channel, process.stdin), daemon=True).start()
    for reader in readers:
        reader.start()
    code = process.wait()
    with suppress(OSError):
        channel.send_exit_status(code if code >= 0 else 128 - code)
    for reader in readers:
        reader.join()
    channel.close()


def _copy(source: Any, send: Any) -> None:
    with suppress(OSError):
        while data := source.read1(65536):
            send(data)


def _feed(channel: paramiko.Channel, stdin: Any) -> None:
    with suppress(OSError):
        while data := channel.recv(65536):
            stdin.write(data)
            stdin.flush()
    with suppress(OSError):
        stdin.close()


def _forward(channel: paramiko.Channel, destination: tuple[str, int]) -> None:
    with socket.create_connection(destination) as far:
        threading.Thread(target=_copy, args=(far.makefile("rb"), channel.sendall), daemon=True).start()
        with suppress(OSError):
            while data := channel.recv(65536):
                far.sendall(data)


def _welcome(client: socket.socket, directory: Path, host_key: paramiko.PKey) -> None:
    transport = paramiko.Transport(client)
    transport.add_server_key(host_key)
    door = Door(directory)
    with suppress(paramiko.SSHException, EOFError, OSError):
        transport.start_server(server=door)
        while transport.is_active():
            channel = transport.accept(1)
            if channel is not None and hasattr(door, "destination"):
                threading.Thread(target=_forward, args=(channel, door.destination), daemon=True).start()


def main(directory: Path) -> None:
    """Serve for ever."""
    host_key = paramiko.Ed25519Key.from_private_key_file(str(directory / "host"))
    with socket.create_server(("127.0.0.1", 0)) as server:
        print(server.getsockname()[1], flush=True)
        while True:
            client, _ = server.accept()
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            threading.Thread(target=_welcome, args=(client, directory, host_key), daemon=True).start()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
