#!/usr/bin/python3 -I
"""Load UFW's files into the kernel at one stroke, so that the host is never open and never shut for a moment.

`firewall load` loads /etc/ufw as one transaction an address family (iptables-restore(8), --noflush), without
the pause of `ufw reload`, during which every policy is ACCEPT. `firewall test` only has it parsed, `check`
says whether the kernel still holds what was loaded last. Rules of others (Docker, fail2ban) are not touched.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
import sys

FILES = "/etc/ufw"
LOADED = "/var/lib/trunkline/firewall.loaded"
WAYS = ("input", "output", "forward")
PRIMARY = ("before-logging", "before", "after", "after-logging", "reject", "track")
SECONDARY = ("skip-to-policy", "user", "user-logging")
OURS = re.compile(r"-P |-[NA] (ufw|DOCKER-USER)|-A (INPUT|OUTPUT|FORWARD) -j ufw")
SINGLE = ("logging-deny", "logging-allow", "user-limit", "user-limit-accept")


def settings() -> dict[str, str]:
    """Return UFW's own settings."""
    found: dict[str, str] = {}
    for path in ("/etc/default/ufw", f"{FILES}/ufw.conf"):
        with open(path) as file:
            found.update(re.findall(r'^(\w+)="?([^"\n]*)"?$', file.read(), re.MULTILINE))
    return found


def said(*argv: str, words: str | None = None) -> str:
    """Return what a command prints; SystemExit with its words when it fails."""
    done = subprocess.run(argv, input=words, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{argv[0]}: {done.stderr.strip() or done.stdout.strip()}")
    return done.stdout


def has_ipv6() -> bool:
    """Say whether this kernel filters IPv6."""
    return subprocess.run(("ip6tables", "-S", "INPUT"), capture_output=True, check=False).returncode == 0


def policy_rules(prefix: str, policies: dict[str, str]) -> list[str]:
    """Return the rules that UFW derives from its default policies (ufw-init-functions)."""
    rules = [f"-A {prefix}-skip-to-policy-{way} -j {policies[way]}" for way in WAYS]
    rules += [f"-A {prefix}-reject-{way} -j REJECT" for way in WAYS if policies[way] == "REJECT"]
    for way in WAYS:
        if policies[way] == "ACCEPT":
            for protocol in ("tcp", "udp"):
                rules.append(f"-A {prefix}-track-{way} -p {protocol} -m conntrack --ctstate NEW -j ACCEPT")
    return rules


def jumps(prefix: str, live: list[str]) -> list[str]:
    """Return what brings the built-in chains to UFW's chains, in UFW's order; nothing when they are right."""
    rules = []
    for way in WAYS:
        chain = way.upper()
        wanted = [f"-A {chain} -j {prefix}-{part}-{way}" for part in PRIMARY]
        present = [line for line in live if re.match(rf"-A {chain} -j {prefix}-", line)]
        if present != wanted:
            rules += [line.replace("-A", "-D", 1) for line in present] + wanted
    return rules


def contents(path: str) -> list[str]:
    """Return the lines of the filter table in one of UFW's files."""
    with open(path) as file:
        table = re.search(r"^\*filter$(.*?)^COMMIT$", file.read(), re.MULTILINE | re.DOTALL)
    if table is None:
        sys.exit(f"{path}: no filter table; restore the file from the package or deploy again")
    return [line for line in table[1].splitlines() if line.strip() and not line.startswith("#")]


def transaction(family: str, chosen: dict[str, str]) -> str:
    """Return the whole of UFW's part of the filter table for iptables-restore."""
    prefix = f"ufw{family}"
    policies = {way: chosen[f"DEFAULT_{way.upper()}_POLICY"] for way in WAYS}
    live = said(f"ip{family}tables", "-S").splitlines()
    chains = [f"{prefix}-{part}-{way}" for part in (*PRIMARY, *SECONDARY) for way in WAYS]
    lines = ["*filter"]
    lines += [f":{chain} - [0:0]" for chain in chains + [f"{prefix}-{part}" for part in SINGLE]]
    lines += policy_rules(prefix, policies)
    for name in ("before", "after", "user"):
        lines += contents(f"{FILES}/{name}{family}.rules")
    lines += [f"-A {prefix}-before-{way} -j {prefix}-user-{way}" for way in WAYS]
    lines += jumps(prefix, live)
    lines += [f":{way.upper()} {policies[way].replace('REJECT', 'DROP')} [0:0]" for way in WAYS]
    return "\n".join([*lines, "COMMIT", ""])


def fingerprint(families: list[str]) -> str:
    """Return a digest of UFW's files and of its part of the kernel's ruleset, chain by chain."""
    digest = hashlib.sha256()
    for path in ("/etc/default/ufw", *sorted(f"{FILES}/{name}" for name in os.listdir(FILES))):
        if os.path.isfile(path) and not re.search(r"\.\d{8}_\d{6}$", path):
            with open(path, "rb") as file:
                digest.update(path.encode() + file.read())
    for family in families:
        live = said(f"ip{family}tables", "-S").splitlines()
        ours = [line for line in live if OURS.match(line)]
        ours.sort(key=lambda line: line.split()[1])
        digest.update("\n".join(ours).encode())
    return digest.hexdigest()


def load(families: list[str], chosen: dict[str, str]) -> None:
    """Load the files, or stop UFW when its files say that it is off."""
    if chosen["ENABLED"].lower() == "yes":
        for family in families:
            said(f"ip{family}tables-restore", "--noflush", "--wait", "5", words=transaction(family, chosen))
    else:
        said("/lib/ufw/ufw-init", "force-stop")
    os.makedirs(os.path.dirname(LOADED), mode=0o700, exist_ok=True)
    with open(f"{LOADED}.new", "w") as file:
        file.write(fingerprint(families))
    os.rename(f"{LOADED}.new", LOADED)


def check(families: list[str]) -> None:
    """Print {"loaded": bool}."""
    try:
        with open(LOADED) as file:
            recorded = file.read()
    except OSError:
        recorded = ""
    print(json.dumps({"loaded": recorded == fingerprint(families)}))


def main() -> None:
    """Do what the argument says."""
    families = ["", "6"] if has_ipv6() else [""]
    if sys.argv[1:] == ["check"]:
        check(families)
    elif sys.argv[1:] == ["test"]:
        chosen = settings()
        for family in families:
            said(f"ip{family}tables-restore", "--noflush", "--test", words=transaction(family, chosen))
    elif sys.argv[1:] == ["load"]:
        load(families, settings())
    else:
        sys.exit("usage: firewall load|test|check")


main()
