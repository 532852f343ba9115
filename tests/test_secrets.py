"""The secrets store: real age and ssh-ed25519 keys, real files, nothing readable by anybody else."""

from __future__ import annotations

import io
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pyrage
import pytest

from control import places, vault
from control.console import Console
from control.errors import TrunklineError
from control.identities import new_identity
from control.secrets import Store, generated, store_of
from control.target import Target
from inventories.model import Secret, load

MARKER = "s3cr3t-Marker-7c1f"


def ssh_key(path: Path, passphrase: str = "") -> str:
    """Make a real ssh-ed25519 key and return its public line."""
    subprocess.run(
        ["ssh-keygen", "-q", "-t", "ed25519", "-N", passphrase, "-C", "ann@example", "-f", str(path)],
        check=True,
    )
    return path.with_name(path.name + ".pub").read_text().strip()


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """A store whose only reader is a fresh age identity."""
    new_identity(tmp_path / "age.key")
    return Store(tmp_path / "prod.secrets", (tmp_path / "age.key",), generates=False)


@pytest.fixture
def lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Target:
    """The laboratory with its state below a directory of the test."""
    monkeypatch.setenv("TRUNKLINE_HOME", str(tmp_path / "home"))
    environment = load("lab")
    return Target(environment, "lab", environment.hosts)


def again(store: Store) -> Store:
    """The same store as another process would open it."""
    return Store(store.path, store.identity_paths, store.generates)


def test_a_value_comes_back_for_whoever_holds_an_age_identity(store: Store) -> None:
    store.put("psk", MARKER)
    assert again(store).values() == {"psk": MARKER}


@pytest.mark.parametrize("value", ["one", "two\nlines\n", "ünïcode ☎", "x" * 100_000, '"quoted" \\ $HOME'])
def test_every_kind_of_text_survives_the_round_trip(store: Store, value: str) -> None:
    store.put("psk", value)
    assert again(store).values()["psk"] == value


def test_no_value_stands_in_the_file_nor_a_plain_copy_beside_it(store: Store) -> None:
    store.put("psk", MARKER)
    for path in store.path.parent.iterdir():
        assert MARKER.encode() not in path.read_bytes()
    assert {path.name for path in store.path.parent.iterdir()} == {"prod.secrets", "age.key"}


def test_an_ssh_ed25519_key_without_passphrase_opens_the_store(store: Store, tmp_path: Path) -> None:
    store.put("psk", MARKER)
    store.admit(ssh_key(tmp_path / "id_ed25519"))
    assert Store(store.path, (tmp_path / "id_ed25519",), generates=False).values() == {"psk": MARKER}


def test_a_dismissed_recipient_reads_no_longer_while_others_do(store: Store, tmp_path: Path) -> None:
    public = ssh_key(tmp_path / "id_ed25519")
    store.put("psk", MARKER)
    store.admit(public)
    store.dismiss(public)
    assert again(store).values() == {"psk": MARKER}
    with pytest.raises(TrunklineError, match="cannot be opened with"):
        Store(store.path, (tmp_path / "id_ed25519",), generates=False).values()


def test_admitting_the_same_key_twice_keeps_one_recipient(store: Store, tmp_path: Path) -> None:
    public = ssh_key(tmp_path / "id_ed25519")
    store.admit(public)
    store.admit(" ".join(public.split()[:2]) + " another comment")
    assert len(store.recipients()) == 2


def test_of_many_writers_at_once_nobodys_value_is_lost(store: Store) -> None:
    """Whole processes: the first of them make the file, and each reads it before it writes."""
    program = (
        "import sys; from pathlib import Path; from control.secrets import Store; "
        "path = Path(sys.argv[1]); store = Store(path, (path.with_name('age.key'),), False); "
        "[store.put(f'{sys.argv[2]}_{n}', 'v' * 9) for n in range(8)]"
    )
    writers = [
        subprocess.Popen([sys.executable, "-c", program, str(store.path), name])
        for name in ("ann", "bob", "cy")
    ]
    assert [writer.wait(timeout=60) for writer in writers] == [0, 0, 0]
    assert set(again(store).values()) == {f"{name}_{n}" for name in ("ann", "bob", "cy") for n in range(8)}


def test_a_twins_secret_that_two_commands_miss_at_once_is_made_once(lab: Target) -> None:
    first, second = store_of(lab), store_of(lab)
    assert first.values() == second.values() == {}
    wanted = (Secret(name="psk"),)
    assert first.needed(wanted) == second.needed(wanted) == again(first).values()


def test_plain_age_reads_the_armoured_part(store: Store) -> None:
    store.put("psk", MARKER)
    armour = store.path.read_text()
    identity = pyrage.x25519.Identity.from_str(store.identity_paths[0].read_text().splitlines()[-1])
    plain = pyrage.decrypt(armour[armour.index("-----BEGIN") :].encode(), [identity])
    assert MARKER.encode() in plain


def test_a_recipient_written_into_the_head_by_hand_stops_every_change(store: Store, tmp_path: Path) -> None:
    store.put("psk", MARKER)
    stranger = new_identity(tmp_path / "stranger.key")
    store.path.write_text(f"# recipient: {stranger}\n" + store.path.read_text())
    with pytest.raises(TrunklineError, match="changed by hand"):
        again(store).put("psk", "other")


