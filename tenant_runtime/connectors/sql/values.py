"""A property's value on its way to a column and back.

In charge of: what the original's ``toColumnValue`` and ``fromColumnValue`` do, on each of the three
dialects: dates, booleans, numbers, JSON in text columns, points. Must not know: statements, connections.

Rows hold the values of ``connectors.base``: aware UTC datetimes, int or float, str, bool, dict, list.
"""

from __future__ import annotations

import json
import re
import struct
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, timezone, tzinfo
from decimal import Decimal
from types import NoneType
from typing import Any
from uuid import UUID

import orjson

from tenant_runtime.connectors.sql.columns import column_type, is_nullable
from tenant_runtime.model.dates import to_date
from tenant_runtime.model.definition import Property
from tenant_runtime.model.javascript import (
    EPOCH,
    INVALID_DATE,
    iso_text,
    milliseconds,
    to_number,
    to_text,
    truthy,
)

Convert = Callable[[Any], Any]

NAN = float("nan")

_LEADING_NUMBER = re.compile(r"\s*[+-]?(\d+\.?\d*([eE][+-]?\d+)?|\.\d+([eE][+-]?\d+)?)")
_OFFSET = re.compile(r"([+-])(\d\d):?(\d\d)")


@dataclass(frozen=True, slots=True)
class Codec:
    """How one property travels. The functions are never given None.

    ``null`` stands for null where the column is not nullable (the original casts null to the type);
    ``query`` encodes a value of a where clause, which differs from a stored one for objects and numbers.
    A value of the type ``ready`` is decoded already.
    """

    encode: Convert
    decode: Convert
    query: Convert
    null: Any = None
    ready: type = NoneType


def codec(dialect: str, prop: Property, zone: tzinfo | None = UTC) -> Codec:
    """The codec of a property; ``zone`` is that of MySQL's datetimes (None: this machine's own)."""
    kind = prop.type.kind
    if dialect == "mysql":
        pair = _mysql(kind, zone)
    elif dialect == "postgresql":
        pair = _postgresql(kind, column_type(dialect, prop))
    else:
        pair = _sqlite(kind)
    encode, decode = pair
    return Codec(
        encode,
        decode,
        _date_of_text(encode) if kind == "date" else _QUERY[dialect].get(kind, encode),
        None if is_nullable(prop) else _NULLS.get(kind),
        _READY.get(decode, NoneType),
    )


#: ``Number(null)``, ``String(null)``, …: what the original writes for null into a column that is not null.
_NULLS: dict[str, Any] = {"number": 0, "string": "null", "boolean": False, "object": "{}"}


def zone_of(setting: str) -> tzinfo | None:
    """The ``timezone`` setting of the MySQL driver: ``Z``, ``local`` or an offset such as ``+02:00``."""
    if setting == "local":
        return None
    match = _OFFSET.fullmatch(setting)
    if not match:
        return UTC
    offset = timedelta(hours=int(match[2]), minutes=int(match[3]))
    return timezone(-offset if match[1] == "-" else offset)


# ---- numbers, text, JSON ------------------------------------------------------------------------------


def number(value: Any) -> Any:
    """``Number(value)`` of a column's value; whole numbers are ints and keep all their digits."""
    if type(value) is int:
        return value
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    if isinstance(value, bytes):
        return int.from_bytes(value, "big")
    return str(value) if isinstance(value, UUID) else to_number(value)


def exact(value: Any) -> Any:
    """A number for the driver. Floats go as decimals, so that the database rounds 2.5 to 3 and -0.5 to -1,
    as it does with the literal that the original writes (a DOUBLE would be rounded to even)."""
    if type(value) is int:
        return value
    if isinstance(value, float):
        return int(value) if value.is_integer() and abs(value) < 2**63 else Decimal(repr(value))
    return int(value) if isinstance(value, bool) else value


def leading_number(value: Any) -> Any:
    """MySQL compares a number with a text by the digits that it starts with; the others are given those."""
    if isinstance(value, str):
        match = _LEADING_NUMBER.match(value)
        value = float(match[0]) if match else 0
    return exact(value)


def text(value: Any) -> str:
    """``String(value)``, for what a text column or a text property may meet."""
    if isinstance(value, str):
        return value
    if isinstance(value, dict | list):
        return to_json(value)
    if isinstance(value, (bool, int, float, bytes, datetime)):
        return to_text(value)
    return str(value)


def _spoken(value: Any) -> str:
    """``String(value)`` for a column of a text property: lists as "a,b"."""
    return to_text(value) if isinstance(value, list | dict) else text(value)


