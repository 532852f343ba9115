"""A stack of a small application on a real host with Docker and Nginx, changed and converged by the agent."""

from __future__ import annotations

import copy
import hashlib
import json
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from agent_on_host import AGENT, Host

APP = (Path(__file__).parent / "stack_app" / "app.py").read_text(encoding="utf-8")
PACKAGES = "docker.io docker-cli docker-compose nginx-light"
HOME = "/etc/trunkline/stacks/app"
UPSTREAM = "/etc/nginx/upstreams/app-web.conf"
PASSWORD = "a-very-secret-word"
SITE = """
upstream app-web { include /etc/nginx/upstreams/app-web.conf; keepalive 32; }
server {
  listen 80 default_server;
  location / {
    proxy_pass http://app-web; proxy_http_version 1.1; proxy_set_header Connection "";
    proxy_read_timeout 30s;
  }
}
"""
IMAGE = r"""
set -e
mkdir -p /root/image && cd /root/image
python=$(readlink -f /usr/bin/python3)
if [ ! -e rootfs.tar ]; then
  all=$(ldd $python /usr/lib/python3*/lib-dynload/*.so)
  libraries=$(echo "$all" | awk '$3 ~ "^/" {print $3} $1 ~ "^/lib" {print $1}' | sort -u)
  mkdir -p root/app root/tmp root/data root/etc && cp app.py root/app/ && touch root/etc/passwd
  tar -c --exclude=test --exclude=__pycache__ --exclude=ensurepip -f rootfs.tar -h \
    $python /usr/lib/python3.* $libraries -C root app tmp data etc 2>/dev/null
fi
echo $python
"""

LOAD = """
import http.client, json, signal, sys, threading, time
address, seconds, rate = sys.argv[1], float(sys.argv[2]), float(sys.argv[3])
answers, failures, lock = {}, [], threading.Lock()
end = time.monotonic() + seconds
def finish(*_):
    global end
    end = 0
signal.signal(signal.SIGTERM, finish)
def run(keep):
    connection = None
    while time.monotonic() < end:
        begin = time.monotonic()
        try:
            connection = connection or http.client.HTTPConnection(address, timeout=20)
            connection.request("GET", "/", headers={} if keep else {"Connection": "close"})
            answer = connection.getresponse()
            said = f"{answer.status} {answer.read().decode().strip()}"
            with lock:
                answers[said] = answers.get(said, 0) + 1
            if answer.will_close:
                connection.close()
                connection = None
        except Exception as error:
            with lock:
                failures.append(f"{time.monotonic():.1f} {type(error).__name__} {error}")
            connection = None
        time.sleep(max(0, 4 / rate - (time.monotonic() - begin)))
threads = [threading.Thread(target=run, args=(False,)) for _ in range(4)]
[thread.start() for thread in threads]
print("begun", flush=True)
[thread.join() for thread in threads]
print(json.dumps({"answers": answers, "failures": failures}))
"""


