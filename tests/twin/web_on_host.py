"""One web server in a twin of its own, deployed by the real engine and asked from the controller's place."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nginx_site

from control.engine import ApplyFailed, Engine, StepEvent
from inventories.model import Environment
from twin.enter import enter_argv
from twin.twin import Twin

HERE = Path(__file__).resolve().parent
HOST = "web1"
PASSWORD = "correct horse battery: staple"
ECHO = """
import base64, os, socket, ssl, sys
context = ssl.create_default_context(); context.check_hostname = False; context.verify_mode = ssl.CERT_NONE
plain = socket.create_connection((sys.argv[1], 443), 10)
with context.wrap_socket(plain, server_hostname="shop.lab.example") as wire:
    key = base64.b64encode(os.urandom(16)).decode()
    wire.sendall(f"GET /ws HTTP/1.1\\r\\nHost: shop.lab.example\\r\\nUpgrade: websocket\\r\\n"
                 f"Connection: Upgrade\\r\\nSec-WebSocket-Key: {key}\\r\\n"
                 f"Sec-WebSocket-Version: 13\\r\\n\\r\\n".encode())
    said = b""
    while b"\\r\\n\\r\\n" not in said: said += wire.recv(4096)
    assert said.startswith(b"HTTP/1.1 101"), said
    sent = sys.stdin.buffer.read()
    wire.sendall(sent)
    back = b""
    while len(back) < len(sent): back += wire.recv(4096)
