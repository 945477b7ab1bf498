"""Query strings and forms, as express reads them: the npm package ``qs``' grammar.

In charge of: ``a=1&a=2``, ``filter[where][x]=1``, ``a[]=1``. Must not know: requests, filters. All values are
text. Regular names are read here, in time that grows with the text; odd ones (stray brackets, a name that is
both a text and an object) go to ``qs-codec``, a port of the same grammar whose time grows faster: few are let
through.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any
from urllib.parse import unquote, unquote_plus

import qs_codec

from tenant_runtime.errors import LoopbackError

PARAMETER_LIMIT = 1000
QUERY_DEPTH, QUERY_LIST_LIMIT = 5, 20
FORM_DEPTH = 32
#: More parameters than these with odd names among them are refused: they would take too long.
ODD_LIMIT = 200

#: Longer texts are decoded each time.
REMEMBERED_LENGTH = 1024

REGULAR_NAME = re.compile(r"([^\[\]]+)((?:\[[^\[\]]*\])*)\Z")
INDEX = re.compile(r"(?:0|[1-9][0-9]*)\Z")


def parse_query(text: str) -> dict[str, Any]:
    """The query of a URL: nesting to depth 5, lists up to index 20, at most 1000 parameters."""
    return parse(text, QUERY_DEPTH, QUERY_LIST_LIMIT) if text else {}


def parse_form(text: str) -> dict[str, Any]:
    """An extended urlencoded body: deeper than a query, lists as long as it has parameters."""
    return parse(text, FORM_DEPTH, max(100, text.count("&") + 1))


def parse(text: str, depth: int, list_limit: int) -> dict[str, Any]:
    """Raises a 413 LoopbackError for too many odd names."""
    pairs = [split(pair) for pair in text.split("&", PARAMETER_LIMIT)[:PARAMETER_LIMIT] if pair]
    root = Container()
    for name, value in pairs:
        match = REGULAR_NAME.match(name)
        if match is None:
            if name:
                return parse_odd(text, len(pairs), depth, list_limit)
            continue
        path = match[2][1:-1].split("][") if match[2] else []
        if len(path) > depth:  # what is deeper is one name, with its brackets
            path[depth:] = ["[" + "][".join(path[depth:]) + "]"]
        if not root.add([match[1], *path], value):
            return parse_odd(text, len(pairs), depth, list_limit)
    return {name: finished(item, list_limit) for name, item in root.items.items()}


def split(pair: str) -> tuple[str, str]:
    name, _, value = pair.partition("=")
    return decode(name), decode(value)


class Container:
    """An object or a list in the making: ``items`` by name, or ``pushed`` by ``[]``."""

    __slots__ = ("items", "pushed")

    def __init__(self) -> None:
        self.items: dict[str, Container | list[str]] = {}
        self.pushed: list[str] = []

    def add(self, path: list[str], value: str) -> bool:
        """False where the path does not fit to what is there already."""
        here = self
        for part in path[:-1]:
            if here.pushed or part == "":
                return False
            found = here.items.setdefault(part, Container())
            if not isinstance(found, Container):
                return False
            here = found
        last = path[-1]
        if last == "":
            here.pushed.append(value)
            return not here.items
        values = here.items.setdefault(last, [])
        if here.pushed or isinstance(values, Container):
            return False
        values.append(value)
        return True


def finished(item: Container | list[str], list_limit: int) -> Any:
    """Names that are all small indices make a list without holes, too long a list an object."""
    if isinstance(item, list):
        return item[0] if len(item) == 1 else as_list(item, list_limit)
    if item.pushed:
        return as_list(item.pushed, list_limit)
    values = {name: finished(value, list_limit) for name, value in item.items.items()}
    if all(INDEX.match(name) and int(name) < list_limit for name in values):
        return [values[name] for name in sorted(values, key=int)]
    return values


def as_list(values: list[str], list_limit: int) -> Any:
    if len(values) <= list_limit:
        return values
    return {str(index): value for index, value in enumerate(values)}


def parse_odd(text: str, count: int, depth: int, list_limit: int) -> dict[str, Any]:
    if count > ODD_LIMIT:
        raise LoopbackError("too many parameters", status=413, name="PayloadTooLargeError")
    options = qs_codec.DecodeOptions(depth=depth, list_limit=list_limit, parameter_limit=PARAMETER_LIMIT)
    return plain(qs_codec.decode(text, options))


def parse_flat(text: str) -> dict[str, Any]:
    """A form that is not extended: brackets are part of the name, a repeated name makes a list."""
    values: dict[str, Any] = {}
    for pair in text.split("&", PARAMETER_LIMIT)[:PARAMETER_LIMIT]:
        name, value = split(pair)
        if name:
            values.setdefault(name, []).append(value)
    return {name: found[0] if len(found) == 1 else found for name, found in values.items()}


def decode(text: str) -> str:
    """Percent-decode; bytes that are not UTF-8 leave the text as it is, as ``qs`` does."""
    if "%" not in text:
        return text.replace("+", " ") if "+" in text else text
    return decode_escapes(text) if len(text) <= REMEMBERED_LENGTH else decode_escapes.__wrapped__(text)


@lru_cache(maxsize=256)
def decode_escapes(text: str) -> str:
    """Clients ask with the same filters again and again; decoding one costs as much as reading it."""
    try:
        return unquote_plus(text, errors="strict")
    except UnicodeDecodeError:
        return unquote(text.replace("+", " "), "latin-1")


def plain(values: Any) -> dict[str, Any]:
    return {str(key): clean(item) for key, item in values.items()}


def clean(value: Any) -> Any:
    """Plain dicts and lists with text keys."""
    if isinstance(value, dict):
        return plain(value)
    if isinstance(value, (list, tuple)):
        return [clean(item) for item in value]
    return value
