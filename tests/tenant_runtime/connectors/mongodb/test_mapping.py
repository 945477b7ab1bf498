"""Rows and documents, both ways."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from bson import Binary, Decimal128, Int64, ObjectId
from bson.datetime_ms import DatetimeMS
from hypothesis import given
from hypothesis import strategies as st

from tenant_runtime.connectors.mongodb.mapping import encodable, mapping_of, plain
from tenant_runtime.model.definition import ModelDefinition, Property, PropertyType

HEX = "5f0000000000000000000001"


def model(*properties: Property, **settings: Any) -> ModelDefinition:
    return ModelDefinition("Thing", None, {prop.name: prop for prop in properties}, settings=settings)


ID = Property("id", PropertyType("objectid"), id_order=1, generated=True)


def test_names_ids_and_types() -> None:
    mapping = mapping_of(
        model(
            Property("ship", PropertyType("string"), raw={"mongodb": {"columnName": "vessel"}}),
            Property("fk", PropertyType("objectid")),
            Property("fks", PropertyType("array", item=PropertyType("objectid"))),
            Property("price", PropertyType("string"), raw={"mongodb": {"dataType": "decimal128"}}),
            Property("at", PropertyType("geopoint")),
            ID,
            mongodb={"collection": "things"},
        ),
        {"enableGeoIndexing": True},
    )
    row = {"ship": "Argo", "fk": HEX, "fks": [HEX], "price": "1.10", "at": {"lat": 1, "lng": 2}, "x": HEX}
    document = mapping.to_document({**row, "id": HEX})
    assert mapping.collection == "things"
    assert document == {
        "fk": ObjectId(HEX),
        "fks": [ObjectId(HEX)],
        "price": Decimal128("1.10"),
        "at": {"type": "Point", "coordinates": [2, 1]},
        "x": HEX,
        "vessel": "Argo",
    }
    assert mapping.to_row({"_id": ObjectId(HEX), **document}) == {
        **row,
        "price": {"$numberDecimal": "1.10"},
        "id": HEX,
    }
    assert "vessel" not in mapping.to_document({"x": 1}, whole=True)
    assert mapping.to_document({"x": 1})["vessel"] is None
    assert mapping.to_row({"_id": ObjectId(HEX), "a": 1}, with_id=False) == {"a": 1}


def test_data_type_objectid_is_followed_only_when_strict() -> None:
    definition = model(Property("a", PropertyType("string"), raw={"mongodb": {"dataType": "ObjectID"}}), ID)
    assert mapping_of(definition, {}).to_document({"a": HEX}) == {"a": HEX}
    assert mapping_of(definition, {"strict": True}).to_document({"a": HEX}) == {"a": ObjectId(HEX)}


@pytest.mark.parametrize(
    ("source", "model_settings", "allowed"),
    [
        ({}, {}, False),
        ({"allowExtendedOperators": True}, {}, True),
        ({}, {"allowExtendedOperators": True}, True),
        ({"allowExtendedOperators": True}, {"allowExtendedOperators": False}, False),
        ({"allowExtendedOperators": False}, {"allowExtendedOperators": True}, False),
    ],
)
def test_extended_operators(source: dict[str, Any], model_settings: dict[str, Any], allowed: bool) -> None:
    assert mapping_of(model(ID, mongodb=model_settings), source).extended_operators is allowed


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (ObjectId(HEX), HEX),
        ({"a": [ObjectId(HEX), {"b": Int64(5)}]}, {"a": [HEX, {"b": 5}]}),
        (Binary(b"x", 5), b"x"),
        (Decimal128("1.50"), {"$numberDecimal": "1.50"}),
        (DatetimeMS(10**15), None),
    ],
)
def test_plain(value: Any, expected: Any) -> None:
    assert plain(value) == expected
    assert type(plain(value)) is type(expected)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
)


@given(JSON)
def test_what_bson_can_hold_is_left_alone(value: Any) -> None:
    made = encodable(value)
    if "float" not in repr(type(made)) and not isinstance(value, int):
        assert encodable(made) == made


def test_what_bson_cannot_hold_is_sent_as_javascript_would() -> None:
    assert encodable({"n": 2**70, "s": "a\ud800b", "t": True}) == {
        "n": float(2**70),
        "s": "a\ufffdb",
        "t": True,
    }


def test_dates_stay() -> None:
    now = datetime(2026, 1, 1, tzinfo=UTC)
    assert mapping_of(model(ID), {}).to_row({"_id": 1, "at": now}) == {"id": 1, "at": now}


@pytest.mark.parametrize(
    ("value", "stored"),
    [("a€", {"0": "a", "1": "€"}), (7, {}), (True, {}), (None, None), ({"a": 1}, {"a": 1}), ([1], [1])],
)
def test_what_is_no_object_is_stored_boxed_in_an_object_property(value: Any, stored: Any) -> None:
    definition = model(Property("o", PropertyType("object")), ID)
    assert mapping_of(definition, {}).to_document({"o": value}) == {"o": stored}
    assert mapping_of(definition, {"strict": True}).to_document({"o": value}) == {"o": value}
