"""Show that names lead to this host's port 80, before the authority is asked.

`place webroot|standalone NONCE` lays the nonce out, `look NONCE NAME...` fetches it as this host finds the
names, `drop webroot|standalone NONCE` takes it away.
"""

from __future__ import annotations

import http.client
import os
import shutil
import socket
import subprocess
import sys
import time

WEBROOT = "/srv/trunkline/acme"
PATH = ".well-known/acme-challenge"
LEFT_BEHIND = "trunkline-"
UNIT = "trunkline-nonce.service"
SERVED = "/run/trunkline-nonce"
PATIENCE = 10
SERVE = f"cd {SERVED} && exec python3 -I -m http.server 80"


def place(how: str, nonce: str) -> None:
    """Lay the nonce out below the webroot, or on a server of a minute's life."""
    top = WEBROOT if how == "webroot" else SERVED
    os.umask(0o022)
    os.makedirs(f"{top}/{PATH}", exist_ok=True)
    for name in os.listdir(f"{top}/{PATH}"):
        if name.startswith(LEFT_BEHIND):
            os.unlink(f"{top}/{PATH}/{name}")
    with open(f"{top}/{PATH}/{nonce}", "w") as file:
        file.write(nonce)
    if how == "standalone":
        subprocess.run(("systemctl", "stop", UNIT), capture_output=True, check=False)
        argv = ("systemd-run", "--quiet", "--collect", f"--unit={UNIT}", "--property=RuntimeMaxSec=90")
        subprocess.run((*argv, "sh", "-c", SERVE), check=True)
        wait_for_server()


def wait_for_server() -> None:
    """Return when port 80 answers; SystemExit when it does not, as somebody else holds it."""
    for _ in range(50):
        try:
            socket.create_connection(("127.0.0.1", 80), 1).close()
        except OSError:
            time.sleep(0.1)
        else:
            return
    sys.exit("port 80 of this host cannot be served: look with `ss -ltnp sport = :80` who holds it")


def fetched(name: str, nonce: str) -> str:
    """Return what is wrong with the way to the nonce over a name; nothing when it arrives."""
    try:
        found = socket.getaddrinfo(name, 80, type=socket.SOCK_STREAM)
    except OSError:
        return "it has no address in DNS"
    for address in dict.fromkeys(str(each[4][0]) for each in found):
        connection = http.client.HTTPConnection(address, 80, timeout=PATIENCE)
        try:
            connection.request("GET", f"/{PATH}/{nonce}", headers={"Host": name})
            answer = connection.getresponse()
            said = answer.read(64).decode(errors="replace")
        except (OSError, http.client.HTTPException) as error:
            return f"it leads to {address}, where port 80 does not answer ({error})"
        finally:
            connection.close()
        if said != nonce:
            return f"it leads to {address}, where somebody else answers ({answer.status})"
    return ""


def look(nonce: str, names: list[str]) -> None:
    """SystemExit names the first name that does not lead here."""
    for name in names:
        wrong = fetched(name, nonce)
        if wrong:
            sys.exit(
                f"{name} does not lead to this host: seen from here, {wrong}; the authority was not asked. "
                "Let its DNS records lead here and port 80 be open, then deploy again."
            )


def drop(how: str, nonce: str) -> None:
    """Take the nonce away."""
    if how == "webroot":
        os.unlink(f"{WEBROOT}/{PATH}/{nonce}")
        return
    subprocess.run(("systemctl", "stop", UNIT), capture_output=True, check=False)
    shutil.rmtree(SERVED, ignore_errors=True)


def main() -> None:
    """Do what is asked."""
    verb, first, *rest = sys.argv[1:]
    if verb == "look":
        look(first, rest)
    else:
        {"place": place, "drop": drop}[verb](first, *rest)


main()
