"""How a model's rows lie in their collection: names, ids, special types.

In charge of: a row (keyed by property) ↔ a document (keyed by field). Must not know: the client, filters.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from bson import Binary, Decimal128, Int64, ObjectId, Regex
from bson.datetime_ms import DatetimeMS

from tenant_runtime.connectors.base import Row
from tenant_runtime.connectors.mongodb.ids import is_stored_as_object_id, is_typed_object_id, to_object_id
from tenant_runtime.model.definition import ModelDefinition, Property

Document = dict[str, Any]

COLUMN_KEYS = ("fieldName", "field", "columnName", "column")
PLAIN = frozenset({str, int, float, bool, type(None), datetime, bytes})


@dataclass(frozen=True, slots=True)
class Mapping:
    """What is needed to translate one model; made once by ``mapping_of``."""

    collection: str
    id_name: str | None
    properties: dict[str, Property]
    fields: dict[str, str]  # property → field, only where they differ
    object_ids: frozenset[str]  # properties, the id apart, whose texts are stored as ObjectIDs
    decimals: frozenset[str]  # mongodb.dataType: "decimal128"
    points: frozenset[str]  # GeoPoints stored as GeoJSON (enableGeoIndexing)
    objects: frozenset[str]  # of type object: other values in them are stored boxed
    strict_ids: bool  # strictObjectIDCoercion
    id_is_object_id: bool
    strict: bool  # better than the original where it is plainly wrong; docs/connectors.md
    default_sort: bool
    implicit_null: bool
    extended_operators: bool

    def field(self, path: str) -> str:
        """The field of a property or nested path; the id is ``_id``."""
        if path == self.id_name:
            return "_id"
        head, dot, rest = path.partition(".")
        return self.fields.get(head, head) + dot + rest

    # -- row → document -----------------------------------------------------------------------------------

    def stored_id(self, value: Any) -> Any:
        """An id as it is stored: an ObjectID when it looks like one, unless the id's type says otherwise."""
        if self.id_is_object_id or not self.strict_ids:
            return to_object_id(value)
        return value

    def to_document(self, row: Row, *, whole: bool = False) -> Document:
        """The row as a document without ``_id``.

        A mapped property (``mongodb.fieldName``) that the row does not have is written as null, as the
        original does even in partial updates, but not when it replaces a ``whole`` document; with
        ``strict`` it is left alone.
        """
        document = {name: value for name, value in row.items() if name != self.id_name}
        for name in self.object_ids:
            if name in document:
                document[name] = to_object_id(document[name])
        for name in self.decimals:
            if document.get(name) is not None:
                document[name] = each(document[name], to_decimal)
        for name in self.points:
            if isinstance(document.get(name), dict):
                document[name] = to_geo_json(document[name])
        for name in self.objects:
            if name in document:
                document[name] = boxed(document[name])
        for name, column in self.fields.items():
            if name in document or not (self.strict or whole):
                document[column] = document.pop(name, None)
        return document

    # -- document → row -----------------------------------------------------------------------------------

    def to_row(self, document: Document, *, with_id: bool = True) -> Row:
        """The row of a document, which becomes it where its values are all plain."""
        identity = document.pop("_id", None)
        row: Row = document
        if not PLAIN.issuperset(map(type, document.values())):
            row = {name: value if type(value) in PLAIN else plain(value) for name, value in document.items()}
        for name, column in self.fields.items():
            row.pop(name, None)
            if column in row:
                row[name] = row.pop(column)
        for name in self.points:
            if isinstance(row.get(name), dict) and "coordinates" in row[name]:
                lng, lat = row[name]["coordinates"]
                row[name] = {"lat": lat, "lng": lng}
        if with_id and self.id_name is not None:
            row[self.id_name] = identity if type(identity) in PLAIN else plain(identity)
        return row


