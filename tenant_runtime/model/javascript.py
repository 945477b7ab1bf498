"""JavaScript's conversions, as far as LoopBack's behaviour rests on them.

In charge of: ToNumber, ToString, truthiness, ``==``, ``<`` and the text of values, for the Python values that
stand for JavaScript's (``connectors.base``): None is ``null``, ``UNDEFINED`` is ``undefined``,
``INVALID_DATE`` a Date without a time. Must not know: models, properties, stores. Source: ECMA-262, sections
7.1 and 7.2.
"""

from __future__ import annotations

import json
import math
import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Final

import orjson


class Undefined:
    """The type of ``UNDEFINED``; false, and equal to nothing but itself."""

    __slots__ = ()

    def __bool__(self) -> bool:
        return False

    def __repr__(self) -> str:
        return "undefined"


class InvalidDate:
    """The type of ``INVALID_DATE``: what ``new Date('nonsense')`` makes. It leaves as JSON null."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "Invalid Date"


UNDEFINED: Final = Undefined()
INVALID_DATE: Final = InvalidDate()

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MILLISECOND = timedelta(milliseconds=1)
SAFE_INTEGER = 2**53
WHITESPACE = (
    "\t\n\v\f\r \u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a"
    "\u2028\u2029\u202f\u205f\u3000\ufeff"
)

_DECIMAL = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?", re.ASCII)
_RADIX = re.compile(r"0(?:[xX][0-9a-fA-F]+|[oO][0-7]+|[bB][01]+)", re.ASCII)


def normalize_number(value: float) -> int | float:
    """The same number as JavaScript holds it, as an int where it is a whole one: 1.0 is 1, 2**53+1 is
    2**53.
    """
    if isinstance(value, int):
        if -SAFE_INTEGER <= value <= SAFE_INTEGER:
            return value
        try:
            value = float(value)
        except OverflowError:
            return math.inf if value > 0 else -math.inf
    if value.is_integer() and abs(value) < 1e21:
        return int(value)
    return value


def milliseconds(value: datetime) -> int:
    """A date's time value."""
    return (value - EPOCH) // MILLISECOND


def text_to_number(text: str) -> int | float:
    text = text.strip(WHITESPACE)
    if not text:
        return 0
    if _DECIMAL.fullmatch(text):
        if text.isdigit() and len(text) < 16:
            return int(text)
        return normalize_number(float(text))
    if _RADIX.fullmatch(text):
        return normalize_number(int(text, 0))
    if text in ("Infinity", "+Infinity"):
        return math.inf
    return -math.inf if text == "-Infinity" else math.nan


def to_number(value: Any) -> int | float:
    """``Number(value)``."""
    if type(value) is int and -SAFE_INTEGER <= value <= SAFE_INTEGER:
        return value
    if value is True or value is False:
        return int(value)
    if isinstance(value, int | float):
        return normalize_number(value)
    if isinstance(value, str):
        return text_to_number(value)
    if value is None:
        return 0
    if isinstance(value, datetime):
        return milliseconds(value)
    if isinstance(value, list | tuple):
        return text_to_number(to_text(value))
    return math.nan


def number_to_text(value: float) -> str:
    """Number::toString: exponents only from 1e21 and below 1e-6."""
    if isinstance(value, int) and -SAFE_INTEGER <= value <= SAFE_INTEGER:
        return str(value)
    value = normalize_number(value)
    if isinstance(value, int):
        return _positional(value)
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "Infinity" if value > 0 else "-Infinity"
    if 1e-6 <= abs(value) < 1e21:
        return _positional(value)
    mantissa, exponent = repr(value).split("e")
    mantissa = mantissa.removesuffix(".0")
    power = int(exponent)
    return f"{mantissa}e{'+' if power > 0 else ''}{power}"


def _positional(value: float) -> str:
    """The shortest digits that mean the double, without an exponent."""
    return format(Decimal(repr(float(value))), "f").removesuffix(".0")


def to_text(value: Any) -> str:
    """``String(value)``: arrays joined with commas, objects as ``[object Object]``."""
    if isinstance(value, str):
        return value
    if value is None:
        return "null"
    if value is True:
        return "true"
    if value is False:
        return "false"
    if isinstance(value, int | float):
        return number_to_text(value)
    if isinstance(value, list | tuple):
        return ",".join("" if item is None or item is UNDEFINED else to_text(item) for item in value)
    if isinstance(value, datetime):
        return date_to_text(value)
    if value is UNDEFINED or value is INVALID_DATE:
        return repr(value)
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    return "[object Object]"


