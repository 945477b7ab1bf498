"""JSON in and out, as JavaScript reads and prints it.

In charge of: bytes ↔ values. Dates leave as ISO 8601 with milliseconds and ``Z``, NaN as null, instances by
their ``to_json``. Must not know: requests. ``orjson`` does the work; what it refuses (integers above 64 bits,
lone surrogates) falls back to the standard library.
"""

from __future__ import annotations

import json
import re
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import orjson

from tenant_runtime.model.javascript import iso_text, normalize_number

OPTIONS = orjson.OPT_PASSTHROUGH_DATETIME | orjson.OPT_PASSTHROUGH_SUBCLASS

#: A number that JavaScript may hold otherwise: 1.0 is 1 there, 2**53 + 1 is 2**53.
UNLIKE_JAVASCRIPT = re.compile(rb"[0-9](?:\.[0-9]|[eE][-+0-9]|[0-9]{15})")


HOLDS_NUMBERS = frozenset((int, float, dict, list))


def default(value: Any) -> Any:
    """What JSON does not know by itself. Instances give their data, whose dates come here again."""
    if type(value) is datetime:
        return iso_text(value)
    jsonable = getattr(value, "jsonable", None)
    if jsonable is not None:
        return jsonable()
    to_json = getattr(value, "to_json", None)
    if to_json is not None:
        return to_json()
    if isinstance(value, datetime):
        return iso_text(value)
    if isinstance(value, bytes):
        return {"type": "Buffer", "data": list(value)}
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, (set, frozenset, tuple)):
        return list(value)
    if isinstance(value, dict):
        return dict(value)
    if isinstance(value, (UUID, BaseException)):
        return str(value)
    if isinstance(value, (str, int, float)):
        return next(kind(value) for kind in (str, int, float) if isinstance(value, kind))
    return None  # functions and other objects: JavaScript leaves them out


def dumps(value: Any) -> bytes:
    try:
        return orjson.dumps(value, default, OPTIONS)
    except TypeError:
        return dumps_slowly(value)


def dumps_slowly(value: Any) -> bytes:
    """For integers above 64 bits, keys that are no text and lone surrogates."""
    text = json.dumps(value, default=default, ensure_ascii=True, separators=(",", ":"))
    return text.replace("NaN", "null").encode()


def loads(data: bytes) -> Any:
    """Raises ValueError with the parser's message. Numbers are those that JavaScript would hold."""
    try:
        value = orjson.loads(data)
    except orjson.JSONDecodeError:
        value = json.loads(data, parse_constant=refuse_constant)
    return javascript_numbers(value) if UNLIKE_JAVASCRIPT.search(data) else value


def refuse_constant(name: str) -> Any:
    raise ValueError(f"Unexpected token {name[0]} in JSON")


def javascript_numbers(value: Any) -> Any:
    """The value with its numbers as JavaScript holds them; objects and arrays are changed in place."""
    kind = type(value)
    if kind is float or kind is int:
        return normalize_number(value)
    if kind is dict or kind is list:
        for key, item in value.items() if kind is dict else enumerate(value):
            if type(item) in HOLDS_NUMBERS:
                value[key] = javascript_numbers(item)
    return value
