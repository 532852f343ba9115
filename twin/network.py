"""Namespaces, cables and routes of a twin, made with ip(8); nothing is in the machine's own namespace."""

from __future__ import annotations

from contextlib import suppress
from ipaddress import ip_interface, ip_network
from pathlib import Path

from control.errors import TrunklineError
from twin.cgroup import mark
from twin.command import command
from twin.layout import (
    ACME,
    DNS,
    LONE_GATEWAYS,
    NTP,
    PACKAGES,
    REGISTRY,
    STRANGER,
    WORLD,
    Bridge,
    Layout,
    Wire,
    namespace,
)

NAMESPACES = Path("/run/netns")
STRANGERS_NETWORKS = ("203.0.113.0/24", "2001:db8:ffff::/64")
"""All of them lead to the stranger: an attack comes from an address that nobody needs afterwards."""


def path_of(twin: str, node: str) -> Path:
    """Return the file that holds a node's network namespace."""
    return NAMESPACES / namespace(twin, node)


def namespaces_of(twin: str) -> list[str]:
    """Return the names of a twin's namespaces that exist now."""
    return sorted(path.name for path in NAMESPACES.glob(f"{mark(twin)}.*"))


def make_world(layout: Layout) -> None:
    """Make the router with its bridges anew, and the switch where there are private networks."""
    for node in {WORLD, *(bridge.space for bridge in layout.bridges)}:
        name = namespace(layout.twin, node)
        delete(name)
        command("ip", "netns", "add", name)
        _sysctls(name, _QUIET | (_WORLD if node == WORLD else {}))
    name = namespace(layout.twin, WORLD)
    addresses = [f"addr add {address}/32 dev lo" for address in (DNS, *NTP, PACKAGES, REGISTRY, ACME)]
    _batch(name, ["link set lo up", *addresses])
    for bridge in layout.bridges:
        lines = [*_bridge(bridge), *_proxied(layout, bridge)]
        _batch(namespace(layout.twin, bridge.space), lines)


def attach(layout: Layout, node: str) -> None:
    """Give a node a fresh namespace and new cables; what it had before is gone, as after a reboot."""
    detach(layout, node)
    wires = layout.all_of(node)
    mine = namespace(layout.twin, node)
    command("ip", "netns", "add", mine)
    forwards = sum(bool(wire.addresses) for wire in wires) > 1
    _sysctls(mine, _QUIET | (_ROUTER if forwards else {}))
    for wire in wires:
        far = namespace(layout.twin, layout.space(wire))
        peer = f"type veth peer name {wire.interface} address {wire.mac} netns {mine}"
        _batch(far, [f"link add {wire.end} {peer}"])
        _batch(mine, _node(wire))
        _batch(far, _end(layout, wire))


def detach(layout: Layout, node: str) -> None:
    """Take a node's cables and namespace away, where they exist."""
    for wire in layout.all_of(node):
        with suppress(TrunklineError):
            command("ip", "-n", namespace(layout.twin, layout.space(wire)), "link", "del", wire.end)
    delete(namespace(layout.twin, node))


def delete(name: str) -> None:
    """Delete a namespace by its name, where it exists."""
    if (NAMESPACES / name).exists():
        command("ip", "netns", "del", name)


def set_cable(layout: Layout, node: str, *, up: bool) -> None:
    """Cut or mend a node's first cable at its other end."""
    wire = layout.wire(node)
    far = namespace(layout.twin, layout.space(wire))
    command("ip", "-n", far, "link", "set", wire.end, "up" if up else "down")


_QUIET = {"net/ipv6/conf/all/accept_dad": 0, "net/ipv6/conf/default/accept_dad": 0}
_ROUTER = {"net/ipv4/ip_forward": 1, "net/ipv4/conf/all/rp_filter": 0, "net/ipv4/conf/default/rp_filter": 0}
_WORLD = _ROUTER | {
    "net/ipv6/conf/all/forwarding": 1,
    "net/ipv6/conf/all/proxy_ndp": 1,
    "net/ipv6/conf/default/proxy_ndp": 1,
    "net/ipv4/conf/all/proxy_arp": 1,
    # What answers in the world runs under accounts of its own.
    "net/ipv4/ip_unprivileged_port_start": 0,
}


