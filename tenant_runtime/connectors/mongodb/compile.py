"""A query as MongoDB takes it: filter, sort, projection, update.

In charge of: the documents, as loopback-connector-mongodb 4.2 builds them. Must not know: the client.
"""

from __future__ import annotations

from typing import Any

from bson import Decimal128, Regex

from tenant_runtime.connectors.base import QueryRefused, Row
from tenant_runtime.connectors.mongodb.ids import is_stored_as_object_id, is_typed_object_id, to_object_id
from tenant_runtime.connectors.mongodb.mapping import Document, Mapping, boxed, each
from tenant_runtime.filter.query import Compare, Group, Order, Where
from tenant_runtime.model.javascript import UNDEFINED, to_text

#: Run code in the server: removed from every filter, whoever sent them (the original removes the first two).
FORBIDDEN = frozenset({"$where", "mapReduce", "$function", "$accumulator"})

#: What ``allowExtendedOperators`` admits in an update.
UPDATE_OPERATORS = frozenset(
    [
        *("$currentDate", "$inc", "$max", "$min", "$mul", "$rename", "$setOnInsert", "$set", "$unset"),
        *("$addToSet", "$pop", "$pullAll", "$pull", "$push", "$pushAll", "$bit"),
    ]
)

METERS = {"meters": 1.0, "kilometers": 1000.0, "miles": 1600.0, "feet": 0.3048}


def compile_where(where: Where, mapping: Mapping) -> Document:
    """The filter document. An empty group at the root is everything; deeper ones are MongoDB's to refuse."""
    if isinstance(where, Compare):
        return compile_compare(where, mapping)
    parts = [compile_where(child, mapping) for child in where.children]
    if where.kind == "and":
        merged = merge(parts)
        if merged is not None:
            return merged
    return {f"${where.kind}": parts}


def without_code(value: Any) -> Any:
    """The value without any key that would run code in the server."""
    if isinstance(value, dict):
        return {key: without_code(item) for key, item in value.items() if key not in FORBIDDEN}
    return [without_code(item) for item in value] if isinstance(value, (list, tuple)) else value


def merge(parts: list[Document]) -> Document | None:
    """One document for all, as a client would write it; None when two parts have a key in common."""
    merged: Document = {}
    for part in parts:
        if merged.keys() & part.keys():
            return None
        merged.update(part)
    return merged


def compile_compare(compare: Compare, mapping: Mapping) -> Document:
    if compare.path in FORBIDDEN:
        return {}
    field = mapping.field(compare.path)
    prop = compare.prop if compare.prop is not None and compare.prop.name == compare.path else None
    value = without_code(compare.value)
    if prop is not None and prop.name in mapping.decimals:
        value = each(value, lambda item: Decimal128(str(item)))
    if typed_object_id(prop, mapping):
        value = to_object_id(value)
    if compare.path in mapping.objects and compare.op in ("gt", "gte", "lt", "lte"):
        value = boxed(value)
    return {field: condition(compare, value, mapping)}


def typed_object_id(prop: Any, mapping: Mapping) -> bool:
    return is_stored_as_object_id(prop) if mapping.strict else is_typed_object_id(prop)


def condition(compare: Compare, value: Any, mapping: Mapping) -> Any:
    match compare.op:
        case "eq":
            if value is None:
                return None if mapping.implicit_null else {"$type": 10}
            if isinstance(value, dict) and (value or not mapping.strict):
                return operation(value) if value else None  # of {} the original makes undefined: is missing
            return loosely(value, mapping)
        case "neq":
            return {"$ne": value}
        case "gt" | "gte" | "lt" | "lte" | "exists":
            return {f"${compare.op}": value}
        case "between":
            if value is None:
                raise QueryRefused("between needs two values")
            low, high = (None if bound is UNDEFINED else bound for bound in value)
            return {"$gte": low, "$lte": high}
        case "inq":
            return {"$in": [loosely(item, mapping) for item in value]}
        case "nin":
            return {"$nin": [loosely(item, mapping) for item in value]}
        case "like" | "regexp":
            return {"$regex": regular_expression(value, compare.options)}
        case "nlike":
            return {"$not": regular_expression(value, compare.options)}
        case "near":
            return {"$near": near(value)}
        case "raw":
            return value
        case _:
            # ilike and nilike: the original passes them on and MongoDB does not know them.
            raise QueryRefused(f"unknown operator: ${compare.op}")


