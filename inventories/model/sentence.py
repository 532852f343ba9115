"""pydantic's errors in the words of an inventory's author."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from pydantic_core import ErrorDetails

from inventories.model.wanted import ERROR, record, shown

KINDS = {
    "int": ("a whole number", "write it without quotes"),
    "float": ("a number", "write it without quotes"),
    "string": ("text", "put it in quotes"),
    "bool": ("True or False", "write one of them, without quotes"),
    "tuple": ("a tuple", "put the items in parentheses, with a comma after each"),
    "dict": ("a dict", 'write it as {"key": "value"}'),
    "date": ("a date", "write it as 2026-11-20"),
}


@dataclass(frozen=True)
class Fault:
    """One wrong value, by its path from the record that was being made."""

    path: tuple[str, ...]
    """Fields by name, items of a tuple as `[name]` or `[index]`."""
    seen: str
    wanted: str
    remedy: str
    bare: bool = True


def step(item: Any, index: int) -> str:
    """Return the path element of an item: by its name where it has one."""
    return f"[{called(item if isinstance(item, dict) else getattr(item, '__dict__', {})) or index}]"


def called(fields: Mapping[str, Any]) -> str:
    """Return what a record of these fields is called: its name, the first of its names, or its path."""
    name = fields.get("name") or fields.get("names") or fields.get("path")
    first = name[0] if isinstance(name, list | tuple) and name else name
    return first if isinstance(first, str) else ""


def fault_of(error: ErrorDetails, kind: type[Any], given: dict[str, Any]) -> Fault:
    """Return one error of pydantic as a fault of the record that was being made."""
    path = _path(error["loc"], given)
    context: dict[str, Any] = error.get("ctx", {})
    if error["type"] == ERROR:
        return Fault(path, context["seen"], context["wanted"], context["remedy"], context["bare"])
    seen, (wanted, remedy) = shown(error["input"]), _wanted(error, context)
    if error["type"] == "missing":
        remedy = f"add {path[-1]}=... to this {kind.__name__}"
        return Fault(path, "nothing is declared", "a value", remedy, False)
    if error["type"] == "extra_forbidden":
        fields = list(kind.model_fields) if len(path) == 1 else []
        return Fault(path, shown(path[-1]), f"a field of {kind.__name__}", _instead(path[-1], fields))
    if error["type"] == "too_short":
        remedy = "name it in the parentheses, with a comma after it"
        return Fault(path, "nothing is in it", "at least one", remedy, False)
    if error["type"] == "value_error":
        return Fault(path, seen if path else "this record", str(context["error"]), "correct it", False)
    return Fault(path, seen, wanted, remedy)


def _wanted(error: ErrorDetails, context: dict[str, Any]) -> tuple[str, str]:
    kind = error["type"]
    if kind == "literal_error":
        choices = [choice.strip("' ") for choice in context["expected"].replace(" or ", ", ").split(",")]
        return f"one of {context['expected']}", _instead(str(error["input"]), choices, known=False)
    if kind in ("model_type", "model_attributes_type", "dataclass_type"):
        name = context.get("class_name", "record")
        return record(name), f"write {name}(...)"
    for name, words in (("greater_than_equal", "at least"), ("less_than_equal", "at most")):
        if kind == name:
            return f"a number of {words} {context['ge' if 'ge' in context else 'le']}", "correct it"
    if kind == "greater_than":
        return f"a number above {context['gt']}", "correct it"
    if kind == "string_pattern_mismatch":
        return f"text of the form {context['pattern']}", "correct it"
    return KINDS.get(kind.split("_")[0], (f"accepted ({error['msg'].lower()})", "correct it"))


def _instead(name: str, choices: list[str], *, known: bool = True) -> str:
    near = get_close_matches(name, choices, n=1)
    if near:
        return f"did you mean {near[0]}?"
    return f"its fields are {', '.join(choices)}" if known and choices else "choose one of them"


def _path(loc: tuple[int | str, ...], given: Any) -> tuple[str, ...]:
    path: list[str] = []
    value = given
    for each in loc:
        if each == "[key]":
            break
        if isinstance(each, str):
            within = isinstance(value, dict) and bool(path)
            path.append(f"[{each}]" if within or not each.isidentifier() else each)
            value = value.get(each) if isinstance(value, dict) else getattr(value, each, None)
        else:
            value = value[each] if isinstance(value, list | tuple) and each < len(value) else None
            path.append(step(value, each))
    return tuple(path)
