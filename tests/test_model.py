"""The model as a whole: every problem at once, one value for everything, nothing secret in it."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from declared import KEY, Trap, environment, host, second, trap, users
from pydantic import ValidationError

from inventories.model import (
    ControllerKey,
    Environment,
    Firewall,
    Forward,
    Journal,
    ModelError,
    Opening,
    PortRange,
    Problem,
    Secret,
    Ssh,
    Swap,
    Sysctl,
    Time,
    User,
    checked,
    load,
    refusal,
)

MANY = """
from inventories.model import Environment, Fail2ban, Host, Journal, Ssh, Swap, Time, User, Users

lost = Users(accounts=(User(name="Lost", keys=("nonsense",)),))
broken = Users(accounts=(User(name="deploy", keys=(), sudo="maybe"),))
fine = Users(accounts=(User(name="deploy", keys=()),))

environment = Environment(
    name="many",
    domain="many",
    controllers=("0.0.0.0/0",),
    in_twin=True,
    hosts=(
        Host(name="b", os="debian13", address="198.51.100.2/24", users=broken, swap=Swap(size_mb=9000)),
        Host(name="a", os="debian13", address="198.51.100.2/24", users=fine, ssh=Ssh(port=0, sources=("x",))),
        Host(name="c", os="beos", address="nowhere", users=fine),
    ),
)
hosts = environment.inventory()
"""
SENTENCES = """\
environment Users.accounts[Lost].keys[0]: text that is not one line, wanted a type, the key and a comment; \
copy the whole line of the .pub file again
environment Users.accounts[Lost].name: 'Lost' is not a user name; use up to 31 small letters, digits, \
hyphens and underscores, a letter first
environment controllers[0]: 0.0.0.0/0 would admit strangers to SSH and never ban them, wanted a prefix of \
/16 or longer; name the addresses that deploys come from
environment domain: 'many' is not a domain name; write two or more labels in small letters, such as \
lab.example
a address: 198.51.100.2 is also the address of b, wanted an address of its own; correct one of the two
a ssh.port: 0 is not a port (1-65535); choose a free port, 22 is the usual one
a ssh.sources[0]: 'x' is not a network; write it as "198.51.100.0/24" or "2001:db8::/48"
a users.accounts[deploy].keys: deploy has no key, wanted at least one, the only way in; add a public key, or \
take the account out (it is then locked, and its home stays)
a users.accounts[deploy].sudo: deploy may not use sudo, wanted sudo for the account that deploys use; add \
sudo=True, or the next deploy could change nothing
b swap.size_mb: 9000 MiB of swap on a disk of 10240 MiB, wanted half of the disk at most; lower it to 5120 \
or less, or correct disk_mb
b users.accounts[deploy].sudo: 'maybe' is not True or False; write one of them, without quotes
c address: 'nowhere' is not an IPv4 address with its network's prefix; write it as "198.51.100.11/24"
c os: 'beos' is not one of 'debian12', 'debian13', 'debian-testing', 'ubuntu22.04' or 'ubuntu24.04'; \
choose one of them"""


@pytest.fixture
def inventories(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory that `load` reads instead of the project's own."""
    package = sys.modules["inventories"]
    monkeypatch.setattr(sys.modules["inventories.model.load"], "INVENTORIES", tmp_path)
    monkeypatch.setattr(package, "__path__", [*package.__path__, str(tmp_path)])
    return tmp_path


def test_every_wrong_record_of_an_inventory_is_named_at_once_and_in_order(inventories: Path) -> None:
    (inventories / "many.py").write_text(MANY, encoding="utf-8")
    with pytest.raises(ModelError) as error:
        load("many")
    assert str(error.value) == SENTENCES
    assert "inventories.many" not in sys.modules


