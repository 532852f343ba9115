"""A twin's life: reboots, snapshots, and coming back."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import pytest

from control.errors import TrunklineError
from inventories.model import Environment
from twin.twin import Twin

TWIN = "pair"

NETWORK = "ip route show; cat /proc/sys/net/ipv4/ip_forward; ls /sys/class/net"
CHANGE = (
    "ip route add 10.9.0.0/16 via 198.51.100.1; echo 1 > /proc/sys/net/ipv4/ip_forward; "
    "ip link add stray type bridge"
)


def boot_id(twin: Twin, host: str) -> str:
    """Return what changes with each boot of a host."""
    return twin.run(host, "cat /proc/sys/kernel/random/boot_id").stdout


def test_a_reboot_forgets_all_of_the_network_that_is_not_on_disk(bare: Twin) -> None:
    before, boot = bare.run("edge1", NETWORK).stdout, boot_id(bare, "edge1")
    assert bare.run("edge1", f"{CHANGE}; touch /root/kept").returncode == 0
    assert bare.run("edge1", NETWORK).stdout != before
    bare.reboot("edge1")
    assert bare.run("edge1", NETWORK).stdout == before
    assert boot_id(bare, "edge1") != boot
    assert bare.run("edge1", "test -e /root/kept").returncode == 0


def test_a_reboot_leaves_the_other_host_alone(twin: Twin) -> None:
    boot = boot_id(twin, "edge2")
    twin.reboot("edge1")
    assert boot_id(twin, "edge2") == boot


def test_a_restore_brings_every_disk_back_in_seconds(bare: Twin) -> None:
    for host in ("edge1", "edge2"):
        assert (
            bare.run(host, "rm -r /etc/ssh /usr/bin/python3*; echo left > /root/left; sync").returncode == 0
        )
    began = time.monotonic()
    bare.restore("bare")
    assert time.monotonic() - began < 15
    for host in ("edge1", "edge2"):
        assert bare.run(host, "test ! -e /root/left && python3 -V && sshd -t").returncode == 0
        assert bare.run(host, "systemctl is-system-running").stdout == "running\n"


def test_a_snapshot_of_a_running_host_holds_what_was_just_written(bare: Twin) -> None:
    before = set(bare.snapshots()) - {"numbers"}
    bare.run("edge2", "seq 100000 > /root/numbers")
    bare.snapshot("numbers")
    bare.run("edge2", "rm /root/numbers")
    bare.restore("numbers")
    assert bare.run("edge2", "wc -l < /root/numbers").stdout == "100000\n"
    assert set(bare.snapshots()) == before | {"numbers"}


def test_one_host_is_restored_while_the_other_goes_on_with_what_it_has(bare: Twin) -> None:
    leader = bare.state("edge2").leader
    for host in ("edge1", "edge2"):
        assert bare.run(host, "touch /root/left; sync").returncode == 0
    bare.restore("bare", "edge1")
    assert bare.run("edge1", "test -e /root/left").returncode == 1
    assert bare.run("edge2", "test -e /root/left").returncode == 0
    assert bare.state("edge2").leader == leader
    with pytest.raises(TrunklineError, match=r"has no host moon"):
        bare.restore("bare", "moon")
    assert bare.state("edge2").leader == leader


def test_a_snapshot_that_does_not_exist_is_named(twin: Twin) -> None:
    kept = ", ".join(twin.snapshots())
    assert "bare" in kept
    with pytest.raises(TrunklineError, match=rf"has no snapshot nothing\.\n  It has: {kept}"):
        twin.restore("nothing")
    with pytest.raises(TrunklineError, match="is no label for a snapshot"):
        twin.snapshot("../x")


def test_up_leaves_alone_what_is_up(twin: Twin) -> None:
    before = {host: twin.state(host).leader for host in ("edge1", "edge2")}
    twin.up()
    assert {host: twin.state(host).leader for host in ("edge1", "edge2")} == before


def test_disks_outlive_down(bare: Twin) -> None:
    bare.run("edge1", "echo here > /root/mark")
    bare.down()
    assert {host.phase for host in bare.status().hosts} == {"off"}
    with pytest.raises(
        TrunklineError, match=r"edge1 of the twin \S+ is not running \(off\)\.\n  Bring it up"
    ):
        bare.run("edge1", "true")
    bare.up()
    assert bare.run("edge1", "cat /root/mark").stdout == "here\n"


def test_a_host_that_was_shut_down_or_killed_comes_back_with_up(bare: Twin) -> None:
    bare.run("edge1", "systemctl poweroff")
    os.kill(bare.state("edge2").nspawn, signal.SIGKILL)
    end = time.monotonic() + 20
    while bare.is_up("edge1") or bare.is_up("edge2"):
        assert time.monotonic() < end
        time.sleep(0.05)
    bare.up()
    assert all(host.phase == "ready" for host in bare.status().hosts)
    assert bare.run("edge2", "systemctl is-system-running").stdout == "running\n"


def test_one_host_is_shut_down_or_cut_off_its_power_while_the_other_works(bare: Twin) -> None:
    leader = bare.state("edge2").leader
    for end in (bare.power_off, bare.power_cut):
        bare.run("edge1", "echo 1 > /root/kept; sync; echo 1 > /root/unsynced")
        end("edge1")
        assert not bare.is_up("edge1")
        bare.power_on("edge1")
        assert bare.run("edge1", "cat /root/kept").stdout == "1\n"
        assert (bare.run("edge1", "cat /root/unsynced").stdout == "1\n") == (end == bare.power_off)
        bare.run("edge1", "rm -f /root/unsynced")
    assert bare.state("edge2").leader == leader


def test_a_host_that_cannot_boot_says_why(bare: Twin) -> None:
    bare.power_off("edge1")
    disk = bare.keepers["edge1"].disk.file
    disk.rename(disk.with_suffix(".away"))
    with pytest.raises(
        TrunklineError, match=r"edge1 of the twin \S+ did not come up \(off\): systemd-nspawn ended"
    ):
        bare.power_on("edge1")
    disk.with_suffix(".away").rename(disk)
    bare.power_on("edge1")


HOLD = """
import os, signal, sys
from pathlib import Path
from twin.disk import frozen
with frozen(Path(sys.argv[1])):
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.parametrize("end", ["up", "down"])
def test_a_disk_that_a_killed_snapshot_held_still_goes_on(bare: Twin, end: str) -> None:
    held = subprocess.run([sys.executable, "-c", HOLD, str(bare.keepers["edge1"].mounted)], timeout=60)
    assert held.returncode == -signal.SIGKILL
    bare.run("edge1", "setsid sh -c 'echo 1 > /root/after' > /dev/null 2>&1 &")
    getattr(bare, end)()
    assert bare.directory.exists() == (end == "up")
    bare.up()
    assert bare.run("edge1", "touch /root/now", timeout=20).returncode == 0


def test_a_host_of_another_release_needs_another_disk(bare: Twin, lab: Environment) -> None:
    edge1 = lab.host("edge1").model_copy(update={"os": "debian13"})
    changed = bare.environment.model_copy(update={"hosts": (edge1, *bare.environment.hosts[1:])})
    with pytest.raises(TrunklineError, match=r"edge1's disk was made for debian12\.\n  Erase the twin"):
        Twin(changed, bare.name).up()
    bare.up()


def test_a_host_that_is_declared_later_joins(bare: Twin, lab: Environment) -> None:
    third = lab.host("edge1").model_copy(
        update={"name": "edge3", "address": type(lab.host("edge1").address)("198.51.100.13/24")}
    )
    grown = Twin(bare.environment.model_copy(update={"hosts": (*bare.environment.hosts, third)}), bare.name)
    bare.run("edge1", "touch /root/mark")
    grown.up()
    assert grown.run("edge1", "test -e /root/mark && getent hosts edge3.lab.example").returncode == 0
    bare.up()
    assert [host.phase for host in bare.status().hosts] == ["ready"] * len(bare.environment.hosts)
