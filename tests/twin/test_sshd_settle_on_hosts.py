"""What a new login proves: the configuration that stands on the disk, not the one that sshd still holds."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from deploys._ops.script import command
from twin.result import Result
from twin.twin import Twin

TWIN = "pair"

SETTLE = command("sshd_settle", "ssh.service")
MAIN_PID = "$(systemctl show -P MainPID ssh.service)"
WRONG = "/etc/ssh/sshd_config.d/00-wrong.conf"


def ok(result: Result) -> str:
    assert result.returncode == 0, result.stderr + result.stdout
    return result.stdout


def holds(twin: Twin, host: str) -> str:
    """Return how many keys a client may try, as the listening daemon answers a new connection."""
    wrong = "-o PubkeyAuthentication=no -o PasswordAuthentication=no -o BatchMode=yes"
    return twin.run(host, f"ssh {wrong} -o StrictHostKeyChecking=no 127.0.0.1 true 2>&1").stdout


@pytest.mark.parametrize("host", ["edge1", "edge2"])
def test_after_settling_the_very_next_login_is_judged_by_what_stands_on_the_disk(
    bare: Twin, host: str
) -> None:
    ok(bare.run(host, f"echo 'PasswordAuthentication no' > {WRONG} && systemctl reload ssh"))
    for answer in ("yes", "no", "yes"):
        bare.write(host, WRONG, f"PasswordAuthentication {answer}\n")
        ok(bare.run(host, SETTLE))
        assert ("password" in holds(bare, host)) is (answer == "yes")


@pytest.mark.parametrize("host", ["edge1", "edge2"])
def test_settling_waits_for_a_daemon_that_has_not_heard_yet_and_cuts_no_session(
    bare: Twin, host: str
) -> None:
    ok(bare.run(host, f"kill -STOP {MAIN_PID}"))
    with ThreadPoolExecutor() as pool:
        began = time.monotonic()
        settled = pool.submit(bare.run, host, SETTLE)
        time.sleep(1.5)
        assert not settled.done()
        ok(bare.run(host, f"kill -CONT {MAIN_PID}"))
        ok(settled.result())
        assert time.monotonic() - began >= 1.5


def test_settling_fails_where_the_configuration_is_wrong(bare: Twin) -> None:
    bare.write("edge1", WRONG, "NoSuchOption yes\n")
    done = bare.run("edge1", SETTLE)
    assert done.returncode == 1
    assert "does not take on its configuration" in done.stderr
