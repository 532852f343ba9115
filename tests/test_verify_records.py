"""What the checks read from a host is read rightly: sshd, sudoers, sysctl, journald, fail2ban's sets, apt."""

from __future__ import annotations

import pytest

from inventories.model import Jail, Opening, PortRange
from verify.attack import refused
from verify.on_host.section import SECTIONS, snapshot
from verify.snapshot import Snapshot
from verify.sshd import fingerprint, settings
from verify.sudoers import rights
from verify.test_fail2ban import declared_hits, hit
from verify.test_journal import configured, size
from verify.test_sysctl import at_boot
from verify.test_updates import apt_value
from verify.verdict import Failed, NotProven, bounded, brief, exactly, same

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIE9gH+6XagwkugRg3iE3Zi1ga4LrhyIwHAljkP1mg7v+"
PRINT = "ssh-ed25519 SHA256:"


@pytest.mark.parametrize("line", [KEY, f"{KEY} a@b", f'from="192.0.2.1",command="x y" {KEY} a@b'])
def test_a_key_is_the_same_whatever_stands_around_it(line: str) -> None:
    assert fingerprint(line) == fingerprint(KEY)
    assert fingerprint(line).startswith(PRINT)


def test_a_line_without_a_key_is_no_known_key() -> None:
    assert fingerprint("ssh-ed25519 not*base64").startswith("unreadable")


def test_a_keyword_that_stands_twice_has_two_values() -> None:
    assert settings("port 22\nport 2222\nusepam yes\n") == {"port": ("22", "2222"), "usepam": ("yes",)}


def test_rights_reach_through_groups_and_aliases() -> None:
    command = {
        "runasusers": [{"username": "ALL"}],
        "Options": [{"authenticate": False}],
        "Commands": [{"command": "ALL"}],
    }
    sudoers = {
        "User_Aliases": {"OPS": [{"username": "eve"}]},
        "User_Specs": [
            {
                "User_List": [{"usergroup": "sudo"}, {"useralias": "OPS"}, {"userid": 7}],
                "Cmnd_Specs": [command],
            },
        ],
    }
    accounts = [
        {"name": "primary", "uid": 1001, "gid": 27},
        {"name": "other", "uid": 1002, "gid": 100},
        {"name": "seven", "uid": 7, "gid": 7},
    ]
    held = rights(sudoers, {"sudo": {"gid": 27, "members": ["listed"]}}, accounts)
    assert held == {name: {"NOPASSWD ALL as ALL"} for name in ("listed", "primary", "eve", "seven")}


def test_an_empty_group_gives_nobody_anything() -> None:
    sudoers = {
        "User_Specs": [
            {"User_List": [{"usergroup": "sudo"}], "Cmnd_Specs": [{"Commands": [{"command": "ALL"}]}]}
        ]
    }
    assert rights(sudoers, {"sudo": {"gid": 27, "members": []}}, []) == {}


def test_the_last_setting_of_the_kernel_wins_and_comments_do_not() -> None:
    files = "# /etc/a\nkernel.x = 1\nnet/ipv4/ip_forward=0\n; kernel.x = 3\n-kernel.x = 2\n"
    assert at_boot(files) == {"kernel.x": "2", "net.ipv4.ip_forward": "0"}


def test_the_last_setting_of_the_journal_wins() -> None:
    assert configured("[Journal]\n#Storage=auto\nStorage=volatile\n\nStorage=persistent\n") == {
        "Storage": "persistent"
    }


@pytest.mark.parametrize(("text", "number"), [("1K", 1024), ("200M", 200 << 20), ("7", 7)])
def test_sizes_are_read_in_bytes(text: str, number: int) -> None:
    assert size(text) == number


def test_the_last_setting_of_apt_wins() -> None:
    assert apt_value('A::B "1";\nA::B "0";\nA::C "2";\n', "A::B") == "0"
    assert apt_value("", "A::B") is None


