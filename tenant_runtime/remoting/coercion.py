"""Arguments of remote methods: what arrives as text or JSON becomes a value of the declared type.

In charge of: LoopBack's *sloppy* conversion (query strings, paths, headers, forms: everything is text) and
its *typed* one (JSON bodies: types are kept and checked). A refused value is a 400. Must not know: requests,
models' rules (those apply later, when data becomes an instance).

Source: strong-remoting ``lib/types/``, reference section 1.10.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from tenant_runtime.errors import LoopbackError
from tenant_runtime.model.dates import to_date
from tenant_runtime.model.javascript import INVALID_DATE, UNDEFINED, to_number, to_text
from tenant_runtime.model.types import to_geopoint
from tenant_runtime.remoting.json import loads

MAX_SAFE_INTEGER = 2**53 - 1
INTEGER_TEXT = re.compile(r"-?(?:[0-9]|[1-9][0-9]*)\Z")  # "01" is a text
FLOAT_TEXT = re.compile(r"-?[0-9]*\.[0-9]+\Z")
MILLISECONDS_TEXT = re.compile(r"-?[0-9]+\Z")

Convert = Callable[[Any], Any]


@dataclass(frozen=True, slots=True)
class Converter:
    """``typed`` for values from JSON, ``sloppy`` for values from text; both raise a 400 LoopbackError."""

    typed: Convert
    sloppy: Convert


@dataclass(frozen=True, slots=True)
class ArgumentOptions:
    """What an argument's declaration and the app's ``remoting`` settings say about its conversion."""

    allow_array: bool = False
    array_item_delimiters: tuple[str, ...] = ()


def refused(message: str) -> LoopbackError:
    """The 400 of a value that cannot be what it should."""
    return LoopbackError(message, status=400)


def parse_json(text: str, kind: str) -> Any:
    """JSON in a query, a path or a header; 400 where it is none."""
    try:
        return loads(text.encode("utf-8", "surrogatepass"))
    except (ValueError, RecursionError):
        raise refused(f"Cannot parse JSON-encoded {kind} value.") from None


def looks_like_object(value: Any) -> bool:
    """Whether a text is to be read as a JSON object."""
    return isinstance(value, str) and value[:1] == "{" and value[-1:] == "}"


def looks_like_array(value: Any) -> bool:
    """Whether a text is to be read as a JSON array."""
    return isinstance(value, str) and value[:1] == "[" and value[-1:] == "]"


def is_number(value: Any) -> bool:
    """JavaScript's ``typeof value === 'number'``."""
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def identity(value: Any) -> Any:
    return value


def any_sloppy(value: Any) -> Any:
    """``null``, booleans, safe numbers and JSON are recognised; other text stays text."""
    if not isinstance(value, str):
        return value
    if value == "":
        return UNDEFINED
    lowered = value.lower()
    if lowered in ("true", "false"):
        return lowered == "true"
    if value == "null":
        return None
    if INTEGER_TEXT.match(value):
        number = int(value)
        return number if -MAX_SAFE_INTEGER <= number <= MAX_SAFE_INTEGER else value
    if FLOAT_TEXT.match(value):
        return to_number(value)
    if looks_like_object(value) or looks_like_array(value):
        try:
            return loads(value.encode("utf-8", "surrogatepass"))
        except (ValueError, RecursionError):
            return value
    return value


def string_typed(value: Any) -> Any:
    """A text of a JSON body; other kinds are refused."""
    if value is UNDEFINED or isinstance(value, str):
        return value
    raise refused("Value is not a string.")


def string_sloppy(value: Any) -> Any:
    """A text; the empty one counts as not given."""
    if value == "":
        return UNDEFINED
    if value is UNDEFINED or isinstance(value, str):
        return value
    return string_typed(value if value is None else to_text(value))


def number_typed(value: Any) -> Any:
    """A number of a JSON body; NaN and other kinds are refused."""
    if value is UNDEFINED or (is_number(value) and value == value):
        return value
    raise refused("Value is not a number.")


def number_sloppy(value: Any) -> Any:
    """``Number(text)``; the empty text counts as not given."""
    if value is UNDEFINED or value == "":
        return UNDEFINED
    return number_typed(to_number(value))


def integer_typed(value: Any) -> Any:
    """A whole number that a double holds exactly."""
    number = number_typed(value)
    if number is UNDEFINED or (abs(number) <= MAX_SAFE_INTEGER and number == int(number)):
        return number if number is UNDEFINED else int(number)
    raise refused("Value is not a safe integer.")


def integer_sloppy(value: Any) -> Any:
    """The same of a text."""
    return integer_typed(number_sloppy(value))


def boolean_typed(value: Any) -> Any:
    """A boolean of a JSON body; other kinds are refused."""
    if value is UNDEFINED or isinstance(value, bool):
        return value
    raise refused("Value is not a boolean.")


def boolean_sloppy(value: Any) -> Any:
    """true, false, 1 and 0 in any case; other texts are refused."""
    if value is UNDEFINED or value == "":
        return UNDEFINED
    if isinstance(value, str):
        lowered = value.lower()
        if lowered in ("true", "1"):
            return True
        if lowered in ("false", "0"):
            return False
    raise refused("Value is not a boolean.")


