"""Whose ssh files and records count, and whose are the files that root writes for somebody."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from ssh_peer import peer

from control import history, places
from control.atomic import alone, write_private, write_public
from control.errors import TrunklineError
from control.identities import candidates
from control.operator import operator

NOBODY, ITS_HOME = 65534, "/nonexistent"
AS_OPERATOR = """
import os, subprocess, sys
from pathlib import Path
import testinfra
from declared import environment, host
from inventories.model import Ssh
from control import pins
from verify import connection

place, port = Path(sys.argv[1]), int(sys.argv[2])
pins.INVENTORIES = place
edge = host(address="127.0.0.1/8", ssh=Ssh(port=port)).model_copy(update={"name": "edge1"})
desk = environment(host()).model_copy(update={"name": "desk", "hosts": (edge,), "in_twin": False})
(place / "way").mkdir(mode=0o700)
way = connection.Way(desk, "desk", place / "way")
way.write()
opened = connection.connect(way, edge)
print(opened.user, way.socket(edge).stat().st_uid)
print(opened.python("print('asked as root')", 20).decode().strip())
joined = testinfra.get_host("ssh://edge1", ssh_config=str(way.joining), controlpath=str(way.socket(edge)))
print(joined.check_output("echo joined"))
print(connection.root_is_let_in(way, edge))
opened.close()
"""


@pytest.fixture
def sudone(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Be root, made so by nobody's sudo with nobody's home."""
    for name in ("TRUNKLINE_HOME", "TRUNKLINE_IDENTITY", "XDG_STATE_HOME", "XDG_CONFIG_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setenv("SUDO_UID", str(NOBODY))
    monkeypatch.setenv("HOME", ITS_HOME)
    return monkeypatch


def test_root_by_sudo_works_for_who_called_it_in_that_ones_home(sudone: pytest.MonkeyPatch) -> None:
    its = operator()
    assert (its.uid, str(its.home)) == (NOBODY, ITS_HOME)
    assert its.as_themselves[:2] == ("setpriv", f"--reuid={NOBODY}")
    assert its.temporary == "/tmp"
    assert candidates() == (
        Path(ITS_HOME, ".config/trunkline/age.key"),
        Path(ITS_HOME, ".ssh/id_ed25519"),
    )


def test_sudo_alone_works_for_root_whose_home_it_gives(sudone: pytest.MonkeyPatch) -> None:
    sudone.setenv("HOME", "/root")
    assert (operator().uid, operator().as_themselves) == (0, ())
    assert places.history_of("prod", in_twin=False) == Path("/var/lib/trunkline/environments/prod/history")
    sudone.setenv("HOME", ITS_HOME)
    for told in ("", "many", "4294967294"):
        sudone.setenv("SUDO_UID", told)
        assert operator().uid == 0


def test_records_of_real_servers_are_their_operators_by_setup_or_without(sudone: pytest.MonkeyPatch) -> None:
    own = Path(ITS_HOME, ".local/state/trunkline/environments/prod/history")
    assert places.history_of("prod", in_twin=False) == own
    sudone.setattr(os, "geteuid", lambda: NOBODY)
    assert places.history_of("prod", in_twin=False) == own
    sudone.setenv("XDG_STATE_HOME", "/elsewhere")
    assert places.own() == Path("/elsewhere/trunkline")
    sudone.setenv("TRUNKLINE_HOME", "/said")
    assert places.own() == places.home() == Path("/said")


def test_records_of_a_twin_stay_with_its_state(sudone: pytest.MonkeyPatch) -> None:
    assert places.history_of("lab", in_twin=True) == places.state_of("lab") / "history"


def test_a_record_that_could_not_be_kept_is_refused_beforehand(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    history.require(tmp_path / "deep" / "history")
    (tmp_path / "file").touch()
    with pytest.raises(TrunklineError) as refused:
        history.require(tmp_path / "file" / "history")
    assert refused.value.message.startswith(
        f"The record of this deploy could not be kept in {tmp_path}/file/"
    )
    assert refused.value.remedy.startswith("Make that directory yours, or name another place with TRUNKLINE_")
    monkeypatch.setattr(os, "access", lambda *_: False)
    with pytest.raises(TrunklineError, match="you may not write there"):
        history.require(tmp_path / "deep" / "history")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_what_root_writes_belongs_to_the_directorys_owner(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    os.chown(home, NOBODY, NOBODY)
    write_private(home / ".config/trunkline/age.key", b"one")
    write_public(home / "prod.secrets", b"one")
    write_public(home / "prod.secrets", b"two")
    with alone(home / "kept"):
        pass
    owners = {path.relative_to(home).as_posix(): path.stat().st_uid for path in home.rglob("*")}
    assert owners == dict.fromkeys(
        (".config", ".config/trunkline", ".config/trunkline/age.key", "prod.secrets", "kept"), NOBODY
    )
    write_public(tmp_path / "roots", b"one")
    assert (tmp_path / "roots").stat().st_uid == 0


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody")
def test_root_by_sudo_logs_in_with_the_callers_own_ssh_files(top: Path) -> None:
    """A real client of an account that this machine has only for the test (a passwd(5) of its own)."""
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        place.chmod(0o755)
        served, home = place / "served", place / "home"
        served.mkdir()
        (home / ".ssh").mkdir(parents=True)
        with peer(served) as server:
            server.admit("deploy")
            (home / ".ssh/work").write_bytes(server.key.read_bytes())
            (home / ".ssh/config").write_text("Host *\n  IdentityFile ~/.ssh/work\n  IdentitiesOnly yes\n")
            (place / "desk.known_hosts").write_text(server.known_hosts.read_text())
            for path in (home, *home.rglob("*")):
                path.chmod(0o700 if path.is_dir() else 0o600)
                os.chown(path, 4242, 4242)
            passwd = place / "passwd"
            passwd.write_text(f"{Path('/etc/passwd').read_text()}caller:x:4242:4242::{home}:/bin/sh\n")
            script = f'mount --bind {passwd} /etc/passwd && exec "$@"'
            argv = [sys.executable, "-c", AS_OPERATOR, name, str(server.port)]
            env = {
                "PATH": os.environ["PATH"],
                "PYTHONPATH": f"{top}:{top / 'tests'}",
                "HOME": str(home),
                "SUDO_UID": "4242",
            }
            done = subprocess.run(
                ["unshare", "--mount", "sh", "-c", script, "sh", *argv],
                cwd=top, env=env, capture_output=True, text=True, check=False, timeout=60,
            )  # fmt: skip
    assert done.returncode == 0, done.stderr
    opened, asked, joined, root = done.stdout.splitlines()
    assert (opened, asked, joined) == ("deploy 4242", "asked as root", "joined")
    assert root.startswith("caller@") or "Permission denied" in root
