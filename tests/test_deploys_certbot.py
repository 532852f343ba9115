"""When the authority is asked, when it is not, and what its programs do on a disk."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from deploys_on_fake import bare, converged, serve
from pyinfra.api.exceptions import PyinfraError

from control.errors import TrunklineError
from deploys import certbot
from deploys._engine import report
from deploys._ops import certificates, script
from deploys._ops.script import SCRIPTS
from inventories.model import Certbot, Certificate, Host, load
from inventories.model.certbot import LETS_ENCRYPT_STAGING

LAB = load("lab")
WEB = LAB.host("web1")
SHOP, CRM = "shop.lab.example", "crm.lab.example"
STEP = f"certbot: {SHOP}"
LETS_ENCRYPT = "https://acme-v02.api.letsencrypt.org/directory"


def order(**more: Any) -> certificates.Order:
    known: dict[str, Any] = {"name": SHOP, "names": (SHOP, f"www.{SHOP}"), "directory": LETS_ENCRYPT}
    return certificates.Order(**{**known, "profile": None, "webroot": True, "addresses": (), **more})


def standing(**more: Any) -> dict[str, Any]:
    known = {"issued": True, "linked": True, "names": [SHOP, f"www.{SHOP}"], "directory": LETS_ENCRYPT}
    return {**known, "profile": None, "left": 0.9, **more}


@pytest.mark.parametrize(
    ("seen", "why"),
    [
        (None, "a placeholder so far"),
        (standing(issued=False), "a placeholder so far"),
        (standing(), ""),
        (standing(names=[f"www.{SHOP}", SHOP]), ""),
        (standing(names=[SHOP]), f"its names are {SHOP}"),
        (standing(names=[SHOP, f"www.{SHOP}", "old.example"]), "its names are old.example, "),
        (standing(directory="https://other.example/dir"), "it is from https://other.example/dir"),
        (standing(profile="shortlived"), "its profile is shortlived"),
        (standing(left=-0.1), "it has ended"),
        (standing(left=0.1), "only 10% of its lifetime are left"),
        (standing(left=0.3), ""),
    ],
)
def test_the_authority_is_asked_for_what_is_not_as_declared(seen: dict[str, Any] | None, why: str) -> None:
    found = certificates.due(order(), seen)
    assert found.startswith(why)
    assert bool(found) is bool(why)


def test_a_bare_host_starts_with_placeholders_and_asks_last() -> None:
    commands = serve(WEB, LAB, bare(WEB, LAB)).commands
    order = list(commands)
    assert order.index("certbot: placeholders") < order.index("nginx: files") < order.index(STEP)
    assert "placeholder" in commands["certbot: placeholders"][0]


def test_every_name_is_fetched_from_both_sides_before_the_authority_is_asked() -> None:
    seen = converged(WEB, LAB)
    seen.certificates["certificates"][SHOP]["issued"] = False
    served = serve(WEB, LAB, seen)
    assert served.changes() == [STEP]
    place, look, reached, drop, ask = (line.splitlines()[0] for line in served.commands[STEP])
    nonce = place.split()[5]
    assert place.split()[3:5] == ["place", "webroot"]
    assert look.split()[3:7] == ["look", nonce, SHOP, f"www.{SHOP}"]
    assert reached.startswith("call ")
    assert drop.split()[3:6] == ["drop", "webroot", nonce]
    assert ask.split()[3:5] == ["ask", SHOP]


def test_a_refusal_stands_in_the_plan_until_it_is_an_hour_old_or_the_declaration_another() -> None:
    seen = converged(WEB, LAB)
    seen.certificates["certificates"][SHOP]["issued"] = False
    refused = {"said": "too many", "when": "10:00", "again": "11:00", "wait": 600}
    seen.certificates["refused"] = {SHOP: {**refused, "digest": order().digest}}
    with pytest.raises(PyinfraError):
        serve(WEB, LAB, seen)
    (diff,) = (said.diff for (_, step), said in report.all().items() if step == STEP)
    assert "not before 11:00: it said at 10:00: too many" in diff
    seen.certificates["refused"] = {SHOP: {**refused, "digest": order().digest, "wait": 0}}
    assert "not before" not in serve(WEB, LAB, seen).plan[STEP].diff
    seen.certificates["refused"] = {SHOP: {**refused, "digest": order(names=(SHOP,)).digest}}
    assert "not before" not in serve(WEB, LAB, seen).plan[STEP].diff


def test_who_is_refused_is_told_when_to_come_again() -> None:
    refused = {"said": "too many", "when": "10:00", "again": "11:00"}
    with pytest.raises(
        TrunklineError, match=r"refused it at 10:00 \(too many\); it is not asked again before 11"
    ):
        certificates._refuse(order(), refused)


def test_what_was_issued_is_linked_without_asking() -> None:
    seen = converged(WEB, LAB)
    seen.certificates["certificates"][CRM]["linked"] = False
    (command,) = serve(WEB, LAB, seen).commands[f"certbot: {CRM}"]
    assert command.splitlines()[0].split()[3:5] == ["link", CRM]


def test_a_bundle_reaches_the_timers_unit_as_well() -> None:
    settings = Certbot(email="ops@lab.example", ca_bundle="README.md")
    files = {f.path: f.content for f in certbot.files(with_(settings), LAB)}
    assert (
        f"REQUESTS_CA_BUNDLE={certbot.BUNDLE}"
        in files["/etc/systemd/system/certbot.service.d/trunkline.conf"]
    )
    assert files[certbot.BUNDLE] == Path("README.md").read_text()
    assert json.loads(files[certbot.DECLARED])["ca_bundle"] == certbot.BUNDLE


@pytest.mark.parametrize(
    ("directory", "staging"),
    [(LETS_ENCRYPT, False), (LETS_ENCRYPT_STAGING, True), ("https://acme-staging.corp.dev/directory", True)],
)
def test_certbot_takes_another_authority_for_staging_by_its_name(directory: str, staging: bool) -> None:
    """It refuses to replace a certificate of production by one of those, unless it is told to."""
    one = with_(Certbot(email="ops@lab.example", directory=directory))
    files = {file.path: file.content for file in certbot.files(one, LAB)}
    assert json.loads(files[certbot.DECLARED])["staging"] is staging


def test_a_bundle_that_is_not_there_is_told() -> None:
    with pytest.raises(TrunklineError, match=r"certbot\.ca_bundle: none/ca\.pem cannot be read"):
        certbot.files(with_(Certbot(email="ops@lab.example", ca_bundle="none/ca.pem")), LAB)


def test_an_old_nginx_needs_a_certificate_to_refuse_with() -> None:
    old = WEB.model_copy(update={"os": "ubuntu22.04"})
    (command,) = serve(old, LAB, bare(old, LAB)).commands["certbot: placeholders"]
    assert "unknown.invalid" in command.splitlines()[0]


def with_(settings: Certbot, **more: Any) -> Host:
    return WEB.model_copy(update={"certbot": settings, **more})


def test_no_program_of_ours_lets_certbot_touch_nginx() -> None:
    asked = json.loads(certbot.declared(WEB, WEB.certbot, LAB))  # type: ignore[arg-type]
    program = {"__name__": "issue"}
    exec(script.text("certificates_issue").rpartition("\nmain()")[0], program)
    words = program["argv"](SHOP, asked, False)  # type: ignore[operator]
    assert words[:2] == ["certbot", "certonly"]
    assert "--nginx" not in words
    assert words[words.index("--webroot-path") + 1] == "/srv/trunkline/acme"
    assert [words[n + 1] for n, word in enumerate(words) if word == "--domain"] == [SHOP, f"www.{SHOP}"]
    assert "--force-renewal" not in words
    assert "--force-renewal" in program["argv"](SHOP, asked, True)  # type: ignore[operator]


def test_a_host_without_a_web_server_answers_itself() -> None:
    alone = Certbot(email="ops@lab.example", extra=(Certificate(names=("web1.lab.example",), why="TLS"),))
    host = with_(alone, nginx=None, compose=None)
    asked = json.loads(certbot.declared(host, alone, LAB))
    assert asked["webroot"] is None
    asked_for = {"names": ["web1.lab.example"], "served": [], "tell": []}
    assert asked["certificates"] == {"web1.lab.example": asked_for}


def site(top: Path, release: str, files: dict[str, bytes]) -> None:
    from deploys._ops import site_files

    tar = top.parent / f"{release}.tar"
    tar.write_bytes(site_files.packed(files))
    argv = (sys.executable, "-I", str(SCRIPTS / "site_files.py"), str(top), release, str(tar), "3")
    subprocess.run(argv, check=True)


def test_a_switch_keeps_the_release_before_and_three_in_all(tmp_path: Path) -> None:
    top = tmp_path / "site"
    for number in range(5):
        site(top, f"r{number}", {"index.html": b"%d" % number, "assets/x.js": b""})
    assert (top / "current" / "index.html").read_text() == "4"
    assert (top / "previous" / "index.html").read_text() == "3"
    assert sorted(path.name for path in (top / "releases").iterdir()) == ["r2", "r3", "r4"]
    site(top, "r3", {"index.html": b"3"})
    assert [path.name for path in (top / "releases" / "r3").rglob("*.*")] == ["index.html"]
    assert (top / "current" / "index.html").read_text() == "3"
    assert (top / "previous" / "index.html").read_text() == "4"
    assert not list(tmp_path.glob("*.tar"))


def test_a_tar_that_leads_out_of_its_site_changes_nothing(tmp_path: Path) -> None:
    with pytest.raises(subprocess.CalledProcessError):
        site(tmp_path / "site", "r0", {"../../escaped": b""})
    assert not (tmp_path / "escaped").exists()
    assert not (tmp_path / "site" / "current").exists()