def operation(value: Document) -> Document:
    """An object is an operator of MongoDB's without its dollar sign, its first key alone: ``{mod: …}``."""
    name, operand = next(iter(value.items()))
    if name.startswith("$"):
        raise QueryRefused(f"unknown operator: ${name}")
    return {f"${name}": operand}


def loosely(value: Any, mapping: Mapping) -> Any:
    """Without strictObjectIDCoercion any text that looks like an ObjectID is compared as one."""
    return value if mapping.strict_ids or mapping.strict or isinstance(value, list) else to_object_id(value)


def regular_expression(value: Any, options: str | None) -> Regex[str]:
    """JavaScript's RegExp for the server, which runs it within PCRE's limits; ``g`` means nothing there."""
    pattern = getattr(value, "source", None) or getattr(value, "pattern", None) or to_text(value)
    flags = getattr(value, "flags", None)
    letters = flags if isinstance(flags, str) else options or ""
    return Regex(pattern, "".join(sorted(set(letters) & set("imsx"))))


def near(value: dict[str, Any]) -> Document:
    """``{near: {lat, lng}, maxDistance, minDistance, unit}``; here the default unit is meters."""
    lng, lat = coordinates(value["near"])
    scale = METERS.get(str(value.get("unit") or "meters"), 1.0)
    document: Document = {"$geometry": {"type": "Point", "coordinates": [lng, lat]}}
    for name in ("maxDistance", "minDistance"):
        if value.get(name):
            document[f"${name}"] = value[name] * scale
    return document


def coordinates(point: Any) -> tuple[Any, Any]:
    """Longitude and latitude of ``{lat, lng}``, ``[lng, lat]`` or ``"lng,lat"``, in the original's order."""
    if isinstance(point, dict):
        return point.get("lng"), point.get("lat")
    try:
        parts = point.split(",") if isinstance(point, str) else list(point)
        return float(parts[0]), float(parts[1])
    except (ValueError, IndexError, TypeError):
        raise QueryRefused("near needs a point: {lat, lng}") from None


def has_near(where: Where) -> bool:
    if isinstance(where, Group):
        return any(has_near(child) for child in where.children)
    return where.op == "near"


def compile_sort(order: tuple[Order, ...], mapping: Mapping) -> list[tuple[str, int]]:
    """By ``_id`` when nothing is asked, unless ``disableDefaultSort``."""
    keys = [(mapping.field(key.path), -1 if key.descending else 1) for key in order if key.path]
    return keys or ([("_id", 1)] if mapping.default_sort else [])


def compile_projection(fields: tuple[str, ...] | None, mapping: Mapping) -> Document | None:
    """The fields wanted; None for all.

    The original asks for properties by name also where ``mongodb.fieldName`` renames them, and so does not
    get them; ``strict`` asks for the field.
    """
    if fields is None:
        return None
    names = [name for name in fields if name != mapping.id_name]
    if mapping.strict:
        names = [mapping.field(name) for name in names]
    return dict.fromkeys(names, 1) or {"_id": 1}


def compile_update(changes: Row, mapping: Mapping) -> Document:
    """``$set`` of the changes, or the update operators in them where the settings allow them."""
    if mapping.extended_operators:
        operators = {name: value for name, value in changes.items() if name in UPDATE_OPERATORS and value}
        if operators:
            return operators
    document = mapping.to_document(changes)
    return {"$set": document} if document else {}


def refuse_operators(value: Any) -> None:
    """What is inserted may have no key like an operator's or a path's, at any depth, as in the original."""
    if isinstance(value, dict):
        for key, inner in value.items():
            if key.startswith("$") or "." in key:
                raise QueryRefused(f'key "{key}" must not start with "$" or contain "."')
            refuse_operators(inner)
    elif isinstance(value, list):
        for inner in value:
            refuse_operators(inner)
