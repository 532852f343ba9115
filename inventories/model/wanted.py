"""What a field wants, in words: the sentence of every value that does not fit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, GetCoreSchemaHandler, ValidationError, ValidatorFunctionWrapHandler
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

ERROR = "declared"
LONGEST = 60


@dataclass(frozen=True)
class Wanted:
    """Annotates a type: whatever fails it is "<value> is not <what>; <remedy>", one error, no jargon."""

    what: str
    remedy: str

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_wrap_validator_function(self._checked, handler(source))

    def _checked(self, value: Any, inner: ValidatorFunctionWrapHandler) -> Any:
        try:
            return inner(value)
        except ValidationError as error:
            if any(each["type"] == ERROR for each in error.errors()):
                raise
            raise refusal(shown(value), self.what, self.remedy) from None


@dataclass(frozen=True)
class Choice(Wanted):
    """Annotates a union: one sentence for all of its alternatives."""

    hidden: str = ""
    """What is said instead of the value, where the value may be a secret."""

    def _checked(self, value: Any, inner: ValidatorFunctionWrapHandler) -> Any:
        try:
            return inner(value)
        except ValidationError:
            seen = self.hidden or shown(value)
            raise refusal(seen, self.what, self.remedy, bare=not self.hidden) from None


def refusal(seen: str, wanted: str, remedy: str, *, bare: bool = True) -> PydanticCustomError:
    """Return the error that a validator raises: what was seen, what was wanted, what to do."""
    return PydanticCustomError(
        ERROR,
        "{seen} is not {wanted}; {remedy}" if bare else "{seen}, wanted {wanted}; {remedy}",
        {"seen": seen, "wanted": wanted, "remedy": remedy, "bare": bare},
    )


def shown(value: object) -> str:
    """Return a value as a sentence may show it: short, and never a private key."""
    if isinstance(value, str) and "PRIVATE KEY" in value:
        return "a private key"
    if isinstance(value, BaseModel):
        return record(type(value).__name__)
    text = repr(value) if isinstance(value, str | int | float | bytes | dict | list | tuple) else str(value)
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 3]}..."


def record(name: str) -> str:
    """Return a kind of record as a sentence says it: "an Ssh record"."""
    return f"{'an' if name[0] in 'AEIOU' or name == 'Ssh' else 'a'} {name} record"
