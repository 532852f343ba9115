"""The order of the deploys, what they do to a bare host and that they leave a converged one alone."""

from __future__ import annotations

import pytest
from deploys_on_fake import bare, converged, serve

from deploys import site, users
from inventories.model import RELEASES, Host, load

LAB = load("lab")
HOSTS = pytest.mark.parametrize("host", LAB.hosts, ids=lambda host: host.name)


@HOSTS
def test_a_converged_host_is_left_alone(host: Host) -> None:
    served = serve(host, LAB, converged(host, LAB))
    assert served.changes() == []
    assert served.commands == {}


@HOSTS
def test_planning_asks_a_host_three_questions_and_one_for_each_of_these_services(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pyinfra.connectors.fake import FakeConnector

    asked: list[str] = []
    run = FakeConnector.run_shell_command

    def noted(self: FakeConnector, command: object, *args: object, **kwargs: object) -> object:
        asked.append(str(command))
        return run(self, command, *args, **kwargs)  # type: ignore[arg-type]

    monkeypatch.setattr(FakeConnector, "run_shell_command", noted)
    serve(host, LAB, converged(host, LAB))
    once = (host.certbot, host.strongswan, host.asterisk, host.nginx, host.compose)
    assert len(set(asked)) == 3 + sum(map(bool, once))


@HOSTS
def test_every_step_is_named_after_its_service_and_once(host: Host) -> None:
    steps = list(serve(host, LAB, bare(host, LAB)).commands)
    assert len(steps) == len(set(steps))
    assert all(": " in step for step in steps)


@HOSTS
def test_root_keeps_its_keys_until_the_new_login_is_proven(host: Host) -> None:
    commands = serve(host, LAB, bare(host, LAB)).commands
    order = list(commands)
    assert commands["users: root's keys"][0] == "call login_proven"
    assert order.index("guard: arm") < order.index("users: keys and sudo") < order.index("ssh: files")
    assert order.index("guard: confirm") < order.index("users: root's keys")


@HOSTS
def test_what_follows_the_proven_login_stands_under_a_guard_of_its_own(
    host: Host,
) -> None:
    order = list(serve(host, LAB, bare(host, LAB)).commands)
    begin, end = order.index("guard: arm for the closing"), order.index("guard: confirm the closing")
    assert order.index("guard: confirm") < begin < order.index("users: root's keys") < end
    assert "/root/.ssh/authorized_keys" in users.guarded(host, LAB).files


@HOSTS
def test_the_guard_stands_around_what_could_lock_us_out(host: Host) -> None:
    order = list(serve(host, LAB, bare(host, LAB)).commands)
    between = order[order.index("guard: arm") + 1 : order.index("guard: confirm")]
    tunnels = {"strongswan"} if host.strongswan else set()
    assert {step.partition(":")[0] for step in between} == {"users", "ssh", "firewall", "sysctl"} | tunnels


@HOSTS
def test_the_manifest_is_written_first_and_narrowed_last(host: Host) -> None:
    order = list(serve(host, LAB, bare(host, LAB)).commands)
    assert order[0] == "manifest: intend"
    assert order[-1] == "manifest: narrow"


def test_a_change_of_time_servers_needs_no_guard() -> None:
    host = LAB.hosts[0]
    seen = converged(host, LAB)
    seen.files["/etc/chrony/chrony.conf"] = {"is": "absent", "content": None}
    served = serve(host, LAB, seen)
    assert list(served.commands) == ["time: files"]


def test_what_the_manifest_has_and_the_inventory_has_not_is_taken_away() -> None:
    host = LAB.hosts[0]
    seen = converged(host, LAB)
    seen.system["manifest"]["resources"] += [
        {"kind": "user", "name": "bob", "service": "users", "remove": {}},
        {"kind": "unit", "name": "old.service", "service": "units", "remove": {}},
        {"kind": "file", "name": "/etc/old.conf", "service": "old", "remove": {}},
        {"kind": "swap", "name": "/old.swap", "service": "swap", "remove": {}},
        {"kind": "package", "name": "tcpdump", "service": "packages", "remove": {}},
    ]
    seen.accounts["bob"] = _account("bob")
    seen.system["units"]["old.service"] = {"LoadState": "loaded", "ActiveState": "active"}
    seen.files["/etc/old.conf"] = {"is": "file root root 0644 0", "content": None}
    served = serve(host, LAB, seen)
    assert served.commands["orphans: units"] == [
        "systemctl disable --now old.service && "
        "{ [ -f /etc/systemd/system/old.service ] || systemctl mask old.service; }"
    ]
    assert served.commands["orphans: accounts"] == [
        "usermod --lock --expiredate 1 --shell /usr/sbin/nologin bob",
        "[ ! -L /home/bob/.ssh ] || rm -f /home/bob/.ssh; runuser -u bob -- "
        "rm -f /home/bob/.ssh/authorized_keys /home/bob/.ssh/authorized_keys2",
        "loginctl terminate-user bob 2>/dev/null || true",
    ]
    assert served.commands["orphans: files"][0].startswith("upload ")
    assert "tcpdump" not in str(served.commands)
    assert served.plan["manifest: intend"].diff.splitlines() == [
        "- file /etc/old.conf",
        "- package tcpdump",
        "- swap /old.swap",
        "- unit old.service",
        "- user bob",
    ]


@pytest.mark.parametrize("unit", ["ssh.service", "ssh.socket", "systemd-journald.service", "dbus.service"])
def test_what_a_host_cannot_be_without_is_never_taken_away(unit: str) -> None:
    host = LAB.hosts[0]
    seen = converged(host, LAB)
    seen.system["manifest"]["resources"] += [
        {"kind": "unit", "name": unit, "service": "units", "remove": {}},
        {"kind": "file", "name": "/etc/sudoers", "service": "old", "remove": {}},
    ]
    seen.system["units"][unit] = {"LoadState": "loaded", "ActiveState": "active"}
    seen.files["/etc/sudoers"] = {"is": "file root root 0440 0", "content": None}
    served = serve(host, LAB, seen)
    assert not served.commands.get("orphans: units")
    assert not served.commands.get("orphans: files")


def _account(name: str) -> dict[str, object]:
    from deploys_on_fake import account

    return account(name, 1005)


@pytest.mark.parametrize("release", RELEASES)
def test_every_release_is_rendered_and_served(release: str) -> None:
    for declared in LAB.hosts:
        host = declared.model_copy(update={"os": release})
        paths = [file.path for file in site.rendered(host, LAB)]
        assert len(paths) == len(set(paths))
        assert serve(host, LAB, bare(host, LAB)).commands
