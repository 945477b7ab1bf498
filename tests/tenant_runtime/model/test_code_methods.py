"""Methods and setters that code gives to models."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tenant_runtime.connectors.datasource import create_data_source
from tenant_runtime.filter.query import EVERYTHING
from tenant_runtime.model.build import build
from tenant_runtime.model.javascript import UNDEFINED
from tenant_runtime.model.registry import Registry


@pytest.fixture
def registry() -> Registry:
    registry = Registry()
    source = create_data_source("db", {"connector": "memory"}, Path())
    base = {"name": "Base", "properties": {"name": "string", "code": "string"}}
    for json in (base, {"name": "Derived", "base": "Base"}):
        parent = registry.models[json.get("base", "PersistedModel")].definition  # type: ignore[call-overload]
        model = registry.define(build(json, parent))
        if model.name == "Base":
            model.define("sayName", lambda Model, end: Model.name + end)
            model.define("prototype.shout", lambda instance, end="!": instance.name.upper() + end)
            model.setters["name"] = lambda Model, value: value.strip() if value else value
            model.setters["code"] = lambda Model, value: value if isinstance(value, str) else UNDEFINED
        registry.attach(model, source)
    assert registry.resolve() == []
    return registry


def test_methods_are_found_by_both_spellings_and_inherited(registry: Registry) -> None:
    assert registry.Base.say_name("?") == "Base?"
    assert registry.Derived.sayName("?") == "Derived?"
    assert registry.Derived({"name": "a"}).shout() == "A!"
    with pytest.raises(AttributeError):
        _ = registry.Base.shout


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ({"name": " a ", "code": "x"}, {"name": "a", "code": "x"}),
        ({"name": None, "code": 5}, {"name": None}),
        ({"code": None}, {}),
    ],
)
def test_setters_see_what_is_given(registry: Registry, given: dict[str, Any], kept: dict[str, Any]) -> None:
    assert registry.Derived(given).to_object() == kept


async def test_setters_see_assignments_but_not_stored_rows(registry: Registry) -> None:
    made = await registry.Base.create({"name": "a", "code": "x"})
    made.code = 7
    assert made.code == "x"
    made.name = " b "
    assert made.name == "b"
    await registry.Base.source().run("update", "Base", EVERYTHING, {"name": " stored "})
    assert (await registry.Base.find_by_id(made.id)).name == " stored "
