"""Docker and a stack on a real host: who reaches published ports, and what a restart and a failure leave."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator

import docker_site
import pytest
from docker_site import CONTROLLERS, EVERYONES
from own_twin import own

from control.engine import ApplyFailed, Engine, StepEvent
from inventories.model import Environment
from twin.enter import enter_argv
from twin.twin import Twin

HOST = "web1"
BY_HAND, LOOPBACK = 9999, 8000
PASSWORD = "correct horse battery: staple"
REACH = """
import json, socket, sys
found = []
for port in json.loads(sys.argv[2]):
    try:
        with socket.create_connection((sys.argv[1], port), timeout=2) as wire:
            wire.settimeout(2); wire.sendall(b"PING\\r\\n")
            found += [port] if wire.recv(7).startswith(b"+PONG") else []
    except OSError:
        pass
print(json.dumps(found))
"""
PORTS = [EVERYONES, CONTROLLERS, BY_HAND, LOOPBACK]


class Ports:
    """The lab's web server alone, with Docker, the firewall and one stack."""

    def __init__(self, lab: Environment) -> None:
        host = docker_site.reduced(lab.host(HOST), docker_site.redis("open"))
        self.environment = lab.model_copy(update={"hosts": (host,), "databases": ()})
        self.twin = Twin(self.environment, f"{os.environ.get('TRUNKLINE_TWIN', 'lab')}-ports")
        self.address, self.address6 = str(host.address.ip), "2001:db8:100::21"

    def run(self, script: str) -> str:
        """Run a script on the host, which must succeed."""
        result = self.twin.run(HOST, script, timeout=180)
        assert result.returncode == 0, result.stderr + result.stdout
        return result.stdout

    def deploy(self, what: str) -> list[str]:
        """Deploy what `docker_site` calls so; return the steps that changed something."""
        changed = []
        with Engine(self.environment, self.twin.name) as engine:
            secrets = {secret.name: PASSWORD for secret in self.environment.secrets()}
            (state,) = engine.open(hosts=[HOST], secrets=secrets, deploy=f"docker_site:{what}")
            assert state.state == "connected", state
            engine.lock("a test", "me")
            engine.plan([HOST])
            for event in engine.apply([HOST]):
                if isinstance(event, StepEvent) and event.status == "changed":
                    changed.append(event.step)
        return [step for step in changed if not step.startswith("manifest:")]

    def reached(self, node: str, address: str) -> list[int]:
        """Return the ports of redis that answer somebody at an address of the host."""
        words = (sys.executable, "-c", REACH, address, json.dumps(PORTS))
        argv = [*enter_argv(self.twin.name, node), *words]
        found: list[int] = json.loads(subprocess.check_output(argv, text=True, timeout=60))
        return found

    def running(self) -> dict[str, str]:
        """Return the id of each running container by its name."""
        return dict(line.split() for line in self.run("docker ps --format '{{.Names}} {{.ID}}'").splitlines())


@pytest.fixture(scope="module")
def ports(lab: Environment) -> Iterator[Ports]:
    """A host with a declared stack, and beside it what somebody has published by hand."""
    ports = Ports(lab)
    with own(ports.twin):
        ports.deploy("first")
        image = ports.run("docker image ls --quiet --no-trunc").split()[0]
        ports.run(f"docker run -d --restart always --name hand -p {BY_HAND}:6379 {image}")
        ports.run(f"docker run -d --restart always --name own -p 127.0.0.1:{LOOPBACK}:6379 {image}")
        yield ports


def only_what_is_declared_is_open(ports: Ports) -> None:
    assert ports.reached("stranger", ports.address) == [EVERYONES]
    assert ports.reached("controller", ports.address) == [EVERYONES, CONTROLLERS]
    assert ports.reached("stranger", ports.address6) == []
    # The host itself reaches what stands on its loopback, where nginx finds the colours.
    words = f"import sys; sys.argv = ['-', '127.0.0.1', '{json.dumps(PORTS)}']"
    assert json.loads(ports.run(f"python3 - <<'END'\n{words}\n{REACH}\nEND")) == PORTS


