"""UFW's files against what UFW 0.36.2 itself wrote on Debian 12 and 13, byte for byte."""

from __future__ import annotations

from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Literal

import pytest
from deploys_on_fake import bare, converged, serve, standing

from deploys import firewall, site
from deploys._ops import ufw
from deploys._ops.render import render
from inventories.model import Firewall, Forward, Network, Opening, PortRange, load
from verify.packet import Packet
from verify.rules import fates, tables

RECORDED = Path(__file__).resolve().parent / "recorded" / "ufw"
LAB = load("lab")
HOST = LAB.hosts[0]
Level = Literal["off", "low", "medium", "high", "full"]


def networks(*texts: str) -> tuple[Network, ...]:
    return tuple(ip_network(text) for text in texts)


def opening(first: int, last: int, protocol: Literal["tcp", "udp"], why: str, *sources: str) -> Opening:
    return Opening(
        ports=PortRange(first=first, last=last), protocol=protocol, why=why, sources=networks(*sources)
    )


def rendered(openings: list[Opening], version: Literal[4, 6], level: Level = "low") -> str:
    declared = Firewall(
        logging=level,
        forwards=(
            Forward(source=ip_network("10.0.0.0/8"), destination=ip_network("192.168.0.0/16"), why="tunnel"),
            Forward(source=ip_network("10.0.0.1"), destination=ip_network("192.168.0.1"), why="tunnel"),
        ),
    )
    host = HOST.model_copy(update={"firewall": declared})
    suffix = "" if version == 4 else "6"
    return render(
        "firewall", f"user{suffix}.rules", firewall.family(host, tuple(openings), declared.forwards, version)
    )


ASKED = [
    opening(22, 22, "tcp", "SSH"),
    opening(22, 22, "tcp", "it's SSH".replace("it's", "its"), "192.0.2.10/32"),
    opening(22, 22, "tcp", "SSH é", "2001:db8::10/128"),
    opening(22, 22, "tcp", "SSH", "2001:db8::/64"),
    opening(5060, 5060, "tcp", "SIP", "192.0.2.0/24"),
    opening(10000, 10199, "udp", "RTP"),
    opening(10000, 10199, "udp", "RTP", "192.0.2.10/32"),
]


@pytest.mark.parametrize("version", [4, 6])
def test_rules_are_written_as_ufw_writes_them(version: Literal[4, 6]) -> None:
    recorded = (RECORDED / f"user{'' if version == 4 else '6'}.rules").read_text()
    assert rendered(ASKED, version).replace(" comment=534950", "") == recorded


@pytest.mark.parametrize("level", ["off", "medium", "high", "full"])
def test_every_logging_level_is_written_as_ufw_writes_it(level: Level) -> None:
    text = rendered(ASKED, 4, level)
    assert text[text.index("### LOGGING") :] == (RECORDED / f"logging-{level}").read_text()


def test_an_apostrophe_that_ufw_refuses_is_left_out_of_a_comment() -> None:
    assert bytes.fromhex(ufw.hexed("Alice's office")).decode() == "Alices office"


def test_the_same_admission_is_written_once() -> None:
    twice = [opening(22, 22, "tcp", "SSH"), opening(22, 22, "tcp", "again")]
    assert len(ufw.rules(twice, 4)) == 1


def test_an_opening_for_one_family_is_closed_in_the_other() -> None:
    assert ufw.rules([opening(22, 22, "tcp", "SSH", "192.0.2.10/32")], 6) == []


def test_ping_is_answered_only_where_it_is_declared() -> None:
    silent = HOST.model_copy(update={"firewall": Firewall(answer_ping=False)})
    for name, question in (("before", "--icmp-type echo-request"), ("before6", "--icmpv6-type echo-request")):
        for host, wanted in ((HOST, True), (silent, False)):
            files = {file.path: file.content for file in firewall.files(host, LAB)}
            lines = [line for line in files[f"/etc/ufw/{name}.rules"].splitlines() if question in line]
            assert any("before-input" in line for line in lines) is wanted


def test_containers_are_closed_but_for_what_is_declared() -> None:
    files = {file.path: file.content for file in firewall.files(HOST, LAB)}
    lines = [line for line in files["/etc/ufw/after.rules"].splitlines() if "DOCKER-USER" in line]
    assert lines[0] == ":DOCKER-USER - [0:0]"
    assert lines[-2:] == ["-A DOCKER-USER -j DROP", "-A DOCKER-USER -j RETURN"]
    assert "-A DOCKER-USER -p tcp -m conntrack --ctorigdstport 22 --ctdir ORIGINAL -j RETURN" in lines


