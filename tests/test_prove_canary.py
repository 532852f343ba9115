"""What gives a secret away is found wherever it stands; what everybody may know is not taken for one."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import load_ssh_private_key

from control import places
from inventories.model import load
from prove.markers import Markers, identity_of, key_of, markers_of, secret_line
from prove.nowhere import SEARCH
from prove.row import Disproved
from twin.authority import Authority
from twin.given import given

VALUE = "CANARY0123456789abcdef"


def test_a_value_is_found_as_it_is_and_in_base64_of_whatever_has_it_in_it() -> None:
    markers = markers_of({"crm_password": VALUE})
    for user in ("crm", "crm1", "crm12"):
        header = base64.b64encode(f"{user}:{VALUE}\n".encode()).decode()
        assert markers.named_in(f"Authorization: Basic {header}") == ["crm_password"]
    assert markers.named_in(f"token = {VALUE}") == ["crm_password"]
    assert markers.named_in(f"token = {VALUE[:-1]}") == []


def test_what_is_told_of_a_leak_is_none_itself() -> None:
    markers = markers_of({"crm_password": VALUE})
    assert markers.masked(f"nginx -p {VALUE} -x") == "nginx -p <crm_password> -x"


@pytest.mark.parametrize(
    ("values", "why"),
    [({"a": "short"}, "too short"), ({"a": VALUE, "b": f"{VALUE}\n"}, "the same value")],
)
def test_what_would_prove_nothing_is_refused(values: dict[str, str], why: str) -> None:
    with pytest.raises(Disproved, match=why):
        markers_of(values)


def test_of_the_controllers_key_the_line_is_sought_that_nobody_else_has(tmp_path: Path) -> None:
    path = tmp_path / "id_ed25519"
    argv = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "controller", "-f", str(path)]
    subprocess.run(argv, check=True)
    text = path.read_text()
    line = secret_line(text)
    key: Any = load_ssh_private_key(text.encode(), None)
    body = "".join(each for each in text.splitlines() if not each.startswith("-----"))
    place = body.index(line)
    of_it = base64.b64decode("A" * (place % 4) + line + "A" * (-(place + len(line)) % 4))
    assert key.private_bytes_raw() in of_it
    assert key_of(path).named_in(text) == ["id_ed25519"]


def test_of_an_age_identity_the_secret_is_sought_and_not_the_recipient(tmp_path: Path) -> None:
    path = tmp_path / "age.key"
    path.write_text("# public key: age1abc\nAGE-SECRET-KEY-1QQQQQQQQQQQQQQQQ\n")
    assert identity_of(path).forms == {"age.key": ("AGE-SECRET-KEY-1QQQQQQQQQQQQQQQQ",)}
    path.write_text("# nothing\n")
    with pytest.raises(Disproved, match="no identity"):
        identity_of(path)


def test_every_secret_that_the_lab_declares_is_a_marker_but_certificates(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRUNKLINE_HOME", str(tmp_path))
    lab = load("lab")
    names = {each.name for each in lab.secrets()}
    values = {name: f"{VALUE}{name}" for name in names} | given(lab, "markers")
    markers = markers_of({name: values[name] for name in names})
    assert names - markers.forms.keys() == {"branch_ca", "branch_certificate", "cache_ca", "db_ca"}
    key = (places.twin_of("markers") / "offices/branch_certificate.key").read_text()
    assert markers.named_in(key) == ["branch_key"]
    assert markers.named_in(Authority("markers", "offices").pem) == []


@pytest.fixture
def host(tmp_path: Path) -> Iterator[Path]:
    """A directory that everybody may enter, in the place of a host's."""
    with tempfile.TemporaryDirectory() as directory:
        Path(directory).chmod(0o755)
        (tmp_path / "journalctl").write_text(f"#!/bin/sh\necho 'MESSAGE=crm said {VALUE}'\n")
        (tmp_path / "journalctl").chmod(0o755)
        yield Path(directory)


def searched(host: Path, tools: Path, **places_of: Any) -> dict[str, Any]:
    asked = {"markers": {"crm": [VALUE]}, "public": [], "told": [], "held": [], **places_of}
    done = subprocess.run(
        [sys.executable, "-I", SEARCH], input=json.dumps(asked), capture_output=True, text=True, check=True,
        env={"PATH": f"{tools}:{os.environ['PATH']}"},
    )  # fmt: skip
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def put(path: Path, mode: int, text: str = f"password={VALUE}\n") -> str:
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    path.chmod(mode)
    return str(path)


def test_on_a_host_only_what_everybody_can_read_is_public(host: Path, tmp_path: Path) -> None:
    seen = put(host / "etc/open.conf", 0o644)
    put(host / "etc/own.conf", 0o640)
    put(host / "etc/other.conf", 0o644, "nothing\n")
    put(host / "stack/0", 0o444)
    (host / "stack").chmod(0o700)
    found = searched(host, tmp_path, public=[[str(host)]], held=[[str(host)]])
    assert found["public"] == {"crm": [seen]}
    assert found["held"] == ["crm"]
    assert found["files"] == 2


def test_on_a_host_a_log_or_a_record_may_not_tell_it_even_to_root(host: Path, tmp_path: Path) -> None:
    log = put(host / "log/app", 0o600)
    record = put(host / "records/journal.json", 0o600)
    put(host / "records/kept", 0o600)
    told = [[str(host / "log")], [str(host / "records"), ".json", ".sh"]]
    assert searched(host, tmp_path, told=told)["told"] == {"crm": [log, record, "the journal"]}


def test_markers_can_be_joined_and_left_out() -> None:
    both = Markers({"a": ("1",)}) | Markers({"b": ("2",)})
    assert both.but("a").forms == {"b": ("2",)}
