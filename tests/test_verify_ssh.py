"""A password is tried on every address that sshd has, by whoever may knock there."""

from __future__ import annotations

from ipaddress import ip_address
from itertools import pairwise
from types import SimpleNamespace
from typing import Any, cast

import pytest

from control.ssh_config import Said
from inventories.model import Host, load
from verify import looks
from verify.observed import Observed
from verify.test_ssh import test_password_is_refused_on_the_wire as password_is_refused_on_the_wire
from verify.vantage import Unseen, Vantage
from verify.verdict import Failed, NotProven

LAB = load("lab")
BOTH = LAB.host("edge2")
"""A host with addresses of both families, where few may knock."""
SHUT = {"methods": ["publickey"], "password": "not offered"}
OPEN = {"methods": ["publickey", "password"], "password": "refused"}


class Place(Vantage):
    """A place from which sshd answers as it is told to, by address; nothing leaves this process."""

    def probe(self, name: str, *arguments: str, **_: Any) -> dict[str, Any]:
        """Return the told answer for each user, and remember what was asked."""
        asked.append((self.name, arguments))
        answer = told.get(arguments[0], SHUT)
        if isinstance(answer, str):
            raise Unseen(answer)
        users = [word for before, word in pairwise(arguments) if before == "--user"]
        return {"logins": [{"user": user, **answer} for user in users]}


asked: list[tuple[str, tuple[str, ...]]] = []
told: dict[str, dict[str, Any] | str] = {}


def seen_from(*places: str, host: Host = BOTH, **by_address: Any) -> looks.Answers:
    """Return what is seen of a host from the first of the places that may knock."""
    asked.clear()
    told.clear()
    told.update({str(getattr(host, field).ip): answer for field, answer in by_address.items()})
    vantages = {name: Place(name) for name in places}
    way = SimpleNamespace(said=lambda host: Said())
    return looks.password_login(cast("Observed", SimpleNamespace(vantages=vantages, way=way)), host)


def test_the_controller_tries_both_families_where_few_may_knock() -> None:
    answers = seen_from("controller", "stranger")
    assert answers.place == "controller"
    assert [*answers.logins] == ["198.51.100.12", "2001:db8:100::12"]
    assert [place for place, _ in asked] == ["controller", "controller"]
    assert not [words for _, words in asked if "--borrow" in words]


def test_a_stranger_tries_each_family_from_an_address_of_that_family() -> None:
    anybody = BOTH.model_copy(update={"ssh": LAB.host("edge1").ssh})
    assert seen_from("controller", "stranger", host=anybody).place == "stranger"
    borrowed = {words[0]: words[words.index("--borrow") + 1] for _, words in asked}
    assert len(borrowed) == 2
    for address, source in borrowed.items():
        assert ip_address(address).version == ip_address(source).version


def test_a_host_of_one_family_is_tried_by_that_alone() -> None:
    assert [*seen_from("controller", host=LAB.host("edge1")).logins] == ["198.51.100.11"]


@pytest.mark.parametrize("family", ["address", "address6"])
def test_a_password_that_one_family_takes_is_found(family: str) -> None:
    by_address: dict[str, Any] = {family: OPEN}
    answers = seen_from("controller", **by_address)
    with pytest.raises(Failed, match=f"on {getattr(BOTH, family).ip} may log in by password"):
        password_is_refused_on_the_wire(BOTH, answers, {})


def test_a_family_that_could_not_be_tried_is_not_proven() -> None:
    silent = seen_from("controller", address6="from controller: no route")
    with pytest.raises(NotProven, match="2001:db8:100::12 from controller: no route") as ended:
        password_is_refused_on_the_wire(BOTH, silent, {})
    assert ended.value.gates


def test_both_families_that_refuse_are_the_evidence() -> None:
    evidence: dict[str, Any] = {}
    password_is_refused_on_the_wire(BOTH, seen_from("controller"), evidence)
    refused = {"deploy": "not offered", "root": "not offered"}
    assert evidence["answers"] == {"198.51.100.12": refused, "2001:db8:100::12": refused}
