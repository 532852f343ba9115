"""sshd's configuration per release, and a port that changes without a moment in which nobody can come in."""

from __future__ import annotations

import pytest
from deploys_on_fake import Seen, converged, serve

from deploys import site, ssh
from inventories.model import RELEASES, Host, Ssh, load

LAB = load("lab")
NEWEST = ("debian13", "debian-testing")


def on(release: str, port: int = 22) -> Host:
    return LAB.hosts[1].model_copy(update={"os": release, "ssh": Ssh(port=port)})


def settings(host: Host) -> dict[str, str]:
    drop_in = next(file for file in ssh.files(host, LAB) if file.path.endswith("10-trunkline.conf"))
    lines = [
        line.split(None, 1) for line in drop_in.content.splitlines() if line and not line.startswith("#")
    ]
    assert len({line[0].lower() for line in lines if line[0] != "HostKey"}) == len(
        [line for line in lines if line[0] != "HostKey"]
    ), "the first value wins: a second one would be dead"
    return {line[0]: line[1] for line in lines}


def moving(host: Host, old: int) -> Seen:
    """Return a host that listens on its old port and is to listen on another."""
    seen = converged(host, LAB)
    seen.system["ssh_ports"] = [old]
    for file in site.rendered(host, LAB):
        if file.path.endswith(("10-trunkline.conf", "user.rules")):
            seen.files[file.path] = {"is": "file root root 0600 0", "content": None}
    return seen


@pytest.mark.parametrize("release", RELEASES)
def test_only_keys_open_the_door(release: str) -> None:
    found = settings(on(release))
    assert found["PasswordAuthentication"] == found["KbdInteractiveAuthentication"] == "no"
    assert found["PermitRootLogin"] == "no"
    assert found["AllowUsers"].split() == [user.name for user in LAB.hosts[1].users.accounts]


@pytest.mark.parametrize("release", RELEASES)
def test_nothing_weak_is_offered(release: str) -> None:
    found = settings(on(release))
    offered = ",".join(found[each] for each in ("KexAlgorithms", "Ciphers", "MACs", "HostKeyAlgorithms"))
    assert not [word for word in ("sha1", "cbc", "ssh-rsa", "md5", "3des", "group14") if word in offered]
    assert all("etm" in mac for mac in found["MACs"].split(","))
    assert ("mlkem768x25519-sha256" in found["KexAlgorithms"]) is (release in NEWEST)


@pytest.mark.parametrize("release", RELEASES)
def test_the_controller_is_exempt_from_penalties_where_sshd_knows_them(release: str) -> None:
    exempt = settings(on(release)).get("PerSourcePenaltyExemptList")
    assert exempt == ("192.0.2.10/32,2001:db8::10/128" if release in NEWEST else None)


@pytest.mark.parametrize("release", RELEASES)
def test_the_drop_in_sorts_before_the_providers_and_is_surely_included(release: str) -> None:
    paths = {file.path: file.content for file in ssh.files(on(release), LAB)}
    names = sorted(
        [path.rpartition("/")[2] for path in paths if "sshd_config.d" in path] + ["50-cloud-init.conf"]
    )
    assert names[0] == "10-trunkline.conf"
    active = [line for line in paths["/etc/ssh/sshd_config"].splitlines() if line and line[0] != "#"]
    assert active[0] == "Include /etc/ssh/sshd_config.d/*.conf"


def test_a_new_port_opens_before_the_old_one_closes() -> None:
    host = on("debian13", 2222)
    served = serve(host, LAB, moving(host, 22))
    order = list(served.commands)
    assert order == [
        "guard: arm",
        "ssh: files",
        "firewall: rules",
        "guard: confirm",
        "guard: arm for the closing",
        "ssh: close the old port",
        "firewall: close SSH's old port",
        "guard: confirm the closing",
    ]


def test_while_there_are_two_ports_sshd_and_firewall_have_both() -> None:
    from deploys import firewall
    from inventories.model import Opening

    host = on("debian13", 2222)
    drop_in = ssh.files(host, LAB, (22,))[0].content
    assert [line for line in drop_in.splitlines() if line.startswith("Port ")] == ["Port 2222", "Port 22"]
    rules = {f.path: f.content for f in firewall.files(host, LAB, (Opening.port(22, "tcp", "old"),))}
    assert "--dport 2222 " in rules["/etc/ufw/user.rules"]
    assert "--dport 22 " in rules["/etc/ufw/user.rules"]


def test_a_socket_activated_sshd_gets_its_ports_from_the_socket_unit() -> None:
    host = on("ubuntu24.04", 2222)
    socket = next(file for file in ssh.files(host, LAB) if file.path == ssh.socket_drop_in(host.release))
    listens = [line for line in socket.content.splitlines() if line.startswith("ListenStream")]
    assert listens == ["ListenStream=", "ListenStream=0.0.0.0:2222", "ListenStream=[::]:2222"]
    assert ssh.checks(host).load == (
        "sh",
        "-c",
        "systemctl daemon-reload && systemctl stop ssh.service && systemctl restart ssh.socket",
    )


def test_sshd_is_reloaded_and_not_restarted() -> None:
    assert ssh.checks(on("debian12")).load == ("sh", "-c", "systemctl reload-or-restart ssh.service")
