"""Kernel settings at run time: set under the guard, and given back when nobody declares them any longer."""

from __future__ import annotations

from typing import Any

import pytest
from deploys_on_fake import Seen, bare, converged, serve

from deploys import site
from inventories.model import Host, Sysctl, load

LAB = load("lab")
HOST = LAB.hosts[0]
KEY = "net.ipv4.tcp_keepalive_time"


def undeclared() -> Host:
    """Return the host when one setting is no longer in the inventory."""
    return HOST.model_copy(update={"sysctl": Sysctl()})


def held(value: str, before: str | None) -> Seen:
    """Return a host whose manifest has the setting, with the value that stood before it (None: unknown)."""
    seen = converged(undeclared(), LAB)
    entry: dict[str, Any] = {"kind": "sysctl", "name": KEY, "service": "sysctl", "value": "600"}
    seen.system["manifest"]["resources"].append(entry | {"remove": {"value": before} if before else {}})
    seen.system["sysctls"][KEY] = {"value": value, "settable": True}
    return seen


def test_the_manifest_says_what_stood_before_ours() -> None:
    seen = bare(HOST, LAB)
    seen.system["sysctls"][KEY]["value"] = "7200"
    plan = serve(HOST, LAB, seen).plan
    assert f"{KEY}: 7200 -> 600" in plan["sysctl: settings"].diff
    assert remembered(seen, HOST)[KEY] == {"value": "7200"}


def test_what_was_first_written_down_stays_when_the_declared_value_changes() -> None:
    seen = held("600", "7200")
    host = HOST.model_copy(update={"sysctl": Sysctl(settings={KEY: "900"})})
    assert remembered(seen, host)[KEY] == {"value": "7200"}


def test_a_setting_nobody_declares_any_longer_is_given_back_under_the_guard() -> None:
    served = serve(undeclared(), LAB, held("600", "7200"))
    assert served.plan["sysctl: settings"].diff == f"{KEY}: 600 -> 7200"
    order = ["manifest: intend", "guard: arm", "sysctl: settings", "guard: confirm", "manifest: narrow"]
    assert list(served.commands) == order
    assert served.commands["sysctl: settings"] == [f"sysctl -q -w {KEY}=7200 || true"]


@pytest.mark.parametrize(("value", "before"), [("7200", "7200"), ("30", "7200"), ("600", None)])
def test_a_setting_that_is_back_or_somebody_elses_or_unknown_is_left_alone(
    value: str, before: str | None
) -> None:
    served = serve(undeclared(), LAB, held(value, before))
    assert list(served.commands) == ["manifest: intend", "manifest: narrow"]


def test_where_forwarding_changes_the_settings_that_it_resets_are_written_behind_it() -> None:
    host = HOST.model_copy(update={"sysctl": Sysctl(settings={"net.ipv4.ip_forward": "1"})})
    seen = converged(host, LAB)
    seen.system["sysctls"]["net.ipv4.ip_forward"]["value"] = "0"
    (command,) = serve(host, LAB, seen).commands["sysctl: settings"]
    words = command.split()[3:]
    assert words[0] == "net.ipv4.ip_forward=1"
    assert "net.ipv4.conf.all.accept_redirects=0" in words[1:]
    assert len(words) == len([key for key in host.sysctls(LAB) if key.startswith("net.")])


def remembered(seen: Seen, host: Host) -> dict[str, Any]:
    """Return what a deploy would write into the manifest of each setting."""
    kept: list[list[dict[str, Any]]] = []

    def deploy(its: Host, environment: Any) -> None:
        _, declared = site.begin(its, environment)
        kept.append(declared)

    serve(host, LAB, seen, deploy)
    return {r["name"]: r["remove"] for r in kept[0] if r["kind"] == "sysctl"}


def test_what_is_given_back_is_written_apart_from_what_is_declared() -> None:
    seen = held("600", "7200")
    seen.system["sysctls"]["net.ipv4.tcp_syncookies"]["value"] = "0"
    assert serve(undeclared(), LAB, seen).commands["sysctl: settings"] == [
        f"sysctl -q -w {KEY}=7200 || true",
        "sysctl -q -w net.ipv4.tcp_syncookies=1",
    ]