def test_a_passphrase_protected_key_is_named_and_an_age_identity_offered(tmp_path: Path) -> None:
    key = tmp_path / "id_ed25519"
    store = Store(tmp_path / "prod.secrets", (tmp_path / "own.key",), generates=False)
    new_identity(tmp_path / "own.key")
    store.put("psk", MARKER)
    store.admit(ssh_key(key, passphrase="hunter2"))
    with pytest.raises(TrunklineError) as caught:
        Store(store.path, (key,), generates=False).values()
    assert "is protected by a passphrase" in caught.value.message
    assert "invoke secrets.identity" in caught.value.remedy


SENTENCES: list[tuple[Callable[[Store], object], str]] = [
    (lambda s: s.put("Bad-Name", "x"), "'Bad-Name' is no name for a secret."),
    (lambda s: s.put("psk", ""), "The value of psk is empty or holds a NUL byte."),
    (lambda s: s.remove("psk"), "There is no secret 'psk'."),
    (lambda s: s.admit("rubbish"), "'rubbish' is no recipient."),
    (lambda s: s.admit("age1rubbish"), "'age1rubbish' is no valid recipient"),
    (lambda s: s.admit("AGE-SECRET-KEY-1ABC"), "That is a private key; a recipient is the public half."),
    (lambda s: s.dismiss("age1nobody"), "That key is no recipient."),
    (lambda s: s.needed((Secret(name="psk"), Secret(name="api"))), "prod.secrets lacks psk, api."),
]


@pytest.mark.parametrize(("act", "sentence"), SENTENCES, ids=[sentence for _, sentence in SENTENCES])
def test_what_cannot_be_done_is_said_in_one_sentence(
    store: Store, act: Callable[[Store], object], sentence: str
) -> None:
    store.put("other", "value")
    with pytest.raises(TrunklineError, match=re.escape(sentence)) as caught:
        act(store)
    assert caught.value.remedy


def test_the_last_recipient_cannot_be_dismissed(store: Store) -> None:
    store.put("psk", MARKER)
    with pytest.raises(TrunklineError, match="nobody could read"):
        store.dismiss(store.recipients()[0])


def test_a_damaged_file_is_named_and_not_overwritten(store: Store) -> None:
    store.put("psk", MARKER)
    store.path.write_text("nothing of age in here\n")
    with pytest.raises(TrunklineError, match="is damaged"):
        again(store).put("psk", "x")
    assert store.path.read_text() == "nothing of age in here\n"


def test_a_twin_makes_its_identity_and_missing_secrets_outside_the_clone(lab: Target) -> None:
    wanted = (Secret(name="psk"), Secret(name="api"))
    first = store_of(lab).needed(wanted)
    assert first == store_of(lab).needed(wanted)
    assert len(set(first.values())) == 2
    assert (places.state_of("lab") / "age.key").stat().st_mode & 0o777 == 0o600


def test_a_generated_value_has_the_length_asked_for_and_never_repeats() -> None:
    values = {generated(32) for _ in range(200)}
    assert len(values) == 200
    assert all(re.fullmatch(r"[A-Za-z0-9]{32}", value) for value in values)


def test_set_reads_stdin_and_shows_no_value(
    lab: Target, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO(f"{MARKER}\n"))
    vault.put(lab, Console(), "psk")
    assert store_of(lab).values()["psk"] == MARKER
    assert MARKER not in capsys.readouterr().out


def test_list_names_what_is_unused_and_shows_no_value(
    lab: Target, capsys: pytest.CaptureFixture[str]
) -> None:
    store_of(lab).put("orphan", MARKER)
    vault.listing(lab, Console())
    said = capsys.readouterr().out
    assert "orphan" in said
    assert "unused" in said
    assert MARKER not in said


def test_generate_refuses_to_replace_and_rotate_refuses_to_begin(lab: Target) -> None:
    vault.generate(lab, Console(), "psk", 20)
    first = store_of(lab).values()["psk"]
    with pytest.raises(TrunklineError, match="psk has a value already"):
        vault.generate(lab, Console(), "psk", 20)
    vault.rotate(lab, Console(), "psk", 24)
    assert store_of(lab).values()["psk"] != first
    with pytest.raises(TrunklineError, match="api has no value yet"):
        vault.rotate(lab, Console(), "api", 20)


def test_readers_are_let_in_by_their_key_file_listed_and_let_out_with_a_warning(
    lab: Target, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    vault.generate(lab, Console(), "psk", 20)
    public = ssh_key(tmp_path / "id_ed25519")
    vault.recipients(lab, Console(), add=str(tmp_path / "id_ed25519.pub"), remove="")
    assert public in capsys.readouterr().out
    theirs = Store(store_of(lab).path, (tmp_path / "id_ed25519",), generates=False)
    assert set(theirs.values()) == {"psk"}
    vault.recipients(lab, Console(), add="", remove=public)
    said = capsys.readouterr().out
    assert "rotate them" in said
    assert public not in said


def test_an_identity_is_made_once_and_only_its_public_half_is_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    vault.identity(Console())
    made = (tmp_path / "trunkline" / "age.key").read_text()
    vault.identity(Console())
    said = capsys.readouterr().out
    assert made == (tmp_path / "trunkline" / "age.key").read_text()
    assert made.splitlines()[0].removeprefix("# public key: ") in said
    assert "AGE-SECRET-KEY" in made
    assert "AGE-SECRET-KEY" not in said


def test_a_secret_prints_as_stars() -> None:
    assert str(Secret(name="psk")) == "***"
    assert "psk" not in f"{Store(Path('x'), (), generates=False, _cache={'a': MARKER})!r}"
    assert MARKER not in f"{Store(Path('x'), (), generates=False, _cache={'a': MARKER})!r}"
