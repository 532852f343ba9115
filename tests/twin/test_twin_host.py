"""A host of the twin is what a provider delivers, and cannot touch the machine."""

from __future__ import annotations

import errno
import subprocess
from pathlib import Path

import pytest

from control import places
from control.errors import TrunklineError
from twin.twin import Twin

TWIN = "pair"

CAP_NET_ADMIN, CAP_SYS_MODULE, CAP_SYS_TIME = 12, 16, 25
"""Numbers of capabilities(7)."""
HOSTS = ("edge1", "edge2")


def said(twin: Twin, host: str, script: str) -> str:
    """Return what a script inside a host prints; it must succeed."""
    done = twin.run(host, script)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def ssh(twin: Twin, host: str, command: str, *, node: str = "controller") -> subprocess.CompletedProcess[str]:
    """Run a command on a host by SSH from a node's network, host keys strictly known."""
    state = places.state_of(twin.name)
    options = {
        "UserKnownHostsFile": f"{state}/known_hosts",
        "StrictHostKeyChecking": "yes",
        "BatchMode": "yes",
        "ConnectTimeout": "5",
    }
    flags = [flag for name, value in options.items() for flag in ("-o", f"{name}={value}")]
    argv = ["ssh", "-F", "none", *flags, "-i", f"{state}/id_ed25519", f"root@{host}.lab.example", command]
    process = twin.spawn(node, argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    out, err = process.communicate(timeout=30)
    return subprocess.CompletedProcess(argv, process.returncode, out, err)


def test_each_host_runs_the_release_it_declares(twin: Twin) -> None:
    release = {name: said(twin, name, ". /etc/os-release; echo $ID$VERSION_ID") for name in HOSTS}
    assert release == {name: twin.environment.host(name).os for name in HOSTS}


@pytest.mark.parametrize("host", HOSTS)
def test_no_unit_has_failed(twin: Twin, host: str) -> None:
    assert said(twin, host, "systemctl is-system-running") == "running"


def test_no_two_hosts_share_a_host_key_or_machine_id(twin: Twin) -> None:
    for file in ("/etc/machine-id", "/etc/ssh/ssh_host_ed25519_key.pub", "/etc/ssh/ssh_host_rsa_key.pub"):
        assert len({said(twin, host, f"cat {file}") for host in HOSTS}) == len(HOSTS)


@pytest.mark.parametrize("host", HOSTS)
def test_the_controller_comes_in_as_root_with_its_key_and_known_host_keys(twin: Twin, host: str) -> None:
    assert ssh(twin, host, "hostname; id -u").stdout.split() == [host, "0"]


def test_a_host_with_another_key_is_refused(bare: Twin) -> None:
    said(bare, "edge1", "rm /etc/ssh/ssh_host_*; ssh-keygen -A; systemctl restart ssh")
    done = ssh(bare, "edge1", "true")
    assert done.returncode == 255
    assert "Host key verification failed" in done.stderr


@pytest.mark.parametrize("host", HOSTS)
def test_the_traps_of_a_provider_are_there(twin: Twin, host: str) -> None:
    assert "passwordauthentication yes" in said(twin, host, "sshd -T")
    assert said(twin, host, "cat /etc/ssh/sshd_config.d/50-cloud-init.conf") == "PasswordAuthentication yes"


@pytest.mark.parametrize("host", HOSTS)
def test_packages_install_without_a_route_out(bare: Twin, host: str) -> None:
    done = bare.run(
        host, "apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -qy tree", timeout=120
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "/usr/bin/tree" in said(bare, host, "command -v tree")


@pytest.mark.parametrize("address", ["198.18.0.1", "8.8.8.8", "2001:4860:4860::8888"])
def test_nothing_outside_the_twin_can_be_reached(twin: Twin, address: str) -> None:
    code = f"import socket; socket.create_connection(({address!r}, 443), 3)"
    done = twin.run("edge2", f'python3 -c "{code}"')
    assert "unreachable" in done.stderr


def test_the_proxy_passes_nothing_but_the_archive(twin: Twin) -> None:
    proxy = "curl -s -o /dev/null -w '%{http_code}' -x http://192.0.2.80:3142"
    assert said(twin, "edge1", f"{proxy} http://example.com/") == "403"
    assert twin.run("edge1", f"{proxy} https://example.com/").returncode != 0
    base = said(twin, "edge1", "sed -n 's/.*] \\(http[^ ]*\\) .*/\\1/p' /etc/apt/sources.list | head -1")
    assert said(twin, "edge1", f"{proxy} {base}/dists/bookworm/InRelease") == "200"


@pytest.mark.parametrize("host", HOSTS)
@pytest.mark.parametrize(
    "attempt",
    ["date -s 2020-01-01", "sysctl -w vm.swappiness=61", "hwclock --systohc", "dmesg --clear"],
)
def test_a_host_cannot_change_the_machine(twin: Twin, host: str, attempt: str) -> None:
    for script in (attempt, f"systemd-run --quiet --wait --pipe {attempt}"):
        assert twin.run(host, script).returncode != 0
    assert Path("/proc/sys/vm/swappiness").read_text() != "61\n"


@pytest.mark.parametrize("host", HOSTS)
def test_no_process_of_a_host_can_ever_set_the_clock_or_load_a_module(twin: Twin, host: str) -> None:
    bounds = int(said(twin, host, "sed -n 's/^CapBnd:\\s*//p' /proc/1/status"), 16)
    assert [bounds >> capability & 1 for capability in (CAP_SYS_MODULE, CAP_SYS_TIME)] == [0, 0]
    assert bounds >> CAP_NET_ADMIN & 1


@pytest.mark.parametrize("host", HOSTS)
def test_a_host_cannot_press_the_machines_magic_key(twin: Twin, host: str) -> None:
    """h only prints a help text into the kernel's log."""
    assert twin.run(host, "echo h > /proc/sysrq-trigger").returncode != 0


def test_a_host_cannot_swap(twin: Twin) -> None:
    call = "c = ctypes.CDLL(None, use_errno=True); c.swapon(b'/etc/hostname', 0); print(ctypes.get_errno())"
    seen = said(twin, "edge2", f'systemd-run --quiet --wait --pipe python3 -c "import ctypes; {call}"')
    assert seen == str(errno.EPERM)


def test_a_disk_is_as_large_as_declared_and_no_larger(bare: Twin) -> None:
    declared = bare.environment.host("edge1").disk_mb
    size = int(said(bare, "edge1", "df -m --output=size / | tail -1"))
    assert declared * 0.9 < size <= declared
    done = bare.run("edge1", f"fallocate -l {declared + 1}M /large")
    assert "No space left" in done.stderr


def test_a_command_inside_a_host_ends_at_its_time_limit(twin: Twin) -> None:
    with pytest.raises(TrunklineError, match=r"did not end within 1 s: sleep 77"):
        twin.run("edge1", "sleep 77", timeout=1)
    assert twin.run("edge1", "pgrep -f 'sleep 7[7]'").returncode == 1


def test_a_file_is_written_as_the_host_sees_its_path(bare: Twin) -> None:
    said(bare, "edge1", "mkdir /etc/inside; ln -s /etc/inside /etc/linked")
    bare.write("edge1", "/etc/linked/a file", "text\n", 0o640)
    assert said(bare, "edge1", "stat -c %a '/etc/inside/a file'; cat '/etc/inside/a file'") == "640\ntext"
    assert not Path("/etc/inside").exists()


def test_a_host_that_is_not_declared_is_named(twin: Twin) -> None:
    with pytest.raises(TrunklineError, match=r"lab has no host edge9\.\n  It has: edge1, edge2"):
        twin.run("edge9", "true")