def test_a_second_deploy_changes_nothing(ports: Ports) -> None:
    assert ports.deploy("first") == []


def test_only_what_is_declared_is_open(ports: Ports) -> None:
    only_what_is_declared_is_open(ports)


def test_it_is_so_after_the_engine_was_restarted_and_containers_lived_through_it(ports: Ports) -> None:
    before = ports.running()
    ports.run("systemctl restart docker && docker info >/dev/null")
    assert ports.running() == before
    only_what_is_declared_is_open(ports)


def test_it_is_so_after_the_firewall_was_loaded_again(ports: Ports) -> None:
    ports.run("ufw reload")
    only_what_is_declared_is_open(ports)


def test_another_setting_is_taken_on_without_ending_a_container(ports: Ports) -> None:
    before = ports.running()
    assert ports.deploy("longer_logs") == ["docker: files"]
    assert ports.running() == before
    assert ports.deploy("first") == ["docker: files"]
    # Each of these restarts counts for systemd's limit of three a minute.
    assert ports.deploy("longer_logs") == ["docker: files"]
    assert ports.deploy("first") == ["docker: files"]
    assert ports.running() == before
    only_what_is_declared_is_open(ports)


def test_a_setting_that_docker_takes_on_at_a_reload_restarts_nothing(ports: Ports) -> None:
    def loaded(change: str) -> tuple[str, str]:
        ports.run(f"sleep 2; sed -i '{change}' /etc/docker/daemon.json && /usr/local/lib/trunkline/docker")
        engine = ports.run("systemctl show --property MainPID --value docker").strip()
        return engine, ports.run("docker info --format '{{.Debug}}'").strip()

    first, debug = loaded('s/^{/{"debug": true,/')
    assert debug == "true"
    assert loaded('s/"debug": true,/"debug": false,/') == (first, "false")
    # Taken out of the file, a setting would stay as it was until the next start.
    assert loaded('s/"debug": true,//; s/"debug": false,//')[0] != first


def test_an_environment_reaches_the_container_as_it_was_declared(ports: Ports) -> None:
    seen = ports.run("docker exec ports-open-1 env")
    assert f"TELLING_PASSWORD={PASSWORD}\n" in seen
    assert "PLAIN=a $b 'c' \"d\" \\e\n" in seen


def test_a_container_that_fails_is_named_with_its_last_lines_and_the_old_one_serves(ports: Ports) -> None:
    with pytest.raises(ApplyFailed) as failed:
        ports.deploy("failing")
    assert "ports-open-1" in failed.value.message
    assert "this is my last line" in failed.value.message
    assert PASSWORD not in failed.value.message
    only_what_is_declared_is_open(ports)
    assert ports.deploy("first") == []


def test_it_is_so_after_a_reboot(ports: Ports) -> None:
    ports.twin.reboot(HOST)
    state = "docker inspect -f '{{.State.Running}}' ports-open-1 ports-limited-1 hand own | sort -u"
    ports.run(f'for n in $(seq 100); do [ "$({state})" = true ] && exit 0; sleep 0.5; done; exit 1')
    only_what_is_declared_is_open(ports)
    assert ports.deploy("first") == []


def test_a_stack_that_nobody_declares_leaves_its_volumes_and_nothing_else(ports: Ports) -> None:
    volumes = ports.run("docker volume ls --quiet | sort")
    ports.deploy("nothing")
    assert set(ports.running()) == {"hand", "own"}
    assert ports.run("docker volume ls --quiet | sort") == volumes
    assert "ports_open" in volumes
    assert ports.run("ls /etc/trunkline/stacks/ports 2>/dev/null || true").split() in ([], ["files"])
    assert ports.run("docker network ls --quiet --filter label=com.docker.compose.project=ports") == ""
    assert ports.deploy("nothing") == []
