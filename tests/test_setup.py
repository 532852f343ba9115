"""The script that sets a clone up: what it says when it cannot, and how quick it is with nothing to do."""

from __future__ import annotations

import resource
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest

PLAIN = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root"}


def setup(top: Path, *argv: str, **env: str) -> subprocess.CompletedProcess[str]:
    argv = (str(top / "setup"), *argv)
    return subprocess.run(
        argv, env={**PLAIN, **env}, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )


def tools(directory: Path, *without: str) -> str:
    """Fill a directory with what the script calls, except some, and return it as a PATH."""
    for name in (
        "sh",
        "dirname",
        "id",
        "cut",
        "stat",
        "python3",
        "apt-get",
        "dpkg-query",
        "grep",
        "sed",
        "sudo",
    ):
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
        told = {
            "TRUNKLINE_TWIN": "mine",
            "TRUNKLINE_IDENTITY": "/a place/of mine's",
            "TRUNKLINE_ARCHIVE": "http://archive.example/debian",
            "TRUNKLINE_PATIENCE": "9",
            "XDG_CONFIG_HOME": "/elsewhere",
            "SSH_AUTH_SOCK": "/run/agent",
        }
        done = as_nobody(copy, path, **told, OTHER="left behind")
    assert (done.returncode, len(done.stderr.splitlines())) == (0, 1)
    assert "asks for your password once: the packages and the network namespaces of the twin" in done.stderr
    argv = done.stdout.splitlines()
    assert (argv[:2], argv[-2:]) == (["--", "env"], [copy, "true"])
    assert {f"{name}={value}" for name, value in told.items()} < set(argv)
    assert not [word for word in argv if word.startswith("OTHER=")]


@pytest.mark.parametrize(
    ("release", "told"),
    [
        ("ID=debian\nPRETTY_NAME='Debian GNU/Linux 13 (trixie)'", ""),
        (
            "ID=ubuntu\nPRETTY_NAME='Ubuntu 24.04.3 LTS'",
            "setup: this is Ubuntu 24.04.3 LTS: real servers can be deployed from here, but to boot a twin"
            " set TRUNKLINE_ARCHIVE and TRUNKLINE_ARCHIVE_SECURITY to the addresses of Debian's archive.\n",
        ),
    ],
)
def test_ubuntu_is_told_what_a_twin_needs_before_anything_is_done(
    top: Path, tmp_path: Path, release: str, told: str
) -> None:
    """The script is a copy that takes this for its system, and ends before it would install anything."""
    system, script = tmp_path / "os-release", tmp_path / "setup"
    system.write_text(release)
    script.write_text((top / "setup").read_text().replace("/etc/os-release", str(system)))
    path = tools(tmp_path)
    (tmp_path / "flock").write_text("#!/bin/sh\nexit 3\n")
    (tmp_path / "flock").chmod(0o755)
    done = subprocess.run(
        ["/bin/sh", script, "true"], env={"PATH": path}, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (3, told)
    done = subprocess.run(
        ["/bin/sh", script, "true"], env={"PATH": path, "TRUNKLINE_ARCHIVE": "http://archive.example/debian"},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (3, "")


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


def test_somebody_elses_clone_is_left_without_caches_of_roots(top: Path, tmp_path: Path) -> None:
    """The clone's owner could not delete them."""
    told = ("sh", "-c", 'echo "$PYTHONPYCACHEPREFIX $PYTEST_ADDOPTS"')
    fake = tmp_path / "stat"
    for owner, kept in (("alice", "/kept/clone/python -p no:cacheprovider"), ("root", "")):
        fake.write_text(f"#!/bin/sh\necho {owner}\n")
        fake.chmod(0o755)
        done = setup(top, *told, PATH=f"{tmp_path}:{PLAIN['PATH']}", TRUNKLINE_CACHE="/kept")
        assert done.stdout.strip() == kept


def test_the_commands_exit_code_is_the_scripts(top: Path) -> None:
    assert setup(top, "sh", "-c", "exit 7").returncode == 7