def test_what_stands_between_right_records_is_judged_beside_wrong_ones() -> None:
    """The wrong port hides neither the account without a key nor the address that two hosts share."""
    with pytest.raises(ModelError) as error:
        checked(
            lambda: environment(
                host(ssh=Ssh(port=0), users=users(User(name="ops", keys=()))),
                second(address="198.51.100.11/24", time=Time(zone="Nowhere")),
            )
        )
    assert [problem.place for problem in error.value.problems] == [
        "edge1 ssh.port",
        "edge1 users.accounts[ops].keys",
        "edge2 address",
        "edge2 time.zone",
    ]


def test_one_wrong_record_of_many_hosts_is_said_once() -> None:
    wrong = users(User(name="ops", keys=()))
    with pytest.raises(ModelError) as error:
        checked(lambda: environment(host(users=wrong), second(users=wrong)))
    assert len(error.value.problems) == 2
    assert str(error.value).startswith("edge1, edge2 users.accounts[ops].keys: ops has no key")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("placeholders", "faults", "sentence"),
    [
        (1, 0, "It is an example: replace its 1 placeholder (addresses, names, keys) by your own values."),
        (0, 1, "1 thing is wrong."),
        (0, 2, "2 things are wrong."),
        (3, 1, "1 thing is wrong, and 3 placeholders of an example wait for your own values."),
    ],
)
def test_a_placeholder_is_told_apart_from_a_fault(placeholders: int, faults: int, sentence: str) -> None:
    kinds = [True] * placeholders + [False] * faults
    found = [Problem("a", "ssh", f"f{n}", "x", "y", "z", example=kind) for n, kind in enumerate(kinds)]
    assert refusal(found) == sentence


def test_outside_of_a_reading_a_wrong_record_raises_where_it_stands() -> None:
    with pytest.raises(ValidationError, match="70000 is not a port"):
        Ssh(port=70000)


def test_an_inventory_that_pyinfra_reads_itself_is_judged_too() -> None:
    wrong = environment(host(users=users(User(name="ops", keys=()))))
    with pytest.raises(ModelError, match="ops has no key"):
        wrong.inventory()


def test_an_inventory_without_an_environment_is_refused(inventories: Path) -> None:
    (inventories / "empty.py").write_text("environments = 1\n", encoding="utf-8")
    with pytest.raises(ModelError, match="nothing named environment, wanted one Environment"):
        load("empty")


def test_an_environment_is_named_as_its_file(inventories: Path) -> None:
    text = (Path(__file__).resolve().parent.parent / "inventories" / "lab.py").read_text(encoding="utf-8")
    (inventories / "other.py").write_text(text, encoding="utf-8")
    with pytest.raises(ModelError, match=r"environment name: lab stands in inventories/other.py"):
        load("other")


def test_an_unknown_environment_names_the_known_ones(inventories: Path) -> None:
    (inventories / "lab.py").write_text("", encoding="utf-8")
    with pytest.raises(LookupError, match="no environment 'prod'; there are: lab"):
        load("prod")


def test_the_line_of_an_error_of_python_is_kept(inventories: Path) -> None:
    (inventories / "typo.py").write_text("from inventories.model import Hots\n", encoding="utf-8")
    with pytest.raises(ImportError, match="Hots"):
        load("typo")


def test_a_problem_keeps_its_parts() -> None:
    problem = Problem("edge1", "ssh", "port", "70000", "a port", "choose another", bare=True)
    assert (problem.place, problem.path) == ("edge1 ssh.port", "ssh.port")
    assert str(problem) == "edge1 ssh.port: 70000 is not a port; choose another"


def test_ssh_always_admits_the_controllers() -> None:
    limited = checked(lambda: environment(host(ssh=Ssh(sources=("203.0.113.0/28",)))))
    (opening,) = limited.hosts[0].openings(limited)
    assert [str(source) for source in opening.sources] == ["192.0.2.10/32", "203.0.113.0/28"]
    free = checked(environment)
    assert free.hosts[0].openings(free)[0].sources == ()


