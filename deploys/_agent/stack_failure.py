"""What is said when a container fails: which, why, and its last lines, without any secret of the stack."""

from __future__ import annotations

import glob
import os
import re
from collections.abc import Iterable
from urllib.parse import quote

from .entry import read
from .places import on_disk
from .problem import AgentError
from .stack_docker import Container, docker
from .stack_spec import HOME

LINES = 20
_SHORTEST = 6
_TELLING = re.compile(r"PASS|SECRET|TOKEN|KEY|PRIVATE|CREDENTIAL", re.IGNORECASE)
_USERINFO = re.compile(r"//[^/@\s:]*:([^/@\s]+)@")


def failed(
    stack: str, service: str, one: Container, why: str, serving: str, error: str = "health"
) -> AgentError:
    """The error of a container that failed, with its last lines; to be made before it is removed."""
    return told(stack, service, one.name, why, last_lines(stack, one), serving, error)


def told(
    stack: str, service: str, name: str, why: str, lines: list[str], serving: str, error: str
) -> AgentError:
    """The error with lines that are masked already."""
    problem = AgentError(
        f"stack {stack}: {service} failed: {name} {why}; {serving}",
        stack=stack,
        service=service,
        container=name,
        error=error,
        why=why,
        logs=lines,
    )
    head = [f"{stack}/{service}: last lines of {name}:"] if lines else []
    problem.lines = [*head, *(f"  {line}" for line in lines)]
    return problem


def last_lines(stack: str, one: Container) -> list[str]:
    """The last lines that a container logged, masked."""
    said = docker("logs", "--tail", str(LINES), one.id)
    text = said.out + said.err
    return masked_lines(stack, text, one.environment)


def masked_lines(stack: str, text: str, environment: Iterable[str] = ()) -> list[str]:
    """The last lines of a text without any value of the stack's env and secret files."""
    words = sorted(secrets(stack, environment), key=len, reverse=True)
    for word in words:
        text = text.replace(word, "********")
    lines = [line.rstrip()[:500] for line in text.splitlines() if line.strip()]
    return lines[-LINES:]


def secrets(stack: str, environment: Iterable[str] = ()) -> set[str]:
    """Every word that must not be shown: values of the env files, as written and as in the container, and the
    lines of secret files."""
    home = on_disk(f"{HOME}/{stack}")
    found: set[str] = set()
    names: set[str] = set()
    for path in glob.glob(f"{glob.escape(home)}/*.env"):
        for line in _text(path).splitlines():
            name, equals, value = line.partition("=")
            if equals and not name.lstrip().startswith("#"):
                names.add(name.strip())
                found |= _forms(name, value.strip()) | _forms(name, value.strip().strip("'\""))
    for line in environment:
        name, _, value = line.partition("=")
        if name in names:
            found |= _forms(name, value)
    for path in glob.glob(f"{glob.escape(home)}/files/**", recursive=True):
        if os.path.isfile(path):
            found |= {line.strip() for line in _text(path).splitlines() if len(line.strip()) >= _SHORTEST}
    return found


def _forms(name: str, value: str) -> set[str]:
    """A value as a program may print it: whole, as in a URL, and the password inside a URL."""
    if not value or (len(value) < _SHORTEST and not _TELLING.search(name)):
        return set()
    inner = {word for word in _USERINFO.findall(value) if word}
    return {value, quote(value, safe=""), repr(value)[1:-1], *inner}


def _text(path: str) -> str:
    try:
        return read(path).decode(errors="replace")
    except OSError:
        return ""
