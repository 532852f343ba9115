"""A change that locks the controller out returns by itself, also over reboots and power cuts, and says so."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from typing import Any

import pytest
from agent_on_host import GUARDED, Host, prepare

from twin.twin import Twin

DEADLINE = 20
LIMIT = DEADLINE + 10

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


@pytest.mark.parametrize("lockout", LOCKOUTS)
def test_a_lockout_returns_by_itself_and_everything_is_as_before(hosts: list[Host], lockout: str) -> None:
    before = {host.name: seen(host) for host in hosts}
    begin = time.monotonic()
    guards = {host.name: host.arm(DEADLINE) for host in hosts}
    for host in hosts:
        host.sh(LOCKOUTS[lockout])
    assert all(host.ssh().returncode for host in hosts), "the lockout does not lock out: it proves nothing"
    for host in hosts:
        host.open_again_within(LIMIT - (time.monotonic() - begin))
        while host.agent("guard show")["armed"]:
            assert time.monotonic() - begin < LIMIT
            time.sleep(0.2)
        last = host.last()
        assert (last["id"], last["outcome"]) == (guards[host.name], "returned")
        assert last["problems"] == []
        assert last["restored"]
        assert seen(host) == before[host.name]


def test_a_confirmed_change_stays_and_the_timer_is_gone(hosts: list[Host]) -> None:
    for host in hosts:
        guard = host.arm(5)
        host.sh("echo 'MaxAuthTries 3' > /etc/ssh/sshd_config.d/01-mine.conf && systemctl reload ssh")
        assert host.agent(f"guard confirm --id {guard}")["outcome"] == "confirmed"
    time.sleep(6)
    for host in hosts:
        assert "maxauthtries 3" in host.sh("sshd -T")
        assert host.last()["outcome"] == "confirmed"
        assert "trunkline-guard" not in host.sh("systemctl list-timers --all --no-legend")


def test_a_reboot_in_the_window_does_not_save_a_lockout(hosts: list[Host]) -> None:
    before = {host.name: seen(host) for host in hosts}
    begin = time.monotonic()
    for host in hosts:
        host.arm(20)
        host.sh(f"ufw delete allow 22/tcp && {MOVED} && sync")
        host.twin.reboot(host.name)
    assert time.monotonic() - begin < 18, "the reboot took longer than the window: nothing is proven"
    assert all(host.ssh().returncode for host in hosts)
    assert all(host.agent("guard show")["armed"]["phase"] == "armed" for host in hosts)
    for host in hosts:
        host.open_again_within(30 - (time.monotonic() - begin))
        while host.agent("guard show")["armed"]:
            assert time.monotonic() - begin < 40
            time.sleep(0.2)
        assert host.last()["problems"] == []
        assert seen(host) == before[host.name]


def test_a_deadline_that_passes_while_the_power_is_off_returns_before_sshd_and_ufw_start(
    hosts: list[Host],
) -> None:
    twin = hosts[0].twin
    before = {host.name: seen(host) for host in hosts}
    for host in hosts:
        host.arm(5)
        host.sh(f"ufw delete allow 22/tcp && {MOVED} && sync")
        twin.keepers[host.name].kill()
    time.sleep(6)
    twin.up()
    for host in hosts:
        assert host.open_again_within(5) < 5
        end = time.monotonic() + 20
        while host.agent("guard show")["armed"]:
            assert time.monotonic() < end, host.sh("journalctl -u 'trunkline-*' --no-pager")
            time.sleep(0.2)
        last = host.last()
        assert last["outcome"] == "returned"
        assert f"file {PORT}" in last["restored"]
        assert last["problems"] == []
        assert seen(host) == before[host.name]
        log = host.sh("journalctl -b -o short-monotonic --no-pager")
        assert log.index("End of a change that a crash cut short") < log.index("Server listening on")


def test_a_session_whose_guard_returned_is_refused_from_then_on(hosts: list[Host]) -> None:
    host = hosts[0]
    words = "--holder alice --purpose deploy"
    token = host.agent(f"lock acquire {words} --lease 60")["token"]
    host.arm(5)
    time.sleep(8)
    assert host.last()["outcome"] == "returned"
    assert "revoked" in host.agent(f"lock renew --token {token} --lease 60", code=97)
    assert host.agent(f"lock acquire {words} --lease 60")["token"] == token + 1


def test_only_a_new_connection_confirms(hosts: list[Host]) -> None:
    for host in hosts:
        control = f"/tmp/agent-{host.name}.sock"
        share: dict[str, Any] = {"ControlPath": control, "ControlMaster": "auto", "ControlPersist": "20"}
        words = f"python3 -I {_agent()} guard"

        def over_shared(command: str, host: Host = host, share: dict[str, Any] = share) -> tuple[int, str]:
            argv = host.ssh_argv(command, 5, **share)
            process = host.twin.spawn(
                "controller",
                argv,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
            out, err = process.communicate(_guarded() if " arm " in command else "", timeout=30)
            return process.returncode, out + err

        code, told = over_shared(f"{words} arm --seconds 30")
        assert code == 0, told
        guard = host.agent("guard show")["armed"]["id"]
        code, told = over_shared(f"{words} confirm --id {guard}")
        assert (code, "only a new SSH connection confirms" in told) == (1, True)
        confirmed = host.ssh(f"{words} confirm --id {guard}")
        assert confirmed.returncode == 0, confirmed.stderr
        subprocess.run(
            [*host.ssh_argv("true", **share)[:-2], "-O", "exit", "x"], check=False, capture_output=True
        )


def test_a_guard_that_is_armed_is_named_and_an_extended_one_fires_later(hosts: list[Host]) -> None:
    host = hosts[1]
    guard = host.arm(6)
    assert guard in host.agent("guard arm --seconds 6", GUARDED, code=1)
    host.agent(f"guard extend --id {guard} --seconds 12")
    time.sleep(8)
    assert host.agent("guard show")["armed"]["id"] == guard
    time.sleep(7)
    assert host.last() | {"when": ""} == {
        "id": guard, "when": "", "outcome": "returned", "problems": [],
        "restored": ["ufw active", "ran systemctl reload-or-restart ssh"],
    }  # fmt: skip


def test_a_return_does_not_wait_for_a_set_whose_load_hangs(hosts: list[Host]) -> None:
    host = hosts[0]
    before = seen(host)
    host.arm(6)
    path = "/etc/ssh/sshd_config.d/01-x.conf"
    sentence = host.twin.run(host.name, "true")
    assert sentence.returncode == 0
    with pytest.raises(AssertionError):
        host.apply("ssh", {path: "Port 2222\n"}, load=["sh", "-c", "systemctl restart ssh; sleep 55"])
    assert host.last()["outcome"] == "returned"
    assert host.last()["problems"] == []
    assert seen(host) == before
    assert host.agent("state")["journal"] is None


def _agent() -> str:
    from agent_on_host import AGENT

    return AGENT


def _guarded() -> str:
    import json

    return json.dumps(GUARDED)
