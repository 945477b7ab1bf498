"""How LoopBack shows a property's value in a validation message: ``util.inspect`` of Node, shortened to 32.

In charge of: that text (juggler ``validations.js``, Node's ``lib/internal/util/inspect.js`` for plain
values). Must not know: validators.
"""

from __future__ import annotations

import json
import math
import re
from datetime import datetime
from typing import Any

from tenant_runtime.model.javascript import INVALID_DATE, UNDEFINED, iso_text, number_to_text, to_text

LINE_WIDTH = 80
MAX_TEXT = 32
MAX_ITEMS = 100
_IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z_0-9]*", re.ASCII)
_CLOSING = re.compile(r"[ \t})\]]+$")
_QUOTED = {"\n": "\\n", "\t": "\\t", "\r": "\\r", "\b": "\\b", "\f": "\\f", "\v": "\\v", "\\": "\\\\"}


def format_property_value(values: dict[str, Any], name: str) -> str:
    """The text between ``(value: `` and ``)``."""
    value = values.get(name, UNDEFINED)
    if isinstance(value, str):
        return json.dumps(_shorten(value), ensure_ascii=False)
    if isinstance(value, datetime):
        return iso_text(value)
    if value is INVALID_DATE:
        return "Invalid Date"
    if value is None or isinstance(value, list | dict | bytes):
        return _shorten(inspect(value, 1 if isinstance(value, list) else 0))
    return _shorten(to_text(value))


def _shorten(text: str) -> str:
    """At most 32 characters, keeping up to three closing ones."""
    if len(text) <= MAX_TEXT:
        return text
    match = _CLOSING.search(text)
    tail = (match.group() if match else text)[-3:]
    return text[: MAX_TEXT - len(tail) - 4] + "..." + tail


def inspect(value: Any, depth: int, level: int = 0, indentation: int = 0) -> str:
    """``util.inspect(value, {depth})`` for what JSON can hold, and dates."""
    if isinstance(value, list):
        if level > depth:
            return "[Array]"
        items = [inspect(item, depth, level + 1, indentation + 2) for item in value[:MAX_ITEMS]]
        hidden = len(value) - len(items)
        if hidden:
            items.append(f"... {hidden} more item{'s' if hidden > 1 else ''}")
        return _join(items, "[]", value, depth - level, indentation, bool(hidden))
    if isinstance(value, dict):
        if level > depth:
            return "[Object]"
        # JavaScript lists integer keys first
        keys = sorted((key for key in value if key.isdigit()), key=int) + [
            key for key in value if not key.isdigit()
        ]
        items = [f"{_key(key)}: {inspect(value[key], depth, level + 1, indentation + 2)}" for key in keys]
        return _join(items, "{}", None, depth - level, indentation, False)
    return _scalar(value, level)


def _scalar(value: Any, level: int) -> str:
    if isinstance(value, str):
        return _quote(value)
    if isinstance(value, datetime):
        return iso_text(value)
    if isinstance(value, bytes):
        return f"<Buffer {value[:50].hex(' ')}>"
    if isinstance(value, float) and not math.isnan(value):
        return number_to_text(value)
    return to_text(value)


def _key(key: str) -> str:
    return key if _IDENTIFIER.fullmatch(key) else _quote(key)


def _quote(text: str) -> str:
    quote = "'"
    if "'" in text:
        quote = next((mark for mark in '"`' if mark not in text), "'")
    escaped = "".join(_QUOTED.get(character, character) for character in text)
    return quote + (escaped.replace("'", "\\'") if quote == "'" else escaped) + quote


def _join(
    items: list[str], braces: str, array: list[Any] | None, depth_left: int, indentation: int, more: bool
) -> str:
    """One line where it fits in 72 columns, else a line for each entry; long arrays in columns."""
    if not items:
        return braces
    entries = len(items)
    if array is not None and entries > 6:
        items = _columns(items, array, more)
    if entries == len(items) and not any("\n" in item for item in items):
        start = len(items) + indentation + 1 + 10
        if sum(map(len, items)) + len(items) + start <= LINE_WIDTH:
            return f"{braces[0]} {', '.join(items)} {braces[1]}"
    gap = f",\n{' ' * indentation}  "
    return f"{braces[0]}\n{' ' * indentation}  {gap.join(items)}\n{' ' * indentation}{braces[1]}"


def _columns(items: list[str], array: list[Any], more: bool) -> list[str]:
    """groupArrayElements: as many columns as make the block roughly two and a half times as wide as high."""
    cells = items[:-1] if more else items
    lengths = [len(item) + 2 for item in cells]
    widest = max(lengths)
    total = sum(lengths)
    if widest * 3 >= LINE_WIDTH or not (total / widest > 5 or widest - 2 <= 6):
        return items
    bias = math.sqrt(widest - total / len(items))
    columns = int(
        min(
            round(math.sqrt(2.5 * max(bias, 1) * len(cells)) / max(bias, 1)),
            (LINE_WIDTH) // widest,
            3 * 4,
            15,
        )
    )
    if columns <= 1:
        return items
    widths = [max(lengths[column::columns]) for column in range(columns)]
    right = all(isinstance(item, int | float) and not isinstance(item, bool) for item in array)
    rows = []
    for start in range(0, len(cells), columns):
        row = cells[start : start + columns]
        texts = []
        for column, cell in enumerate(row):
            last = column == len(row) - 1
            text = cell if last else cell + ", "
            if right:
                text = text.rjust(widths[column] - (2 if last else 0))
            elif not last:
                text = text.ljust(widths[column])
            texts.append(text)
        rows.append("".join(texts))
    return rows + items[len(cells) :]