def date_typed(value: Any) -> Any:
    """A date of a JSON body: a text or milliseconds."""
    if value is UNDEFINED:
        return value
    date = to_date(value) if isinstance(value, str) or is_number(value) else INVALID_DATE
    if date is INVALID_DATE:
        raise refused("Value is not a valid date.")
    return date


def date_sloppy(value: Any) -> Any:
    """Digits are milliseconds since 1970, so that ``?from=0`` means what it says."""
    if value == "":
        return UNDEFINED
    if isinstance(value, str) and MILLISECONDS_TEXT.match(value):
        return date_typed(to_number(value))
    return date_typed(value)


def geopoint_typed(value: Any) -> Any:
    """A point of a JSON body, in any of LoopBack's forms."""
    if value is UNDEFINED:
        return value
    try:
        return to_geopoint(value)
    except LoopbackError as error:
        raise refused(error.message) from None


def geopoint_sloppy(value: Any) -> Any:
    """A point of a text: JSON or ``lat,lng``."""
    if value is UNDEFINED or value == "":
        return UNDEFINED
    if value is None or value == "null":
        return None
    if looks_like_object(value) or looks_like_array(value):
        return geopoint_typed(parse_json(value, "object"))
    if isinstance(value, list):
        return geopoint_typed([to_number(item) for item in value])
    if isinstance(value, dict):
        return geopoint_typed({key: to_number(item) for key, item in value.items()})
    return geopoint_typed(value)


def check_object(value: Any, allow_array: bool) -> Any:
    """An object, or with ``allow_array`` a list of them; the rest is refused."""
    if value is UNDEFINED or value is None or isinstance(value, dict):
        return value
    if isinstance(value, list) and allow_array:
        if all(item is None or isinstance(item, dict) for item in value):
            return value
        raise refused("Some of array items are not an object.")
    if isinstance(value, (str, list, bool, int, float)):
        raise refused("Value is not an object.")
    return value  # a request, a context, an instance: computed arguments


def object_converter(allow_array: bool) -> Converter:
    """For ``object``: JSON texts are parsed where everything is text."""

    def typed(value: Any) -> Any:
        return check_object(value, allow_array)

    def sloppy(value: Any) -> Any:
        if value is UNDEFINED or value == "":
            return UNDEFINED
        if value is None or value == "null":
            return None
        if looks_like_object(value):
            return typed(parse_json(value, "object"))
        return typed(value)

    return Converter(typed, sloppy)


def array_converter(item: Converter, delimiters: tuple[str, ...]) -> Converter:
    """For arrays: JSON, a repeated parameter, or a text cut at the delimiters."""
    split = re.compile("|".join(map(re.escape, delimiters))).split if delimiters else None

    def typed(value: Any) -> Any:
        if value is UNDEFINED or value is None:
            return value
        if not isinstance(value, list):
            raise refused("Value is not an array.")
        return [item.typed(one) for one in value]

    def sloppy(value: Any) -> Any:
        if value is UNDEFINED or value == "":
            return UNDEFINED
        if value is None or value == "null":
            return None
        if looks_like_array(value):
            return typed(parse_json(value, "array"))
        if split and isinstance(value, str):
            value = split(value)
        return [item.sloppy(one) for one in (value if isinstance(value, list) else [value])]

    return Converter(typed, sloppy)


def instance_converter(factory: Callable[[dict[str, Any]], Any]) -> Converter:
    """A model's name as a type: the object becomes an instance of that model."""
    plain = object_converter(allow_array=False)

    def typed(value: Any) -> Any:
        data = plain.typed(value)
        return factory(data) if isinstance(data, dict) else data

    def sloppy(value: Any) -> Any:
        data = plain.sloppy(value)
        return factory(data) if isinstance(data, dict) else data

    return Converter(typed, sloppy)


SIMPLE: Final[dict[str, Converter]] = {
    "any": Converter(identity, any_sloppy),
    "string": Converter(string_typed, string_sloppy),
    "number": Converter(number_typed, number_sloppy),
    "integer": Converter(integer_typed, integer_sloppy),
    "boolean": Converter(boolean_typed, boolean_sloppy),
    "date": Converter(date_typed, date_sloppy),
    "geopoint": Converter(geopoint_typed, geopoint_sloppy),
}

Factories = dict[str, Callable[[dict[str, Any]], Any]]


def converter_for(type: Any, options: ArgumentOptions, factories: Factories) -> Converter:
    """The converter of a declared type. ``factories``: instance makers by lower-case model name.

    Unknown names count as ``any``, as in the original; an inline object type as ``object``.
    """
    if isinstance(type, dict):
        type = "object"
    if isinstance(type, list) or str(type).lower() == "array":
        item = (type[0] if isinstance(type, list) and type else None) or "any"
        return array_converter(converter_for(item, options, factories), options.array_item_delimiters)
    name = str(type).lower()
    if name == "object":
        return object_converter(options.allow_array)
    if name in SIMPLE:
        return SIMPLE[name]
    if name in factories:
        return instance_converter(factories[name])
    return SIMPLE["any"]
