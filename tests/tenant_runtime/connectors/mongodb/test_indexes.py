"""Which indexes a model asks for."""

from __future__ import annotations

from typing import Any

import pytest

from tenant_runtime.connectors.mongodb.discovery import model_of
from tenant_runtime.connectors.mongodb.indexes import Index, same, wanted_indexes
from tenant_runtime.connectors.mongodb.mapping import mapping_of
from tenant_runtime.model.definition import ModelDefinition, Property, PropertyType


def wanted(indexes: dict[str, Any], *properties: Property, **settings: Any) -> list[tuple[Any, Any]]:
    model = ModelDefinition(
        "M", None, {prop.name: prop for prop in properties}, settings={"indexes": indexes}
    )
    return [(index.keys, index.options) for index in wanted_indexes(model, mapping_of(model, settings))]


@pytest.mark.parametrize(
    ("spec", "keys", "options"),
    [
        ({"keys": {"a": 1, "b": -1}, "options": {"unique": True}}, (("a", 1), ("b", -1)), {"unique": True}),
        ({"a": 1}, (("a", 1),), {}),
        ({"columns": "a, b", "kind": "UNIQUE", "type": "BTREE"}, (("a", 1), ("b", 1)), {"unique": True}),
    ],
)
def test_named(spec: Any, keys: Any, options: Any) -> None:
    assert wanted({"x": spec}) == [(keys, {"name": "x", **options})]


@pytest.mark.parametrize(
    ("index", "keys", "options"),
    [
        (True, (("p", 1),), {}),
        ({"unique": True}, (("p", 1),), {"unique": True}),
        ({"mongodb": {"kind": "text", "background": True}}, (("p", "text"),), {}),
        (
            {"unique": True, "mongodb": {"expireAfterSeconds": 5}},
            (("p", 1),),
            {"expireAfterSeconds": 5, "unique": True},
        ),
    ],
)
def test_on_a_property(index: Any, keys: Any, options: Any) -> None:
    assert wanted({}, Property("p", PropertyType("string"), index=index)) == [(keys, options)]


def test_a_points_index_is_2dsphere_only_with_geo_indexing() -> None:
    point = Property("at", PropertyType("geopoint"), index=True)
    assert wanted({}, point, enableGeoIndexing=True) == [((("at", "2dsphere"),), {"name": "index2dsphereat"})]
    assert wanted({}, point) == [((("at", 1),), {})]


def test_same_looks_at_what_changes_behaviour() -> None:
    index = Index((("a", 1),), {"unique": True})
    assert same(index, {"key": {"a": 1}, "unique": True, "name": "a_1"})
    assert not same(index, {"key": {"a": 1}, "name": "a_1"})
    assert not same(index, {"key": {"b": 1}, "unique": True, "name": "b_1"})


def test_discovery_guesses_types() -> None:
    documents = [{"_id": 1, "a": "x", "b": 1, "c": True}, {"_id": 2, "a": None, "b": "y", "c": False}]
    assert model_of("all_things", documents) == {
        "name": "AllThings",
        "base": "PersistedModel",
        "idInjection": False,
        "options": {"mongodb": {"collection": "all_things"}},
        "properties": {
            "id": {"type": "number", "id": True, "generated": False},
            "a": {"type": "string"},
            "b": {"type": "any"},
            "c": {"type": "boolean"},
        },
    }