def test_the_controllers_and_every_host_are_never_banned() -> None:
    both = checked(lambda: environment(host(address6="2001:db8:1::11/64"), second()))
    assert [str(network) for network in both.never_banned(both.hosts[1])] == [
        "192.0.2.10/32",
        "198.51.100.11/32",
        "2001:db8:1::11/128",
        "198.51.100.12/32",
    ]


def test_a_setting_wins_over_the_hardening_and_services_bring_their_own() -> None:
    forwards = Firewall(
        forwards=(
            Forward(source="10.1.0.0/16", destination="10.2.0.0/16", why="tunnel"),
            Forward(source="fd01::/64", destination="fd02::/64", why="tunnel"),
        )
    )
    settings = Sysctl(settings={"net.ipv4.conf.all.rp_filter": 0})
    one = checked(lambda: environment(host(swap=Swap(size_mb=64), firewall=forwards, sysctl=settings)))
    kernel = one.hosts[0].sysctls(one)
    assert kernel["net.ipv4.conf.all.rp_filter"] == "0"
    assert kernel["net.ipv4.conf.default.rp_filter"] == "2"
    assert kernel["vm.swappiness"] == "10"
    assert kernel["net.ipv4.ip_forward"] == kernel["net.ipv6.conf.all.forwarding"] == "1"


def test_one_port_for_two_different_people_is_no_contradiction() -> None:
    openings = (
        Opening.port(9100, "tcp", "for us", ("203.0.113.0/28",)),
        Opening.port(9100, "tcp", "for them", ("198.51.100.77/32",)),
    )
    assert checked(lambda: environment(host(firewall=Firewall(extra=openings))))


class Vault(Trap):
    """A host with a secret, to see where it goes."""

    secret: Secret = Secret(name="unifi_psk")


def with_secret() -> Environment:
    """Return an environment that refers to a secret."""
    return environment(Vault(name="edge1", os="debian12", address="198.51.100.11/24", users=users()))


def test_a_secret_is_stars_wherever_it_is_shown() -> None:
    secret = Secret(name="unifi_psk")
    assert str(secret) == "***"
    assert with_secret().secrets() == (secret,)
    assert with_secret().resolved()["hosts"][0]["secret"] == "*** (unifi_psk)"


def test_the_resolved_environment_is_json_and_holds_what_each_host_collects() -> None:
    one = checked(lambda: environment(host(), second(users=users(User(name="ops", keys=(ControllerKey(),))))))
    resolved = json.loads(json.dumps(one.resolved()))
    first, other = resolved["hosts"]
    assert first["openings"][0]["ports"] == {"first": 22, "last": 22}
    assert first["jails"][0]["journal_match"] == "_SYSTEMD_UNIT=ssh.service"
    assert first["sysctls"]["net.ipv4.tcp_syncookies"] == "1"
    assert first["never_banned"] == ["192.0.2.10/32", "198.51.100.11/32", "198.51.100.12/32"]
    assert first["users"]["accounts"][0]["keys"] == [KEY]
    assert other["users"]["accounts"][1]["keys"] == ["the controller's own key"]


def test_the_fingerprint_is_the_same_for_the_same_declaration_and_another_for_another() -> None:
    assert environment().fingerprint() == environment().fingerprint()
    assert len(environment().fingerprint()) == 64
    assert environment().fingerprint() != environment(host(journal=Journal(max_use_mb=501))).fingerprint()
    assert with_secret().fingerprint() != trap().fingerprint()


def test_ranges_of_ports_know_what_is_in_them() -> None:
    rtp = PortRange(first=10000, last=10199)
    assert len(rtp) == 200
    assert 10199 in rtp
    assert 10200 not in rtp
    assert rtp.overlaps(PortRange(first=10199, last=10300))
    assert not rtp.overlaps(PortRange(first=10200, last=10300))
    assert (str(rtp), str(PortRange(first=22, last=22))) == ("10000-10199", "22")
