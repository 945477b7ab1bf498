"""Connectors of all kinds on fresh stores, for the tests that ask the same of each."""

from __future__ import annotations

import copy
import importlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tenant_runtime.connectors.base import Connector
from tenant_runtime.model.definition import ModelDefinition, Property, PropertyType, TypeKind
from tests.servers.kinds import KINDS
from tests.servers.running import RunningServers

CLASSES = {
    "memory": "tenant_runtime.connectors.memory:MemoryConnector",
    "sqlite3": "tenant_runtime.connectors.sql.engine:SqlConnector",
    "mysql": "tenant_runtime.connectors.sql.engine:SqlConnector",
    "postgresql": "tenant_runtime.connectors.sql.engine:SqlConnector",
    "mongodb": "tenant_runtime.connectors.mongodb.client:MongodbConnector",
}


def prop(name: str, kind: TypeKind, **given: Any) -> Property:
    known = {"required", "id_order", "generated", "index", "unique"}
    fields = {key: given.pop(key) for key in list(given) if key in known}
    return Property(name, PropertyType(kind), raw=given, **fields)


def model(name: str, *properties: Property, **settings: Any) -> ModelDefinition:
    given = {item.name: item for item in properties}
    if not any(item.is_id for item in properties):
        given["id"] = prop("id", "number", id_order=1, generated=True)
    return ModelDefinition(name, "PersistedModel", given, settings=settings)


@contextmanager
def open_store(
    kind: str, servers: RunningServers, folder: Path, *models: ModelDefinition
) -> Iterator[Connector]:
    """A connector on a fresh database, with copies of those models and their tables."""
    if kind in KINDS:
        settings = servers.get(kind).new_database()
    else:
        settings = {"connector": kind, **({"file": "test.db"} if kind == "sqlite3" else {})}
    module, _, name = CLASSES[kind].partition(":")
    connector: Any = getattr(importlib.import_module(module), name)("db", settings, folder)
    for one in models:
        connector.define(copy.deepcopy(one))  # it may change the type of a generated id
    connector.connect()
    if hasattr(connector, "reset"):
        connector.reset()
    yield connector
    connector.disconnect()
    if kind in KINDS:
        servers.get(kind).drop_database(settings["database"])
