"""Asterisk on a real host: who gets what from it, an echo both ways, and changes that cut no call."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
from asterisk_site import DID, HOST, OTHER_DID
from pbx_on_host import Pbx, deployed, sounded

from control.engine import ApplyFailed
from inventories.model import Environment

OUTSIDE = "+442079460999"


@pytest.fixture(scope="module")
def pbx(lab: Environment) -> Iterator[Pbx]:
    """The host with one tenant."""
    with deployed(lab, "pbx") as pbx:
        yield pbx


def test_a_second_deploy_changes_nothing_and_asterisk_holds_what_is_declared(pbx: Pbx) -> None:
    assert pbx.deploy("one") == set()
    pbx.run("/usr/local/lib/trunkline/asterisk check")
    shown = pbx.run("asterisk -rx 'pjsip show endpoints'")
    for name in ("verify", "didco", "usco", "usco-backup"):
        assert f" Endpoint:  {name} " in shown
    assert pbx.run("asterisk -rx 'module show like chan_sip'").startswith("Module")
    assert "0 modules loaded" in pbx.run("asterisk -rx 'module show like chan_sip'")


def test_a_change_made_by_hand_is_seen_and_taken_back(pbx: Pbx) -> None:
    pbx.run("sed -i s/transfer=no/transfer=yes/ /etc/asterisk/pjsip.conf; asterisk -rx 'core reload'")
    looked = pbx.twin.run(HOST, "/usr/local/lib/trunkline/asterisk check")
    assert (looked.returncode, "has allow_transfer=true, not false" in looked.stderr) == (1, True)
    assert pbx.deploy("one") == {"asterisk: files"}
    pbx.run("/usr/local/lib/trunkline/asterisk check")


def test_each_party_gets_what_it_must_and_names_give_nothing_away(pbx: Pbx) -> None:
    assert pbx.answers("controller", "--to", "echo", "--to", "nobody", "--to", DID) == [401, 401, 401]
    assert pbx.answers("controller", "--to", "echo", "--user", "verify") == [200]
    assert pbx.answers("stranger", "--to", "echo", "--timeout", "1") == [0]
    assert pbx.answers("carrier-didco", "--to", DID, "--to", "echo", "--to", OUTSIDE) == [200, 404, 404]


def test_a_carrier_reaches_no_number_outside(pbx: Pbx) -> None:
    assert pbx.answers("carrier-didco", "--method", "INVITE", "--to", OUTSIDE) == [404]


def test_a_change_of_tenants_is_loaded_while_a_call_goes_on(pbx: Pbx) -> None:
    call, before = pbx.call(12), pbx.started()
    assert OTHER_DID not in pbx.run("asterisk -rx 'dialplan show from-didco'")
    assert pbx.deploy("two") == {"asterisk: files"}
    assert OTHER_DID in pbx.run("asterisk -rx 'dialplan show from-didco'")
    assert "1 active channel" in pbx.run("asterisk -rx 'core show channels count'")
    heard = pbx.seen(call)
    assert sounded(heard), heard
    assert pbx.started() == before


def test_what_takes_a_restart_waits_for_the_calls_and_cuts_none(pbx: Pbx) -> None:
    call, before = pbx.call(45), pbx.started()
    with pytest.raises(ApplyFailed) as failed:
        pbx.deploy("tcp_gone")
    assert "none was cut" in failed.value.message
    assert "1 active channel" in pbx.run("asterisk -rx 'core show channels count'")
    assert pbx.started() == before
    heard = pbx.seen(call)
    assert sounded(heard), heard
    assert pbx.deploy("tcp_gone") == {"asterisk: files"}
    assert pbx.started() != before
    assert "tcp" not in pbx.run("asterisk -rx 'pjsip show transports'")


def test_whoever_stops_it_waits_for_the_calls_but_not_for_ever(pbx: Pbx) -> None:
    """As an upgrade of the package does, and a reboot; `drain` is 5 s here."""
    call, before = pbx.call(4), pbx.started()
    pbx.run("systemctl restart asterisk; asterisk -rx 'core waitfullybooted'")
    heard = pbx.seen(call)
    assert sounded(heard), heard
    assert pbx.started() != before
    call, before, began = pbx.call(30), pbx.started(), time.monotonic()
    pbx.run("systemctl restart asterisk; asterisk -rx 'core waitfullybooted'")
    assert 5 <= time.monotonic() - began < 30
    assert pbx.started() != before
    pbx.seen(call)
