"""The documents that queries become, as loopback-connector-mongodb 4.2 builds them."""

from __future__ import annotations

from typing import Any

import pytest
from bson import Decimal128, ObjectId, Regex

from tenant_runtime.connectors.base import QueryRefused
from tenant_runtime.connectors.mongodb.compile import (
    compile_projection,
    compile_sort,
    compile_update,
    compile_where,
    has_near,
    refuse_operators,
)
from tenant_runtime.connectors.mongodb.mapping import Mapping, mapping_of
from tenant_runtime.filter.query import EVERYTHING, Compare, Group, Order
from tenant_runtime.model.definition import ModelDefinition, Property, PropertyType
from tenant_runtime.model.javascript import UNDEFINED

HEX = "5f0000000000000000000001"
PROPERTIES = {
    "name": Property("name", PropertyType("string")),
    "ship": Property("ship", PropertyType("string"), raw={"mongodb": {"fieldName": "vessel"}}),
    "ownerId": Property("ownerId", PropertyType("objectid")),
    "price": Property("price", PropertyType("string"), raw={"mongodb": {"dataType": "Decimal128"}}),
    "id": Property("id", PropertyType("objectid"), id_order=1, generated=True),
}


def mapping(**settings: Any) -> Mapping:
    return mapping_of(ModelDefinition("Voyage", "PersistedModel", PROPERTIES), settings)


def compare(path: str, op: Any, value: Any, options: str | None = None) -> Compare:
    return Compare(path, op, value, PROPERTIES.get(path.split(".")[0]), options)


@pytest.mark.parametrize(
    ("where", "document"),
    [
        (EVERYTHING, {}),
        (compare("name", "eq", "a"), {"name": "a"}),
        (compare("name", "eq", None), {"name": {"$type": 10}}),
        (compare("name", "neq", None), {"name": {"$ne": None}}),
        (compare("id", "eq", HEX), {"_id": ObjectId(HEX)}),
        (compare("id", "gt", HEX), {"_id": {"$gt": ObjectId(HEX)}}),
        (compare("id", "inq", [HEX, "no"]), {"_id": {"$in": [ObjectId(HEX), "no"]}}),
        (compare("ownerId", "neq", HEX), {"ownerId": {"$ne": ObjectId(HEX)}}),
        (compare("name", "eq", HEX), {"name": ObjectId(HEX)}),
        (compare("name", "neq", HEX), {"name": {"$ne": HEX}}),
        (compare("name", "nin", [HEX]), {"name": {"$nin": [ObjectId(HEX)]}}),
        (compare("loose", "eq", HEX), {"loose": ObjectId(HEX)}),
        (compare("ship", "eq", "Argo"), {"vessel": "Argo"}),
        (compare("ship.mast", "lt", 3), {"vessel.mast": {"$lt": 3}}),
        (compare("name", "between", ["a", "c"]), {"name": {"$gte": "a", "$lte": "c"}}),
        (compare("loose", "between", ("a", UNDEFINED)), {"loose": {"$gte": "a", "$lte": None}}),
        (compare("name", "like", "^A", "i"), {"name": {"$regex": Regex("^A", "i")}}),
        (compare("name", "nlike", "b"), {"name": {"$not": Regex("b", "")}}),
        (compare("name", "exists", False), {"name": {"$exists": False}}),
        (compare("tags", "raw", {"$size": 2}), {"tags": {"$size": 2}}),
        (compare("price", "gte", "1.50"), {"price": {"$gte": Decimal128("1.50")}}),
        (
            Group("and", (compare("name", "eq", "a"), compare("ship", "eq", "b"))),
            {"name": "a", "vessel": "b"},
        ),
        (
            Group("and", (compare("name", "gt", "a"), compare("name", "lt", "b"))),
            {"$and": [{"name": {"$gt": "a"}}, {"name": {"$lt": "b"}}]},
        ),
        (Group("or", (compare("name", "eq", "a"),)), {"$or": [{"name": "a"}]}),
        (Group("nor", (compare("name", "eq", "a"),)), {"$nor": [{"name": "a"}]}),
        (Group("and", (compare("$where", "eq", "while(1){}"), compare("name", "eq", "a"))), {"name": "a"}),
        (compare("name", "raw", {"$where": "1", "$gt": "a"}), {"name": {"$gt": "a"}}),
        (compare("$expr", "eq", {"$function": {"body": "f"}}), {"$expr": None}),
        (compare("n", "eq", {"mod": [2, 1], "gt": 5}), {"n": {"$mod": [2, 1]}}),
        (compare("n", "eq", {}), {"n": None}),
    ],
)
def test_where(where: Any, document: dict[str, Any]) -> None:
    compiled = compile_where(where, mapping())
    assert compiled == document
    assert repr(compiled) == repr(document)  # Regex compares equal without looking at flags


