#!/usr/bin/python3 -I
"""Hold the ways into the tunnels: this host's address in them, and no other way for what they carry.

`tunnels load` brings them to what the files say, `remove` takes away what is ours and nothing else, `check`
says whether the kernel still holds what was loaded. Routes are known by their metric, the rules by their
table; what address was added is written down.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from typing import Any

DECLARED = "/etc/trunkline/tunnels.json"
RULES = "/etc/trunkline/tunnels.nft"
TABLE = ("inet", "trunkline_tunnels")
LOADED = "/run/trunkline/tunnels.json"


def run(*argv: str) -> str:
    """Return what a command prints; SystemExit with its words when it fails."""
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{' '.join(argv)}: {done.stderr.strip() or done.stdout.strip()}")
    return done.stdout


def tried(*argv: str) -> str:
    """Return what a command prints, nothing where it fails."""
    return subprocess.run(argv, capture_output=True, text=True, check=False).stdout


def read(path: str) -> dict[str, Any]:
    """Return a file's JSON object, an empty one where there is none."""
    try:
        with open(path) as file:
            found: dict[str, Any] = json.load(file)
    except (OSError, ValueError):
        return {}
    return found


def rules() -> str:
    """Return a digest of the file of rules and of what the kernel has of them, counters aside."""
    with open(RULES, "rb") as file:
        digest = hashlib.sha256(file.read())
    digest.update(tried("nft", "--stateless", "list", "table", *TABLE).encode())
    return digest.hexdigest()


def addresses(interface: str) -> set[str]:
    """Return the addresses of an interface with their prefixes."""
    links = json.loads(tried("ip", "-json", "-4", "address", "show", "dev", interface) or "[]")
    infos = (info for link in links for info in link.get("addr_info", []))
    return {f"{info['local']}/{info['prefixlen']}" for info in infos}


def routes(metric: int) -> set[str]:
    """Return the networks that are unreachable by a route of ours."""
    found = json.loads(tried("ip", "-json", "-4", "route", "show", "type", "unreachable") or "[]")
    ours = (route["dst"] for route in found if route.get("metric") == metric)
    return {dst if "/" in dst else f"{dst}/32" for dst in ours}


def drop(ours: list[list[str]]) -> None:
    """Take away addresses that were added before."""
    for address, interface in ours:
        if address in addresses(interface):
            run("ip", "address", "del", address, "dev", interface)


def take_addresses(wanted: list[list[str]], ours: list[list[str]]) -> list[list[str]]:
    """Give interfaces their addresses; return those that are of our making.

    An interface that is not there yet, at boot, gets its own right before the daemon starts.
    """
    drop([each for each in ours if each not in wanted])
    kept = []
    for address, interface in wanted:
        if not os.path.isdir(f"/sys/class/net/{interface}"):
            continue
        run("ip", "link", "set", "dev", interface, "up")
        if address not in addresses(interface):
            run("ip", "address", "replace", address, "dev", interface)
            kept.append([address, interface])
        elif [address, interface] in ours:
            kept.append([address, interface])
    return kept


def take_routes(wanted: set[str], metric: int) -> None:
    """Make exactly these networks unreachable but through a tunnel."""
    for network in sorted(routes(metric) - wanted):
        run("ip", "route", "del", "unreachable", network, "metric", str(metric))
    for network in sorted(wanted):
        run("ip", "route", "replace", "unreachable", network, "metric", str(metric))


def load() -> None:
    """Hold what the files say: first nothing leaves in clear, then there is an address."""
    declared, loaded = read(DECLARED), read(LOADED)
    if not declared:
        remove()
        return
    run("nft", "--file", RULES)
    take_routes(set(declared["remotes"]), declared["metric"])
    kept = {
        "addresses": take_addresses(declared["addresses"], loaded.get("addresses", [])),
        "metric": declared["metric"],
        "rules": rules(),
    }
    os.makedirs(os.path.dirname(LOADED), mode=0o755, exist_ok=True)
    with open(f"{LOADED}.new", "w") as file:
        json.dump(kept, file)
    os.rename(f"{LOADED}.new", LOADED)


def remove() -> None:
    """Take away what is ours, the protection last."""
    loaded = read(LOADED)
    drop(loaded.get("addresses", []))
    take_routes(set(), loaded.get("metric", 0))
    tried("nft", "delete", "table", *TABLE)
    if os.path.exists(LOADED):
        os.unlink(LOADED)


def check() -> None:
    """SystemExit with what the kernel does not hold as it was loaded."""
    declared, loaded = read(DECLARED), read(LOADED)
    if loaded.get("rules") != rules():
        sys.exit("the rules are not those that were loaded")
    if routes(declared["metric"]) != set(declared["remotes"]):
        sys.exit("the unreachable routes are not the declared ones")
    for address, interface in declared["addresses"]:
        if address not in addresses(interface):
            sys.exit(f"{interface} does not have {address}")


COMMANDS = {"load": load, "remove": remove, "check": check}
if sys.argv[1:] and sys.argv[1] in COMMANDS:
    COMMANDS[sys.argv[1]]()
else:
    sys.exit("usage: tunnels load|remove|check")