DOCKER = """*filter
:FORWARD DROP [0:0]
:DOCKER - [0:0]
:DOCKER-ISOLATION-STAGE-1 - [0:0]
:DOCKER-ISOLATION-STAGE-2 - [0:0]
-A DOCKER-ISOLATION-STAGE-1 -i docker0 ! -o docker0 -j DOCKER-ISOLATION-STAGE-2
-A DOCKER-ISOLATION-STAGE-2 -o docker0 -j DROP
-A FORWARD -j DOCKER-USER
-A FORWARD -j DOCKER-ISOLATION-STAGE-1
-A FORWARD -o docker0 -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A FORWARD -o docker0 -j DOCKER
-A FORWARD -i docker0 ! -o docker0 -j ACCEPT
-A FORWARD -i docker0 -o docker0 -j ACCEPT
-A FORWARD -j ufw-before-forward
-A FORWARD -j ufw-after-forward
-A ufw-before-forward -j ufw-user-forward
"""
"""What Docker 26.1 puts into FORWARD when it starts, before what is there: UFW's jumps."""


@pytest.mark.parametrize(
    ("source", "destination", "ways", "fate"),
    [
        ("10.10.10.7", "192.168.150.10", ("eth1", "ipsec0"), "ACCEPT"),
        ("192.168.150.10", "10.10.10.7", ("ipsec0", "eth1"), "ACCEPT"),
        ("10.10.10.7", "192.0.2.80", ("eth1", "eth0"), "DROP"),
        ("203.0.113.66", "192.168.150.10", ("eth0", "ipsec0"), "DROP"),
        ("192.168.150.10", "172.24.0.2", ("ipsec0", "docker0"), "DROP"),
        ("172.24.0.2", "192.0.2.80", ("docker0", "eth0"), "ACCEPT"),
    ],
)
def test_docker_s_rules_let_a_tunnel_s_neighbours_pass_as_declared(
    source: str, destination: str, ways: tuple[str, str], fate: str
) -> None:
    files = {file.path: file.content for file in firewall.files(LAB.host("vpn1"), LAB)}
    held = [f"/etc/ufw/{name}.rules" for name in ("before", "after", "user")]
    lines = [line for name in held for line in files[name].splitlines() if line[:3] in ("-A ", ":uf", ":DO")]
    head, _, jumps = DOCKER.partition("-A FORWARD")
    declared = sorted(lines, key=lambda line: not line.startswith(":"))
    table = tables("\n".join((head, *declared, f"-A FORWARD{jumps}", "COMMIT")))["filter"]
    ends = (ip_address(source), ip_address(destination))
    packet = Packet(*ends, "udp", 5060, inward=ways[0], outward=ways[1], local=False)
    assert {each.verdict for each in fates(table, "FORWARD", packet)} == {fate}


def test_a_rule_added_by_hand_is_named_in_the_plan_and_taken_out() -> None:
    seen = converged(HOST, LAB)
    rules = next(file for file in site.rendered(HOST, LAB) if file.path == "/etc/ufw/user.rules")
    foreign = "-A ufw-user-input -p tcp --dport 8888 -j ACCEPT"
    by_hand = rules.content.replace("### END RULES", f"{foreign}\n### END RULES")
    seen.files[rules.path] = standing(rules, by_hand)
    served = serve(HOST, LAB, seen)
    assert f"-{foreign}" in served.plan["firewall: rules"].diff
    assert list(served.commands) == ["guard: arm", "firewall: rules", "guard: confirm"]


def test_files_that_the_kernel_does_not_hold_are_loaded_again() -> None:
    seen = converged(HOST, LAB)
    seen.system["firewall_loaded"] = False
    assert serve(HOST, LAB, seen).commands["firewall: rules"] == ["/usr/local/lib/trunkline/firewall load"]


def test_the_firewall_stands_before_its_unit_is_enabled_on_a_bare_host() -> None:
    order = list(serve(HOST, LAB, bare(HOST, LAB)).commands)
    assert order.index("firewall: loader") < order.index("firewall: rules") < order.index("firewall: unit")
