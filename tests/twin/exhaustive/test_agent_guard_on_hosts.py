"""A change that locks the controller out returns by itself, also over reboots and power cuts, and says so.

All lockouts at once are tried each time, and one of them alone, which one depends on the commit;
`TRUNKLINE_EVERY_LOCKOUT=1` tries each alone.
"""

from __future__ import annotations

import json
import os
import random
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from agent_on_host import AGENT, GUARDED, Host, each, prepare

from deploys._ops.script import command
from prove import ledger
from twin.twin import Twin

TWIN = "pair"

SETTLE = command("sshd_settle", "ssh.service")
DEADLINE = 15
PATIENCE = 90

PORT = "/etc/ssh/sshd_config.d/01-port.conf"
MOVED = f"echo 'Port 2222' > {PORT}"
LOCKOUTS = {
    "UFW denies the controller": "ufw delete allow 22/tcp && ufw deny 22/tcp",
    "UFW's rules are reset": "ufw --force reset && ufw default deny incoming && ufw --force enable",
    "sshd moves to a port the firewall does not know": f"{MOVED} && systemctl restart ssh",
    "AllowUsers without us": f"echo 'AllowUsers nobody' > {PORT} && systemctl reload ssh",
    "sshd is stopped and disabled": "systemctl disable --now ssh",
    "sshd is dead over a broken configuration": (
        "rm -r /etc/ssh/sshd_config.d; echo nonsense > /etc/ssh/sshd_config; systemctl restart ssh || :"
    ),
    "the default route is gone": "ip route del default",
    "black holes lie over everything": "ip route add blackhole 0.0.0.0/1; ip route add blackhole 128.0.0.0/1",
    "the address is gone": "ip address flush dev eth0",
    "the link is down": "ip link set eth0 down",
    "a rule drops everything": "ip rule add priority 100 from all blackhole",
    "a sysctl lets our packets die on the way": (
        "echo 1 > /proc/sys/net/ipv4/ip_default_ttl; echo net.ipv4.ip_default_ttl=1 > /etc/sysctl.d/99-x.conf"
    ),
}


@pytest.fixture(scope="module")
def prepared(twin: Twin) -> list[Host]:
    return prepare(twin)


@pytest.fixture
def hosts(prepared: list[Host]) -> Iterator[list[Host]]:
    """Both hosts as prepared; where a test leaves anything else behind, they are made anew."""
    before = {host.name: seen(host) for host in prepared}
    yield prepared
    try:
        same = all(seen(host) == before[host.name] for host in prepared)
    except Exception:
        same = False
    if not same:
        prepared[0].twin.restore("agent")


def seen(host: Host) -> str:
    """Files and run-time state that a guard answers for."""
    return host.sh(
        "cd /etc && find ssh ufw sysctl.d -type f -exec stat -c '%n %U:%G %a' {} + | sort;"
        "find ssh ufw sysctl.d -type f -exec sha256sum {} + | sort;"
        "ip -o route | sed 's/ *$//' | sort; ip -6 -o route | sed 's/ *$//' | sort; ip rule;"
        "ip -o address | sed 's/ valid_lft.*//;s/^[0-9]*: //' | grep -v fe80 | sort;"
        "sysctl net.ipv4.ip_default_ttl; systemctl is-enabled ssh; systemctl is-active ssh;"
        "iptables-save | grep -v '^[#:]'; ip6tables-save | grep -v '^[#:]';"
        "ls /etc/systemd/system /etc/systemd/system/timers.target.wants"
    )


def sampled() -> list[str]:
    """The lockouts that are tried alone."""
    names = sorted(LOCKOUTS)
    if os.environ.get("TRUNKLINE_EVERY_LOCKOUT"):
        return names
    return random.Random(ledger.subject().commit.rstrip("+")).sample(names, 1)


def returned(hosts: list[Host], before: dict[str, str]) -> None:
    """Every armed guard returns, SSH works again, and nothing differs from `before`."""

    def one(host: Host) -> None:
        armed = host.agent("guard show")["armed"]
        last = host.returned(DEADLINE + PATIENCE)
        assert last["outcome"] == "returned"
        assert last["problems"] == []
        assert last["restored"]
        assert armed is None or (last["id"] == armed["id"] and last["when"] >= armed["deadline"])
        host.open_again_within(PATIENCE)
        assert seen(host) == before[host.name]

    each(hosts, one)


@pytest.mark.parametrize("lockout", sampled())
def test_a_lockout_returns_by_itself_and_everything_is_as_before(hosts: list[Host], lockout: str) -> None:
    before = {host.name: seen(host) for host in hosts}

    def lock_out(host: Host) -> None:
        host.arm(DEADLINE)
        host.sh(LOCKOUTS[lockout])
        assert host.ssh().returncode, "the lockout does not lock out: it proves nothing"

    each(hosts, lock_out)
    returned(hosts, before)


def test_all_lockouts_at_once_return_and_the_session_that_made_them_is_refused_from_then_on(
    hosts: list[Host],
) -> None:
    before = {host.name: seen(host) for host in hosts}
    words = "--holder alice --purpose deploy"
    tokens: dict[str, int] = {}

    def lock_out(host: Host) -> None:
        tokens[host.name] = host.agent(f"lock acquire {words} --lease 600")["token"]
        host.arm(DEADLINE)
        host.sh("\n".join(LOCKOUTS.values()))

    each(hosts, lock_out)
    assert all(host.ssh().returncode for host in hosts)
    returned(hosts, before)
    for host in hosts:
        own = tokens[host.name]
        assert "revoked" in host.agent(f"lock renew --token {own} --lease 60", code=97)
        assert host.agent(f"lock acquire {words} --lease 60")["token"] > own