def _json_default(value: Any) -> Any:
    if isinstance(value, datetime):
        return iso_text(value)
    if isinstance(value, bytes):
        return {"type": "Buffer", "data": list(value)}
    if isinstance(value, Decimal):
        return number(value)
    return str(value)


def to_json(value: Any) -> str:
    """``JSON.stringify`` of a value; a text is kept as it is (the original's ``_serializeObject``)."""
    if isinstance(value, str):
        return value
    return _quoted(value)


def _quoted(value: Any) -> str:
    options = orjson.OPT_PASSTHROUGH_DATETIME | orjson.OPT_NON_STR_KEYS
    try:
        return orjson.dumps(value, default=_json_default, option=options).decode()
    except TypeError:  # a lone surrogate, a number of more than 64 bits: neither is a fault in JavaScript
        return json.dumps(value, default=_json_default, separators=(",", ":"))


def _as_json(value: Any) -> str:
    """For a column that takes JSON only: a text that is JSON already stays as it is."""
    return value if isinstance(value, str) and from_json(value) is not value else _quoted(value)


def from_json(value: Any) -> Any:
    """JSON in a text column; what is not JSON stays text, as the model's constructor does in the original."""
    if isinstance(value, bytes):
        value = value.decode("utf-8", "replace")
    if not isinstance(value, str):
        return value
    try:
        return orjson.loads(value)
    except orjson.JSONDecodeError:
        try:
            return json.loads(value)  # a lone surrogate escape or a NaN: JavaScript takes the first
        except ValueError:
            return value


# ---- dates --------------------------------------------------------------------------------------------


def _aware(value: Any, zone: tzinfo | None) -> Any:
    """A driver's date or datetime as aware UTC; zero dates and other unreadable ones become None."""
    if isinstance(value, datetime):
        if value.tzinfo is None:
            value = value.replace(tzinfo=zone) if zone else value.astimezone()
        return value.astimezone(UTC)
    if isinstance(value, date):
        return _aware(datetime(value.year, value.month, value.day), zone)
    try:
        if isinstance(value, (int, float, Decimal)):
            return EPOCH + timedelta(milliseconds=float(value))
        return _aware(datetime.fromisoformat(str(value)), zone)
    except (ValueError, OverflowError):
        return None


def time_value(value: Any) -> Any:
    """A date as the number that SQLite keeps; what is not a date becomes null, as in the original."""
    if isinstance(value, datetime):
        return milliseconds(value)
    return value if isinstance(value, int | float) else None


# ---- points -------------------------------------------------------------------------------------------

_WKB = struct.Struct("<IBIdd")  # MySQL's own form: reference system, byte order, type 1, x, y


def _coordinates(value: Any) -> tuple[float, float] | None:
    """x and y of a point; None for what is none."""
    x, y = (to_number(value.get(key)) for key in ("lng", "lat")) if isinstance(value, dict) else (NAN, NAN)
    return None if x != x or y != y else (float(x), float(y))


def _point_to_wkb(value: Any) -> Any:
    found = _coordinates(value)
    return None if found is None else _WKB.pack(0, 1, 1, *found)


def _point_from_wkb(value: Any) -> Any:
    if not isinstance(value, bytes) or len(value) != _WKB.size:
        return value
    x, y = _WKB.unpack(value)[3:]
    return {"lat": number(y), "lng": number(x)}


def _point_to_text(value: Any) -> Any:
    found = _coordinates(value)
    return None if found is None else "({!r},{!r})".format(*found)


