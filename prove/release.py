"""Releases that are other than this tree, or wrong on purpose: what is changed in a copy of it."""

from __future__ import annotations

from collections.abc import Mapping

from prove.tree import Edit

HOST = "edge1"
PAIR = (HOST, "edge2")
"""The lab's two plain hosts: what a row says of the engine is the same for them as for all."""


def values(**services: Mapping[str, object]) -> Edit:
    """Change declared values of the host's services: `values(ssh={"max_auth_tries": 4})`."""
    changes = "".join(
        f'        "{service}": before.{service}.model_copy(update={update!r}),\n'
        for service, update in services.items()
    )
    text = f"""
before = environment.host({HOST!r})
after = before.model_copy(
    update={{
{changes}    }}
)
environment = environment.model_copy(
    update={{"hosts": tuple(after if each is before else each for each in environment.hosts)}}
)
hosts = environment.inventory()
"""
    return ("inventories/lab.py", "", text)


def only(*hosts: str) -> Edit:
    """Let the lab have these hosts alone."""
    text = f"""
environment = environment.part(*{hosts!r})
hosts = environment.inventory()
"""
    return ("inventories/lab.py", "", text)


ACT = """

from deploys._ops.operation import operation as operation_  # noqa: E402


@operation_
def act_(script):
    yield script
"""
"""A step that runs a script, in a copy's service."""


def step(service: str, script: str, function: str = "") -> Edit:
    """Let a service's deploy, or another function of it, end with one more step on the host, as root."""
    function = function or service
    text = f"""

_right = {function}


def {function}(host, environment):
    _right(host, environment)
    if host.name == {HOST!r}:
        act_({script!r}, name="{service}: wrong")
"""
    return (f"deploys/{service}.py", "", ACT + text)


def unjudged(key: str) -> Edit:
    """Let the model no longer refuse a kernel setting that it knows to be wrong."""
    return ("inventories/model/sysctl.py", f'"{key}"', f'"not {key}"')


def lease(seconds: int) -> Edit:
    """Shorten the lock's lease, so that a dead controller need not be waited for a minute each time."""
    return ("control/session.py", "LEASE = 60", f"LEASE = {seconds}")


def patience(seconds: int) -> Edit:
    """Shorten the wait for a package lock that somebody holds."""
    return ("control/preflight.py", "PATIENCE = 600.0", f"PATIENCE = {seconds}.0")


def canary() -> tuple[Edit, ...]:
    """Let the lab have a secret, and a service that puts it into a file and hands it to a command."""
    field = "    canary: Secret | None = None\n"
    lab = """
from inventories.model import Secret  # noqa: E402

environment = environment.model_copy(update={"canary": Secret(name="canary")})
hosts = environment.inventory()
"""
    journal = """

_files, _right = files, journal


def files(host, environment):
    from deploys._engine import secrets

    text = f"token = {secrets.value('canary')}\\n"
    return [*_files(host, environment), ManagedFile("journal", "/etc/canary", text, mode="0600", secret=True)]


def journal(host, environment):
    from deploys._engine import secrets

    _right(host, environment)
    script = f"cat > /run/canary <<'E'\\n{secrets.value('canary')}\\nE\\nchmod 600 /run/canary"
    act_(script, name="journal: hand the secret over")
"""
    return (
        (
            "inventories/model/environment.py",
            "    in_twin: bool = False\n",
            f"    in_twin: bool = False\n{field}",
        ),
        ("inventories/lab.py", "", lab),
        ("deploys/journal.py", "", ACT + journal),
    )


def leaky() -> Edit:
    """Let the deploy fail in a command that cries every secret out."""
    text = """

_handed = journal


def journal(host, environment):
    import shlex

    from deploys._engine import secrets

    _handed(host, environment)
    words = " ".join(secrets.value(each) for each in environment.secrets()).split()
    cry = shlex.join(["echo", "no luck with", *words])
    act_(f"{cry} >&2; {cry}; exit 7", name="journal: fail loudly")
"""
    return ("deploys/journal.py", "", text)
