"""The connector against a real mongod: what the shared suite does not ask of every store."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tenant_runtime.connectors.base import DataSourceUnavailable, DuplicateKey, QueryRefused
from tenant_runtime.connectors.mongodb.client import MongodbConnector
from tenant_runtime.filter.query import EVERYTHING, Compare, Group, Order, Query
from tenant_runtime.model.definition import ModelDefinition, Property, PropertyType
from tests.servers.server import Server


def define(connector: MongodbConnector, **properties: Property) -> ModelDefinition:
    everything = {**properties, "id": Property("id", PropertyType("number"), id_order=1, generated=True)}
    model = ModelDefinition("Thing", "PersistedModel", everything)
    connector.define(model)
    return model


@pytest.fixture
def connector(mongodb_database: dict[str, Any], tmp_path: Path) -> Iterator[MongodbConnector]:
    connector = MongodbConnector("db", mongodb_database, tmp_path)
    yield connector
    connector.disconnect()


def test_generated_ids_are_object_ids_seen_as_text(connector: MongodbConnector) -> None:
    model = define(connector)
    identity = connector.create("Thing", {"a": 1})
    assert model.properties["id"].type == PropertyType("objectid")
    assert len(identity) == 24
    found = connector.find("Thing", Query(Compare("id", "eq", identity, model.properties["id"])))
    assert found == [{"a": 1, "id": identity}]


def test_large_results_come_whole(connector: MongodbConnector) -> None:
    define(connector)
    connector.collection("Thing").insert_many({"n": n} for n in range(3000))
    rows = connector.find("Thing", Query(order=(Order("n", descending=True),), skip=1))
    assert [row["n"] for row in rows[:2]] == [2998, 2997]
    assert len(rows) == 2999
    assert connector.count("Thing", EVERYTHING) == 3000


def test_numbers_and_texts_that_bson_cannot_hold(connector: MongodbConnector) -> None:
    define(connector)
    connector.create("Thing", {"n": 2**80, "s": "\ud800"})
    [row] = connector.find("Thing", Query())
    assert (row["n"], row["s"]) == (float(2**80), "\ufffd")


def test_a_duplicate_key_is_a_500_as_in_the_original(connector: MongodbConnector) -> None:
    define(connector, name=Property("name", PropertyType("string"), index={"unique": True}))
    connector.apply()
    connector.create("Thing", {"name": "a"})
    with pytest.raises(DuplicateKey) as caught:
        connector.create("Thing", {"name": "a"})
    assert caught.value.status == 500


@pytest.mark.parametrize(
    "where",
    [
        Group("and", (Group("or", ()),)),
        Compare("a", "like", "("),
        Compare("a", "raw", {"$nonsense": 1}),
    ],
)
def test_what_mongodb_refuses(connector: MongodbConnector, where: Any) -> None:
    define(connector)
    connector.create("Thing", {"a": "x"})
    with pytest.raises(QueryRefused):
        connector.find("Thing", Query(where))


def test_plan_apply_and_reset(connector: MongodbConnector) -> None:
    define(connector, name=Property("name", PropertyType("string"), index={"unique": True}))
    planned = connector.plan()
    assert [change.kind for change in planned] == ["create-collection", "create-index"]
    assert json.loads(planned[1].statement)["indexes"] == [{"key": {"name": 1}, "unique": True}]
    assert connector.plan() == planned
    assert connector.apply() == planned
    assert connector.plan() == []

    define(connector, name=Property("name", PropertyType("string"), index=True))
    assert connector.plan() == []  # the other one would have to be dropped
    assert [change.kind for change in connector.apply(allow_drop=True)] == ["drop-index", "create-index"]
    define(connector)
    assert [change.kind for change in connector.plan(allow_drop=True)] == ["drop-index"]

    connector.create("Thing", {"name": "a"})
    assert [change.kind for change in connector.reset()] == ["drop-collection", "create-collection"]
    assert connector.count("Thing", EVERYTHING) == 0


def test_discover(connector: MongodbConnector) -> None:
    define(connector)
    connector.create("Thing", {"name": "a", "n": 1})
    assert connector.discover() == [
        {
            "name": "Thing",
            "base": "PersistedModel",
            "idInjection": True,
            "options": {"mongodb": {"collection": "Thing"}},
            "properties": {"name": {"type": "string"}, "n": {"type": "number"}},
        }
    ]


def test_raw_access(connector: MongodbConnector) -> None:
    define(connector)
    connector.create("Thing", {"name": "a"})
    assert (
        connector.execute(lambda database, name: database["Thing"].count_documents({"name": name}), ["a"])
        == 1
    )
    assert connector.execute({"ping": 1})["ok"] == 1


def test_near_with_geo_indexing(mongodb_database: dict[str, Any], tmp_path: Path) -> None:
    connector = MongodbConnector("db", {**mongodb_database, "enableGeoIndexing": True}, tmp_path)
    define(connector, at=Property("at", PropertyType("geopoint"), index=True))
    connector.apply()
    for name, lat, lng in (("paris", 48.85, 2.35), ("london", 51.5, -0.12), ("berlin", 52.52, 13.4)):
        connector.create("Thing", {"name": name, "at": {"lat": lat, "lng": lng}})
    near = Compare("at", "near", {"near": {"lat": 48, "lng": 2}, "maxDistance": 500, "unit": "kilometers"})
    rows = connector.find("Thing", Query(near))
    assert [row["name"] for row in rows] == ["paris", "london"]
    assert rows[0]["at"] == {"lat": 48.85, "lng": 2.35}
    connector.disconnect()


def test_a_dead_server_costs_503s_and_heals(private_server: Callable[[str], Server], tmp_path: Path) -> None:
    server = private_server("mongodb")
    settings = {**server.settings("heals"), "serverSelectionTimeoutMS": 300}
    connector = MongodbConnector("orders", settings, tmp_path)
    define(connector)
    connector.create("Thing", {"a": 1})
    server.stop()
    for _ in range(2):
        with pytest.raises(DataSourceUnavailable, match="orders") as caught:
            connector.find("Thing", Query())
    assert str(settings["port"]) not in str(caught.value)
    server.start_again()
    assert connector.count("Thing", EVERYTHING) <= 1
    connector.create("Thing", {"a": 2})
    connector.disconnect()
