"""The connection to a host, against a real SSH server on loopback."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import paramiko
import pytest
from ssh_peer import Peer, peer

from deploys._connector import pulse
from deploys._connector.connection import Connection
from deploys._connector.dial import CONNECT_SECONDS, tcp
from deploys._connector.failure import ConnectionLost, TimedOut, Unreachable
from deploys._connector.script import END, TRUNCATED, carried, launcher


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Peer]:
    with peer(tmp_path_factory.mktemp("peer")) as started:
        yield started


@pytest.fixture
def host(server: Peer) -> Peer:
    server.admit("root")
    server.sudo(works=True)
    return server


@pytest.fixture
def root(host: Peer) -> Iterator[Connection]:
    connection = Connection(host.route())
    connection.connect()
    yield connection
    connection.close()


def refusal(connection: Connection) -> Unreachable:
    with pytest.raises(Unreachable) as caught:
        connection.connect()
    assert not connection.alive
    return caught.value


def test_a_command_gives_back_both_outputs_its_input_and_its_exit_code(root: Connection) -> None:
    outcome = root.run("cat; echo wrong >&2; exit 3", stdin=b"given")
    assert (outcome.code, outcome.stdout, outcome.stderr) == (3, b"given", b"wrong\n")


def test_neither_a_script_nor_its_input_stands_in_the_process_list(root: Connection) -> None:
    seen = root.run("ps axww -o args; : hidden-in-script", stdin=b"hidden-in-input").text
    assert "timeout -k" in seen
    assert "hidden" not in seen


def test_a_script_runs_in_a_known_environment(root: Connection) -> None:
    seen = root.run('echo "$PATH $LC_ALL $HOME $(umask) $(pwd)"').text
    assert seen == "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin C.UTF-8 /root 0022 /\n"


@pytest.mark.parametrize("missing", [1, len(END), len(END) + 1, 40])
def test_a_script_that_arrives_cut_off_does_not_run_at_all(tmp_path: Path, missing: int) -> None:
    body = carried(f"touch {tmp_path}/ran\n" + "true\n" * 20)
    command = launcher(len(body), 5, sudo=False)
    ended = subprocess.run(["sh", "-c", command], input=body[:-missing], check=False)
    assert ended.returncode == TRUNCATED
    assert not (tmp_path / "ran").exists()


def test_much_input_and_much_output_pass_in_both_directions(root: Connection) -> None:
    data = os.urandom(5_000_000)
    assert root.run("tee /dev/stderr", stdin=data, seconds=30).stdout == data


def test_a_daemon_that_keeps_the_pipe_does_not_hold_the_command_back(root: Connection) -> None:
    started = time.monotonic()
    assert root.run("sleep 30 & echo started").text == "started\n"
    assert time.monotonic() - started < 5


def test_a_command_that_takes_too_long_is_ended_on_the_host(root: Connection) -> None:
    with pytest.raises(TimedOut, match="took longer than 1 s"):
        root.run("exec sleep 4321", seconds=1)
    assert root.run("pgrep -f '[s]leep 4321'").code == 1


def test_a_command_ended_by_a_signal_has_failed(root: Connection) -> None:
    assert root.run("kill -9 $$").code != 0
    assert root.alive


def test_commands_run_at_the_same_time_on_one_connection(root: Connection) -> None:
    channels = [root.login.transport.open_session() for _ in range(4)]
    assert root.run("echo fifth").text == "fifth\n"
    for channel in channels:
        channel.close()


def test_the_socket_sends_at_once_and_gives_up_on_a_dead_peer_within_20_seconds(host: Peer) -> None:
    with tcp(host.address, host.port) as stream:
        option = stream.getsockopt
        assert option(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        assert option(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
        idle = option(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE)
        probes = option(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL) * option(
            socket.IPPROTO_TCP, socket.TCP_KEEPCNT
        )
        assert idle + probes <= 20
        assert option(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) <= 20_000
    assert pulse.BEAT_SECONDS + pulse.ANSWER_SECONDS <= 20


def test_a_frozen_host_is_noticed_although_its_kernel_still_acknowledges(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pulse, "BEAT_SECONDS", 0.1)
    monkeypatch.setattr(pulse, "ANSWER_SECONDS", 1)
    with peer(tmp_path) as server:
        connection = Connection(server.route())
        connection.connect()
        server.signal(signal.SIGSTOP)
        started = time.monotonic()
        with pytest.raises(ConnectionLost, match="was lost"):
            connection.run("true")
        assert time.monotonic() - started < 5


def test_a_connection_that_breaks_in_mid_command_is_lost_and_not_a_success(tmp_path: Path) -> None:
    with peer(tmp_path) as server:
        connection = Connection(server.route())
        connection.connect()
        threading.Timer(0.5, server.signal, [signal.SIGKILL]).start()
        with pytest.raises(ConnectionLost, match=r"edge1 \(127\.0\.0\.1\) was lost"):
            connection.run("sleep 20")


def test_an_unknown_host_key_is_refused_with_its_fingerprint_and_the_remedy(host: Peer) -> None:
    error = refusal(Connection(host.route(known_hosts=[])))
    shown = subprocess.run(
        ["ssh-keygen", "-l", "-f", host.directory / "host.pub"], capture_output=True, text=True, check=True
    ).stdout.split()[1]
    assert f"is not pinned; it shows ssh-ed25519 {shown}" in error.message
    assert error.remedy == "Pin it with `invoke trust`."


def test_a_changed_host_key_is_refused_with_both_fingerprints(host: Peer, tmp_path: Path) -> None:
    other = paramiko.RSAKey.generate(2048).get_base64()
    known = tmp_path / "known_hosts"
    known.write_text(f"127.0.0.1 ssh-rsa {other}\n")
    error = refusal(Connection(host.route(known_hosts=[known])))
    assert "shows another host key than the pinned one" in error.message
    assert error.message.count("SHA256:") == 2
    assert "do not go on" in error.remedy


def test_a_host_key_pinned_without_its_port_also_holds_on_another_port(host: Peer) -> None:
    assert not host.known_hosts.read_text().startswith("[")
    connection = Connection(host.route())
    connection.connect()
    connection.close()


def test_the_deploy_user_is_preferred_and_becomes_root_by_sudo(host: Peer) -> None:
    host.admit("deploy", "root")
    connection = Connection(host.route())
    connection.connect()
    assert connection.login.user == "deploy"
    assert connection.run("id -u").text == "0\n"
    connection.close()


def test_root_is_used_at_the_first_contact(root: Connection) -> None:
    assert root.login.user == "root"


def test_a_deploy_user_whose_sudo_asks_for_a_password_is_told_and_not_waited_for(host: Peer) -> None:
    host.admit("deploy")
    host.sudo(works=False)
    error = refusal(Connection(host.route()))
    assert "deploy is let in but does not become root (sudo: a password is required)" in error.message
    assert "root is not let in" in error.message


def test_a_host_that_lets_nobody_in_names_users_and_keys(host: Peer, tmp_path: Path) -> None:
    host.admit()
    error = refusal(Connection(host.route()))
    assert "cannot be deployed to: deploy is not let in; root is not let in" in error.message
    assert str(host.key) in error.remedy


def test_a_key_file_with_a_passphrase_is_passed_over(host: Peer, tmp_path: Path) -> None:
    locked = tmp_path / "locked"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "secret", "-f", locked], check=True)
    connection = Connection(host.route(keys=[locked, host.key]))
    connection.connect()
    connection.close()


def test_a_key_that_only_the_ssh_agent_holds_is_used(host: Peer, monkeypatch: pytest.MonkeyPatch) -> None:
    socket_path = host.directory / "agent"
    agent = subprocess.Popen(["ssh-agent", "-D", "-a", socket_path], stdout=subprocess.DEVNULL)
    try:
        monkeypatch.setenv("SSH_AUTH_SOCK", str(socket_path))
        while not socket_path.exists():
            time.sleep(0.01)
        subprocess.run(["ssh-add", "-q", host.key], check=True)
        connection = Connection(host.route(keys=[], agent=True))
        connection.connect()
        connection.close()
    finally:
        agent.kill()
        agent.wait()


def test_the_second_port_is_used_where_the_first_is_closed(host: Peer, free_port: int) -> None:
    connection = Connection(host.route(ports=[free_port, host.port]))
    connection.connect()
    assert connection.login.port == host.port
    connection.close()


def test_a_port_that_never_answers_costs_its_head_start_only(host: Peer) -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=0) as full:
        port = full.getsockname()[1]
        waiting = [socket.socket() for _ in range(4)]
        for client in waiting:
            client.setblocking(False)
            client.connect_ex(("127.0.0.1", port))
        started = time.monotonic()
        connection = Connection(host.route(ports=[port, host.port]))
        connection.connect()
        assert connection.login.port == host.port
        assert time.monotonic() - started < CONNECT_SECONDS
        connection.close()
        for client in waiting:
            client.close()


def test_a_refusing_host_is_named_with_address_and_ports(host: Peer, free_port: int) -> None:
    error = refusal(Connection(host.route(ports=[free_port])))
    assert error.message == f"edge1 (127.0.0.1) refuses connections to port {free_port}."


def test_a_port_that_does_not_speak_ssh_is_no_endless_wait(
    host: Peer, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as mute:
        monkeypatch.setattr("deploys._connector.login.HANDSHAKE_SECONDS", 1)
        error = refusal(Connection(host.route(ports=[mute.getsockname()[1]])))
    assert "ends the SSH handshake" in error.message


def test_a_host_is_reached_through_a_jump_host(host: Peer, tmp_path_factory: pytest.TempPathFactory) -> None:
    with peer(tmp_path_factory.mktemp("jump")) as jump:
        way = jump.route(users=["root"])
        connection = Connection(host.route(jumps=[way]))
        connection.connect()
        assert connection.run("echo through").text == "through\n"
        jump.admit()
        connection.close()
        assert "does not let root in" in refusal(Connection(host.route(jumps=[way]))).message


def test_a_host_is_reached_through_a_proxy_command(host: Peer) -> None:
    relay = f"{sys.executable} {Path(__file__).parent}/relay.py {host.address} {host.port}"
    connection = Connection(host.route(proxy_command=relay))
    connection.connect()
    assert connection.run("echo through").text == "through\n"
    connection.close()


def test_a_new_login_is_the_deploy_users_and_going_on_over_it_closes_the_old_one(
    host: Peer, root: Connection
) -> None:
    with pytest.raises(Unreachable, match="deploy is not let in"):
        root.anew()
    host.admit("deploy")
    old = root.login.transport
    root.take_over(root.anew())
    assert not old.is_active()
    assert (root.login.user, root.run("echo still").text) == ("deploy", "still\n")


@pytest.fixture
def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])
