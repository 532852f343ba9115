"""What the kernel has: packet rules, sockets, settings, swap, file systems."""

from __future__ import annotations

import json
import os
import shutil
from typing import Any

from verify.on_host.section import Request, said, section, text


@section("iptables")
def iptables(request: Request) -> dict[str, str]:
    """Return the rules of all tables, both address families, as the kernel has them."""
    return {"4": said("iptables-save"), "6": said("ip6tables-save")}


@section("legacy_tables")
def legacy_tables(request: Request) -> dict[str, str]:
    """Return the rules of the old iptables interface, which iptables-nft does not show."""
    found = {}
    for family, names, program in (
        ("4", "/proc/net/ip_tables_names", "iptables-legacy-save"),
        ("6", "/proc/net/ip6_tables_names", "ip6tables-legacy-save"),
    ):
        if text(names).strip() and shutil.which(program):
            found[family] = said(program)
    return found


@section("nft")
def nft(request: Request) -> Any:
    """Return the whole ruleset of nftables."""
    return json.loads(said("nft", "-j", "list", "ruleset") or '{"nftables": []}')["nftables"]


@section("links")
def links(request: Request) -> list[str]:
    """Return the network interfaces that lead outside: not loopback, not made by a program here."""
    made = ("lo", "docker", "br-", "veth", "virbr", "tun", "ipsec", "wg")
    found = (each["ifname"] for each in json.loads(said("ip", "-j", "link")))
    return [name for name in found if not name.startswith(made)]


@section("listeners")
def listeners(request: Request) -> list[dict[str, Any]]:
    """Return every listening TCP socket and bound UDP socket with the process that holds it."""
    found = []
    for line in said("ss", "-Hlntup").splitlines():
        fields = line.split(None, 6)
        address, _, port = fields[4].rpartition(":")
        users = fields[6] if len(fields) > 6 else ""
        found.append(
            {
                "protocol": fields[0], "address": address.split("%")[0].strip("[]"), "port": int(port),
                "process": users.split('"')[1] if '"' in users else "",
            }
        )  # fmt: skip
    return found


@section("sysctls")
def sysctls(request: Request) -> dict[str, str | None]:
    """Return the asked kernel settings as they are now; None for one that does not exist here."""
    found: dict[str, str | None] = {}
    for key in request["sysctls"]:
        path = "/proc/sys/" + key.replace(".", "/")
        found[key] = " ".join(text(path).split()) if os.path.exists(path) else None
    return found


@section("sysctl_files")
def sysctl_files(request: Request) -> str:
    """Return the settings files in the order in which systemd-sysctl reads them."""
    return said("systemd-analyze", "cat-config", "sysctl.d")


@section("swap")
def swap(request: Request) -> dict[str, Any]:
    """Return the swap in use, what fstab and units bring back, and the asked file itself."""
    used = [line.split() for line in text("/proc/swaps").splitlines()[1:]]
    path = request.get("swap_file")
    status = os.stat(path) if path and os.path.exists(path) else None
    return {
        "used": [{"path": f[0], "kilobytes": int(f[2])} for f in used],
        "fstab": [
            f[0] for line in text("/etc/fstab").splitlines() if len(f := line.split()) > 2 and f[2] == "swap"
        ],
        "units": said(
            "systemctl", "list-unit-files", "--type=swap", "--plain", "--no-legend", accept=(0, 1)
        ).split()[::3],
        "file": {"bytes": status.st_size, "mode": oct(status.st_mode & 0o7777)} if status else None,
    }


@section("disks")
def disks(request: Request) -> list[dict[str, Any]]:
    """Return each real file system once, with what is used of its bytes and its files."""
    found: dict[int, dict[str, Any]] = {}
    for mount in ("/", "/boot", "/home", "/var", "/var/log", "/srv", "/tmp"):
        if os.path.isdir(mount):
            device, room = os.stat(mount).st_dev, os.statvfs(mount)
            usable = room.f_blocks - room.f_bfree + room.f_bavail
            found.setdefault(device, {
                "mount": mount,
                "megabytes": room.f_blocks * room.f_frsize >> 20,
                "free_megabytes": room.f_bavail * room.f_frsize >> 20,
                "used": _percent(room.f_blocks - room.f_bfree, usable),
                "files_used": _percent(room.f_files - room.f_ffree, room.f_files),
            })  # fmt: skip
    return list(found.values())


def _percent(part: int, whole: int) -> int:
    return round(100 * part / whole) if whole else 0
