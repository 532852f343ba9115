"""sshd: what it says of itself (`sshd -T`), what it offers on the wire, what it does with a password."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from inventories.model import Host
from verify.checks import check
from verify.looks import Answers, addresses
from verify.probes.ssh import Offer
from verify.snapshot import Snapshot
from verify.sshd import settings
from verify.verdict import exactly, fail, not_proven

DEPLOY = "Look for a drop-in in /etc/ssh/sshd_config.d that sorts before ours, then `invoke deploy`."
VANTAGE = "Declare a vantage host, or rehearse: the twin has a stranger."
PASSWORD_METHODS = {"password", "keyboard-interactive", "none", "hostbased"}
MARKERS = {"ext-info-s", "kex-strict-s-v00@openssh.com"}
"""Stand among the key exchanges and are none (RFC 8308; OpenSSH PROTOCOL section 1.10)."""


def holds(live: Snapshot, wanted: Mapping[str, str]) -> None:
    """Compare sshd's effective settings, for every kind of connection, with what is wanted."""
    for connection, text in live["sshd"].items():
        found = {key: " ".join(sorted(values)) for key, values in settings(text).items()}
        wrong = {key: found.get(key) for key in wanted if found.get(key) != wanted[key]}
        if wrong:
            ours = {each["path"] for each in live["managed_files"]}
            drop_ins = [p for p in live["drop_ins"] if p.startswith("/etc/ssh/") and p not in ours]
            seen = {"for": connection, **wrong, "beside": ", ".join(drop_ins) or "no foreign drop-in"}
            fail(seen, {key: wanted[key] for key in wrong})


@check(
    fault="sshd-stopped", remedy="systemctl status ssh; `sshd -t`; a firewall or a route may be in the way."
)
def test_daemon_answers_on_every_address(
    declared: Host, offers: dict[str, Offer | str], evidence: dict[str, Any]
) -> None:
    silent = {address: seen for address, seen in offers.items() if isinstance(seen, str)}
    if silent:
        fail(silent, f"an SSH server on port {declared.ssh.port} of {', '.join(offers)}")
    evidence["banner"] = {a: seen.banner for a, seen in offers.items() if isinstance(seen, Offer)}
    if unasked := [address for address in addresses(declared) if address not in offers]:
        not_proven(
            f"{', '.join(unasked)}: only {', '.join(offers)} was asked, by the way that ssh_config leads",
            gates=False, remedy="Look at them from a machine that reaches them directly.",
        )  # fmt: skip


@check(fault="sshd-drop-in-overridden", remedy=DEPLOY)
def test_settings_are_the_declared(declared: Host, live: Snapshot) -> None:
    ssh = declared.ssh
    wanted = {
        "port": str(ssh.port),
        "maxauthtries": str(ssh.max_auth_tries),
        "logingracetime": str(ssh.login_grace),
        "clientaliveinterval": str(ssh.client_alive_interval),
        "clientalivecountmax": str(ssh.client_alive_count),
        "allowagentforwarding": "yes" if ssh.allow_agent_forwarding else "no",
        "allowtcpforwarding": "yes" if ssh.allow_tcp_forwarding else "no",
        "allowusers": " ".join(sorted(user.name for user in declared.users.accounts)),
        "authenticationmethods": "publickey",
        "pubkeyauthentication": "yes",
        "strictmodes": "yes",
        "x11forwarding": "no",
        "permittunnel": "no",
        "gatewayports": "no",
        "allowstreamlocalforwarding": "no",
        "permituserenvironment": "no",
        "permituserrc": "no",
    }
    holds(live, wanted)


@check(fault="sshd-password-on", remedy=DEPLOY)
def test_password_login_is_off(live: Snapshot) -> None:
    off = (
        "passwordauthentication",
        "kbdinteractiveauthentication",
        "permitemptypasswords",
        "hostbasedauthentication",
    )
    holds(live, dict.fromkeys(off, "no"))


@check(
    fault="sshd-password-on-until-restart",
    needs=("ssh.password_login_is_off", "firewall.stranger_reaches_exactly_the_declared"),
    remedy="The running sshd differs from its files: systemctl restart ssh.",
)
def test_password_is_refused_on_the_wire(
    declared: Host, password_login: Answers, evidence: dict[str, Any]
) -> None:
    tried = {where: each for where, each in password_login.logins.items() if not isinstance(each, str)}
    evidence["answers"] = {
        address: {login.user: login.password for login in logins} for address, logins in tried.items()
    }
    for address, login in ((address, login) for address, logins in tried.items() for login in logins):
        who = f"{login.user} on {address}"
        if taken := PASSWORD_METHODS & set(login.methods):
            fail(f"{who} may log in by {', '.join(sorted(taken))}", "publickey only")
        if login.password not in ("not offered", "cut off"):
            fail(f"a random password for {who} was {login.password}", "no password is even looked at")
    if untried := {where: each for where, each in password_login.logins.items() if isinstance(each, str)}:
        not_proven(untried)
    if password_login.place == "controller" and not declared.ssh.sources:
        not_proven("refused to the controller; nobody outside could try", gates=False, remedy=VANTAGE)


@check(fault="sshd-root-login-on", remedy=DEPLOY)
def test_root_cannot_log_in(live: Snapshot, root_login: str) -> None:
    holds(live, {"permitrootlogin": "no"})
    if "Permission denied" not in root_login:
        if root_login == "let in":
            fail("the controller's key opened root's account", "root is refused")
        not_proven(f"the try ended otherwise: {root_login}")


@check(fault="sshd-weak-algorithm", remedy=DEPLOY)
def test_only_modern_algorithms_are_offered(
    declared: Host, offers: dict[str, Offer | str], live: Snapshot
) -> None:
    modern = declared.release.openssh
    for address, seen in offers.items():
        if isinstance(seen, str):
            not_proven(f"{address}: {seen}")
        exactly(set(seen.kex) - MARKERS, modern.kex)
        exactly(seen.cipher, modern.ciphers)
        exactly(seen.mac, modern.macs)
        exactly(seen.host_key, modern.host_keys)


@check(fault="sshd-not-reloaded", remedy="systemctl reload ssh: its files are newer than what it runs.")
def test_daemon_runs_its_present_config(declared: Host, live: Snapshot) -> None:
    unit = live.unit(declared.release.ssh_unit)
    newest = unit.get("newest")
    if declared.release.ssh_socket_activated and unit.get("ActiveState") != "active":
        return  # the next connection starts it anew
    if unit.get("ActiveState") != "active" or newest is None:
        not_proven(f"{unit['Id']} is {unit.get('ActiveState', unit['LoadState'])}")
    written, path = newest
    if written > unit["changed"]:
        fail(
            f"{path} was written {written - unit['changed']:.0f} s after the last start or reload",
            "a newer sshd",
        )
