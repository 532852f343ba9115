"""Every file as it will stand on its host, without a host."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from rich.syntax import Syntax

from control.atomic import write_private, write_public
from control.console import Console
from control.errors import TrunklineError
from control.target import Target

if TYPE_CHECKING:
    from deploys._ops.managed import ManagedFile

MASK = "***"


def render(target: Target, console: Console, out: str) -> None:
    """Show every managed file of the chosen hosts, or write them below `out`/<host>/.

    Of a file that holds secrets each is stars; what is made of them in another way is named, never shown. No
    such file is written.
    """
    from deploys._engine import secrets
    from deploys.site import rendered

    secrets.load({secret.name: MASK for secret in target.environment.secrets()})
    written = 0
    for host in target.hosts:
        for file in rendered(host, target.environment):
            if out:
                written += _write(Path(out) / host.name, file)
            else:
                _show(host.name, file, console)
    if out:
        console.say(f"{written} files written below {out}; those that hold secrets were left out.")


def _show(host: str, file: ManagedFile, console: Console) -> None:
    hidden = file.secret and MASK not in file.content
    content = MASK if hidden else file.content
    if console.as_json:
        console.event(
            "file", host=host, service=file.service, path=file.path, kind=file.kind, owner=file.owner,
            group=file.group, mode=file.mode, target=file.target, content=content,
        )  # fmt: skip
        return
    console.title(f"{host} {file.path}  {_about(file)}")
    if file.kind == "file" and hidden:
        console.say("  (holds a secret: not shown)", "dim")
    elif file.kind == "file":
        console.terminal.print(Syntax(content, "ini", theme="ansi_dark", background_color="default"))


def _about(file: ManagedFile) -> str:
    if file.kind == "symlink":
        return f"-> {file.target} ({file.service})"
    if file.kind == "absent":
        return f"must not exist ({file.service})"
    return f"{file.owner}:{file.group} {file.mode} ({file.service})"


def _write(root: Path, file: ManagedFile) -> int:
    if file.kind != "file" or file.secret:
        return 0
    path = root / file.path.lstrip("/")
    if not path.resolve().is_relative_to(root.resolve()):
        raise TrunklineError(f"{file.path} would be written outside of {root}.", "Choose another --out.")
    (write_public if file.mode.endswith("4") else write_private)(path, file.content.encode())
    return 1