def date_to_text(value: datetime) -> str:
    """``date.toString()`` in the server's zone."""
    local = value.astimezone()
    zone = "Coordinated Universal Time" if local.tzname() == "UTC" else local.tzname()
    return local.strftime("%a %b %d %Y %H:%M:%S GMT%z") + f" ({zone})"


def iso_text(value: datetime) -> str:
    """``date.toISOString()``: UTC, milliseconds, ``Z``."""
    if value.tzinfo is not UTC:
        value = value.astimezone(UTC)
    if not value.microsecond:
        return value.isoformat()[:-6] + ".000Z"  # in half of the time
    return value.isoformat(timespec="milliseconds")[:-6] + "Z"


def json_text(value: Any) -> str:
    """``JSON.stringify(value)`` in messages."""
    try:
        return orjson.dumps(value, default=str).decode()
    except TypeError:  # more than 64 bits, or a lone surrogate: no fault in JavaScript
        return json.dumps(to_json_value(value), default=str, separators=(",", ":"))


def truthy(value: Any) -> bool:
    """JavaScript's truth: empty arrays and objects are true; "", 0, NaN, null, undefined are false."""
    if isinstance(value, (list, dict, tuple, bytes)):
        return True
    if isinstance(value, float):
        return value != 0 and value == value
    return bool(value) or value is INVALID_DATE


def is_nullish(value: Any) -> bool:
    return value is None or value is UNDEFINED


def loosely_equal(left: Any, right: Any) -> bool:
    """``left == right``. Arrays and objects are equal only to themselves; dates are compared by their
    time.
    """
    if left is None or left is UNDEFINED:
        return right is None or right is UNDEFINED
    if right is None or right is UNDEFINED:
        return False
    kind = type(left)
    if kind is type(right) and (
        kind is str or kind is int or kind is float or kind is bool or kind is datetime
    ):
        return bool(left == right)
    left_is_object, right_is_object = isinstance(left, dict | list), isinstance(right, dict | list)
    if left_is_object and right_is_object:
        return left is right
    if left_is_object or right_is_object or isinstance(left, datetime) or isinstance(right, datetime):
        left, right = _primitive(left), _primitive(right)
    if isinstance(left, str) and isinstance(right, str):
        return left == right
    if isinstance(left, (str, int, float)) and isinstance(right, (str, int, float)):
        return to_number(left) == to_number(right)
    return left is right


def _primitive(value: Any) -> Any:
    return to_text(value) if isinstance(value, (dict, list, datetime)) else value


def less_than(left: Any, right: Any) -> bool:
    """``left < right``: two texts by their UTF-16 units, anything else as numbers."""
    if type(left) is int and type(right) is int:
        return left < right
    if isinstance(left, dict | list):
        left = to_text(left)
    if isinstance(right, dict | list):
        right = to_text(right)
    if isinstance(left, str) and isinstance(right, str):
        return text_before(left, right)
    if left is UNDEFINED or right is UNDEFINED:
        return False
    return to_number(left) < to_number(right)


def text_before(left: str, right: str) -> bool:
    """Code unit order: differs from Python's code point order only above the basic plane."""
    if left.isascii() or right.isascii():
        return left < right
    return left.encode("utf-16-be", "surrogatepass") < right.encode("utf-16-be", "surrogatepass")


def own_properties(value: Any) -> dict[str, Any]:
    """What ``Object.keys`` sees: the positions of texts and arrays, nothing of numbers."""
    if isinstance(value, dict):
        return value
    if isinstance(value, str | list):
        return {str(position): item for position, item in enumerate(value)}
    return {}


def to_json_value(value: Any) -> Any:
    """One value as ``JSON.stringify`` would write it, still as Python objects: dates are ISO text, NaN is
    null.

    Objects with a ``__json__`` method (instances) say themselves what they are.
    """
    kind = type(value)
    if kind is str or kind is int or kind is bool or value is None:
        return value
    if kind is datetime:
        return iso_text(value)
    if kind is float:
        return value if value - value == 0 else None
    if kind is list or kind is tuple:
        return [to_json_value(item) for item in value]
    if kind is dict:
        return {name: to_json_value(item) for name, item in value.items() if item is not UNDEFINED}
    if kind is bytes:
        return {"type": "Buffer", "data": list(value)}
    if value is INVALID_DATE or value is UNDEFINED:
        return None
    if isinstance(value, datetime):
        return iso_text(value)
    own_form = getattr(value, "__json__", None)
    return own_form() if own_form is not None else value