def test_strict_object_id_coercion_leaves_texts_alone() -> None:
    strict = mapping(strictObjectIDCoercion=True)
    assert compile_where(compare("name", "eq", HEX), strict) == {"name": HEX}
    assert compile_where(compare("id", "eq", HEX), strict) == {"_id": ObjectId(HEX)}


def test_near_is_in_meters_and_not_sorted() -> None:
    where = compare("at", "near", {"near": {"lat": 48, "lng": 2}, "maxDistance": 5, "unit": "kilometers"})
    assert compile_where(where, mapping()) == {
        "at": {"$near": {"$geometry": {"type": "Point", "coordinates": [2, 48]}, "$maxDistance": 5000}}
    }
    assert has_near(Group("and", (where,)))
    assert not has_near(EVERYTHING)


@pytest.mark.parametrize("op", ["ilike", "nilike"])
def test_what_mongodb_does_not_know_is_refused(op: str) -> None:
    with pytest.raises(QueryRefused, match=op):
        compile_where(compare("name", op, "a"), mapping())


def test_operators_with_their_dollar_sign_are_refused_unless_allowed() -> None:
    with pytest.raises(QueryRefused):
        compile_where(compare("n", "eq", {"$gt": 1}), mapping())
    assert compile_where(compare("n", "raw", {"$gt": 1}), mapping()) == {"n": {"$gt": 1}}


@pytest.mark.parametrize("document", [{"$a": 1}, {"a": {"$b": 1}}, {"a": [{"b.c": 1}]}])
def test_keys_like_operators_and_paths_are_not_inserted(document: Any) -> None:
    with pytest.raises(QueryRefused):
        refuse_operators(document)


def test_implicit_null_type() -> None:
    assert compile_where(compare("name", "eq", None), mapping(implicitNullType=True)) == {"name": None}


def test_sort() -> None:
    assert compile_sort((), mapping()) == [("_id", 1)]
    assert compile_sort((), mapping(disableDefaultSort=True)) == []
    assert compile_sort((Order(""),), mapping()) == [("_id", 1)]
    order = (Order("id", descending=True), Order("ship"), Order("a.b"))
    assert compile_sort(order, mapping()) == [("_id", -1), ("vessel", 1), ("a.b", 1)]


def test_projection_asks_for_fields_only_when_strict() -> None:
    assert compile_projection(None, mapping()) is None
    assert compile_projection(("id",), mapping()) == {"_id": 1}
    assert compile_projection(("ship", "name"), mapping()) == {"ship": 1, "name": 1}
    assert compile_projection(("ship", "name"), mapping(strict=True)) == {"vessel": 1, "name": 1}


def test_a_partial_update_nulls_mapped_fields_unless_strict() -> None:
    assert compile_update({"name": "a"}, mapping()) == {"$set": {"name": "a", "vessel": None}}
    assert compile_update({"name": "a"}, mapping(strict=True)) == {"$set": {"name": "a"}}
    assert compile_update({"ship": "a", "id": HEX}, mapping()) == {"$set": {"vessel": "a"}}


def test_update_operators_only_where_allowed() -> None:
    changes = {"$inc": {"tons": 1}, "ignored": 2}
    assert compile_update(changes, mapping(allowExtendedOperators=True)) == {"$inc": {"tons": 1}}
    assert compile_update(changes, mapping(strict=True)) == {"$set": changes}
