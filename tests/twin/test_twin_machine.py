"""The machine is the same after a twin as it was before, also when the twin's making was killed half-way."""

from __future__ import annotations

import os
import random
import re
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from one_lab import whole_lab

from control import places
from inventories.model import Environment
from twin.cgroup import hierarchies
from twin.twin import Twin

RESTLESS = re.compile(
    r"(random|\.state$|-nr$|-state$|pty/nr|ns_last_pid|sched_domain|nf_conntrack_count|loadavg|tainted|quota)"
)
"""Settings of /proc/sys that change by themselves."""
UP = """
import sys; from inventories.model import load; from twin.twin import Twin
name, *hosts = sys.argv[1:]
Twin(load("lab").part(*hosts), name).up()
"""
TWIN = "pair"


def settings() -> dict[str, str]:
    """Return every setting of /proc/sys that holds still."""
    found = {}
    for directory, _, names in os.walk("/proc/sys"):
        for name in names:
            path = Path(directory, name)
            if path.stat().st_mode & stat.S_IRUSR and not RESTLESS.search(str(path)):
                try:
                    found[str(path)] = path.read_text(errors="replace")
                except OSError:
                    continue
    return found


def etc() -> dict[str, tuple[int, int, float]]:
    """Return size, mode and time of change of everything in /etc."""
    found = {}
    for directory, directories, names in os.walk("/etc"):
        for name in (*directories, *names):
            status = os.lstat(f"{directory}/{name}")
            found[f"{directory}/{name}"] = (status.st_size, status.st_mode, status.st_mtime)
    return found


def of_others(lines: Iterator[str] | list[str], name: str) -> list[str]:
    """Leave out what other twins make and unmake on this machine meanwhile."""
    other = re.compile(r"/run/netns|trunkline\.|/run/trunkline/|/session")
    return sorted(line for line in lines if name in line or not other.search(line))


def run_time_files(name: str) -> list[str]:
    """Return what stands below /run/trunkline under a twin's name: its directory, its lock, its claims."""
    walked = os.walk(places.run())
    paths = (f"{directory}/{each}" for directory, below, files in walked for each in (*below, *files))
    return sorted(path for path in paths if name in path)


def machine(name: str) -> dict[str, object]:
    """Return what a twin must not change: settings, clock, mounts, groups, routes, interfaces, files."""

    def told(*argv: str) -> str:
        return subprocess.run(argv, capture_output=True, text=True, check=True).stdout

    def routes(version: str) -> list[str]:
        return told("ip", f"-{version}", "route", "show", "table", "all").splitlines()

    groups = [path for root in hierarchies() for path, _, _ in os.walk(root)]
    loops = told("losetup", "--list", "--noheadings", "--output", "BACK-FILE").splitlines()
    return {
        "settings": settings(),
        "clock": round(time.time() - time.monotonic()),
        "mounts": of_others(Path("/proc/self/mounts").read_text().splitlines(), name),
        "groups": of_others(groups, name),
        "routes": {line.strip() for version in "46" for line in routes(version)},
        "interfaces": told("ip", "-oneline", "link"),
        "addresses": [line.split("valid_lft")[0] for line in told("ip", "-oneline", "address").splitlines()],
        "namespaces": [path.name for path in Path("/run/netns").glob(f"{name}.*")],
        "loops": [loop for loop in loops if f"/{name}/" in loop],
        "processes": [line for line in told("ps", "-eo", "args").splitlines() if f"/{name}/" in line],
        "swap": Path("/proc/swaps").read_text(),
        "modules": Path("/proc/modules").read_text() if Path("/proc/modules").exists() else "",
        "host names": os.uname().nodename,
        "run-time files": run_time_files(name),
        "etc": etc(),
    }


def assert_same(before: dict[str, object], after: dict[str, object]) -> None:
    """Compare two states, one thing at a time, so that the difference can be read."""
    for thing, was in before.items():
        now = after[thing]
        if isinstance(was, dict) and isinstance(now, dict):
            assert {k: (was.get(k), now.get(k)) for k in was | now if was.get(k) != now.get(k)} == {}, thing
        elif isinstance(was, set) and isinstance(now, set):
            assert (was - now, now - was) == (set(), set()), f"{thing} (gone, new)"
        else:
            assert now == was, thing


@contextmanager
def lent(environment: Environment, name: str) -> Iterator[Twin]:
    """Lend a twin that is not up, under a name of its own."""
    twin = Twin(environment, f"{os.environ.get('TRUNKLINE_TWIN', 'lab')}-{name}")
    twin.erase()
    yield twin
    twin.erase()


@pytest.fixture
def spare(lab: Environment) -> Iterator[Twin]:
    """A twin of the whole lab that is not up."""
    with whole_lab(), lent(lab, "spare") as twin:
        yield twin


@pytest.fixture
def small(twin: Twin) -> Iterator[Twin]:
    """A second twin of the two plain hosts that is not up."""
    with lent(twin.environment, "small-spare") as small:
        yield small


def up(twin: Twin) -> subprocess.Popen[bytes]:
    """Bring a twin up by a process that can be killed."""
    hosts = [host.name for host in twin.environment.hosts]
    return subprocess.Popen([sys.executable, "-c", UP, twin.name, *hosts], start_new_session=True)


def test_a_twin_at_work_leaves_the_machine_as_it_was(spare: Twin) -> None:
    before = machine(spare.name)
    spare.up()
    spare.run("edge1", "sysctl -w net.ipv4.ip_forward=1 net.core.somaxconn=77; ip link add br9 type bridge")
    spare.run("edge2", "systemd-run --wait -q sysctl -w kernel.panic=9 vm.swappiness=9; hostname other")
    spare.snapshot("s")
    spare.reboot("edge2")
    spare.down()
    assert_same(before, machine(spare.name))
    assert not spare.directory.exists()
    spare.erase()
    assert not spare.home.exists()
    assert run_time_files(spare.name) == []


@pytest.mark.parametrize("seed", range(6))
def test_a_twin_killed_while_it_came_up_is_cleaned_away(spare: Twin, seed: int) -> None:
    before = machine(spare.name)
    process = up(spare)
    time.sleep(random.Random(seed).uniform(0.4, 3.5))
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    (spare.down if seed % 2 else spare.erase)()
    assert_same(before, machine(spare.name))


def test_the_making_of_an_image_ends_with_the_command_that_wanted_it(
    small: Twin, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRUNKLINE_CACHE", str(tmp_path))
    before = machine(small.name)
    process = up(small)
    while not [*tmp_path.glob("images/*.building/usr/bin/dpkg")]:
        assert process.poll() is None
        time.sleep(0.05)
    process.kill()
    process.wait()
    small.down()
    end = time.monotonic() + 5
    while str(tmp_path) in (
        left := subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True).stdout
    ):
        assert time.monotonic() < end, left
        time.sleep(0.05)
    assert_same(before, machine(small.name))


def test_a_twin_killed_while_it_came_up_comes_up_again(small: Twin) -> None:
    for moment in (0.7, 1.3, 2.0):
        process = up(small)
        time.sleep(moment)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    small.up()
    for host in ("edge1", "edge2"):
        assert small.run(host, "systemctl is-system-running").stdout == "running\n"


def test_two_commands_at_once_take_turns(small: Twin) -> None:
    both = [up(small) for _ in range(2)]
    assert [process.wait(timeout=120) for process in both] == [0, 0]
    assert all(small.state(host).boots == 1 for host in ("edge1", "edge2"))
