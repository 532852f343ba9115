"""Managed sets on real hosts: the checker sees the staged tree, and a power cut leaves old or new."""

from __future__ import annotations

import re
import threading
import time
from contextlib import suppress
from typing import Any

import pytest
from agent_on_host import Host, prepare

from twin.twin import Twin

TWIN = "pair"

DROP_IN = "/etc/ssh/sshd_config.d/10-trunkline.conf"
SSHD: dict[str, Any] = {
    "check": ["sshd", "-t"],
    "check_tree": "/etc/ssh",
    "load": ["systemctl", "reload", "ssh"],
}


@pytest.fixture(scope="module")
def prepared(twin: Twin) -> list[Host]:
    return prepare(twin)


@pytest.fixture
def hosts(prepared: list[Host]) -> list[Host]:
    prepared[0].twin.restore("agent")
    return prepared


def test_sshd_reads_the_staged_drop_in_through_its_absolute_include_and_refuses_it(hosts: list[Host]) -> None:
    for host in hosts:
        said = host.apply("ssh", {DROP_IN: "MaxAuthTries 3\nNoSuchWord yes\n"}, code=1, **SSHD)
        assert f"{DROP_IN}: line 2: Bad configuration option: NoSuchWord" in said
        assert host.sh("ls /etc/ssh/sshd_config.d; mount | grep -c staging || true").endswith("\n0")
        told = host.apply("ssh", {DROP_IN: "MaxAuthTries 3\n"}, **SSHD)
        assert told["changed"] == [DROP_IN]
        assert "maxauthtries 3" in host.sh("sshd -T")
        assert host.ssh().returncode == 0


def test_what_only_breaks_together_with_another_file_is_found_before_it_is_in_force(
    hosts: list[Host],
) -> None:
    for host in hosts:
        bad = {
            "/etc/sudoers.d/10-a": "User_Alias OPS = alice\n",
            "/etc/sudoers.d/20-b": "User_Alias OPS = bob\n",
        }
        check: dict[str, Any] = {"check": ["visudo", "-c"], "check_tree": "/etc/sudoers.d"}
        assert re.search("20-b:1.* (already|previously) defined", host.apply("users", bad, code=1, **check))
        said = host.apply("users", {"/etc/sudoers.d/10-a": "alice ALL=(ALL NOPASSWD ALL\n"}, code=1, **check)
        assert "the checker refused the new files of users" in said
        assert host.sh("visudo -c; ls /etc/sudoers.d").endswith("README")


def test_a_power_cut_in_mid_apply_has_the_old_files_back_before_sshd_starts(hosts: list[Host]) -> None:
    twin = hosts[0].twin
    for host in hosts:
        before = host.sh("sha256sum /etc/ssh/sshd_config /etc/ssh/sshd_config.d/*")

        def hang(host: Host = host) -> None:
            with suppress(AssertionError, ValueError):
                host.apply("ssh", {DROP_IN: "Port 2222\n"}, load=["sh", "-c", "sync; sleep 30"])

        thread = threading.Thread(target=hang)
        thread.start()
        while "2222" not in host.sh(f"cat {DROP_IN} 2>/dev/null || true"):
            time.sleep(0.05)
        host.sh("sync")
        twin.keepers[host.name].kill()
        thread.join()
        twin.up()
        assert host.open_again_within(5) < 5
        assert host.sh("sha256sum /etc/ssh/sshd_config /etc/ssh/sshd_config.d/*") == before
        assert host.agent("state")["journal"] is None
        assert "2222" not in host.sh("journalctl -b -u ssh --no-pager")


def test_the_agent_runs_on_the_python_of_every_host_and_leaves_nothing_outside_its_state(
    hosts: list[Host],
) -> None:
    for host in hosts:
        host.agent("lock acquire --holder alice --purpose deploy --lease 5")
        host.apply("ssh", {DROP_IN: "MaxAuthTries 3\n"}, **SSHD)
        assert host.sh("stat -c %a /var/lib/trunkline") == "700"
        assert host.sh("ls -A / | grep -c trunkline || true") == "0"
        assert host.sh("find /tmp /var/tmp -name '*trunkline*' | wc -l") == "0"
