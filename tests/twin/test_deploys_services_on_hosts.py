"""Bans and upgrades on real hosts: who is banned is refused, what must not be disturbed goes on running."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

from deploys import fail2ban, firewall
from deploys._ops.managed import ManagedFile
from deploys._ops.render import render
from deploys.updates import Upgrades, needrestart, pattern
from inventories.model import Environment, Firewall, Host, Jail, Opening, Ssh
from twin.enter import enter_argv
from twin.twin import Twin

TWIN = "pair"

TOP = Path(__file__).resolve().parents[2]
HOST = "edge2"
BOTH, TCP = 5060, 5061
"""A port of both protocols, and one that is the jail's in TCP alone."""
GUESSING = "2001:db8:ffff::77"
STRANGER = {4: "203.0.113.66", 6: "2001:db8:ffff::66"}
OPENINGS = (
    Opening.port(BOTH, "udp", "SIP"),
    Opening.port(BOTH, "tcp", "SIP"),
    Opening.port(TCP, "tcp", "SIP over TLS"),
    Opening.port(TCP, "udp", "another service"),
)
ECHO = f"""
import select, socket
open_ = []
for port in ({BOTH}, {TCP}):
    for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
        s = socket.socket(socket.AF_INET6, kind)
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        s.bind(("::", port))
        if kind == socket.SOCK_STREAM: s.listen()
        open_.append(s)
while True:
    for s in select.select(open_, [], [])[0]:
        if s.type == socket.SOCK_DGRAM: s.sendto(b"yes", s.recvfrom(99)[1])
        else: s.accept()[0].close()
"""
KNOCK = """
import socket, sys

for port in sys.argv[2:]:
    for name, kind in (("tcp", socket.SOCK_STREAM), ("udp", socket.SOCK_DGRAM)):
        s = socket.socket(socket.AF_INET6 if ":" in sys.argv[1] else socket.AF_INET, kind)
        s.settimeout(1.5)
        try:
            s.connect((sys.argv[1], int(port)))
            if name == "tcp" or (s.send(b"?") and s.recv(9)): print(f"{name} {port}")
        except OSError: pass
"""
ALL = {f"{name} {port}" for name in ("tcp", "udp") for port in (BOTH, TCP)}
BANNED = {f"udp {TCP}"}
"""What a banned address keeps: the one port that is not the jail's."""


def run(twin: Twin, script: str) -> str:
    result = twin.run(HOST, script, timeout=180)
    assert result.returncode == 0, result.stderr + result.stdout
    return result.stdout


def put(twin: Twin, *files: ManagedFile) -> None:
    for file in files:
        if file.kind == "absent":
            run(twin, f"rm -f {file.path}")
        else:
            twin.write(HOST, file.path, file.content.encode(), int(file.mode, 8))


def reached(twin: Twin, host: Host, version: int) -> set[str]:
    """Return what the stranger reaches."""
    interface = host.address if version == 4 else host.address6
    assert interface is not None
    argv = [
        *enter_argv(twin.name, "stranger"),
        sys.executable,
        "-c",
        KNOCK,
        str(interface.ip),
        str(BOTH),
        str(TCP),
    ]
    done = subprocess.run(argv, cwd=TOP, capture_output=True, text=True, check=True, timeout=60)
    return set(done.stdout.splitlines())


@pytest.fixture(scope="module")
def host(lab: Environment) -> Host:
    """A host that has everything open on which a jail could stand."""
    return lab.host(HOST).model_copy(update={"firewall": Firewall(extra=OPENINGS), "ssh": Ssh()})


