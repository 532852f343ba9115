"""The resolved record of an environment, as a person or a program reads it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel
from rich.text import Text
from rich.tree import Tree

from control.console import Console
from control.target import Target
from inventories.model import ControllerKey, Host, Jail, Opening, PortRange, Secret


def show(target: Target, console: Console) -> None:
    """Show every value of the environment, those included that nobody wrote down; secrets as stars."""
    environment = target.environment
    if console.as_json:
        console.event("environment", **environment.model_dump(mode="json", exclude={"hosts"}))
        for host in target.hosts:
            console.event("host", **host.model_dump(mode="json"))
        return
    tree = Tree(f"[bold]{environment.name}[/]")
    for name in type(environment).model_fields:
        if name not in ("name", "hosts"):
            _add(tree, name, getattr(environment, name))
    for host in target.hosts:
        _host(tree.add(f"[bold cyan]{host.name}[/]"), host, target)
    console.terminal.print(tree)


def _host(tree: Tree, host: Host, target: Target) -> None:
    for name in type(host).model_fields:
        value = getattr(host, name)
        if name != "name" and value is not None:
            _add(tree, name, value)
    collected = tree.add("[dim]collected from the services[/]")
    for opening in host.openings(target.environment):
        _add(collected, "opening", opening)
    for jail in host.jails(target.environment):
        _add(collected, f"jail {jail.name}", _jail(jail))
    for key, value in host.sysctls(target.environment).items():
        _add(collected, key, value)


def _add(tree: Tree, name: str, value: Any) -> None:
    if isinstance(value, BaseModel) and not isinstance(value, Opening | PortRange | Secret | ControllerKey):
        branch = tree.add(f"[green]{name}[/]")
        for field in type(value).model_fields:
            _add(branch, field, getattr(value, field))
    elif isinstance(value, tuple) and any(isinstance(each, BaseModel) for each in value):
        branch = tree.add(f"[green]{name}[/]")
        for number, each in enumerate(value, 1):
            _add(branch, str(getattr(each, "name", number)), each)
    else:
        tree.add(_leaf(name, value))


def _leaf(name: str, value: Any) -> Any:
    return Text.assemble((f"{name} ", "green"), said(value))


def said(value: Any) -> str:
    """Return one value in a person's words."""
    if isinstance(value, Opening):
        who = ", ".join(str(source) for source in value.sources) or "everyone"
        return f"{said(value.ports)}/{value.protocol} to {who}: {value.why}"
    if isinstance(value, PortRange):
        return str(value.first) if len(value) == 1 else f"{value.first}-{value.last}"
    if isinstance(value, ControllerKey):
        return "the controller's own key, made on each machine"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, tuple):
        return ", ".join(said(each) for each in value) or "none"
    if isinstance(value, dict):
        return ", ".join(f"{key} = {said(each)}" for key, each in value.items()) or "none"
    return "none" if value is None else str(value)


def _jail(jail: Jail) -> str:
    ports = ", ".join(dict.fromkeys(_ports(jail)))
    source = jail.log or "the journal"
    return f"{source}, {jail.max_retry} in {jail.find_time} s: banned for {jail.ban_time} s from {ports}"


def _ports(jail: Jail) -> Iterator[str]:
    for opening in jail.openings:
        yield f"{said(opening.ports)}/{opening.protocol}"
