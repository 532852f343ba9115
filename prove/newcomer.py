"""A newcomer's walk: the README's two lines on a bare Debian that has git, python3 and root, nothing else.

The bare machines are hosts of a twin of their own; the lab's twin is then booted inside of them.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from ipaddress import IPv4Interface, IPv4Network
from pathlib import Path

from control import places
from inventories.model import ControllerKey, Environment, Host, User, Users
from prove.process import Ended, run
from prove.row import Evidence, Row, require
from prove.stage import TOP, Stage
from twin.layout import PACKAGES, PACKAGES_PORT
from twin.twin import Twin

USERS = Users(accounts=(User(name="deploy", keys=(ControllerKey(),), sudo=True),))
BARE = Environment(
    name="bare",
    domain="bare.example",
    in_twin=True,
    controllers=(IPv4Network("192.0.2.10/32"),),
    hosts=(
        Host(
            name="debian12",
            os="debian12",
            address=IPv4Interface("198.51.100.21/24"),
            users=USERS,
            disk_mb=20480,
        ),
        Host(
            name="debian13",
            os="debian13",
            address=IPv4Interface("198.51.100.22/24"),
            users=USERS,
            disk_mb=20480,
        ),
    ),
)
LOOPS = "mknod /dev/loop-control c 10 237; for n in $(seq 0 63); do mknod /dev/loop$n b 7 $n; done"
"""The loop devices that every real machine has, and a container has not."""
TESTS = 3300
"""Seconds for all tests on a bare machine, which makes every image first, inside of this one."""
LOG = "/root/tests.log"
"""What the tests say, on the bare machine: one can look while they run."""
CERTIFICATES = "/etc/ssl/certs/ca-certificates.crt"
UNIT = ("systemd-run", "--quiet", "--wait", "--pipe", "--collect", "--property=Delegate=yes")


def lines() -> tuple[str, str]:
    """Return the two lines of the README's first fenced block."""
    readme = (TOP / "README.md").read_text(encoding="utf-8")
    fenced = re.search(r"^```\w*\n(.*?)^```", readme, re.DOTALL | re.MULTILINE)
    require(fenced, "the README has no fenced block")
    assert fenced
    first, second = fenced.group(1).splitlines()
    return first, second


@contextmanager
def machine(stage: Stage, host: str) -> Iterator[Callable[[str, int], Ended]]:
    """Lend a bare machine with a clone of this tree: what it yields runs a line there."""
    twin = Twin(BARE.model_copy(update={"hosts": (BARE.host(host),)}), name=f"{stage.name}-bare")
    twin.erase()
    twin.up(progress=stage.tell)
    try:
        _as_bought(stage, twin, host)

        def walk(line: str, seconds: int) -> Ended:
            unit = [*UNIT, "--working-directory=/root/trunkline", "--setenv=HOME=/root", "sh", "-c", line]
            argv = twin.shell_argv(host)[:-2]
            return run([*argv, *unit], TOP, stage.env(), seconds)

        yield walk
    finally:
        twin.erase()
        shutil.rmtree(places.state_of(twin.name), ignore_errors=True)


def _as_bought(stage: Stage, twin: Twin, host: str) -> None:
    """Give the machine git, the settings of this machine's pip, and a clone."""
    twin.run(host, LOOPS)
    done = twin.run(host, "apt-get -q update && apt-get -qy install --no-install-recommends git", timeout=300)
    require(done.returncode == 0, f"git could not be installed: {done.stderr}")
    settings = f"[global]\nproxy = http://{PACKAGES}:{PACKAGES_PORT}\ncert = {CERTIFICATES}\n"
    twin.write(host, "/etc/pip.conf", settings)
    twin.write(host, CERTIFICATES, _certificates().read_bytes())
    with stage.copy() as top:
        bundle = top.parent / "trunkline.bundle"
        author = ("-c", "user.name=newcomer", "-c", "user.email=newcomer@bare.example")
        for argv in (
            ("add", "--all"),
            (*author, "commit", "-q", "--allow-empty", "-m", "As it stands"),
            ("bundle", "create", "-q", str(bundle), "HEAD"),
        ):
            run(["git", *argv], top, stage.env()).expect(0)
        twin.write(host, "/root/trunkline.bundle", bundle.read_bytes())
    done = twin.run(host, "git clone -q /root/trunkline.bundle /root/trunkline")
    require(done.returncode == 0, f"the clone failed: {done.stderr}")


def _certificates() -> Path:
    """Return the certificates that this machine's pip trusts."""
    argv = [sys.executable, "-m", "pip", "config", "list"]
    said = subprocess.run(argv, capture_output=True, text=True, check=False).stdout
    named = re.search(r"^(?:global|:env:)\.cert='(.+)'$", said, re.MULTILINE)
    return Path(named.group(1)) if named else Path(CERTIFICATES)


def _deploys(host: str) -> Callable[[Stage], Evidence]:
    def put(stage: Stage) -> Evidence:
        first, _ = lines()
        with machine(stage, host) as walk:
            cold = walk(first, 1200).expect(0)
            again = walk(first, 300).expect(0)
            daemon = walk("systemctl is-enabled apt-cacher-ng", 30).stdout.strip()
        require(daemon == "disabled", f"the package cache would start at the machine's next boot: {daemon!r}")
        require("Traceback" not in cold.output, f"a traceback reached the newcomer: {cold.tail}")
        require("ssh -p" in cold.output, f"it does not say what can be tried on loopback: {cold.tail}")
        return {"line": first, "seconds": cold.seconds, "again": again.seconds, "said": cold.stdout[-3000:]}

    return put


def _tests(host: str) -> Callable[[Stage], Evidence]:
    def put(stage: Stage) -> Evidence:
        _, second = lines()
        with machine(stage, host) as walk:
            ended = walk(f"CI=true {second} > {LOG} 2>&1; code=$?; cat {LOG}; exit $code", TESTS)
        failed = re.findall(r"^(?:FAILED|ERROR) (.{1,300})", ended.stdout, re.MULTILINE)
        why = "; ".join(re.findall(r"^E +(.{1,600})", ended.stdout, re.MULTILINE)[:40]) if failed else ""
        require(not failed, f"{len(failed)} failed: {'; '.join(failed)}; because: {why}")
        ended.expect(0)
        summary = ended.stdout.rstrip().splitlines()[-1]
        require(re.search(r"\d+ passed", summary), f"it does not close with pytest's summary: {summary}")
        require("skipped" not in summary, f"something was skipped: {summary}")
        return {"line": second, "seconds": ended.seconds, "summary": summary}

    return put


def _rows(host: str) -> tuple[Row, Row]:
    line = "the README's {} line {} on a bare " + host
    return (
        Row("newcomer", f"{host}-deploys", line.format("first", "deploys"), _deploys(host), limit=1500),
        Row("newcomer", f"{host}-tests", line.format("second", "tests"), _tests(host), limit=TESTS + 300),
    )


ROWS = (*_rows("debian12"), *_rows("debian13"))
