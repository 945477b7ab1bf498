"""What is wrong in a file, said so that its author can mend it.

In charge of: file, line, JSON pointer, message, and how pydantic's findings read. Must not know: which files
there are. Pure.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass
from types import UnionType
from typing import Any, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError


@dataclass(frozen=True, slots=True)
class Complaint:
    """One finding. ``pointer`` is a JSON pointer (RFC 6901), ``line`` starts at 1."""

    message: str
    file: str = ""
    pointer: str = ""
    line: int | None = None

    def __str__(self) -> str:
        place = self.file + (f":{self.line}" if self.line else "")
        if self.pointer:
            place = f"{place} at {self.pointer}" if place else self.pointer
        return f"{place}: {self.message}" if place else self.message


class InvalidFile(Exception):
    """A file cannot be used as it stands; ``complaints`` has at least one entry."""

    def __init__(self, *complaints: Complaint) -> None:
        super().__init__("\n".join(map(str, complaints)))
        self.complaints = complaints

    @property
    def first(self) -> Complaint:
        """The finding to show where there is room for one only."""
        return self.complaints[0]


def suggestion(word: str, known: Iterable[str]) -> str:
    """`` Did you mean "x"?`` for a word that is nearly one of ``known``, else an empty text."""
    close = difflib.get_close_matches(word.lower(), sorted(known), n=1, cutoff=0.6)
    return f' Did you mean "{close[0]}"?' if close else ""


def pointer(parts: Iterable[str | int]) -> str:
    """The JSON pointer of a path of keys and indices (RFC 6901, section 3)."""
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in parts)


def findings(error: ValidationError, model: type[BaseModel]) -> list[tuple[tuple[str | int, ...], str]]:
    """Path and message of each of pydantic's findings; unknown keys get a suggestion."""
    return [(entry["loc"], _message(entry, model)) for entry in error.errors(include_url=False)]


def _message(entry: Any, model: type[BaseModel]) -> str:
    if entry["type"] != "extra_forbidden":
        message = str(entry["msg"]).removeprefix("Value error, ")
        return message[:1].lower() + message[1:]
    *path, key = entry["loc"]
    owner = _model_at(model, path)
    known = list(owner.model_fields) if owner else []
    near = suggestion(str(key), known)
    return f'unknown key "{key}".' + (near or (f" Known: {', '.join(known)}." if known else ""))


def _model_at(model: type[BaseModel], path: list[str | int]) -> type[BaseModel] | None:
    """The model that describes the object at ``path``; None where a path leads through a list or mapping."""
    found: type[BaseModel] | None = model
    for part in path:
        field = found.model_fields.get(str(part)) if found else None
        found = _model_in(field.annotation) if field else None
    return found


def _model_in(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    if get_origin(annotation) in (Union, UnionType):
        return next((found for found in map(_model_in, get_args(annotation)) if found), None)
    return None
