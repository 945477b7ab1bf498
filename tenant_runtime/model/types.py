"""Property types: how a value becomes the property's type when it is assigned, constructed or loaded.

In charge of: LoopBack's three conversions (juggler ``model-builder.js``, ``model.js``, ``list.js``,
``geo.js``, ``date-string.js``). *Assign* is the property's setter; *complete* runs after it in the
constructor; *load* is what a stored value gets. Must not know: models beyond a function that makes an
instance, connectors, HTTP.

null and undefined are never handed in: the callers keep them as they are.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import orjson

from tenant_runtime.errors import LoopbackError
from tenant_runtime.model.dates import to_date
from tenant_runtime.model.definition import PropertyType
from tenant_runtime.model.javascript import (
    INVALID_DATE,
    is_nullish,
    json_text,
    to_number,
    to_text,
    truthy,
)

Convert = Callable[[Any], Any]

#: The kinds that the constructor and the loader leave alone (juggler's BASE_TYPES).
PLAIN_KINDS = frozenset({"string", "number", "boolean", "date", "text", "objectid"})


@dataclass(frozen=True, slots=True)
class Codec:
    """The conversions of one type; ``complete`` and ``load`` are None where nothing is done."""

    assign: Convert
    complete: Convert | None = None
    load: Convert | None = None


def to_boolean(value: Any) -> bool | None:
    """LoopBack's BooleanType: "false" and "0" are false beside JavaScript's own falsy values."""
    if value is True or value is False:
        return value
    if is_nullish(value):
        return None
    return False if value in ("false", "0") else truthy(value)


def to_geopoint(value: Any) -> dict[str, Any]:
    """A text "lat,lng", JSON, an array or an object; anything else is LoopBack's assertion (a 500)."""
    if isinstance(value, str):
        try:
            value = orjson.loads(value)
        except orjson.JSONDecodeError:
            value = _split_point(value)
    if isinstance(value, list):
        point = {key: to_number(item) for key, item in zip(("lat", "lng"), value, strict=False)}
        point = {"lat": float("nan"), "lng": float("nan"), **point}
    elif isinstance(value, dict):
        point = {key: to_number(value[key]) if key in value else float("nan") for key in ("lat", "lng")}
    else:
        raise LoopbackError(
            'must provide valid geo-coordinates array [lat, lng] or object or a "lat, lng" string',
            name="AssertionError",
        )
    _check_point(point["lat"], point["lng"])
    return point


def _split_point(text: str) -> list[str]:
    parts = [part.lstrip() for part in text.split(",")]
    if len(parts) != 2:
        raise LoopbackError(
            'must provide a string "lat,lng" creating a GeoPoint with a string', name="AssertionError"
        )
    return parts


def _check_point(lat: float, lng: float) -> None:
    complaint = None
    if lat != lat:
        complaint = "lat must be a number when creating a GeoPoint"
    elif lng != lng:
        complaint = "lng must be a number when creating a GeoPoint"
    elif lng > 180:
        complaint = "lng must be <= 180"
    elif lng < -180:
        complaint = "lng must be >= -180"
    elif lat > 90:
        complaint = "lat must be <= 90"
    elif lat < -90:
        complaint = "lat must be >= -90"
    if complaint:
        raise LoopbackError(complaint, name="AssertionError")


def to_buffer(value: Any) -> bytes:
    """``Buffer(value)``: text as UTF-8, arrays of octets, the JSON form of a buffer, a length."""
    if isinstance(value, bytes):
        return value
    if isinstance(value, str):
        return value.encode("utf-8", "surrogatepass")
    if isinstance(value, dict) and value.get("type") == "Buffer":
        value = value.get("data")
    if isinstance(value, list):
        numbers = [to_number(item) for item in value]
        return bytes(int(number) & 255 if number == number else 0 for number in numbers)
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= 16 << 20:
        return bytes(value)
    raise LoopbackError(
        "The first argument must be of type string or an instance of Buffer, ArrayBuffer, or Array or an "
        "Array-like Object.",
        name="TypeError",
    )


