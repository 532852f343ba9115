"""The agent on real hosts of a twin, called as the controller calls it, and the controller's own way in by
SSH."""

from __future__ import annotations

import hashlib
import io
import json
import subprocess
import tarfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from control import places
from deploys._agent import build
from twin.twin import Twin

DATA, AGENT = build()
GUARDED = {
    "services": [
        {
            "service": "ssh",
            "files": ["/etc/ssh/sshd_config", "/etc/ssh/sshd_config.d/*"],
            "reload": [["systemctl", "reload-or-restart", "ssh"]],
            "units": ["ssh.service"],
        },
        {"service": "firewall", "files": ["/etc/ufw"]},
        {
            "service": "sysctl",
            "files": ["/etc/sysctl.d/*"],
            "sysctls": ["net.ipv4.ip_default_ttl", "net.ipv4.ip_forward", "net.ipv4.conf.*.rp_filter"],
            "routes": True,
        },
    ]
}


@dataclass(frozen=True)
class Host:
    """One host of a twin with the agent on it."""

    twin: Twin
    name: str

    def sh(self, script: str, stdin: str | bytes | None = None, seconds: float = 120) -> str:
        """What a script prints; it must succeed."""
        done = self.twin.run(self.name, script, stdin, seconds)
        assert done.returncode == 0, f"{self.name}: {script}\n{done.stdout}{done.stderr}"
        return str(done.stdout).strip()

    def install(self) -> None:
        """Put the agent where it belongs."""
        self.sh("mkdir -p /usr/local/lib/trunkline")
        self.twin.write(self.name, AGENT, DATA)

    def agent(self, words: str, stdin: Any = None, code: int = 0) -> Any:
        """The JSON answer of a command of the agent (its sentence where it fails, which must be with
        `code`)."""
        text = json.dumps(stdin) if stdin is not None else ""
        done = self.twin.run(self.name, f"python3 -I {AGENT} {words}", text, 120)
        assert done.returncode == code, f"{self.name}: {words}: {done.stdout}{done.stderr}"
        assert "Traceback" not in done.stderr
        return json.loads(done.stdout) if code == 0 else str(done.stderr).strip()

    def arm(self, seconds: int) -> str:
        """Arm the guard for everything that could lock the controller out; returns its id."""
        return str(self.agent(f"guard arm --seconds {seconds}", GUARDED)["id"])

    def returned(self, within: float) -> dict[str, Any]:
        """How the armed guard ended; fails where it is still armed after `within` seconds."""
        end = time.monotonic() + within
        while self.agent("guard show")["armed"]:
            assert time.monotonic() < end, self.sh("journalctl -b -u 'trunkline-*' --no-pager")
            time.sleep(0.3)
        return self.last()

    def last(self) -> dict[str, Any]:
        """How the last guard ended."""
        return dict(self.agent("guard show")["last"] or {})

    def apply(self, service: str, files: dict[str, str], code: int = 0, **more: Any) -> Any:
        """Apply a managed set of root's files."""
        packed = io.BytesIO()
        with tarfile.open(fileobj=packed, mode="w") as tar:
            listed = []
            for number, (path, text) in enumerate(files.items()):
                data = text.encode()
                listed.append(
                    {
                        "path": path,
                        "kind": "file",
                        "owner": "root",
                        "group": "root",
                        "mode": "0440" if "sudoers" in path else "0644",
                        "sha256": hashlib.sha256(data).hexdigest(),
                        "blob": f"files/{number}",
                    }
                )
                _add(tar, f"files/{number}", data)
            _add(tar, "set.json", json.dumps({"service": service, "files": listed, **more}).encode())
        self.sh(f"mkdir -p -m 0700 /var/lib/trunkline/incoming; cat > {INCOMING}", packed.getvalue())
        return self.agent(f"set apply {INCOMING}", code=code)

    def ssh(self, command: str = "true", seconds: int = 2) -> subprocess.CompletedProcess[str]:
        """Run a command as the controller does: from its network, by its key, with the host's key pinned."""
        process = self.twin.spawn("controller", self.ssh_argv(command, seconds), **_PIPES)
        out, err = process.communicate(timeout=30)
        return subprocess.CompletedProcess([], process.returncode, out, err)

    def over_ssh(self, command: str, stdin: Any = None, **options: str) -> tuple[int, str]:
        """Exit code and output of a command of the controller's."""
        pipes = _PIPES | {"stdin": subprocess.PIPE}
        process = self.twin.spawn("controller", self.ssh_argv(command, 10, **options), **pipes)
        out, err = process.communicate(json.dumps(stdin) if stdin else "", timeout=60)
        return process.returncode, out + err

    def ssh_argv(self, command: str, seconds: int = 2, **options: str) -> list[str]:
        """The argv of that."""
        state = places.state_of(self.twin.name)
        fixed = {
            "UserKnownHostsFile": f"{state}/known_hosts",
            "StrictHostKeyChecking": "yes",
            "BatchMode": "yes",
            "ConnectTimeout": str(seconds),
            **options,
        }
        flags = [flag for key, value in fixed.items() for flag in ("-o", f"{key}={value}")]
        address = str(self.twin.environment.host(self.name).address.ip)
        return ["ssh", "-F", "none", *flags, "-i", f"{state}/id_ed25519", f"root@{address}", command]

    def open_again_within(self, seconds: float) -> float:
        """Seconds until a new SSH login works; fails after `seconds`."""
        begin = time.monotonic()
        while self.ssh().returncode:
            assert time.monotonic() - begin < seconds, f"{self.name} stayed shut: {self.last()}"
            time.sleep(0.2)
        return time.monotonic() - begin


INCOMING = "/var/lib/trunkline/incoming/set.tar"
_PIPES: dict[str, Any] = {
    "stdin": subprocess.DEVNULL,
    "stdout": subprocess.PIPE,
    "stderr": subprocess.PIPE,
    "text": True,
}


def _add(tar: tarfile.TarFile, name: str, data: bytes) -> None:
    member = tarfile.TarInfo(name)
    member.size = len(data)
    tar.addfile(member, io.BytesIO(data))


def prepare(twin: Twin) -> list[Host]:
    """Every host with the agent and an active UFW that lets SSH in; a snapshot `agent` of that."""
    hosts = [Host(twin, host.name) for host in twin.environment.hosts]
    if "agent" in twin.snapshots():
        twin.restore("agent")
        return hosts
    twin.restore("bare")
    for host in hosts:
        host.install()
        host.sh(
            "apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -qq ufw sudo", seconds=300
        )
        host.sh("ufw allow 22/tcp && ufw --force enable")
        host.agent(f"guard confirm --id {host.arm(60)}")
        host.sh("sync")
    twin.snapshot("agent")
    return hosts


def each(hosts: list[Host], what: Callable[[Host], object]) -> None:
    """Do something on all hosts at the same time."""
    with ThreadPoolExecutor() as pool:
        list(pool.map(what, hosts))