def mapping_of(model: ModelDefinition, settings: dict[str, Any]) -> Mapping:
    """Read a model's and its data source's settings."""
    store = model.store("mongodb")
    identity = model.id_property
    strict = settings.get("strict") is True
    geo = settings.get("enableGeoIndexing") is True
    properties = [prop for prop in model.properties.values() if prop is not identity]
    return Mapping(
        collection=str(store.get("collection") or model.name),
        id_name=identity.name if identity else None,
        properties=model.properties,
        fields={prop.name: field for prop in properties if (field := field_name(prop)) != prop.name},
        object_ids=names(properties, is_stored_as_object_id if strict else is_typed_object_id),
        decimals=names(properties, is_decimal),
        points=names(properties, lambda prop: geo and prop.type.kind == "geopoint"),
        objects=names(properties, lambda prop: not strict and prop.type.kind == "object"),
        strict_ids=bool(setting(model, settings, "strictObjectIDCoercion")),
        id_is_object_id=is_typed_object_id(identity),
        strict=strict,
        default_sort=not setting(model, settings, "disableDefaultSort"),
        implicit_null=settings.get("implicitNullType") is True,
        extended_operators=allows_extended_operators(store, settings),
    )


def names(properties: list[Property], test: Callable[[Property], bool]) -> frozenset[str]:
    return frozenset(prop.name for prop in properties if test(prop))


def is_decimal(prop: Property) -> bool:
    return str(prop.store("mongodb").get("dataType", "")).lower() == "decimal128"


def setting(model: ModelDefinition, settings: dict[str, Any], name: str) -> Any:
    """A setting that a model may override."""
    return model.settings.get(name, settings.get(name))


def allows_extended_operators(store: dict[str, Any], settings: dict[str, Any]) -> bool:
    """A data source's explicit ``false`` beats the model's ``mongodb.allowExtendedOperators``."""
    if settings.get("allowExtendedOperators") is False:
        return False
    return bool(store.get("allowExtendedOperators", settings.get("allowExtendedOperators")))


def field_name(prop: Property) -> str:
    """``mongodb.fieldName`` (and its three other spellings), ``columnName``, or the property's own name."""
    for holder, keys in ((prop.store("mongodb"), COLUMN_KEYS), (prop.raw, ("columnName", "column"))):
        for key in keys:
            if holder.get(key):
                return str(holder[key])
    return prop.name


def each(value: Any, convert: Callable[[Any], Any]) -> Any:
    return [convert(item) for item in value] if isinstance(value, list) else convert(value)


def to_decimal(value: Any) -> Any:
    return Decimal128(str(value)) if isinstance(value, (str, int, float)) else value


def to_geo_json(point: dict[str, Any]) -> Document:
    return {"type": "Point", "coordinates": [point.get("lng"), point.get("lat")]}


def boxed(value: Any) -> Any:
    """What the original stores for a text, number or boolean in an object property.

    It is JavaScript's ``Object(x)`` as the driver sees it: a text's characters by position, else nothing.
    """
    if isinstance(value, str):
        units = value.encode("utf-16-le", "surrogatepass")
        pairs = (units[at : at + 2].decode("utf-16-le", "replace") for at in range(0, len(units), 2))
        return {str(position): unit for position, unit in enumerate(pairs)}
    return {} if isinstance(value, (bool, int, float)) else value


def plain(value: Any) -> Any:
    """A value of BSON as one of the kinds that ``connectors.base`` allows in rows."""
    match value:
        case dict():
            return {name: item if type(item) in PLAIN else plain(item) for name, item in value.items()}
        case list():
            return [item if type(item) in PLAIN else plain(item) for item in value]
        case ObjectId() | uuid.UUID():
            return str(value)
        case Decimal128():
            return {"$numberDecimal": str(value)}  # its JSON, as the original's driver has it
        case Int64():
            return int(value)
        case Binary():
            return bytes(value)
        case Regex():
            return f"/{value.pattern}/"
        case DatetimeMS():  # outside the years 1 to 9999
            return None
        case _:
            return str(value)


def encodable(value: Any) -> Any:
    """The value with what BSON cannot hold replaced as JavaScript would have sent it.

    Integers beyond 64 bits become doubles; unpaired surrogates become U+FFFD.
    """
    match value:
        case dict():
            return {encodable(name): encodable(item) for name, item in value.items()}
        case list():
            return [encodable(item) for item in value]
        case bool():
            return value
        case int() if not -(2**63) <= value < 2**63:
            return float(value)
        case str():
            return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
        case _:
            return value
