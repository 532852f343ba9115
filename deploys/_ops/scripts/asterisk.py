#!/usr/bin/python3 -I
"""Have Asterisk take on its files without cutting a call, and say what it holds.

`asterisk load` starts it, reloads it, or, where only a restart takes a change, restarts it once the calls are
over; it gives up when they are not in time. `check` compares what is loaded with what is declared. `drain`
lets the calls end for whoever stops it. `certificate` takes over a renewed one. `tidy` deletes old
recordings.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
from typing import Any

DECLARED = "/etc/trunkline/asterisk.json"
CERTIFICATES = "/etc/trunkline/certs"
ETC = "/etc/asterisk"
KEYS = f"{ETC}/keys"
RESTARTED = "/run/trunkline/asterisk"
RECORDINGS = "/var/spool/asterisk/recordings"
UNIT = "asterisk.service"
CONSOLE = "/run/asterisk/asterisk.ctl"
RESTARTS = ("asterisk.conf", "modules.conf", "pjsip_transports.conf")
"""What Asterisk reads when it starts and never again."""
PATIENCE = 90
"""Seconds until it has started, or a command is answered."""
ANSI = re.compile(r"\x1b\[[0-9;]*m")


def declared() -> dict[str, Any]:
    """Return what shall be loaded; nothing where no telephony is declared any more."""
    try:
        with open(DECLARED) as file:
            found: dict[str, Any] = json.load(file)
    except OSError:
        return {}
    return found


def ask(command: str, seconds: float = 20) -> str:
    """Return what Asterisk says to a command; nothing when it does not answer.

    On its own socket (main/asterisk.c, netconsole): it drops what is not taken within a tenth of a second,
    and `asterisk -rx` takes 511 bytes at a time.
    """
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as cli:
            cli.connect(CONSOLE)
            cli.settimeout(seconds)
            cli.sendall(f"cli quit after {command}\0".encode())
            said = b"".join(iter(lambda: cli.recv(1 << 18), b""))
    except OSError:
        return ""
    return ANSI.sub("", said.decode(errors="replace")).partition("\n")[2]


def systemctl(*words: str) -> None:
    """Run systemctl; SystemExit with its words when it fails."""
    done = subprocess.run(("systemctl", *words), capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"systemctl {' '.join(words)}: {done.stderr.strip()}")


def is_active() -> bool:
    """Say whether Asterisk runs."""
    return subprocess.run(("systemctl", "is-active", "--quiet", UNIT), check=False).returncode == 0


def needs_restart() -> str:
    """Return what tells one state of the files that a reload does not take from another."""
    found = hashlib.sha256()
    for name in RESTARTS:
        with contextlib.suppress(FileNotFoundError), open(f"{ETC}/{name}", "rb") as file:
            found.update(name.encode() + b"\0" + file.read())
    return found.hexdigest()


def invocation() -> str:
    """Return what tells this run of the unit from another."""
    argv = ("systemctl", "show", "--property=InvocationID", "--value", UNIT)
    return subprocess.run(argv, capture_output=True, text=True, check=False).stdout.strip()


def remembered() -> dict[str, str]:
    """Return what the running Asterisk was started with, by the unit's run."""
    try:
        with open(RESTARTED) as file:
            known: dict[str, str] = json.load(file)
    except (OSError, ValueError):
        return {}
    return known


def remember() -> None:
    """Write down what the running Asterisk was started with."""
    os.makedirs(os.path.dirname(RESTARTED), mode=0o755, exist_ok=True)
    with open(f"{RESTARTED}.new", "w") as file:
        json.dump({invocation(): needs_restart()}, file)
    os.rename(f"{RESTARTED}.new", RESTARTED)


def wait_until_booted() -> None:
    """Return as soon as Asterisk has read everything; SystemExit when it does not."""
    end = time.monotonic() + PATIENCE
    while "fully booted" not in ask("core waitfullybooted", PATIENCE):
        if time.monotonic() > end:
            sys.exit(f"Asterisk has not started within {PATIENCE} s: journalctl -u {UNIT}")
        time.sleep(0.5)


def restart() -> None:
    """Start Asterisk anew once the calls are over, refusing new ones; SystemExit when they last too long."""
    limit = declared().get("drain", 0)
    waiting = subprocess.Popen(("asterisk", "-rx", "core stop gracefully"), stdout=subprocess.DEVNULL,
                               stderr=subprocess.DEVNULL)  # fmt: skip
    end = time.monotonic() + limit
    while is_active():
        if time.monotonic() > end:
            ask("core abort shutdown")
            waiting.kill()
            sys.exit(f"calls were still running after {limit} s: Asterisk was not restarted, none was cut")
        time.sleep(0.3)
    waiting.kill()
    systemctl("start", UNIT)
    wait_until_booted()


def started() -> None:
    """Note what the unit has begun with."""
    remember()