def _point_from_text(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    x, _, y = value.strip("()").partition(",")
    return {"lat": number(float(y)), "lng": number(float(x))}


# ---- the dialects -------------------------------------------------------------------------------------


def _bytes(value: Any) -> Any:
    return (
        value.encode() if isinstance(value, str) else bytes(value) if isinstance(value, memoryview) else value
    )


def _bit(value: Any) -> int:
    return int(truthy(value))


def _flag(value: Any) -> str:
    return "Y" if truthy(value) else "N"


def _truth(value: Any) -> bool:
    """BIT(1), CHAR(1) and TINYINT(1) as MySQL's connector reads them."""
    if type(value) is int:
        return value != 0
    if isinstance(value, bytes) and len(value) == 1:
        return bool(value[0]) if value[0] < 2 else value == b"1"
    match = _LEADING_NUMBER.match(text(value)) if not isinstance(value, int) else None
    return bool(value) if isinstance(value, int) else bool(match and int(float(match[0])))


def _yes(value: Any) -> bool:
    """CHAR(1) flags as the connectors of PostgreSQL and SQLite read them."""
    return value in (True, 1) or (isinstance(value, str) and value in ("Y", "y", "T", "t", "1"))


def _json_pair() -> tuple[Convert, Convert]:
    return to_json, from_json


def _mysql(kind: str, zone: tzinfo | None) -> tuple[Convert, Convert]:
    def to_datetime(value: Any) -> Any:
        return value.astimezone(zone).replace(tzinfo=None) if isinstance(value, datetime) else value

    def to_date(value: Any) -> Any:
        if zone is UTC and type(value) is datetime and value.tzinfo is None:
            return value.replace(tzinfo=UTC)
        return _aware(value, zone)

    table: dict[str, tuple[Convert, Convert]] = {
        "string": (_spoken, text),
        "text": (_spoken, text),
        "datestring": (text, text),
        "objectid": (text, text),
        "number": (exact, number),
        "boolean": (_bit, _truth),
        "date": (to_datetime, to_date),
        "geopoint": (_point_to_wkb, _point_from_wkb),
        "buffer": (_bytes, _bytes),
    }
    return table.get(kind) or _json_pair()


def _postgresql(kind: str, column: str) -> tuple[Convert, Convert]:
    head = column.upper()
    if kind == "array" and head.endswith("[]"):
        return list, list
    table: dict[str, tuple[Convert, Convert]] = {
        "string": (_spoken, text),
        "text": (_spoken, text),
        "datestring": (text, text),
        "objectid": (text, text),
        "number": (exact, number),
        "boolean": (truthy, _yes)
        if head.startswith("BOOL")
        else (lambda value: "Y" if truthy(value) else "N", _yes),
        "date": (lambda value: value, lambda value: _aware(value, UTC)),
        "geopoint": (_point_to_text, _point_from_text),
        "buffer": (_bytes, _bytes),
        "array": (_quoted, _array),
    }
    if head in ("JSON", "JSONB"):
        return _as_json, from_json
    return table.get(kind) or _json_pair()


def _array(value: Any) -> Any:
    """A list kept as text: JSON, or the array literal (``{"a","b"}``) that the original's driver wrote."""
    found = from_json(value)
    if not isinstance(found, str) or not (found.startswith("{") and found.endswith("}")):
        return found
    try:
        return json.loads("[" + re.sub(r"\bNULL\b", "null", found[1:-1]) + "]")
    except ValueError:
        return [item.strip('"') for item in found[1:-1].split(",")]


def _sqlite(kind: str) -> tuple[Convert, Convert]:
    table: dict[str, tuple[Convert, Convert]] = {
        "string": (_spoken, text),
        "text": (_spoken, text),
        "datestring": (text, text),
        "objectid": (text, text),
        "number": (lambda v: float(v) if isinstance(v, Decimal) else v, number),
        "boolean": (_bit, _yes),
        "date": (time_value, lambda value: _aware(value, UTC)),
        "buffer": (_bytes, _bytes),
    }
    return table.get(kind) or _json_pair()


def _sqlite_number(value: Any) -> Any:
    found = leading_number(value)
    return float(found) if isinstance(found, Decimal) else found


def _single(convert: Convert) -> Convert:
    """A number's condition may be a list, which the drivers write out: one with a single item is that item.

    An object in it is written as a text; a longer list is no value, and the database refuses it.
    """

    def encode(value: Any) -> Any:
        if isinstance(value, list) and len(value) == 1:
            value = to_text(value[0]) if isinstance(value[0], dict | list) else value[0]
        return convert(value)

    return encode


def _date_of_text(convert: Convert) -> Convert:
    """A date's condition may be a list: the date of its text, which mostly is none and so equals nothing."""

    def encode(value: Any) -> Any:
        if isinstance(value, list):
            value = to_date(to_text(value))
        return None if value is INVALID_DATE else convert(value)

    return encode


#: What these decoders give back as it came.
_READY: dict[Convert, type] = {text: str, number: int, _bytes: bytes}

#: Values in a where clause. The original makes an object of a text there, and so compares with its JSON.
_QUERY: dict[str, dict[str, Convert]] = {
    "mysql": {"object": _quoted, "number": _single(exact)},
    "postgresql": {"object": _quoted, "array": to_json, "number": leading_number},
    "sqlite3": {"object": _quoted, "number": _sqlite_number},
}
