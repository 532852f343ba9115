"""The script that sets a clone up: what it says when it cannot, and how quick it is with nothing to do."""

from __future__ import annotations

import resource
import shutil
import subprocess
import tempfile
from pathlib import Path

PLAIN = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root"}


def setup(top: Path, *argv: str, **env: str) -> subprocess.CompletedProcess[str]:
    argv = (str(top / "setup"), *argv)
    return subprocess.run(
        argv, env={**PLAIN, **env}, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )


def tools(directory: Path, *without: str) -> str:
    """Fill a directory with what the script calls, except some, and return it as a PATH."""
    for name in ("sh", "dirname", "id", "cut", "stat", "python3", "apt-get", "dpkg-query", "grep", "sudo"):
        found = shutil.which(name, path=PLAIN["PATH"])
        if name not in without and found:
            (directory / name).symlink_to(found)
    return str(directory)


def test_it_is_sh_without_extensions(top: Path) -> None:
    done = subprocess.run(["dash", "-n", top / "setup"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_no_command_is_one_sentence_with_an_example(top: Path) -> None:
    done = setup(top)
    assert done.returncode == 1
    assert done.stderr == ("error: No command was given.\n  For example: ./setup invoke deploy --env lab\n")


def test_no_python_names_the_package(top: Path, tmp_path: Path) -> None:
    done = setup(top, "true", PATH=tools(tmp_path, "python3"))
    assert done.returncode == 1
    assert done.stderr.startswith("error: python3 is not installed.")
    assert "apt-get install python3" in done.stderr


def test_an_old_python_is_named_with_its_version(top: Path, tmp_path: Path) -> None:
    path = tools(tmp_path, "python3")
    old = tmp_path / "python3"
    old.write_text('#!/bin/sh\n[ "$1" = -V ] && echo "Python 3.9.2"\nexit 1\n')
    old.chmod(0o755)
    done = setup(top, "true", PATH=path)
    assert done.returncode == 1
    assert done.stderr.startswith("error: Python 3.11 or later is needed, python3 is 3.9.2.")


def test_a_system_without_apt_is_told_what_to_use(top: Path, tmp_path: Path) -> None:
    done = setup(top, "true", PATH=tools(tmp_path, "apt-get"))
    assert done.returncode == 1
    assert "has no apt." in done.stderr
    assert "Debian 12 or 13" in done.stderr


def as_nobody(script: str, path: str, **env: str) -> subprocess.CompletedProcess[str]:
    """Run a copy of the script as somebody who is not root."""
    argv = ["/usr/bin/setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "/bin/sh", script, "true"]
    return subprocess.run(
        argv, env={"PATH": path, "HOME": "/", **env}, cwd="/", capture_output=True, text=True, check=False
    )


def test_whoever_is_not_root_and_has_no_sudo_is_told_so(top: Path) -> None:
    """The script is copied to where everyone may read it."""
    with tempfile.TemporaryDirectory() as place:
        Path(place).chmod(0o755)
        copy = shutil.copy(top / "setup", place)
        done = as_nobody(copy, tools(Path(place), "sudo"))
    assert done.returncode == 1
    assert done.stderr.startswith("error: You are not root, and there is no sudo.")


def test_whoever_is_not_root_is_told_why_and_goes_on_by_sudo(top: Path) -> None:
    with tempfile.TemporaryDirectory() as place:
        Path(place).chmod(0o755)
        copy = shutil.copy(top / "setup", place)
        path = tools(Path(place), "sudo")
        sudo = Path(place, "sudo")
        sudo.write_text('#!/bin/sh\nprintf "%s\\n" "$@"\n')
        sudo.chmod(0o755)
        (Path(place) / "env").symlink_to("/usr/bin/env")
        done = as_nobody(copy, path, TRUNKLINE_TWIN="mine", OTHER="left behind")
    assert (done.returncode, len(done.stderr.splitlines())) == (0, 1)
    assert "asks for your password once: the packages and the network namespaces of the twin" in done.stderr
    argv = done.stdout.splitlines()
    assert (argv[:2], argv[-2:]) == (["--", "env"], [copy, "true"])
    assert "TRUNKLINE_TWIN=mine" in argv
    assert not [word for word in argv if word.startswith("OTHER=")]


def work() -> float:
    """Return the seconds of a processor that ended children took; a busy machine adds none to them."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def test_it_is_little_work_when_nothing_is_to_do(top: Path) -> None:
    setup(top, "true")
    before = work()
    done = setup(top, "sh", "-c", "command -v invoke; pwd")
    assert work() - before < 0.5
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == [str(top / ".venv/bin/invoke"), str(top)]


def test_the_commands_exit_code_is_the_scripts(top: Path) -> None:
    assert setup(top, "sh", "-c", "exit 7").returncode == 7
