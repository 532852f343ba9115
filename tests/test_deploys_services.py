"""What each of the quiet services does on a host, and when it does nothing."""

from __future__ import annotations

import pytest
from deploys_on_fake import account, bare, converged, serve

from deploys import fail2ban, journal, site, swap, sysctl, time, updates, users
from inventories.model import Environment, Host, Journal, Swap, Time, Updates, User, Users, load

LAB = load("lab")
EDGE1, EDGE2 = LAB.hosts[:2]
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIE9gH+6XagwkugRg3iE3Zi1ga4LrhyIwHAljkP1mg7v+ alice@lab.example"


def content(service: object, host: Host, ending: str, environment: Environment = LAB) -> str:
    files = service.files(host, environment)  # type: ignore[attr-defined]
    return next(file.content for file in files if file.path.endswith(ending))


def active(text: str) -> list[str]:
    return [line for line in text.splitlines() if line.strip() and line[0] not in "#/"]


def test_an_account_has_exactly_its_declared_keys() -> None:
    host = EDGE1.model_copy(update={"users": Users(accounts=(User(name="bob", keys=(KEY,), sudo=False),))})
    keys = next(file for file in users.files(host, LAB) if file.path == "/home/bob/.ssh/authorized_keys")
    assert active(keys.content) == [KEY]
    assert (keys.owner, keys.mode) == ("bob", "0600")
    assert "bob" not in content(users, host, "sudoers.d/trunkline")


def test_root_has_no_key_at_all() -> None:
    keys = next(file for file in users.root_files(EDGE1, LAB) if file.path.endswith("authorized_keys"))
    assert active(keys.content) == []


def test_an_account_that_was_changed_by_hand_is_corrected() -> None:
    seen = converged(EDGE1, LAB)
    seen.accounts["alice"] |= {"shell": "/bin/sh", "expires": "1", "locked": False}
    assert serve(EDGE1, LAB, seen).commands == {
        "users: account alice": ["usermod --shell /bin/bash --password '*' --expiredate '' alice"]
    }


@pytest.mark.parametrize("home", [None, {"uid": 0, "mode": "0755"}, {"uid": 1001, "mode": "0777"}])
def test_a_home_from_which_sshd_takes_no_keys_is_corrected(home: dict[str, object] | None) -> None:
    seen = converged(EDGE1, LAB)
    seen.accounts["alice"]["home_directory"] = home
    assert serve(EDGE1, LAB, seen).commands == {
        "users: account alice": ["mkdir -p /home/alice && chown alice /home/alice && chmod go-w /home/alice"]
    }


def test_a_new_account_joins_the_group_of_its_name_where_there_is_one() -> None:
    (command,) = serve(EDGE1, LAB, bare(EDGE1, LAB)).commands["users: account alice"]
    assert "echo '--gid alice' || echo --user-group" in command


def test_a_file_that_a_package_will_bring_and_that_must_go_is_in_the_plan() -> None:
    plan = serve(EDGE1, LAB, bare(EDGE1, LAB)).plan
    assert "- /etc/fail2ban/jail.d/defaults-debian.conf, where a package" in plan["fail2ban: files"].diff


def test_no_orphan_is_ever_a_unit_of_the_system() -> None:
    names = {r["name"] for r in site.resources(EDGE1, LAB) if r["kind"] == "unit"}
    assert names
    assert not names & {"ssh.service", "ssh.socket", "systemd-journald.service"}


def test_a_removed_account_that_is_shut_already_is_left_alone() -> None:
    seen = converged(EDGE1, LAB)
    seen.system["manifest"]["resources"].append({"kind": "user", "name": "bob", "service": "users"})
    seen.accounts["bob"] = account("bob", shell="/usr/sbin/nologin", expires="1", keys=0)
    assert list(serve(EDGE1, LAB, seen).commands) == ["manifest: intend", "manifest: narrow"]


def test_one_installation_serves_all_services_without_starting_any() -> None:
    (command,) = serve(EDGE1, LAB, bare(EDGE1, LAB)).commands["packages: install"]
    asked = command.splitlines()[0].split(" <<")[0].split()
    assert set(site.packages_of(EDGE1)) < set(asked)
    assert asked[-1] == "--update"
    assert "policy-rc.d" in command
    assert "--force-confold" in command


@pytest.mark.parametrize(("age", "refreshed"), [(60, False), (2 * 24 * 3600, True), (None, True)])
def test_package_lists_are_refreshed_only_when_they_are_old(age: int | None, refreshed: bool) -> None:
    seen = converged(EDGE1, LAB)
    seen.system["packages"] |= {"missing": ["chrony"], "lists_age": age}
    (command,) = serve(EDGE1, LAB, seen).commands["packages: install"]
    assert command.splitlines()[0].startswith("python3 -I - chrony")
    assert ("--update" in command.splitlines()[0]) is refreshed


def test_an_interrupted_dpkg_is_finished_first() -> None:
    seen = converged(EDGE1, LAB)
    seen.system["packages"]["broken"] = ["ufw"]
    (command,) = serve(EDGE1, LAB, seen).commands["packages: install"]
    assert command.splitlines()[0] == "python3 -I - --repair <<'END-OF-SCRIPT'"


def test_a_masked_timer_is_unmasked_enabled_and_started() -> None:
    seen = converged(EDGE1, LAB)
    masked = {"LoadState": "masked", "UnitFileState": "masked", "ActiveState": "inactive"}
    seen.system["units"]["apt-daily.timer"] |= masked
    assert serve(EDGE1, LAB, seen).commands == {
        "updates: apt-daily.timer": [
            "systemctl unmask apt-daily.timer && systemctl unmask --runtime apt-daily.timer",
            "systemctl enable apt-daily.timer",
            "systemctl start apt-daily.timer",
        ]
    }


