"""Render the files of one service from its templates."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from jinja2 import Environment as Templates
from jinja2 import FileSystemLoader, StrictUndefined

TEMPLATES = Path(__file__).resolve().parent.parent.parent / "templates"

_templates = Templates(
    loader=FileSystemLoader(TEMPLATES),
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
    keep_trailing_newline=True,
    autoescape=False,
)


def render(service: str, template: str, value: object, **more: Any) -> str:
    """Return `templates/<service>/<template>.j2` with one object named after the service.

    Raises jinja2.UndefinedError when the template names something that the object does not have.
    """
    return _templates.get_template(f"{service}/{template}.j2").render({service: value, **more})
