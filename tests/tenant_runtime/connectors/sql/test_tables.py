"""Mappings of models, made when they are needed."""

from __future__ import annotations

import pytest

from tenant_runtime.connectors.sql.tables import Mapping, Mappings, map_model
from tenant_runtime.model.definition import ModelDefinition
from tests.tenant_runtime.connectors.sql.conftest import model, prop


def test_a_model_is_mapped_when_it_is_first_asked_for() -> None:
    made: list[str] = []

    def make(definition: ModelDefinition) -> Mapping:
        made.append(definition.name)
        return map_model("sqlite3", definition)

    mappings = Mappings(make)
    mappings.define(model("Book", prop("title")))
    mappings.define(model("Shelf", prop("room")))
    assert list(mappings) == ["Book", "Shelf"]
    assert "Book" in mappings and "Desk" not in mappings
    assert made == []
    assert mappings["Book"] is mappings["Book"]
    assert made == ["Book"]
    with pytest.raises(KeyError):
        mappings["Desk"]


def test_a_model_defined_anew_is_mapped_anew() -> None:
    mappings = Mappings(lambda definition: map_model("sqlite3", definition))
    mappings.define(model("Book", prop("title")))
    assert "pages" not in mappings["Book"].columns
    mappings.define(model("Book", prop("title"), prop("pages", "number")))
    assert "pages" in mappings["Book"].columns