def ruleset(priority: int = -1, verdict: str = "reject") -> list[dict[str, object]]:
    """Return what `nft -j list ruleset` says of one ban."""
    timed = {"elem": {"val": "203.0.113.8", "timeout": 9}}
    source = {"payload": {"protocol": "ip", "field": "saddr"}}
    match = {"match": {"op": "==", "left": source, "right": "@addr-set-sshd"}}
    return [
        {"chain": {"table": "f2b-table", "name": "f2b-chain", "hook": "input", "prio": priority}},
        {"set": {"table": "f2b-table", "name": "addr-set-sshd", "elem": ["203.0.113.9", timed]}},
        {"rule": {"table": "f2b-table", "chain": "f2b-chain", "expr": [match, {verdict: None}]}},
    ]  # fmt: skip


def test_a_ban_counts_when_it_refuses_before_ufw_is_asked() -> None:
    assert refused(ruleset()) == {"203.0.113.9", "203.0.113.8"}
    assert refused(ruleset(priority=10)) == set()
    assert refused(ruleset(verdict="accept")) == set()


def test_networks_that_may_come_through_a_tunnel_alone_are_not_taken_for_banned() -> None:
    network = {"prefix": {"addr": "10.10.10.0", "len": 24}}
    source = {"payload": {"protocol": "ip", "field": "saddr"}}
    carried = {"match": {"op": "==", "left": source, "right": "@remote"}}
    around = {"match": {"op": "==", "left": {"meta": {"key": "ipsec"}}, "right": False}}
    table = "trunkline_tunnels"
    tunnels = [
        {"chain": {"table": table, "name": "arriving", "hook": "prerouting", "prio": -300}},
        {"set": {"table": table, "name": "remote", "elem": [network, "192.0.2.9"]}},
        {"rule": {"table": table, "chain": "arriving", "expr": [carried, around, {"drop": None}]}},
    ]
    assert refused([*tunnels, *ruleset()]) == {"203.0.113.9", "203.0.113.8"}
    tunnels[-1] = {"rule": {"table": table, "chain": "arriving", "expr": [carried, {"drop": None}]}}
    assert refused(tunnels) == {"10.10.10.0/24", "192.0.2.9"}


def test_a_section_that_broke_harms_no_other_and_proves_nothing() -> None:
    SECTIONS["broken"] = lambda request: 1 / 0
    SECTIONS["whole"] = lambda request: request["x"]
    try:
        seen = Snapshot.read(
            {"now": 0, "seconds": 0, "sections": snapshot({"sections": ["broken", "whole"], "x": 5})}
        )
    finally:
        del SECTIONS["broken"], SECTIONS["whole"]
    assert seen["whole"] == 5
    with pytest.raises(NotProven, match="broken could not be read: ZeroDivisionError") as raised:
        seen["broken"]
    assert raised.value.gates


def test_both_directions_of_a_difference_are_told() -> None:
    with pytest.raises(Failed) as raised:
        exactly(["a", "b"], ["b", "c"])
    assert raised.value.seen == "undeclared: a; missing: c"


def test_only_what_differs_is_told() -> None:
    with pytest.raises(Failed) as raised:
        same({"a": 1, "b": 2}, {"a": 1, "b": 3})
    assert (raised.value.seen, raised.value.wanted) == ("b 2", "b 3")


def test_evidence_is_bounded_in_every_direction() -> None:
    held = bounded({"text": "x" * 9000, "list": list(range(1000)), "deep": {"text": "y" * 9000}})
    assert len(held["text"]) <= 600
    assert held["list"][-1] == "and 975 more"
    assert len(held["deep"]["text"]) <= 600
    assert "\n" not in brief("a\nb")


def test_what_a_ban_takes_away_is_read_from_the_running_actions() -> None:
    jail = Jail(
        name="sip",
        filter="asterisk",
        openings=(
            Opening.port(5060, "udp", "SIP"),
            Opening(ports=PortRange(first=10000, last=10199), protocol="udp", why="RTP"),
            Opening.port(5061, "tcp", "SIP over TLS"),
        ),
    )
    right = [["udp", "5060,10000:10199"], ["tcp", "5061"]]
    assert hit([*right, ["", ""]]) == declared_hits(jail) == {"udp": "5060,10000-10199", "tcp": "5061"}
    assert hit([["tcp,udp", "5060:5061"]]) == {"tcp": "5060-5061", "udp": "5060-5061"}
    assert hit([["tcp", "ssh"]]) == {"tcp": "ssh"}
