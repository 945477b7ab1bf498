"""A model's JSON from documents that are there: which fields, and of which type.

In charge of: the guess. Must not know: the client.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from bson import Binary, Decimal128, Int64, ObjectId

SAMPLE = 200  # documents looked at in each collection

TYPES: tuple[tuple[type | tuple[type, ...], str], ...] = (
    (bool, "boolean"),
    ((int, float, Int64, Decimal128), "number"),
    (str, "string"),
    (ObjectId, "objectid"),
    (datetime, "date"),
    ((bytes, Binary), "buffer"),
    (list, "array"),
    (dict, "object"),
)


def model_of(collection: str, documents: list[dict[str, Any]]) -> dict[str, Any]:
    """The definition; a field whose values are of several types is ``any``."""
    seen: dict[str, set[str]] = {}
    for document in documents:
        for name, value in document.items():
            if value is not None:
                seen.setdefault(name, set()).add(type_of(value))
    identity = seen.pop("_id", {"objectid"})
    properties: dict[str, Any] = {
        name: {"type": next(iter(types)) if len(types) == 1 else "any"} for name, types in seen.items()
    }
    injected = identity == {"objectid"}
    if not injected:
        kind = next(iter(identity)) if len(identity) == 1 else "any"
        properties = {"id": {"type": kind, "id": True, "generated": False}, **properties}
    name = "".join(part[:1].upper() + part[1:] for part in collection.replace("-", "_").split("_") if part)
    return {
        "name": name,
        "base": "PersistedModel",
        "idInjection": injected,
        "options": {"mongodb": {"collection": collection}},
        "properties": properties,
    }


def type_of(value: Any) -> str:
    for kind, name in TYPES:
        if isinstance(value, kind):
            return name
    return "any"
