"""Small deploys for tests of the engine. Each writes below /var/lib/trunkline of a test's own SSH server."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any

from pyinfra.api.command import FileUploadCommand, FunctionCommand, StringCommand
from pyinfra.api.facts import FactBase
from pyinfra.context import host
from pyinfra.operations import server

from deploys._engine import images, report, secrets
from deploys._ops.operation import operation
from inventories.model import Build, Environment, Host

HOME = "/var/lib/trunkline"


class Content(FactBase[str]):
    """The content of a file, empty where there is none."""

    def command(self, path: str) -> str:
        """Read it, and count how often that was done."""
        return f"echo x >> {HOME}/reads; cat {path} 2>/dev/null || true"


class Broken(FactBase[str]):
    """A fact that cannot be read."""

    def command(self) -> str:
        """Fail."""
        return "echo no such luck >&2; exit 5"


@operation
def content(path: str, text: str) -> Iterator[Any]:
    """Write a file that does not have this content."""
    now = host.get_fact(Content, f"{HOME}/{path}") or ""
    if now != text:
        report.plan(None, "change", f"-{now}\n+{text}")
        yield StringCommand(f"cat > {HOME}/{path}", _stdin=text)
        yield StringCommand(f"truncate -s {len(text)} {HOME}/{path}")


@operation
def always(script: str) -> Iterator[Any]:
    """Run a script each time."""
    yield StringCommand(script)


@operation
def raising() -> Iterator[Any]:
    """Fail in Python."""
    yield FunctionCommand(_raise, (), {})


def _raise() -> None:
    raise ValueError("the callback does not like it")


@operation
def sly() -> Iterator[Any]:
    """Plan nothing and do something."""
    report.plan(None, "none")
    if report.token():
        yield StringCommand(f"touch {HOME}/sly")


@operation
def upload() -> Iterator[Any]:
    """Upload what holds a secret."""
    report.plan(None, "change", f"+password {secrets.value('word')}")
    yield FileUploadCommand(io.BytesIO(secrets.value("word").encode()), f"{HOME}/incoming/word")


def files(host: Host, environment: Environment) -> None:
    """Two files, and a restart when either changed."""
    first = content("first", "one", name="files: first")
    second = content("second", "two", name="files: second")
    always(f"echo restarted >> {HOME}/restarts", name="files: restart", _if=report.changed(first, second))


def failing(host: Host, environment: Environment) -> None:
    """The second step fails; the third must not run."""
    content("first", "one", name="fail: first")
    always("echo the reason >&2; exit 7", name="fail: second")
    content("third", "three", name="fail: third")


def failing_on_edge1(host: Host, environment: Environment) -> None:
    """One host fails at once while the other still works."""
    if host.name == "edge1":
        always("exit 7", name="race: fail")
    for step in range(50):
        always("sleep 0.1", name=f"race: step {step}")


def failing_in_python(host: Host, environment: Environment) -> None:
    """A callback raises."""
    raising(name="fail: callback")


def unplanned(host: Host, environment: Environment) -> None:
    """A step does more than it planned."""
    sly(name="sly: step")
    content("after", "x", name="sly: after")


def unnamed(host: Host, environment: Environment) -> None:
    """A stock operation without a name."""
    server.shell(commands="true")


def twice(host: Host, environment: Environment) -> None:
    """Two steps of one name."""
    content("a", "1", name="same: name")
    content("b", "2", name="same: name")


def unreadable(host: Host, environment: Environment) -> None:
    """A fact fails."""
    host_value()


def host_value() -> str:
    """Read the broken fact."""
    return str(host.get_fact(Broken))


def secret(host: Host, environment: Environment) -> None:
    """A secret is uploaded, and a command fails with it on its lips."""
    upload(name="secret: upload")
    always(f"cat {HOME}/incoming/word >&2; cat {HOME}/incoming/word; exit 1", name="secret: told")


def slow(host: Host, environment: Environment) -> None:
    """Long enough to be stopped in the middle of the first step."""
    always(f"touch {HOME}/started; sleep 1.5; touch {HOME}/ended", name="slow: first")
    content("never", "x", name="slow: second")


def heartbeat(host: Host, environment: Environment) -> None:
    """Longer than a heartbeat."""
    always("sleep 3", name="slow: first")


def stock(host: Host, environment: Environment) -> None:
    """pyinfra's own operations, with the arguments that people give them."""
    server.shell(
        name="stock: shell", commands=f'echo "$WORD" > {HOME}/stock', _env={"WORD": "it's"}, _sudo=True
    )
    server.shell(name="stock: code", commands="exit 3", _success_exit_codes=[0, 3])
    server.shell(
        name="stock: user", commands="id -un > /tmp/engine-stock-user", _su_user="nobody", _su_shell="sh"
    )


def changing_while_planned(host_: Host, environment: Environment) -> None:
    """Change the host while it is planned."""
    host.run_shell_command(StringCommand(f"touch {HOME}/too-early"))


def endless(host: Host, environment: Environment) -> None:
    """A command that never ends by itself."""
    always("sleep 600", name="slow: endless")
    content("never", "x", name="slow: second")


def stubborn(host: Host, environment: Environment) -> None:
    """A command that never ends, and that no SIGTERM ends."""
    always("trap '' TERM; while :; do sleep 611; done", name="slow: stubborn")
    content("never", "x", name="slow: second")


class Slow(FactBase[str]):
    """A fact that takes its time."""

    def command(self) -> str:
        """Wait."""
        return "sleep 1; echo thought"


def thinking(host_: Host, environment: Environment) -> None:
    """A plan that takes a second."""
    host.get_fact(Slow)


class Endless(FactBase[str]):
    """A fact that never answers."""

    def command(self) -> str:
        """Wait for ever."""
        return "sleep 612"


def brooding(host_: Host, environment: Environment) -> None:
    """A plan that never comes to an end."""
    host.get_fact(Endless)


def chatty(host: Host, environment: Environment) -> None:
    """More to tell than a pipe holds."""
    for step in range(40):
        always("true", name=f"chatty: step {step} {'.' * 2000}")


def with_image(its: Host, environment: Environment) -> None:
    """Write which image the controller has built."""
    content("image", images.built(Build(context="twin/images/shop")).id, name="image: id")