@pytest.fixture(scope="module")
def banning(twin: Twin, lab: Environment, host: Host) -> Twin:
    """The twin with UFW, and fail2ban with a jail over both protocols, as the telephony's will be."""
    twin.restore("bare")
    names = "ufw fail2ban python3-systemd nftables needrestart"
    install = f"DEBIAN_FRONTEND=noninteractive apt-get -qq install --no-install-recommends {names} >/dev/null"
    run(twin, f"apt-get -qq update && {install}")
    put(twin, *firewall.files(host, lab), firewall.loader())
    run(twin, f"mkdir -p /var/lib/trunkline && {firewall.LOADER} load")
    sip = Jail(name="sip", filter="sshd", openings=OPENINGS[:3], journal_match="_SYSTEMD_UNIT=ssh.service")
    jails = tuple(map(fail2ban.Banned, (sip, *host.jails(lab))))
    bans = fail2ban.Bans(lab.never_banned(host), True, 604800, jails)
    own = render("fail2ban", "jail.local", bans)
    put(twin, *(f for f in fail2ban.files(host, lab) if not f.path.endswith("jail.local")))
    put(twin, ManagedFile("fail2ban", "/etc/fail2ban/jail.local", own))
    run(twin, "fail2ban-client --test && systemctl restart fail2ban")
    run(
        twin,
        "for n in $(seq 100); do fail2ban-client ping >/dev/null 2>&1 && exit 0; sleep 0.1; done; exit 1",
    )
    twin.write(HOST, "/root/echo.py", ECHO.encode(), 0o600)
    run(twin, "systemd-run -q --unit=echo python3 /root/echo.py")
    run(twin, f"for n in $(seq 50); do ss -Hltn | grep -q :{TCP} && exit 0; sleep 0.1; done; exit 1")
    return twin


@pytest.mark.parametrize("version", [4, 6])
def test_a_ban_takes_away_the_jails_ports_in_their_protocols_and_an_unban_gives_them_back(
    banning: Twin, host: Host, version: int
) -> None:
    assert reached(banning, host, version) == ALL
    run(banning, f"fail2ban-client set sip banip {STRANGER[version]}")
    assert reached(banning, host, version) == BANNED
    assert reached(banning, host, 10 - version) == ALL
    run(banning, f"{firewall.LOADER} load")
    assert reached(banning, host, version) == BANNED
    run(banning, f"fail2ban-client set sip unbanip {STRANGER[version]}")
    assert reached(banning, host, version) == ALL


def test_who_guesses_passwords_over_v6_is_banned_by_what_sshd_writes_into_the_journal(
    banning: Twin, host: Host
) -> None:
    assert host.address6 is not None
    probe = [*enter_argv(banning.name, "stranger"), sys.executable, "-m", "verify.probes.ssh"]
    probe += [str(host.address6.ip), "--timeout", "5", "--user", "root", "--password", "--borrow", GUESSING]
    end = time.monotonic() + 60
    while GUESSING not in run(banning, "nft list set inet f2b-table addr6-set-sshd-tcp 2>&1 || true"):
        assert time.monotonic() < end, run(banning, "fail2ban-client status sshd")
        subprocess.run(probe, cwd=TOP, capture_output=True, check=False, timeout=60)
    assert f"Ban {GUESSING}" in run(
        banning, "cat /var/log/fail2ban.log; journalctl -u fail2ban --no-pager -q"
    )


def test_nobody_who_is_never_to_be_banned_can_be_banned_by_a_log(banning: Twin, lab: Environment) -> None:
    ignored = run(banning, "fail2ban-client get sip ignoreip")
    for network in lab.never_banned(lab.host(HOST)):
        assert str(network.network_address) in ignored


def test_needrestart_restarts_a_unit_but_for_one_that_is_not_to_be_disturbed(
    banning: Twin, host: Host
) -> None:
    units = {"calls@office.service": "calls", "other.service": "other"}
    upgrades = Upgrades((), (), False, None, (pattern("calls@office.service"),))
    text = render("updates", "zz-trunkline.conf", upgrades)
    put(banning, ManagedFile("updates", needrestart(host.release), text))
    for unit, program in units.items():
        text = f"[Service]\nExecStart=/usr/local/bin/{program} 9999\n"
        put(banning, ManagedFile("test", f"/etc/systemd/system/{unit}", text))
        run(banning, f"cp /bin/sleep /usr/local/bin/{program}")
    run(banning, f"systemctl daemon-reload && systemctl start {' '.join(units)}")
    pids = {unit: run(banning, f"systemctl show -P MainPID {unit}") for unit in units}
    for program in units.values():
        run(banning, f"cp /bin/sleep /tmp/new && mv /tmp/new /usr/local/bin/{program}")
    said = run(banning, "DEBIAN_FRONTEND=noninteractive needrestart </dev/null 2>&1")
    kept = {unit for unit in units if run(banning, f"systemctl show -P MainPID {unit}") == pids[unit]}
    assert kept == {"calls@office.service"}, said