def test_a_unit_whose_conditions_do_not_hold_is_not_started_for_ever() -> None:
    seen = converged(EDGE1, LAB)
    refused = {"ActiveState": "inactive", "ConditionResult": "no", "ConditionTimestampMonotonic": "7"}
    seen.system["units"]["chrony.service"] |= refused
    assert serve(EDGE1, LAB, seen).changes() == []


def test_a_setting_changed_at_run_time_is_set_back_under_the_guard() -> None:
    seen = converged(EDGE1, LAB)
    seen.system["sysctls"]["net.ipv4.tcp_syncookies"]["value"] = "0"
    served = serve(EDGE1, LAB, seen)
    assert served.plan["sysctl: settings"].diff == "net.ipv4.tcp_syncookies: 0 -> 1"
    assert served.commands["sysctl: settings"] == ["sysctl -q -w net.ipv4.tcp_syncookies=1"]
    assert list(served.commands) == ["guard: arm", "sysctl: settings", "guard: confirm"]


def test_a_setting_that_this_kernel_does_not_give_is_left_to_its_file() -> None:
    seen = converged(EDGE1, LAB)
    seen.system["sysctls"]["kernel.dmesg_restrict"] = {"value": "0", "settable": False}
    assert serve(EDGE1, LAB, seen).changes() == []
    assert "kernel.dmesg_restrict = 1" in content(sysctl, EDGE1, "zz-trunkline.conf").splitlines()


def test_our_settings_are_read_after_everybody_elses() -> None:
    others = ["10-network-security.conf", "50-default.conf", "99-sysctl.conf", "99-cloudimg-ipv6.conf"]
    assert sorted([*others, sysctl.PATH.rpartition("/")[2]])[-1] == "zz-trunkline.conf"


def test_the_clock_follows_the_declared_servers_and_no_others() -> None:
    host = EDGE1.model_copy(update={"time": Time(servers=("ntp.example.net",), zone="Europe/Berlin")})
    lines = active(content(time, host, "chrony.conf"))
    sources = ("server", "pool", "peer", "sourcedir", "confdir", "include")
    assert [line for line in lines if line.split()[0] in sources] == ["server ntp.example.net iburst"]
    link = next(file for file in time.files(host, LAB) if file.path == "/etc/localtime")
    assert link.fingerprint == "symlink /usr/share/zoneinfo/Europe/Berlin"


def test_the_journal_is_kept_within_its_limits() -> None:
    host = EDGE1.model_copy(update={"journal": Journal(max_use_mb=64, keep_free_mb=32, max_retention_days=7)})
    assert active(content(journal, host, ".conf")) == [
        "[Journal]",
        "Storage=persistent",
        "SystemMaxUse=64M",
        "SystemKeepFree=32M",
        "MaxRetentionSec=7day",
    ]


@pytest.mark.parametrize("at", [None, "03:30"])
def test_a_host_reboots_by_itself_only_where_it_is_declared(at: str | None) -> None:
    host = EDGE1.model_copy(update={"updates": Updates(reboot_at=at)})
    text = content(updates, host, "50unattended-upgrades")
    assert f'Automatic-Reboot "{"true" if at else "false"}";' in text
    assert ("Automatic-Reboot-Time" in text) is (at is not None)


def test_only_security_upgrades_come_by_themselves() -> None:
    text = content(updates, EDGE1, "50unattended-upgrades")
    origins = [line for line in text.splitlines() if "origin=" in line]
    assert origins
    assert all("ecurity" in line for line in origins)


def test_bans_never_hit_the_environment_and_its_controllers() -> None:
    text = content(fail2ban, EDGE1, "jail.local")
    ignored = next(line for line in text.splitlines() if line.startswith("ignoreip")).split()[2:]
    assert {str(network) for network in LAB.never_banned(EDGE1)} < set(ignored)
    assert {"127.0.0.0/8", "::1"} < set(ignored)


def test_every_jail_has_its_ports_and_a_log_that_exists() -> None:
    text = content(fail2ban, EDGE1, "jail.local")
    assert "[sshd]\nenabled = true\nfilter = sshd\nbackend = systemd\n" in text
    assert (
        'action = nftables[type=multiport, actname=sshd-tcp, name=sshd-tcp, port="22", protocol=tcp]\n'
        in text
    )


def test_the_distributions_own_jails_are_taken_away() -> None:
    gone = [file.path for file in fail2ban.files(EDGE1, LAB) if file.kind == "absent"]
    assert gone == ["/etc/fail2ban/jail.d/defaults-debian.conf"]


def test_fail2ban_must_answer_or_its_files_return() -> None:
    assert fail2ban.CHECKS.loaded == ("fail2ban-client", "ping")


@pytest.mark.parametrize(
    ("path", "unit"), [("/swapfile", "swapfile.swap"), ("/var/swap-1", "var-swap\\x2d1.swap")]
)
def test_a_swap_unit_is_named_as_systemd_names_it(path: str, unit: str) -> None:
    assert swap.unit_of(Swap(size_mb=64, path=path)) == unit


def test_swap_is_made_but_not_used_in_a_container() -> None:
    seen = bare(EDGE2, LAB)
    seen.system["container"] = True
    commands = serve(EDGE2, LAB, seen).commands
    assert "mkswap" in commands["swap: file"][0]
    assert commands["swap: unit"] == ["systemctl enable swapfile.swap"]
    seen.system["container"] = False
    commands = serve(EDGE2, LAB, seen).commands
    assert commands["swap: unit"] == ["systemctl enable swapfile.swap", "systemctl restart swapfile.swap"]