def _bridge(bridge: Bridge) -> list[str]:
    lines = [f"link add {bridge.name} type bridge forward_delay 0 stp_state 0 mcast_snooping 0"]
    lines += [f"addr add {address} dev {bridge.name} {_nodad(address)}" for address in bridge.addresses]
    return [*lines, f"link set {bridge.name} up"]


def _proxied(layout: Layout, bridge: Bridge) -> list[str]:
    """Let the router answer for nodes that stand alone with an address of the hosts' own subnet (IPv6)."""
    lone = [address for wire in layout.wires if not wire.bridge for address in wire.addresses]
    near = [a for a in lone if any(_overlap(a, str(ip_interface(b).network)) for b in bridge.addresses)]
    return [f"neigh add proxy {a} dev {bridge.name}" for a in near if ip_interface(a).version == 6]


def _node(wire: Wire) -> list[str]:
    end = wire.interface
    lines = ["link set lo up"]
    lines += [f"addr add {address} dev {end} {_nodad(address)}" for address in wire.addresses]
    lines += [f"link set {end} up"] if wire.addresses else []
    onlink = "" if wire.bridge else "onlink"
    return lines + [f"{_family(way)} route add default via {way} dev {end} {onlink}" for way in wire.gateways]


def _end(layout: Layout, wire: Wire) -> list[str]:
    if wire.bridge:
        return [f"link set {wire.end} master {wire.bridge} up"]
    lines = [f"addr add {way}/{_length(way)} dev {wire.end} {_nodad(way)}" for way in LONE_GATEWAYS]
    lines += [f"link set {wire.end} up"]
    targets = [*wire.addresses, *(_free_networks(layout) if wire.node == STRANGER else ())]
    return lines + [f"{_family(a)} route add {a} dev {wire.end}" for a in targets]


def _free_networks(layout: Layout) -> list[str]:
    """The stranger's networks, except where hosts of the environment live in them."""
    hosts = [ip_interface(address).network for bridge in layout.bridges for address in bridge.addresses]
    overlapped = {s for s in STRANGERS_NETWORKS for h in hosts if _overlap(s, str(h))}
    return [network for network in STRANGERS_NETWORKS if network not in overlapped]


def _overlap(one: str, other: str) -> bool:
    first, second = ip_network(one), ip_network(other)
    return (
        first.version == second.version
        and int(first[0]) <= int(second[-1])
        and int(second[0]) <= int(first[-1])
    )


def _family(address: str) -> str:
    return f"-{ip_interface(address).version}"


def _length(gateway: str) -> int:
    return 32 if ip_interface(gateway).version == 4 else 64


def _nodad(address: str) -> str:
    return "nodad" if ip_interface(address).version == 6 else ""


def _batch(name: str, lines: list[str]) -> None:
    """Run ip commands in a namespace; a line may begin with -4 or -6, which a batch does not know."""
    families: dict[str, list[str]] = {"": [], "-4": [], "-6": []}
    for line in lines:
        flag = line[:2] if line.startswith(("-4", "-6")) else ""
        families[flag].append(line.removeprefix(flag).strip())
    for flag, batch in families.items():
        if batch:
            argv = ["ip", *([flag] if flag else []), "-n", name, "-batch", "-"]
            command(*argv, feed="\n".join(batch))


def _sysctls(name: str, settings: dict[str, int]) -> None:
    script = "\n".join(f"echo {value} > /proc/sys/{key}" for key, value in settings.items())
    command("nsenter", f"--net={NAMESPACES / name}", "/bin/sh", "-ec", script)


def forget_if_empty() -> None:
    """Take back the mount that `ip netns add` makes for itself, when no namespace of anybody is left."""
    if NAMESPACES.is_dir() and not any(NAMESPACES.iterdir()):
        with suppress(TrunklineError):
            command("umount", str(NAMESPACES))
            NAMESPACES.rmdir()
