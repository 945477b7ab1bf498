"""Models and connectors for the SQL tests: each test that asks for ``database`` runs on all three."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tenant_runtime.connectors.sql.engine import SqlConnector
from tenant_runtime.model.definition import ModelDefinition, Property, PropertyType, TypeKind


def prop(name: str, kind: TypeKind = "string", **given: Any) -> Property:
    """A property as the model builder makes it: its ``raw`` keys are the given ones it does not know."""
    known = {"required", "has_default", "default", "id_order", "generated", "index", "unique"}
    fields = {key: given.pop(key) for key in list(given) if key in known}
    return Property(name, PropertyType(kind), raw=given, **fields)


def model(name: str, *properties: Property, **settings: Any) -> ModelDefinition:
    given = {item.name: item for item in properties}
    if not any(item.is_id for item in properties):
        given["id"] = prop("id", "number", id_order=1, generated=True)
    return ModelDefinition(name, "PersistedModel", given, settings=settings)


@pytest.fixture(params=["mysql", "postgresql", "sqlite3"])
def database(request: pytest.FixtureRequest) -> dict[str, Any]:
    """An empty database as an entry of datasources.json."""
    if request.param == "sqlite3":
        return {"connector": "sqlite3", "file": "test.db"}
    found: dict[str, Any] = request.getfixturevalue(f"{request.param}_database")
    return found


Make = Callable[..., SqlConnector]


@pytest.fixture
def connect(database: dict[str, Any], tmp_path: Path) -> Iterator[Make]:
    """A function that makes a connector with the given models, their tables created."""
    made: list[SqlConnector] = []

    def make(*models: ModelDefinition, create: bool = True) -> SqlConnector:
        connector = SqlConnector("db", database, tmp_path)
        for item in models:
            connector.define(item)
        connector.connect()
        if create:
            connector.reset()
        made.append(connector)
        return connector

    yield make
    for connector in made:
        connector.disconnect()