def load() -> None:
    """Bring Asterisk to its files."""
    if not declared():
        systemctl("stop", UNIT)
        return
    certificate()
    systemctl("daemon-reload")
    if not is_active():
        subprocess.run(("systemctl", "reset-failed", UNIT), capture_output=True, check=False)
        systemctl("start", UNIT)
        wait_until_booted()
    elif remembered().get(invocation()) != needs_restart():
        restart()
    else:
        ask("core reload", PATIENCE)


def certificate() -> None:
    """Copy the TLS transport's certificate under its unchanged name; new connections show it."""
    name = declared().get("tls")
    if not name:
        return
    os.makedirs(KEYS, mode=0o750, exist_ok=True)
    shutil.chown(KEYS, "asterisk", "asterisk")
    for source, target in (("privkey.pem", "trunkline.key"), ("fullchain.pem", "trunkline.crt")):
        staged = f"{KEYS}/{target}.new"
        with open(f"{CERTIFICATES}/{name}/{source}", "rb") as file:
            content = file.read()
        descriptor = os.open(staged, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o640)
        with open(descriptor, "wb") as file:
            file.write(content)
        shutil.chown(staged, "root", "asterisk")
        os.rename(staged, f"{KEYS}/{target}")


def parameters(text: str) -> dict[str, str]:
    """Return the table that `pjsip show endpoint` ends with."""
    return dict(re.findall(r"^ ?(\w+) +: (.*?) *$", text, re.MULTILINE))


def differences() -> list[str]:
    """Return what Asterisk has loaded otherwise than declared."""
    wanted, found = declared(), []
    if not wanted:
        return []
    names = set(re.findall(r"^ *Endpoint: +([\w-]+)", ask("pjsip show endpoints"), re.MULTILINE))
    names.discard("")
    if names != set(wanted["endpoints"]):
        return [f"Asterisk has the endpoints {', '.join(sorted(names)) or 'none'}"]
    for name, values in wanted["endpoints"].items():
        seen = parameters(ask(f"pjsip show endpoint {name}"))
        found += [f"{name} has {k}={seen.get(k)}, not {v}" for k, v in values.items() if seen.get(k) != v]
    said = ask("pjsip show identifies")
    for name, networks in wanted["identified"].items():
        part = re.search(rf"^ *Identify: +{name}/.*?(?=^ *Identify:|\Z)", said, re.MULTILINE | re.DOTALL)
        seen_at = sorted(re.findall(r"Match: (\S+)", part[0])) if part else []
        if seen_at != sorted(networks):
            found.append(
                f"{name} is known by {', '.join(seen_at) or 'no address'}, not {', '.join(networks)}"
            )
    registered = sorted(re.findall(r"^ ([\w-]+)/sips?:", ask("pjsip show registrations"), re.MULTILINE))
    if registered != wanted["registrations"]:
        found.append(f"it registers {', '.join(registered) or 'nowhere'}")
    listening = dict(
        re.findall(r"^Transport: +(\w+) .* (\S+:\d+)$", ask("pjsip show transports"), re.MULTILINE)
    )
    if listening != wanted["transports"]:
        found.append(f"it listens at {listening}")
    if f"TRUNKLINE={wanted['dialplan']}" not in ask("dialplan show globals"):
        found.append("its dialplan is another one")
    ports = re.findall(r"Port (?:start|end): +(\d+)", ask("rtp show settings"))
    if ports != [str(each) for each in wanted["ports"]]:
        found.append(f"its ports are {'-'.join(ports) or 'unknown'}")
    return found


def check() -> None:
    """SystemExit with the first difference between what is loaded and what is declared."""
    for difference in differences():
        sys.exit(difference)
    if declared() and remembered().get(invocation()) != needs_restart():
        sys.exit("Asterisk was started before its files were written")


def drain() -> None:
    """Take no new call and wait for the running ones; what lasts longer is ended."""
    waiting = subprocess.Popen(("asterisk", "-rx", "core stop gracefully"), stdout=subprocess.DEVNULL,
                               stderr=subprocess.DEVNULL)  # fmt: skip
    # It ends by itself with the last call; systemd ends what is left.
    end = time.monotonic() + declared().get("drain", 0)
    while os.path.exists(f"/proc/{os.environ['MAINPID']}") and time.monotonic() < end:
        time.sleep(0.5)
    waiting.kill()


def tidy() -> None:
    """Delete recordings that are older than their days, and the oldest of those that take too much."""
    for tenant, kept in declared().get("kept", {}).items():
        files = sorted(
            (entry.stat().st_mtime, entry.stat().st_size, entry.path)
            for entry in os.scandir(f"{RECORDINGS}/{tenant}")
            if entry.is_file(follow_symlinks=False)
        )
        room, oldest = kept["quota_mb"] * 2**20, time.time() - kept["days"] * 24 * 3600
        total = sum(size for _, size, _ in files)
        for written, size, path in files:
            if written < oldest or total > room:
                os.unlink(path)
                total -= size


VERBS = {
    "started": started,
    "load": load,
    "check": check,
    "drain": drain,
    "certificate": certificate,
    "tidy": tidy,
}
if __name__ == "__main__":
    VERBS[sys.argv[1]]()
