"""Who may know whom: the arrows between the layers, read from the source."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from jinja2 import Environment, meta

TOP = Path(__file__).resolve().parent.parent
OURS = ("inventories", "deploys", "templates", "verify", "control", "twin", "prove", "tests", "tasks")
GROUND = (
    "inventories",
    *(
        f"control.{name}"
        for name in ("advice", "errors", "operator", "pins", "piped", "places", "ssh_config")
    ),
)
"""What every layer on the controller may stand on."""
ARROWS: dict[str, tuple[str, ...]] = {
    "inventories/model": ("inventories.model",),
    "inventories": ("inventories.model",),
    "deploys/_agent": ("deploys._agent",),
    "deploys": ("deploys", *GROUND),
    # It ships what the controller's builder made.
    "deploys/_ops/stack.py": ("deploys", "control.image_archive", *GROUND),
    # Where pyinfra itself starts us, nobody else has opened the secrets or entered the twin.
    "deploys/_connector/plain.py": ("deploys", "control", "twin", *GROUND),
    "verify/probes": ("verify.probes",),
    "verify": ("verify", "twin", *GROUND),
    # Where pytest itself starts the checks, nobody else has opened the secrets that some of them try.
    "verify/passwords.py": ("verify", "control.secrets", "control.target", *GROUND),
    "twin": ("twin", *GROUND),
    "control/pins.py": GROUND,
    "control/ssh_config.py": GROUND,
    "control/piped.py": GROUND,
    "control": ("control", "deploys", "verify", "twin", "inventories"),
    "prove": ("prove", "control", "deploys", "verify", "twin", "inventories"),
    "tasks.py": ("control", "twin", "prove", "inventories"),
}
"""What the files below a path may import of ours; the longest path that fits decides."""


def sources() -> list[Path]:
    """Return the layers' Python files."""
    layers = [path for name in OURS for path in (TOP / name).rglob("*.py") if name != "tests"]
    return sorted([*layers, *TOP.glob("*.py")])


def imports(path: Path) -> Iterator[str]:
    """Yield the absolute names that a file imports, wherever in the file it does."""
    package = path.relative_to(TOP).with_suffix("").parts[:-1]
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) + 1 - node.level] if node.level else ()
            module = ".".join((*base, *((node.module,) if node.module else ())))
            yield from (f"{module}.{alias.name}" for alias in node.names)


def within(name: str, packages: tuple[str, ...]) -> bool:
    """Say whether an imported name is one of these packages, or in one."""
    return any(name == package or name.startswith(f"{package}.") for package in packages)


def layer(path: Path) -> str:
    """Return the longest declared path that the file is in."""
    name = path.relative_to(TOP).as_posix()
    return max((each for each in ARROWS if name == each or name.startswith(f"{each}/")), key=len)


def test_every_source_file_belongs_to_a_layer() -> None:
    assert [path for path in sources() if layer(path)]


@pytest.mark.parametrize("path", sources(), ids=lambda path: path.relative_to(TOP).as_posix())
def test_a_layer_imports_only_what_its_arrow_allows(path: Path) -> None:
    allowed = ARROWS[layer(path)]
    foreign = [name for name in imports(path) if within(name, OURS) and not within(name, allowed)]
    assert not foreign, f"{layer(path)} may import {', '.join(allowed)}"


def test_the_agent_needs_nothing_but_the_standard_library() -> None:
    """It runs on a host that has only Debian's own python3."""
    known = (*sys.stdlib_module_names, "deploys._agent")
    foreign = {
        f"{path.name}: {name}"
        for path in (TOP / "deploys/_agent").rglob("*.py")
        for name in imports(path)
        if not within(name, known)
    }
    assert not foreign


def test_probes_need_nothing_but_the_standard_library_and_what_speaks_protocols() -> None:
    known = (*sys.stdlib_module_names, "verify.probes", "scapy", "paramiko", "cryptography", "dns")
    foreign = {
        f"{path.name}: {name}"
        for path in (TOP / "verify/probes").rglob("*.py")
        for name in imports(path)
        if not within(name, known)
    }
    assert not foreign


def test_scapy_stays_in_the_probes_and_the_twin() -> None:
    """Its licence is GPL-2.0-only; and importing all of it takes most of a second."""
    users = {path.relative_to(TOP).as_posix(): list(imports(path)) for path in sources()}
    outside = [
        name for name, used in users.items()
        if any(within(each, ("scapy",)) for each in used) and not name.startswith(("verify/probes/", "twin/"))
    ]  # fmt: skip
    assert not outside
    assert not [name for name, used in users.items() if any(within(each, ("scapy.all",)) for each in used)]


def templates() -> list[Path]:
    """Return the templates; a directory is a service."""
    return sorted((TOP / "templates").rglob("*.j2"))


@pytest.mark.parametrize("path", templates(), ids=lambda path: path.relative_to(TOP).as_posix())
def test_a_template_knows_one_object_named_after_its_service(path: Path) -> None:
    names = meta.find_undeclared_variables(Environment().parse(path.read_text(encoding="utf-8")))
    assert names <= {path.relative_to(TOP / "templates").parts[0]}
