"""What the machine must offer to a twin; what is missing fails here, by its name."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from twin.packages import FILES, TOOLS, Tool


def test_root() -> None:
    assert os.geteuid() == 0, "a twin is made of mounts and network namespaces: run as root"


@pytest.mark.parametrize("tool", TOOLS, ids=lambda tool: tool.program)
def test_tool(tool: Tool) -> None:
    found = shutil.which(tool.program, path=f"{os.environ['PATH']}:/usr/sbin:/sbin")
    assert found, f"{tool.package} is not installed: it {tool.why}"


@pytest.mark.parametrize("path", FILES)
def test_file(path: str) -> None:
    assert Path(path).exists(), f"{FILES[path][0]} is not installed"


@pytest.mark.parametrize("kind", ["--net", "--mount", "--pid", "--uts", "--ipc", "--cgroup"])
def test_namespace(kind: str) -> None:
    done = subprocess.run(["unshare", "--fork", kind, "true"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_overlay_file_system() -> None:
    assert "overlay" in Path("/proc/filesystems").read_text(encoding="utf-8").split()


def test_unified_cgroups_somewhere() -> None:
    mounts = Path("/proc/self/mounts").read_text(encoding="utf-8").splitlines()
    assert any(line.split()[2] == "cgroup2" for line in mounts)


def test_tun_device() -> None:
    assert Path("/dev/net/tun").is_char_device()


@pytest.mark.parametrize("link", ["veth", "bridge"])
def test_link_kind(link: str) -> None:
    script = f"ip link add twin0 type {link} && ip link del twin0"
    done = subprocess.run(
        ["unshare", "--net", "sh", "-c", script], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_loop_device() -> None:
    """Each host's disk is a file system of a limited size."""
    assert Path("/dev/loop-control").exists()
