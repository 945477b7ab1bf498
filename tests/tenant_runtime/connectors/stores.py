"""Connectors of all kinds on fresh stores, for the tests that ask the same of each."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

from tenant_runtime.connectors.base import Connector
from tenant_runtime.model.definition import ModelDefinition, Property, PropertyType, TypeKind

CLASSES = {
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


def open_store(settings: dict[str, Any], folder: Path, *models: ModelDefinition) -> Connector:
    """A connector with those models and their tables."""
    module, _, name = CLASSES[settings["connector"]].partition(":")
    connector: Any = getattr(importlib.import_module(module), name)("db", settings, folder)
    for one in models:
        connector.define(one)
    connector.connect()
    if hasattr(connector, "reset"):
        connector.reset()
    return connector
