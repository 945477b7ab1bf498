"""The built-in mixins on models in memory."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tenant_runtime.boot.start import boot
from tenant_runtime.connectors.datasource import create_data_source
from tenant_runtime.filter.query import Query
from tenant_runtime.mixins.catalogue import BUILT_IN, apply_mixin
from tenant_runtime.mixins.counts import mixin as counts
from tenant_runtime.model.build import build
from tenant_runtime.model.registry import Registry


def registry_of(*models: dict[str, Any]) -> Registry:
    registry = Registry()
    source = create_data_source("db", {"connector": "memory"}, Path())
    for source_json in models:
        base = registry.models[source_json.get("base", "PersistedModel")].definition
        model = registry.define(build(source_json, base))
        for name, options in model.definition.mixins.items():
            assert apply_mixin(name, model, options)
        registry.attach(model, source)
    assert registry.resolve() == []
    return registry


def test_every_name_leads_to_a_mixin() -> None:
    assert not apply_mixin("NoSuchMixin", None, True)
    assert sorted(BUILT_IN) == ["CascadeDelete", "Computed", "Counts", "SoftDelete", "TimeStamp"]


async def test_time_stamp() -> None:
    Note = registry_of({"name": "Note", "properties": {"text": "string"}, "mixins": {"TimeStamp": True}}).Note
    note = await Note.create({"text": "a"})
    assert isinstance(note.createdAt, datetime) and isinstance(note.updatedAt, datetime)
    created, updated = note.createdAt, note.updatedAt
    await note.patch_attributes({"text": "b"}, {"skipUpdatedAt": True})
    assert (await Note.find_by_id(note.id)).updatedAt == updated
    await Note.update_all({}, {"text": "c"})
    stored = await Note.find_by_id(note.id)
    assert stored.createdAt == created
    assert stored.updatedAt >= updated


async def test_time_stamp_names() -> None:
    Note = registry_of(
        {
            "name": "Note",
            "options": {"validateUpsert": True},
            "mixins": {"TimeStamp": {"createdAt": "born", "updatedAt": "changed", "required": False}},
        }
    ).Note
    note = await Note.create({})
    assert set(note.to_object()) == {"born", "changed", "id"}
    assert Note.settings["validateUpsert"] is False


@pytest.fixture
def Soft() -> Any:
    json = {
        "name": "Soft",
        "properties": {"text": "string", "secret": "string"},
        "mixins": {"SoftDelete": {"scrub": ["secret"]}},
    }
    return registry_of(json).Soft


async def test_soft_delete_marks(Soft: Any) -> None:
    for text in "abc":
        await Soft.create({"text": text, "secret": "s"})
    assert await Soft.delete_by_id(1) == {"count": 1}
    await (await Soft.find_by_id(2)).delete()
    assert [one.text for one in await Soft.find()] == ["c"]
    assert await Soft.count() == 1
    assert await Soft.find_by_id(1) is None
    assert await Soft.update_all({}, {"text": "x"}) == {"count": 1}
    everything = await Soft.find({"deleted": True})
    assert [one["_isDeleted"] for one in everything] == [True, True, False]
    assert [one.secret for one in everything] == [None, None, "s"]
    assert isinstance(everything[0].deletedAt, datetime)


async def test_soft_delete_on_a_derived_model() -> None:
    base = {"name": "Base", "properties": {"text": "string"}, "mixins": {"SoftDelete": True}}
    Derived = registry_of(base, {"name": "Derived", "base": "Base"}).Derived
    await Derived.create({"text": "a"})
    await Derived.destroy_all()
    assert await Derived.find() == []
    assert len(await Derived.find({"deleted": True})) == 1


ORDER = {"name": "Order", "properties": {"text": "string"}}
ITEM = {"name": "Item", "relations": {"order": {"type": "belongsTo", "model": "Order"}}}


def shop(options: dict[str, Any]) -> Registry:
    customer = {
        "name": "Customer",
        "relations": {"orders": {"type": "hasMany", "model": "Order", "foreignKey": "customerId"}},
        "mixins": {"CascadeDelete": options},
    }
    items = {"items": {"type": "hasMany", "model": "Item", "foreignKey": "orderId"}}
    order = {**ORDER, "relations": items, "mixins": {"CascadeDelete": {"relations": ["items"]}}}
    return registry_of(customer, order, ITEM)


async def fill(registry: Registry) -> None:
    for _ in range(2):
        customer = await registry.Customer.create({})
        order = await customer.relation("orders").create({"text": "x"})
        await order.relation("items").create({})


@pytest.mark.parametrize(
    ("options", "left"),
    [
        ({"relations": ["orders"]}, (1, 1)),
        ({"relations": [{"name": "orders", "foreignKey": "customerId"}], "deepDelete": True}, (1, 1)),
        ({"relations": [{"name": "orders", "deepDelete": True}]}, (1, 1)),
    ],
)
async def test_cascade_delete(options: dict[str, Any], left: tuple[int, int]) -> None:
    registry = shop(options)
    await fill(registry)
    await registry.Customer.delete_by_id(1)
    assert (await registry.Order.count(), await registry.Item.count()) == left
    await registry.Customer.destroy_all()
    assert (await registry.Order.count(), await registry.Item.count()) == (0, 0)


async def test_counts() -> None:
    registry = shop({"relations": []})
    await fill(registry)
    hooks: dict[str, Any] = {}
    model = SimpleNamespace(relations=registry.Customer.relations, after_remote=hooks.__setitem__)
    counts(model, {})
    customers = await registry.Customer.find()
    await hooks["find"](SimpleNamespace(args={"filter": {"counts": ["orders", "nothing"]}}), customers)
    assert [one["ordersCount"] for one in customers] == [1, 1]
    await hooks["findById"](SimpleNamespace(args={}), customers[0])


async def test_computed() -> None:
    json = {
        "name": "Item",
        "properties": {"status": "string", "readonly": "boolean"},
        "mixins": {"Computed": {"properties": {"readonly": "computeReadonly"}}},
    }
    registry = registry_of(json)
    registry.Item.define("computeReadonly", lambda Item, data: data.get("status") == "archived")
    await registry.Item.create([{"status": "archived", "readonly": False}, {"status": "new"}])
    assert [one.readonly for one in await registry.Item.find()] == [True, False]
    stored = await registry.Item.source().run("find", "Item", Query())
    assert all("readonly" not in row for row in stored)


async def test_local_mixins_come_before_the_models_code(make_app: Any) -> None:
    mixin = "def mixin(Model, options):\n    Model.settings['order'] = ['mixin', options]\n"
    code = "def setup(Note):\n    Note.settings['order'].append('code')\n"
    note = {"name": "Note", "mixins": {"Audited": {"a": 1}}}
    files = {"models/note.json": note, "models/note.py": code, "mixins/audited.py": mixin}
    api = await make_app(files, Note={})
    assert api.app.models.Note.settings["order"] == ["mixin", {"a": 1}, "code"]


async def test_mixins_in_javascript_are_reported(tmp_path: Path) -> None:
    files: dict[str, Any] = {
        "config.json": {},
        "datasources.json": {"db": {"connector": "memory"}},
        "model-config.json": {"Note": {"dataSource": "db"}},
        "models/note.json": {"name": "Note", "mixins": {"OldOne": True}},
        "mixins/old-one.js": "module.exports = function(Model) {};",
    }
    for name, content in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(content if isinstance(content, str) else json.dumps(content))
    _, read = await boot(tmp_path)
    assert "the mixin OldOne of Note is JavaScript, which is not run" in str(read.warnings[0])