def test_a_confirmed_change_stays_and_the_timer_is_gone(hosts: list[Host]) -> None:
    def confirm(host: Host) -> None:
        guard = host.arm(DEADLINE)
        host.sh(f"echo 'MaxAuthTries 3' > {PORT} && systemctl reload ssh")
        assert host.agent(f"guard confirm --id {guard}")["outcome"] == "confirmed"

    each(hosts, confirm)
    time.sleep(DEADLINE + 1)
    for host in hosts:
        assert "maxauthtries 3" in host.sh("sshd -T")
        assert host.last()["outcome"] == "confirmed"
        assert "trunkline-guard" not in host.sh("systemctl list-timers --all --no-legend")


def test_a_reboot_in_the_window_does_not_save_a_lockout(hosts: list[Host]) -> None:
    before = {host.name: seen(host) for host in hosts}

    def reboot(host: Host) -> None:
        host.arm(2 * DEADLINE)
        host.sh(f"ufw delete allow 22/tcp && {MOVED} && sync")
        host.twin.reboot(host.name)
        armed = host.agent("guard show")["armed"]
        assert armed["phase"] == "armed", "the reboot took longer than the window: nothing is proven"
        assert host.ssh().returncode
        assert "Port 2222" in host.sh(f"cat {PORT}")

    each(hosts, reboot)
    returned(hosts, before)


def test_a_deadline_that_passes_while_the_power_is_off_returns_before_sshd_and_ufw_start(
    hosts: list[Host],
) -> None:
    twin = hosts[0].twin
    before = {host.name: seen(host) for host in hosts}

    def cut(host: Host) -> None:
        host.arm(DEADLINE)
        host.sh(f"ufw delete allow 22/tcp && {MOVED} && sync")
        assert host.agent("guard show")["armed"], "the machine is too slow: nothing is proven"
        twin.keepers[host.name].kill()

    each(hosts, cut)
    time.sleep(DEADLINE + 1)
    twin.up()
    returned(hosts, before)
    for host in hosts:
        assert f"file {PORT}" in host.last()["restored"]
        log = host.sh("journalctl -b -o cat --no-pager")
        assert log.index("End of a change that a crash cut short") < log.index("Server listening on")
        assert "port 2222" not in log


def test_only_a_new_connection_confirms(hosts: list[Host]) -> None:
    for host in hosts:
        control = {"ControlPath": f"/tmp/agent-{host.name}.sock"}
        with host.twin.spawn(
            "controller", host.ssh_argv("sleep 60", 5, ControlMaster="yes", **control)
        ) as first:
            while not Path(control["ControlPath"]).exists():
                time.sleep(0.1)
            code, told = host.over_ssh(f"python3 -I {AGENT} guard arm --seconds 60", GUARDED, **control)
            assert code == 0, told
            confirm = f"python3 -I {AGENT} guard confirm --id {json.loads(told)['id']}"
            code, told = host.over_ssh(confirm, **control)
            assert (code, "only a new SSH connection confirms" in told) == (1, True)
            code, told = host.over_ssh(confirm)
            assert (code, json.loads(told)["outcome"]) == (0, "confirmed")
            first.terminate()


def test_a_guard_that_is_armed_is_named_and_an_extended_one_fires_later(hosts: list[Host]) -> None:
    host = hosts[1]
    guard = host.arm(10)
    assert guard in host.agent("guard arm --seconds 6", GUARDED, code=1)
    later = host.agent(f"guard extend --id {guard} --seconds 20")["deadline"]
    time.sleep(11)
    assert host.agent("guard show")["armed"]["id"] == guard
    last = host.returned(20 + PATIENCE)
    assert last["when"] >= later
    assert last["restored"] == ["ufw active", "ran systemctl reload-or-restart ssh"]


def test_a_return_does_not_wait_for_a_set_whose_load_hangs(hosts: list[Host]) -> None:
    host = hosts[0]
    before = seen(host)
    host.arm(DEADLINE)
    with pytest.raises(AssertionError):
        host.apply("ssh", {PORT: "Port 2222\n"}, load=["sh", "-c", "systemctl restart ssh; sleep 55"])
    last = host.returned(PATIENCE)
    assert "set ssh" in last["restored"]
    assert last["problems"] == []
    assert seen(host) == before
    assert host.agent("state")["journal"] is None


def test_a_login_after_a_reboot_confirms_only_once_sshd_has_settled_in_that_boot(hosts: list[Host]) -> None:
    def confirm(host: Host) -> None:
        guard = host.arm(PATIENCE)
        before = host.sh(SETTLE)
        host.twin.reboot(host.name)
        host.open_again_within(PATIENCE)
        words = f"python3 -I {AGENT} guard confirm --id {guard} --settled"
        code, told = host.over_ssh(f"{words} {before}")
        assert (code, "has rebooted since sshd took on" in told) == (1, True), told
        code, told = host.over_ssh(f"{words} {host.sh(SETTLE)}")
        assert (code, json.loads(told)["outcome"]) == (0, "confirmed")

    each(hosts, confirm)
