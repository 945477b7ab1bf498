"""Registries of small models on the memory connector, for the tests of the data packages."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tenant_runtime.connectors.datasource import DataSource, create_data_source
from tenant_runtime.model.build import build
from tenant_runtime.model.registry import Registry

Json = dict[str, Any]


def memory(name: str = "db", **settings: Any) -> DataSource:
    return create_data_source(name, {"connector": "memory", **settings}, Path())


def registry_of(*models: Json, source: DataSource | None = None, app: Any = None) -> Registry:
    """The models defined, attached to one data source and resolved; a warning is a failure."""
    registry = Registry(app)
    source = source or memory()
    for json in models:
        base = registry.models[json.get("base", "PersistedModel")].definition
        registry.attach(registry.define(build(json, base)), source)
    assert registry.resolve() == []
    return registry