sys.stdout.buffer.write(back)
"""


@dataclass(frozen=True)
class Answer:
    """What curl got; status 0 where no answer came."""

    status: int
    headers: dict[str, list[str]]
    body: str

    @property
    def json(self) -> Any:
        """The body, read."""
        return json.loads(self.body)


class WebHost:
    """The lab's web server alone, without containers."""

    def __init__(self, lab: Environment) -> None:
        host = nginx_site.reduced(lab.host(HOST))
        self.environment = lab.model_copy(update={"hosts": (host,), "databases": ()})
        self.twin = Twin(self.environment, f"{os.environ.get('TRUNKLINE_TWIN', 'lab')}-web")
        self.address = str(host.address.ip)

    def run(self, script: str) -> str:
        """Run a script on the host, which must succeed."""
        result = self.twin.run(HOST, script, timeout=120)
        assert result.returncode == 0, result.stderr + result.stdout
        return result.stdout

    def application(self) -> None:
        """Start the application that stands behind nginx."""
        self.twin.write(HOST, "/root/app.py", (HERE / "nginx_app.py").read_text())
        unit = "[Service]\nExecStart=python3 -I /root/app.py 8000\n"
        self.twin.write(HOST, "/etc/systemd/system/app.service", unit)
        self.run("systemctl daemon-reload && systemctl start app")

    def deploy(self, what: str) -> list[str]:
        """Deploy what `nginx_site` calls so; return the steps that changed something."""
        changed = []
        secrets = {secret.name: PASSWORD for secret in self.environment.secrets()}
        with Engine(self.environment, self.twin.name) as engine:
            (state,) = engine.open(hosts=[HOST], secrets=secrets, deploy=f"nginx_site:{what}")
            assert state.state == "connected", state
            engine.lock("a test", "me")
            engine.plan([HOST])
            for event in engine.apply([HOST]):
                if isinstance(event, StepEvent) and event.status == "changed":
                    changed.append(event.step)
        return [step for step in changed if not step.startswith("manifest:")]

    def planned(self, what: str) -> dict[str, str]:
        """Return what a deploy would change, by step, and how that is told."""
        secrets = {secret.name: PASSWORD for secret in self.environment.secrets()}
        with Engine(self.environment, self.twin.name) as engine:
            engine.open(hosts=[HOST], secrets=secrets, deploy=f"nginx_site:{what}")
            return {step.step: step.diff for step in engine.plan([HOST]) if step.changes}

    def fails(self, what: str, spoiled: str = "") -> str:
        """Deploy what must fail, after a file was changed by hand; return the sentence that says why."""
        if spoiled:
            self.run(f"echo '# by hand' >> {spoiled}")
        try:
            self.deploy(what)
        except ApplyFailed as error:
            return f"{error} {error.remedy}"
        raise AssertionError(f"{what} was deployed")

    def argv(self, *words: str) -> list[str]:
        """Return the argv of a program in the controller's network."""
        return [*enter_argv(self.twin.name, "controller"), *words]

    def ask(self, url: str, *words: str, input: bytes | None = None) -> Answer:
        """Ask with curl, which believes every certificate."""
        argv = self.argv("curl", "--silent", "--insecure", "--max-time", "20", "--include", *words, url)
        done = subprocess.run(argv, input=input, capture_output=True, check=False, timeout=60)
        head, _, body = done.stdout.partition(b"\r\n\r\n")
        if not head:
            return Answer(0, {}, "")
        first, *lines = head.decode().split("\r\n")
        headers: dict[str, list[str]] = {}
        for line in lines:
            name, _, value = line.partition(":")
            headers.setdefault(name.lower(), []).append(value.strip())
        return Answer(int(first.split()[1]), headers, body.decode(errors="replace"))

    def echoed(self, said: bytes) -> bytes:
        """Send something over a websocket; return what comes back."""
        argv = self.argv(sys.executable, "-c", ECHO, self.address)
        return subprocess.run(argv, input=said, capture_output=True, check=True, timeout=30).stdout

    def start(self, url: str) -> subprocess.Popen[str]:
        """Begin a request; its output will be the status."""
        argv = self.argv("curl", "-sko", "/dev/null", "-w", "%{http_code}", "--max-time", "60", url)
        return subprocess.Popen(argv, stdout=subprocess.PIPE, text=True)

    def load(self, urls: list[str], failed: list[str], done: threading.Event) -> None:
        """Ask again and again until `done`; first comes the number of requests, then every failure."""
        count = 0
        says = "%{http_code}:%{exitcode}:%{time_total}s"  # what curl failed of is worth more than 000
        script = "; ".join(f"curl -sko /dev/null -w '{says}\\n' --max-time 20 {url}" for url in urls)
        problems = []
        while not done.is_set():
            argv = self.argv("sh", "-c", f"for n in 1 2 3 4 5; do {script}; done")
            said = subprocess.run(
                argv, capture_output=True, text=True, check=False, timeout=120
            ).stdout.split()
            count += len(said)
            problems += [status for status in said if not status.startswith("200:0:")]
            time.sleep(0.05)
        failed += [str(count), *problems]

    def shown(self, name: str) -> str:
        """Return issuer and serial number of the certificate that a name shows."""
        asked = f"openssl s_client -connect 127.0.0.1:443 -servername {name} </dev/null 2>/dev/null"
        return self.run(f"{asked} | openssl x509 -noout -serial -issuer")

    def trusted(self, name: str) -> bool:
        """Say whether a client that believes the authority alone believes what a name shows."""
        root = str(self.twin.acme_root())
        argv = self.argv(
            "curl", "-so", "/dev/null", "--cacert", root, "--capath", "/var/empty", f"https://{name}/"
        )
        return subprocess.run(argv, check=False, timeout=60).returncode == 0

    def names(self, certificate: str) -> set[str]:
        """Return the names in a certificate on the disk."""
        return set(re.findall(r"DNS:([^,\s]+)", self._said(certificate, "-ext subjectAltName")))

    def days(self, certificate: str) -> int:
        """Return how many days a certificate on the disk is valid from now."""
        return next(d for d in range(1, 400) if self._ends_within(certificate, d))

    def _ends_within(self, certificate: str, days: int) -> bool:
        path = f"/etc/trunkline/certs/{certificate}/fullchain.pem"
        return self.twin.run(HOST, f"openssl x509 -in {path} -noout -checkend {days * 86400}").returncode != 0

    def _said(self, certificate: str, words: str) -> str:
        return self.run(f"openssl x509 -in /etc/trunkline/certs/{certificate}/fullchain.pem -noout {words}")
