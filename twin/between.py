"""What lies between two nodes: loss, NAT, and firewalls that are no host's own, as nftables rules."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from twin import network
from twin.command import command
from twin.layout import WORLD, Layout

IKE_PORTS = "{ 500, 4500 }"


def rules(image: Path, layout: Layout, node: str, text: str) -> None:
    """Load rules (nft(8)) in the network of a node, by the world image's nft."""
    into = f"--net={network.path_of(layout.twin, node)}"
    command("nsenter", into, "--", "chroot", str(image), "/usr/sbin/nft", "-f", "-", feed=text)


def on_cable(image: Path, layout: Layout, node: str, name: str, lines: Iterable[str]) -> None:
    """Let what passes a node's first cable, either way, pass these rules; without any it passes freely.

    They are outside the node, in a table of their own name: the node cannot see them.
    """
    wire = layout.wire(node)
    table = f"netdev {name}_{wire.end}"
    text = f"add table {table}\ndelete table {table}\n"
    if body := "".join(f"{line}\n" for line in lines):
        chains = (
            f'chain {hook} {{ type filter hook {hook} device "{wire.end}" priority 0;\n{body}}}\n'
            for hook in ("ingress", "egress")
        )
        text += f"table {table} {{\n{''.join(chains)}}}\n"
    rules(image, layout, layout.space(wire), text)


def clear(image: Path, layout: Layout) -> None:
    """Let everything pass every cable freely: a new cable of the same name would meet the old rules."""
    for node in sorted({WORLD, *(bridge.space for bridge in layout.bridges)}):
        rules(image, layout, node, "flush ruleset netdev\n")


def loss(percent: int) -> list[str]:
    """Return the rules that lose so many of a hundred packets, at random."""
    few = f"numgen random mod 100 < {percent} " if percent < 100 else ""
    return [f"{few}drop"] if percent else []


def udp_only() -> list[str]:
    """Return the rules of a firewall that knows ports only: UDP passes, ESP and everything else do not."""
    return ["ether type ip ip protocol != udp drop", "ether type ip6 drop"]


def nat(inside: str | None) -> str:
    """Return the rules of a home router: eth1 goes out under eth0's address, nothing comes in unasked.

    `inside` is who gets IKE that comes from outside; None: nobody.
    """
    forward = f'iifname "eth0" udp dport {IKE_PORTS} dnat to {inside}' if inside else ""
    return _anew(
        "home",
        f"""\
chain outward {{ type nat hook postrouting priority srcnat; oifname "eth0" masquerade
}}
chain inward {{ type nat hook prerouting priority dstnat; {forward}
}}
chain passed {{ type filter hook forward priority 0; policy drop;
 iifname "eth1" accept
 ct state established,related accept
 ct status dnat accept
}}
""",
    )


def gateway(remote: Iterable[str]) -> str:
    """Return the rules of a gateway: its LAN goes out under its address, but never in clear to `remote`."""
    networks = ", ".join(remote)
    return _anew(
        "gateway",
        f"""\
chain outward {{ type nat hook postrouting priority srcnat;
 oifname "eth0" ip daddr != {{ {networks} }} masquerade
}}
chain passed {{ type filter hook forward priority 0;
 oifname "eth0" ip daddr {{ {networks} }} rt ipsec missing drop
}}
""",
    )


def _anew(name: str, body: str) -> str:
    return f"add table ip {name}\ndelete table ip {name}\ntable ip {name} {{\n{body}}}\n"
