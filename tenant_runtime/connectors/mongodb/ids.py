"""ObjectIDs between MongoDB and the 24 hex digits that the rest of the runtime sees.

In charge of: which texts are stored and compared as ObjectIDs. The rules are those of
loopback-connector-mongodb 4.2, because existing collections were written by them:

* on writing, the id and properties of type ObjectID become ObjectIDs when they look like one; every other
  text stays a text, also under ``mongodb.dataType: "ObjectID"``;
* in a ``where``, equality, ``inq`` and ``nin`` turn *any* text that looks like an ObjectID into one, unless
  ``strictObjectIDCoercion`` is on. A text property holding 24 hex digits is then not found by it.

A data source with ``strict: true`` follows the declared type instead, ``mongodb.dataType`` included.
"""

from __future__ import annotations

from typing import Any

from bson import ObjectId

from tenant_runtime.model.definition import Property

HEX_DIGITS = frozenset("0123456789abcdefABCDEF")


def looks_like_object_id(value: Any) -> bool:
    return type(value) is str and len(value) == 24 and HEX_DIGITS.issuperset(value)


def to_object_id(value: Any) -> Any:
    """An ObjectID when the value is 24 hex digits; lists item by item; anything else as it is."""
    if looks_like_object_id(value):
        return ObjectId(value)
    if isinstance(value, list):
        return [to_object_id(item) for item in value]
    return value


def is_typed_object_id(prop: Property | None) -> bool:
    """Whether the property's type is ObjectID, or an array of them."""
    if prop is None:
        return False
    kind = prop.type.item if prop.type.kind == "array" and prop.type.item else prop.type
    return kind.kind == "objectid"


def is_stored_as_object_id(prop: Property | None) -> bool:
    """Whether the property's type or its ``mongodb.dataType`` says ObjectID."""
    if is_typed_object_id(prop):
        return True
    data_type = prop.store("mongodb").get("dataType") if prop is not None else None
    return isinstance(data_type, str) and "objectid" in data_type.lower()
