"""A console password: set once, told to nobody, locked again when it is no longer declared."""

from __future__ import annotations

import subprocess
from typing import Any

import pytest
from deploys_on_fake import PASSWORD, Seen, Served, account, bare, converged, serve

from control.errors import TrunklineError
from deploys._engine import secrets
from deploys._ops import password
from inventories.model import Environment, Host, Secret, Users, load

LAB = load("lab")
HOST = LAB.hosts[0]
STEP = "users: password of deploy"
SECRET = Secret(name="console_password")


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, Any]]:
    """Every command that reaches a host, with its standard input."""
    from pyinfra.connectors.fake import FakeConnector

    found: list[tuple[str, Any]] = []
    run = FakeConnector.run_shell_command

    def noted(self: FakeConnector, command: Any, *args: Any, **given: Any) -> Any:
        text = command.get_raw_value() if hasattr(command, "get_raw_value") else command
        found.append((str(text), given.get("_stdin")))
        return run(self, command, *args, **given)

    monkeypatch.setattr(FakeConnector, "run_shell_command", noted)
    return found


def field(place: str = "lab/edge1/deploy", value: str = PASSWORD) -> str:
    """Return the field of shadow(5) that a host must have."""
    secrets.load({SECRET.name: value})
    return password.wanted(SECRET, place)


def undeclared(host: Host) -> Host:
    """Return the host without any console password."""
    accounts = tuple(user.model_copy(update={"console_password": None}) for user in host.users.accounts)
    return host.model_copy(update={"users": Users(accounts=accounts)})


def with_password(**seen: Any) -> Seen:
    """Return a host as declared, but for what it tells of the deploy user."""
    found = converged(HOST, LAB)
    found.accounts["deploy"] = account("deploy", **seen)
    return found


def set_by(served: Served) -> bool:
    """Say whether a password was set, as planned."""
    assert (served.plan[STEP].kind == "change") == (STEP in served.commands)
    return STEP in served.commands


def test_the_password_of_a_new_account_is_set_after_the_account_is_made() -> None:
    served = serve(HOST, LAB, bare(HOST, LAB))
    order = list(served.commands)
    assert served.commands[STEP] == ["chpasswd --encrypted"]
    assert order.index("users: account deploy") < order.index(STEP)


def test_an_account_without_a_declared_password_has_no_such_step() -> None:
    assert [step for step in serve(HOST, LAB, bare(HOST, LAB)).plan if "password of" in step] == [STEP]


def test_only_a_hash_travels_and_only_by_standard_input(sent: list[tuple[str, Any]]) -> None:
    served = serve(HOST, LAB, bare(HOST, LAB))
    wanted = field()
    assert ("chpasswd --encrypted", f"deploy:{wanted}\n") in sent
    assert PASSWORD not in str(sent)
    assert wanted not in str([command for command, _ in sent])
    assert password.digest(wanted) not in str(sent)
    for told in (PASSWORD, wanted, password.digest(wanted)):
        assert told not in str(served.plan)


def test_a_hash_is_masked_as_its_secret_is() -> None:
    wanted = field()
    assert secrets.mask(f"deploy:{wanted} {PASSWORD}") == "deploy:*** ***"
    secrets.load({})
    assert secrets.mask(wanted) == wanted


@pytest.mark.parametrize(
    "seen",
    [
        {"locked": True, "password": password.digest("*")},
        {"locked": True, "password": password.digest(f"!{field()}")},
        {"locked": False, "password": password.digest("")},
        {"locked": False, "password": password.digest(field(value="another good password"))},
        {"locked": False, "password": password.digest(field("lab/edge2/deploy"))},
    ],
    ids=["none", "locked by hand", "empty", "changed by hand or rotated", "another host's"],
)
def test_any_other_password_is_replaced_and_nothing_else_is_done(seen: dict[str, Any]) -> None:
    served = serve(HOST, LAB, with_password(**seen))
    assert set_by(served)
    assert list(served.commands) == [STEP]


def test_the_same_password_costs_no_command() -> None:
    assert not set_by(serve(HOST, LAB, converged(HOST, LAB)))


def test_a_password_that_is_no_longer_declared_is_locked() -> None:
    host = undeclared(HOST)
    served = serve(host, LAB, with_password(locked=False, password=password.digest(field())))
    assert served.commands["users: account deploy"] == ["usermod --password '*' deploy"]
    assert STEP not in served.plan


def test_the_hash_is_the_same_on_every_run_and_another_for_each_host_account_and_value() -> None:
    password.hashed.cache_clear()
    first = field()
    password.hashed.cache_clear()
    others = {field("lab/edge2/deploy"), field("lab/edge1/alice"), field(value="another good password")}
    assert first == field()
    assert first not in others
    assert len({each.split("$")[3] for each in {first, *others}}) == 4


def test_libcrypt_itself_takes_the_password_for_the_hash() -> None:
    """Perl's crypt is the system's crypt(3), which PAM asks as well."""
    wanted = field()
    perl = "chomp(($p, $h) = <STDIN>); print crypt($p, $h)"
    said = subprocess.run(
        ["perl", "-e", perl], input=f"{PASSWORD}\n{wanted}\n", capture_output=True, text=True, check=True
    )
    assert said.stdout == wanted
    assert wanted.startswith("$y$j9T$")


@pytest.mark.parametrize(
    "value",
    [
        "too short",
        "x" * 512,
        "two lines\nof password",
        "correct horse\n",
        " correct horse",
        "größer als zwölf",
    ],
)
def test_what_nobody_could_type_is_refused_and_not_repeated(value: str) -> None:
    with pytest.raises(TrunklineError, match="no password for a console") as refused:
        field(value=value)
    assert value.strip() not in f"{refused.value.message} {refused.value.remedy}"


def test_an_environment_without_a_value_names_the_secret() -> None:
    secrets.load({})
    with pytest.raises(secrets.SecretMissingError, match="console_password"):
        password.wanted(SECRET, "lab/edge1/deploy")


def test_the_lab_has_a_secret_and_every_host_a_way_in_when_ssh_is_lost() -> None:
    lab: Environment = load("lab")
    assert SECRET in lab.secrets()
    assert all(host.users.account(host.users.deploy).console_password for host in lab.hosts)
