"""The commands against real hosts: plan, deploy, status, trust, and what happens when one is cut off."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import chdir
from pathlib import Path
from typing import Any

import pytest

from control import history, places
from prove import release
from prove.tree import lent
from twin.twin import Twin

TWIN = "pair"
AGENT = "python3 -I $(ls -t /usr/local/lib/trunkline/agent-*.pyz | head -n 1)"
HOLD_APT = (
    "import fcntl, time; f = open('/var/lib/dpkg/lock-frontend', 'w'); fcntl.lockf(f, fcntl.LOCK_EX); "
    "time.sleep(8)"
)
HANG = "/etc/apt/apt.conf.d/99hang"
STRANGER = f"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI{'A' * 43} nobody@elsewhere"
CLOUD_INIT_AT_WORK = (
    "install -m 755 /dev/null /usr/local/bin/cloud-init; mkdir /run/cloud-init; touch /run/cloud-init/enabled"
)


@pytest.fixture(scope="module", autouse=True)
def top() -> Iterator[Path]:
    """The tree that the commands are run from: what they do is the same for two hosts as for all."""
    with lent([release.only("edge1", "edge2")]) as tree, chdir(tree):
        yield tree


def started(twin: Twin, *words: str) -> subprocess.Popen[str]:
    """Start `invoke` on this twin, interruptible as in a terminal."""
    return subprocess.Popen(
        [sys.executable, "-m", "invoke", *words],
 env={**os.environ, "TRUNKLINE_TWIN": twin.name, "COLUMNS": "200"}, text=True,
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip


def run(twin: Twin, *words: str) -> tuple[int, str]:
    """Run `invoke` on this twin; return its exit code and all it said."""
    process = started(twin, *words)
    said, _ = process.communicate(timeout=900)
    assert "Traceback" not in said
    return process.returncode, said


@pytest.fixture(scope="module")
def deployed(twin: Twin) -> Iterator[tuple[Twin, str]]:
    """The twin after its first deploy, and what that deploy said."""
    twin.restore("bare")
    code, said = run(twin, "deploy")
    assert code == 0, said
    yield twin, said
    twin.restore("bare")


def test_a_plan_names_every_change_and_makes_none(bare: Twin) -> None:
    for host in ("edge1", "edge2"):
        bare.run(host, "touch /run/before")
    code, said = run(bare, "plan")
    assert code == 2, said
    assert "edge1: " in said
    assert "+PasswordAuthentication no" in said
    for host in ("edge1", "edge2"):
        newer = bare.run(host, "find /etc /home /opt /root /srv /usr /var/lib -newer /run/before").stdout
        changed = [path for path in newer.splitlines() if not path.startswith("/var/lib/systemd/")]
        assert changed == [], host


def test_keys_that_nobody_declared_need_adopt_and_are_named_in_the_plan(bare: Twin) -> None:
    bare.run("edge1", f"echo '{STRANGER}' >> /root/.ssh/authorized_keys")
    code, said = run(bare, "plan", "--limit", "edge1")
    assert code == 1
    assert "edge1: SSH keys that the inventory does not declare may log in as root." in said
    assert "--adopt" in said
    code, said = run(bare, "plan", "--limit", "edge1", "--adopt")
    assert code == 2, said
    assert f"-{STRANGER}" in said


def test_a_first_deploy_ends_with_a_table_and_what_one_can_try(deployed: tuple[Twin, str]) -> None:
    twin, said = deployed
    assert "verify: " in said
    for host in twin.environment.hosts:
        for service in host.services:
            assert [line for line in said.splitlines() if line.split()[:2] == [host.name, service]]
    forward = next(each for each in twin.forwards if each.host == "edge1" and each.host_port == 22)
    assert f"ssh -p {forward.port}" in said


def test_what_the_table_says_to_try_works(deployed: tuple[Twin, str]) -> None:
    _, said = deployed
    line = next(line for line in said.splitlines() if "ssh -p" in line)
    argv = ["ssh", "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", *line.split()[2:]]
    tried = subprocess.run(
        [*argv, "sudo", "id", "-u"], capture_output=True, text=True, check=False, timeout=30
    )
    assert tried.stdout == "0\n", tried.stderr


def test_a_second_deploy_changes_nothing_and_the_plan_is_empty(deployed: tuple[Twin, str]) -> None:
    twin, _ = deployed
    code, said = run(twin, "deploy")
    assert code == 0, said
    assert "Nothing to change." in said
    code, said = run(twin, "plan", "--json")
    assert code == 0, said
    events = [json.loads(line) for line in said.splitlines()]
    assert [each["changes"] for each in events if each["event"] == "plan"] == [0]


def test_a_guard_that_a_dead_deploy_left_armed_is_confirmed_and_told(deployed: tuple[Twin, str]) -> None:
    twin, _ = deployed
    guarded = json.dumps({"services": [{"service": "journal", "files": ["/etc/systemd/journald.conf.d/*"]}]})
    armed = twin.run("edge1", f"{AGENT} guard arm --seconds 600", guarded)
    assert armed.returncode == 0, armed.stderr
    code, said = run(twin, "deploy", "--limit", "edge1", "--json")
    assert code == 0, said
    warnings = [event["text"] for event in map(json.loads, said.splitlines()) if event["event"] == "warning"]
    assert warnings == ["edge1: an earlier deploy was cut off; its guard is confirmed now."]
    shown = json.loads(twin.run("edge1", f"{AGENT} guard show").stdout)
    assert (shown["armed"], shown["last"]["outcome"]) == (None, "confirmed")


@pytest.mark.parametrize(("node", "name"), [("edge1", "edge1\n"), ("stranger", f"{os.uname().nodename}\n")])
def test_a_shell_inside_a_node_of_the_twin(deployed: tuple[Twin, str], node: str, name: str) -> None:
    twin, _ = deployed
    argv = [sys.executable, "-m", "invoke", "twin.shell", node, "--twin", twin.name]
    script = "id -u; uname -n; ip -brief -4 address show scope global"
    shell = subprocess.run(argv, input=script, capture_output=True, text=True, check=False, timeout=60)
    said = shell.stdout.splitlines(keepends=True)
    assert said[:2] == ["0\n", name], shell.stderr
    assert twin.layout.wire(node).addresses[0] in said[2]


def test_pyinfras_own_command_line_brings_back_what_is_missing(deployed: tuple[Twin, str]) -> None:
    twin, _ = deployed
    twin.run("edge1", "rm /etc/systemd/journald.conf.d/*")
    pyinfra = Path(sys.executable).with_name("pyinfra")
    done = subprocess.run(
        [pyinfra, "inventories/lab.py", "deploys/site.py", "-y"],
        env={**os.environ, "TRUNKLINE_TWIN": twin.name}, capture_output=True, text=True,
        stdin=subprocess.DEVNULL, check=False, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert twin.run("edge1", "ls /etc/systemd/journald.conf.d").stdout != ""
    for host in ("edge1", "edge2"):
        assert json.loads(twin.run(host, f"{AGENT} lock show").stdout) == {"held": None}
    assert run(twin, "plan")[0] == 0


def test_the_record_stands_on_the_controller_and_on_every_host(deployed: tuple[Twin, str]) -> None:
    twin, _ = deployed
    assert run(twin, "deploy")[0] == 0
    last = history.records(places.history_of(twin.name, in_twin=True))[-1]
    assert last.verified
    for host in twin.environment.hosts:
        held = json.loads(twin.run(host.name, f"{AGENT} release show").stdout)["release"]
        assert held["config"] == last.config
        assert held["who"] == last.who


def test_status_tells_who_deployed_and_who_holds_the_lock(deployed: tuple[Twin, str]) -> None:
    twin, _ = deployed
    acquire = f"{AGENT} lock acquire --holder ann@elsewhere --purpose 'a repair' --lease 300"
    token = json.loads(twin.run("edge1", acquire).stdout)["token"]
    try:
        events = [json.loads(line) for line in run(twin, "status", "--json")[1].splitlines()]
        refused, said = run(twin, "deploy")
    finally:
        twin.run("edge1", f"{AGENT} lock release --token {token}")
    by_host: dict[str, dict[str, Any]] = {each["host"]: each for each in events if each["event"] == "status"}
    assert by_host["edge1"]["lock"].startswith("ann@elsewhere: a repair")
    assert by_host["edge2"]["lock"] == "free"
    assert by_host["edge1"]["by"] == history.holder()
    assert refused == 1
    assert "ann@elsewhere" in said


def test_a_held_package_lock_is_waited_for_and_its_holder_named(deployed: tuple[Twin, str]) -> None:
    twin, _ = deployed
    twin.run("edge1", f'nohup python3 -c "{HOLD_APT}" >/dev/null 2>&1 &')
    code, said = run(twin, "plan")
    assert code == 0, said
    assert "edge1  waits: python3 (pid " in said
    assert "holds the apt lock" in said


def test_cloud_init_at_work_is_waited_for_until_it_has_its_result(deployed: tuple[Twin, str]) -> None:
    twin, _ = deployed
    twin.run("edge2", CLOUD_INIT_AT_WORK)
    process = started(twin, "plan", "--limit", "edge2")
    assert process.stdout is not None
    try:
        waits = next((line for line in process.stdout if "waits: " in line), "it did not wait")
        twin.run("edge2", "touch /run/cloud-init/result.json")
        said, _ = process.communicate(timeout=120)
    finally:
        process.kill()
        twin.run("edge2", "rm -r /usr/local/bin/cloud-init /run/cloud-init")
    assert "edge2  waits: cloud-init is still setting the host up" in waits
    assert process.returncode == 0, said


def test_up_says_what_is_not_as_in_production(deployed: tuple[Twin, str]) -> None:
    twin, _ = deployed
    boots = [host.boots for host in twin.status().hosts]
    code, said = run(twin, "twin.up")
    assert code == 0, said
    assert all(f"  {each}\n" in said for each in twin.substitutions())
    assert [host.boots for host in twin.status().hosts] == boots


def test_a_changed_host_key_is_refused_by_trust_and_by_every_command(deployed: tuple[Twin, str]) -> None:
    twin, _ = deployed
    known = places.state_of(twin.name) / "known_hosts"
    before = known.read_text()
    other = next(line.split()[2] for line in before.splitlines() if line.startswith("edge2"))
    own = next(line.split()[2] for line in before.splitlines() if line.startswith("edge1"))
    known.write_text(before.replace(own, other))
    try:
        code, said = run(twin, "trust", "--limit", "edge1")
        assert code == 1
        assert "edge1: THE HOST KEY HAS CHANGED" in said
        code, said = run(twin, "plan", "--limit", "edge1")
    finally:
        known.write_text(before)
    assert code == 1, said
    assert "host key" in said


def test_limit_deploys_to_the_named_host_alone(deployed: tuple[Twin, str]) -> None:
    twin, _ = deployed
    for host in ("edge1", "edge2"):
        twin.run(host, "rm /etc/systemd/journald.conf.d/*")
    code, said = run(twin, "deploy", "--limit", "edge2")
    assert code == 0, said
    assert "edge1" not in said
    assert twin.run("edge1", "ls /etc/systemd/journald.conf.d").stdout == ""
    assert twin.run("edge2", "ls /etc/systemd/journald.conf.d").stdout != ""
    assert not history.records(places.history_of(twin.name, in_twin=True))[-1].verified


def test_ctrl_c_ends_with_the_lock_released_and_says_what_was_done(deployed: tuple[Twin, str]) -> None:
    twin, _ = deployed
    twin.run("edge1", "DEBIAN_FRONTEND=noninteractive apt-get -y remove fail2ban")
    process = started(twin, "deploy")
    assert process.stdout is not None
    for line in process.stdout:
        if line.endswith("changed\n") or " changed (" in line:
            break
    process.send_signal(signal.SIGINT)
    said = process.stdout.read()
    assert process.wait(timeout=60) == 130, said
    assert "Interrupted" in said
    assert "The lock is released" in said
    assert json.loads(twin.run("edge1", f"{AGENT} lock show").stdout) == {"held": None}
    code, said = run(twin, "deploy")
    assert code == 0, said


def test_sigterm_ends_a_deploy_whose_command_hangs_soon_and_says_what_it_cut(
    deployed: tuple[Twin, str],
) -> None:
    twin, _ = deployed
    twin.run("edge1", "DEBIAN_FRONTEND=noninteractive apt-get -y remove fail2ban")
    twin.write("edge1", HANG, 'DPkg::Pre-Invoke {"sleep 600";};\n')
    process = started(twin, "deploy", "--limit", "edge1", "--json")
    assert process.stdout is not None
    try:
        while twin.run("edge1", "pgrep -f 'sleep 6[0]0'").returncode:
            assert process.poll() is None, process.stdout.read()
            time.sleep(0.2)
        process.send_signal(signal.SIGTERM)
        said, _ = process.communicate(timeout=30)
    finally:
        process.kill()
        twin.run("edge1", f"rm {HANG}")
    assert process.returncode == 130, said
    assert "(`packages: install` was left in the middle)" in said
    assert "The lock is released" in said
    assert twin.run("edge1", "pgrep -f 'sleep 6[0]0'").stdout == ""
    assert json.loads(twin.run("edge1", f"{AGENT} lock show").stdout) == {"held": None}
    code, said = run(twin, "deploy", "--limit", "edge1")
    assert code == 0, said
