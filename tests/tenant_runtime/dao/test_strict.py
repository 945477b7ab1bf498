"""The tenant's strict switch against the compatible default (docs/compatibility.md)."""

from __future__ import annotations

from typing import Any

import pytest

from tenant_runtime.errors import LoopbackError
from tenant_runtime.model.model_class import ModelClass
from tests.tenant_runtime.registries import registry_of


class Settings(dict[str, Any]):
    """An app as far as models look at it: ``app.get(key)``."""


ITEM = {
    "name": "Item",
    "properties": {"n": "number", "at": "date", "place": "geopoint"},
    "relations": {
        "subs": {"type": "hasMany", "model": "Sub"},
        "more": {"type": "hasMany", "model": "Sub", "foreignKey": "moreId"},
    },
}


async def items(strict: bool) -> ModelClass:
    model = registry_of(ITEM, {"name": "Sub"}, app=Settings(strict=strict)).Item
    await model.create([{"n": 1}, {"n": 5}, {"n": 9}])
    return model


@pytest.mark.parametrize(("strict", "found"), [(False, [5, 9]), (True, [5])])
async def test_several_operators_in_one_object(strict: bool, found: list[int]) -> None:
    model = await items(strict)
    rows = await model.find({"where": {"n": {"gte": 2, "lt": 9}}})
    assert [row["n"] for row in rows] == found


@pytest.mark.parametrize(("strict", "status"), [(False, 500), (True, 400)])
@pytest.mark.parametrize(
    "filter",
    [{"where": None}, {"include": "nope"}, {"where": {"at": "nonsense"}}],
    ids=["null", "include", "date"],
)
async def test_mistakes_of_the_client_in_a_filter(strict: bool, status: int, filter: dict[str, Any]) -> None:
    model = await items(strict)
    with pytest.raises(LoopbackError) as caught:
        await model.find(filter)
    assert caught.value.status == status


@pytest.mark.parametrize(("strict", "status"), [(False, 500), (True, 400)])
async def test_a_bad_point(strict: bool, status: int) -> None:
    with pytest.raises(LoopbackError) as caught:
        await (await items(strict)).create({"place": "nowhere"})
    assert caught.value.status == status


async def test_an_undeclared_property_in_a_where() -> None:
    assert await (await items(False)).count({"nope": 1}) == 0
    with pytest.raises(LoopbackError) as caught:
        await (await items(True)).count({"nope": 1})
    assert (caught.value.status, caught.value.code) == (400, "UNKNOWN_PROPERTY_IN_QUERY")


async def test_an_update_of_everything_from_rest() -> None:
    options = {"refuseEmptyWhere": True}
    assert await (await items(False)).update_all({}, {"n": 2}, options) == {"count": 3}
    model = await items(True)
    with pytest.raises(LoopbackError) as caught:
        await model.update_all({}, {"n": 2}, options)
    assert caught.value.status == 400
    assert await model.update_all({}, {"n": 2}) == {"count": 3}


async def test_several_relations_in_one_include_object() -> None:
    include = {"include": {"subs": True, "more": True}}
    [first, *_] = await (await items(False)).find(include)
    assert set(first.to_json()) == {"n", "id", "subs"}
    [first, *_] = await (await items(True)).find(include)
    assert set(first.to_json()) == {"n", "id", "subs", "more"}
