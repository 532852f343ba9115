"""The commands `invoke secrets.*`: values behind the inventory's references, never shown."""

from __future__ import annotations

from invoke.collection import Collection
from invoke.context import Context

from control.arguments import number
from control.command import command
from control.console import Console
from control.target import target


@command("set", name="The secret's name, as the inventory refers to it.")
def set_(c: Context, name: str, env: str = "lab", twin: str = "", debug: bool = False) -> None:
    """Set a secret from a prompt without echo, or from stdin; never from the command line."""
    from control import vault

    vault.put(target(env, "", twin), Console(), name)


@command("generate", name="The secret's name.")
def generate(
    c: Context, name: str, env: str = "lab", twin: str = "", length: str = "43", debug: bool = False
) -> None:
    """Make a strong value for a secret that has none."""
    from control import vault

    vault.generate(target(env, "", twin), Console(), name, number("length", length, 16, 512))


@command("rotate", name="The secret's name.")
def rotate(
    c: Context, name: str, env: str = "lab", twin: str = "", length: str = "43", debug: bool = False
) -> None:
    """Make a new value for a secret that has one; the next deploy brings it to the hosts."""
    from control import vault

    vault.rotate(target(env, "", twin), Console(), name, number("length", length, 16, 512))


@command("remove", name="The secret's name.")
def remove(c: Context, name: str, env: str = "lab", twin: str = "", debug: bool = False) -> None:
    """Forget a secret that no inventory value refers to any more."""
    from control import vault

    vault.forget(target(env, "", twin), Console(), name)


@command("list")
def list_(c: Context, env: str = "lab", twin: str = "", json: bool = False, debug: bool = False) -> int:
    """List the secrets' names, and which are used, missing or unused; never a value."""
    from control import vault

    return vault.listing(target(env, "", twin), Console(as_json=json))


@command(
    "recipients",
    add="Let this key read too: age1..., an ssh-ed25519 line, or the path of a .pub file.",
    remove="Let this key read no longer, written the same way.",
)
def recipients(
    c: Context, env: str = "lab", twin: str = "", add: str = "", remove: str = "", json: bool = False,
    debug: bool = False,
) -> None:  # fmt: skip
    """List who may read an environment's secrets; let somebody in or out."""
    from control import vault

    vault.recipients(target(env, "", twin), Console(as_json=json), add=add, remove=remove)


@command(
    "certify",
    peer="Only for the peer of this name (default: every peer that declares certificates).",
    again="Make everything anew, the authority as well: both ends need the new files.",
)
def certify(
    c: Context, env: str = "lab", twin: str = "", peer: str = "", again: bool = False, json: bool = False,
    debug: bool = False,
) -> None:  # fmt: skip
    """Make the certificates of tunnels for both ends, by a small authority of your own."""
    from control import certify as certifying

    certifying.certify(target(env, "", twin), Console(as_json=json), name=peer, again=again)


@command("identity")
def identity(c: Context, debug: bool = False) -> None:
    """Show the public half of your own age identity, and make the identity where there is none."""
    from control import vault

    vault.identity(Console())


keeping = Collection("secrets", set_, generate, rotate, remove, list_, recipients, certify, identity)
"""The collection `secrets`."""
