"""ACME accounts that hosts keep on their disks, and that the twin's authority forgets when it ends.

A renewal would fail with accountDoesNotExist (RFC 8555, section 6.7): so each time the twin comes up, and
after each return to a snapshot, a host's account is registered anew with the host's own key.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterable

from twin.inside import run_inside
from twin.keeper import Keeper

_REGISTER = '''\
"""Registers a host's ACME accounts anew where the authority forgot them; stdin tells whom it knows."""
import glob, json, os, sys
known = set(sys.stdin.read().split())
for path in glob.glob("/etc/letsencrypt/accounts/**/regr.json", recursive=True):
    with open(path) as file:
        registration = json.load(file)
    if registration["uri"] in known:
        continue
    import josepy
    from acme import client, errors, messages
    directory = os.path.dirname(path)
    server = "https://" + os.path.relpath(os.path.dirname(directory), "/etc/letsencrypt/accounts")
    with open(f"{directory}/private_key.json") as file:
        key = josepy.JWK.from_json(json.load(file))
    algorithm = josepy.RS256 if isinstance(key, josepy.JWKRSA) else josepy.ES256
    net = client.ClientNetwork(key, alg=algorithm, user_agent="trunkline-twin")
    authority = client.ClientV2(client.ClientV2.get_directory(server, net), net)
    wanted = messages.NewRegistration(terms_of_service_agreed=True)
    try:
        registration["uri"] = authority.new_account(wanted).uri
    except errors.ConflictError as conflict:
        registration["uri"] = conflict.location
    with open(f"{path}.new", "w") as file:
        json.dump(registration, file)
    os.chmod(f"{path}.new", os.stat(path).st_mode & 0o777)
    os.rename(f"{path}.new", path)
    print(server)
'''
"""Run on a host, by its own certbot's libraries."""


def remember_accounts(known: str, keepers: Iterable[Keeper], progress: Callable[[str], None]) -> None:
    """Let the authority know every account of the hosts; `known` are the URLs that it knows, a line each."""
    script = f"exec python3 -c {shlex.quote(_REGISTER)}"
    for keeper in keepers:
        if not keeper.host.certbot:
            continue
        done = run_inside(keeper.argv_inside("/bin/sh", "-c", script), known, timeout=60)
        if done.returncode:
            last = (done.stderr.strip().splitlines() or ["it says nothing"])[-1]
            progress(f"{keeper.host.name}'s ACME account is not known any more: {last}")
        elif done.stdout:
            progress(f"{keeper.host.name}'s ACME account was registered anew")