@dataclass
class Stack:
    """The application's stack as a test wants it next."""

    host: Host
    images: dict[str, str] = field(default_factory=dict)
    version: str = "1"
    environment: dict[str, dict[str, str]] = field(default_factory=dict)
    """Service -> what is added to its environment."""
    services: tuple[str, ...] = ("store", "web", "worker", "single")
    migration: dict[str, Any] = field(default_factory=dict)
    key: str = "the first key"
    """A secret file of the http service."""

    def install(self) -> None:
        """Docker, Nginx and the agent on the host."""
        self.host.install()
        self.host.sh(
            "apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -qq "
            f"--no-install-recommends {PACKAGES} >/dev/null",
            seconds=400,
        )
        self.host.sh(f"mkdir -p {HOME} /etc/nginx/upstreams /root/image; chmod 0700 {HOME}")
        self.host.sh("echo 'server 127.0.0.1:8000;' > " + UPSTREAM)
        self.host.sh("rm -f /etc/nginx/sites-enabled/default; cat > /etc/nginx/conf.d/app.conf", SITE)
        self.host.sh("systemctl restart nginx")
        self.host.sh("cat > /root/image/app.py", APP)

    def image(self, version: str) -> str:
        """The id of the application's image of a version, made on the host when it is new."""
        if version not in self.images:
            python = self.host.sh(IMAGE, seconds=300)
            self.images[version] = self.host.sh(
                f"""cd /root/image && docker import --change 'ENV VERSION={version}' --change 'WORKDIR /app' \
                --change 'ENTRYPOINT ["{python}", "/app/app.py"]' rootfs.tar app:{version}""",
                seconds=300,
            )
        return self.images[version]

    def write(self) -> None:
        """Put compose file, env files and spec on the host, as the deploy does."""
        described = {name: self._service(name) for name in self.services}
        specs, composed = [], {}
        for name, (spec, service) in described.items():
            environment = {"APP_PASSWORD": PASSWORD, **self.environment.get(name, {})}
            text = "".join(f"{key}={value}\n" for key, value in environment.items())
            self.host.sh(f"umask 077; cat > {HOME}/{name}.env", text)
            declared = json.dumps([service, text], sort_keys=True)
            spec["config"] = hashlib.sha256(declared.encode()).hexdigest()
            service["env_file"] = [f"{HOME}/{name}.env"]
            service["labels"] = {"trunkline.stack": "app", "trunkline.config": spec["config"]}
            specs.append(spec)
            if spec["role"] != "http":
                composed[name] = service
                continue
            self._key()
            service["volumes"].append(f"{HOME}/files/0:/run/key:ro")
            for colour, port in zip("ab", spec["loopback"], strict=True):
                its = copy.deepcopy(service) | {"profiles": [colour], "ports": [f"127.0.0.1:{port}:8000"]}
                composed[f"{name}-{colour}"] = its | {"networks": {"default": {"aliases": [name]}}}
        compose = {"name": "app", "services": composed, "volumes": {"data": {}}}
        wanted = {
            "format": 1,
            "name": "app",
            "directory": HOME,
            "services": specs,
            "migration": self._migration(),
            "reload": ["systemctl", "reload", "nginx"],
            "orphans": True,
        }
        self.host.sh(f"umask 077; cat > {HOME}/compose.yaml", json.dumps(compose))
        self.host.sh(
            f"umask 077; cat > {HOME}/stack.json.new; mv {HOME}/stack.json.new {HOME}/stack.json",
            json.dumps(wanted),
        )

    def _key(self) -> None:
        place = f"{HOME}/files/0"
        self.host.sh(f"umask 077; mkdir -p {HOME}/files; cat > {place}.new", self.key)
        self.host.sh(f"cmp -s {place}.new {place} && rm {place}.new || mv {place}.new {place}")

    def _migration(self) -> dict[str, Any] | None:
        if "web" not in self.services:
            return None
        fixed = {"service": "web", "command": ["migrate"], "current": ["current"], "dump": ["dump"]}
        return fixed | {"keep_dumps": 3, "timeout": 60} | self.migration

    def _service(self, name: str) -> tuple[dict[str, Any], dict[str, Any]]:
        role = {"store": "stateful", "web": "http", "worker": "worker"}.get(name, "single")
        command = {"http": "serve", "worker": "work"}.get(role, "tick" if role == "single" else "serve")
        check = "health" if command == "serve" else "alive"
        image = self.image("0" if role == "stateful" else self.version)
        spec = {
            "name": name,
            "role": role,
            "image": image,
            "loopback": [8000, 8001] if role == "http" else None,
            "upstream": UPSTREAM if role == "http" else None,
            "stop_seconds": 15,
            "healthy_within": 40,
            "needs": [] if role == "stateful" or "store" not in self.services else ["store"],
        }
        python = self.host.sh("readlink -f /usr/bin/python3")
        service = {
            "image": image,
            "command": [command],
            "init": True,
            "restart": "unless-stopped",
            "stop_grace_period": "15s",
            "volumes": ["data:/data"],
            "healthcheck": {
                "test": ["CMD", python, "/app/app.py", check],
                "interval": "2s",
                "timeout": "3s",
                "retries": 2,
                "start_period": "2s",
                "start_interval": "0.3s",
            },
        }
        return spec, service

    def converge(self, code: int = 0, words: str = "") -> Any:
        """Write the files and converge; the JSON answer, or the sentence of a failure that must be."""
        self.write()
        return self.again(code, words)

    def again(self, code: int = 0, words: str = "") -> Any:
        """Converge to the files that are there."""
        done = self.host.twin.run(self.host.name, f"python3 -I {AGENT} stack converge app {words}", "", 300)
        assert done.returncode == code, done.stdout + done.stderr
        assert PASSWORD not in done.stdout + done.stderr
        assert "Traceback" not in done.stderr
        return json.loads(done.stdout) if code == 0 else done.stderr.strip()

    def look(self) -> Any:
        """What the agent sees."""
        return self.host.agent("stack look app")

    def service(self, name: str) -> Any:
        """What the agent sees of a service."""
        return next(item for item in self.look()["services"] if item["name"] == name)

    def started(self, *options: str) -> subprocess.Popen[str]:
        """A converge in the background, in the host; its shell prints the agent's pid first."""
        script = f"echo $$; exec python3 -I {AGENT} stack converge app"
        argv = self.host.twin.keepers[self.host.name].argv_inside("/bin/sh", "-c", script)
        return subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def answers(self) -> str:
        """What Nginx gets from the application."""
        return self.host.sh("curl -sS -m 20 http://127.0.0.1/")

    def running(self) -> list[str]:
        """Names of the services of the compose file that have a running container."""
        words = "docker ps --format '{{.Label \"com.docker.compose.service\"}}'"
        return sorted(self.host.sh(words).split())

    def data(self, log: str) -> list[str]:
        """The lines of a log in the application's volume."""
        return self.host.sh(
            f"cat /var/lib/docker/volumes/app_data/_data/{log} 2>/dev/null || true"
        ).splitlines()

    def load(self, seconds: float = 240, rate: float = 60) -> subprocess.Popen[str]:
        """Ask from outside, `rate` times a second, for so long."""
        address = str(self.host.twin.environment.host(self.host.name).address.ip)
        argv = [sys.executable, "-c", LOAD, address, str(seconds), str(rate)]
        process = self.host.twin.spawn("stranger", argv, stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        assert process.stdout.readline() == "begun\n"
        return process

    def loaded(self, load: subprocess.Popen[str]) -> Any:
        """End a load: how often each answer came, and what failed."""
        load.terminate()
        return json.loads(load.communicate(timeout=60)[0])

    def wait_until(self, holds: Any, seconds: float = 30) -> None:
        """Fail unless `holds` becomes true within so many seconds."""
        end = time.monotonic() + seconds
        while not holds():
            assert time.monotonic() < end, self.host.sh(
                "docker ps --all; journalctl -b -u docker -n 20 --no-pager"
            )
            time.sleep(0.2)