def to_datestring(value: Any) -> str:
    """A text that is a valid date. Its JSON form, as the original writes it, is the text ``{"when":…}``."""
    if isinstance(value, dict) and isinstance(value.get("when"), str):
        value = value["when"]
    if not isinstance(value, str):
        raise LoopbackError("Input must be a string")
    if to_date(value) is INVALID_DATE:
        raise LoopbackError("Invalid date")
    return orjson.dumps({"when": value}).decode()


def to_objectid(value: Any) -> Any:
    """24 hex digits are an ObjectID, shown in lower case; anything else is kept (mongodb.js, ObjectID())."""
    return value.lower() if is_objectid(value) else value


def is_objectid(value: Any) -> bool:
    """Whether a value is an ObjectID where the property's type says so: 24 hex digits."""
    return isinstance(value, str) and len(value) == 24 and not value.lower().strip("0123456789abcdef")


def parse_json_text(value: Any) -> Any:
    """What the constructor does to a scalar in a complex property: its JSON value, or its text."""
    if isinstance(value, dict | list) or not truthy(value) or not isinstance(value, str):
        return value
    try:
        return orjson.loads(value)
    except orjson.JSONDecodeError:
        return value


def to_list(value: Any, item: Convert | None) -> list[Any]:
    """juggler's List: JSON text is parsed, falsy scalars are an empty array, items get the item type."""
    if isinstance(value, str):
        try:
            value = orjson.loads(value)
        except orjson.JSONDecodeError:
            raise LoopbackError(
                f"could not create List from JSON string: {json_text(value)}", status=400
            ) from None
    if not truthy(value):
        return []
    if not isinstance(value, list):
        raise LoopbackError(f"Items must be an array: {json_text(value)}", status=400)
    if item is None:
        return list(value)
    return [element if isinstance(element, list) else item(element) for element in value]


def _boolean_item(value: Any) -> bool:
    return truthy(value)


def _date_item(value: Any) -> Any:
    return None if value is None else to_date(value)


def _object_item(value: Any) -> Any:
    return {} if value is None else value


#: ``itemType(item)`` for typed arrays: the bare JavaScript functions, not the setters.
_ITEMS: dict[str, Convert | None] = {
    "string": to_text,
    "number": to_number,
    "boolean": _boolean_item,
    "date": _date_item,
    "object": _object_item,
    "geopoint": to_geopoint,
    "buffer": to_buffer,
    "datestring": to_datestring,
    "objectid": to_objectid,
}


def _identity(value: Any) -> Any:
    return value


_SCALARS: dict[str, Codec] = {
    "string": Codec(to_text),
    "text": Codec(_identity),
    "number": Codec(to_number),
    "boolean": Codec(to_boolean),
    "date": Codec(to_date),
    "objectid": Codec(to_objectid),
    "any": Codec(_identity, complete=parse_json_text, load=parse_json_text),
    "json": Codec(_identity, complete=parse_json_text, load=parse_json_text),
    "null": Codec(_identity, complete=parse_json_text, load=parse_json_text),
    # Object("text") is a wrapper object, so that only stored texts are parsed
    "object": Codec(_identity, load=parse_json_text),
    "geopoint": Codec(to_geopoint, load=parse_json_text),
    "buffer": Codec(to_buffer, load=parse_json_text),
    "datestring": Codec(to_datestring, load=parse_json_text),
}


def codec_for(type: PropertyType, instantiate: Callable[[str], Convert]) -> Codec:
    """The conversions of ``type``; ``instantiate(name)`` gives the constructor of a nested model."""
    if type.kind == "model":
        make = instantiate(type.model or "")
        return Codec(make, load=lambda value: _load_model(value, make))
    if type.kind == "array":
        item = _item_convert(type.item, instantiate)
        return Codec(
            lambda value: to_list(value, item),
            load=lambda value: to_list(parse_json_text(value), item),
        )
    return _SCALARS[type.kind]


def _item_convert(type: PropertyType | None, instantiate: Callable[[str], Convert]) -> Convert | None:
    if type is None or type.kind == "array":
        return None
    if type.kind == "model":
        return instantiate(type.model or "")
    return _ITEMS.get(type.kind)


def _load_model(value: Any, make: Convert) -> Any:
    value = parse_json_text(value)
    return make(value) if isinstance(value, dict | list) else value
