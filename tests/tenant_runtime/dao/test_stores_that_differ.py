"""What reaches a database that reads it in another way than the memory connector."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tenant_runtime.connectors.datasource import create_data_source
from tenant_runtime.errors import LoopbackError
from tests.tenant_runtime.registries import registry_of

NOTE = {"name": "Note", "base": "PersistedModel", "properties": {"title": "string"}}


async def test_a_text_where_the_id_is_a_number_is_an_object_that_is_not_there(
    mysql_database: dict[str, Any], tmp_path: Path
) -> None:
    source = create_data_source("db", mysql_database, tmp_path)
    registry = registry_of(NOTE, source=source)
    await source.automigrate("Note")
    try:
        with pytest.raises(LoopbackError, match="Object with id abc does not exist") as caught:
            await registry.models["Note"].replace_by_id("abc", {"title": "a"})
        assert caught.value.status == 404
    finally:
        await source.disconnect()


async def test_of_operators_on_a_nested_property_mongodb_takes_the_first(
    mongodb_database: dict[str, Any], tmp_path: Path
) -> None:
    source = create_data_source("db", mongodb_database, tmp_path)
    notes = registry_of(NOTE, source=source).models["Note"]
    try:
        await notes.create([{"title": str(size), "box": {"size": size}} for size in (1, 2, 3)])
        found = await notes.find({"where": {"box.size": {"lt": 3, "gt": 2}}, "order": "title"})
        assert [note["title"] for note in found] == ["1", "2"]
    finally:
        await source.disconnect()


async def test_a_bad_scope_is_refused_though_nothing_is_related(tmp_path: Path) -> None:
    owner = {**NOTE, "name": "Owner", "relations": {"notes": {"type": "hasMany", "model": "Note"}}}
    registry = registry_of(NOTE, owner)
    owners = registry.models["Owner"]
    await owners.create({"title": "a"})
    scope = {"where": {"title": {"ilike": 1}}}
    with pytest.raises(LoopbackError, match="Expected a string or RegExp"):
        await owners.find({"include": {"relation": "notes", "scope": scope}})


@pytest.mark.parametrize(
    ("scope", "complaint", "status"),
    [
        ({"where": {"title": {"inq": "x"}}, "limit": "x"}, "invalid clause", 400),
        ({"where": {"nor": {}}, "order": "title BAD"}, "nor operator", 400),
        ({"where": [], "limit": "x"}, r"where clause \[\] is not an object", 400),
        ({"where": 5}, "Cannot create property", 500),
        ({"where": {}, "order": "title BAD", "limit": "x"}, "limit", 400),
    ],
)
async def test_a_bad_where_of_a_scope_is_complained_of_first(
    scope: dict[str, Any], complaint: str, status: int
) -> None:
    owner = {**NOTE, "name": "Owner", "relations": {"notes": {"type": "hasMany", "model": "Note"}}}
    owners = registry_of(NOTE, owner).models["Owner"]
    await owners.create({"title": "a"})
    with pytest.raises(LoopbackError, match=complaint) as caught:
        await owners.find({"include": {"relation": "notes", "scope": scope}})
    assert caught.value.status == status


async def test_a_number_for_a_where_is_none_where_objects_are_related() -> None:
    owner = {**NOTE, "name": "Owner", "relations": {"notes": {"type": "hasMany", "model": "Note"}}}
    owners = registry_of(NOTE, owner).models["Owner"]
    notes = (await owners.create({"title": "a"})).relation("notes")
    await notes.create({"title": "b"})
    assert [note["title"] for note in await notes.get({"where": 5})] == ["b"]


ARTICLE = {
    "name": "Article",
    "relations": {"labels": {"type": "hasAndBelongsToMany", "model": "Label"}},
    "properties": {"title": "string"},
}
LABEL = {"name": "Label", "properties": {"text": "string"}}


async def test_a_limit_in_an_include_keeps_the_order_of_the_join(
    mysql_database: dict[str, Any], tmp_path: Path
) -> None:
    source = create_data_source("db", mysql_database, tmp_path)
    models = registry_of(ARTICLE, LABEL, source=source).models
    await source.automigrate()
    try:
        article = await models["Article"].create({"title": "a"})
        labels = await models["Label"].create([{"text": text} for text in "xyz"])
        for place in (2, 0, 1):
            await article.relation("labels").add(labels[place].id)
        scope = {"limit": 1, "order": "text"}  # for each label: the original asks for each by itself
        [found] = await models["Article"].find({"include": {"relation": "labels", "scope": scope}})
        assert [label["text"] for label in found.to_json()["labels"]] == ["z", "x", "y"]
    finally:
        await source.disconnect()


@pytest.mark.parametrize("strict", [False, True])
async def test_through_a_join_a_text_is_no_objectid(
    mongodb_database: dict[str, Any], tmp_path: Path, strict: bool
) -> None:
    source = create_data_source("db", mongodb_database, tmp_path)
    models = registry_of(ARTICLE, LABEL, source=source, app={"strict": strict}).models
    try:
        labels = (await models["Article"].create({"title": "a"})).relation("labels")
        made = await labels.create({"text": "x"})
        assert len(await labels.get({"where": {"id": made.id}})) == (1 if strict else 0)
        assert len(await labels.get({"where": {"and": [{"id": made.id}]}})) == 1
    finally:
        await source.disconnect()


BOX: dict[str, Any] = {
    "name": "Box",
    "properties": {
        "id": {"type": "string", "id": True, "generated": False},
        "size": "number",
        "made": "date",
        "thing": "any",
        "parts": "object",
    },
}


async def test_mysql_keeps_json_in_single_writes_and_text_for_a_null_id(
    mysql_database: dict[str, Any], tmp_path: Path
) -> None:
    source = create_data_source("db", mysql_database, tmp_path)
    boxes = registry_of(BOX, source=source).models["Box"]
    await source.automigrate()
    try:
        assert (await boxes.create({"id": None})).id is None
        await boxes.create(
            [{"id": "a", "thing": "x", "parts": None}, {"id": "b", "thing": None, "parts": "x"}]
        )
        assert [box.id for box in await boxes.find({})] == ["a", "b", "null"]
        counts = [{"thing": None}, {"parts": None}, {"thing": "x"}, {"thing": '"x"'}, {"parts": "x"}]
        assert [await boxes.count(where) for where in counts] == [1, 1, 0, 1, 1]
        assert [(box["thing"], box["parts"]) for box in await boxes.find({})][:2] == [
            ("x", None),
            (None, "x"),
        ]
        await boxes.update_all({"id": "b"}, {"thing": None, "parts": None})
        assert await boxes.count({"thing": None, "parts": None}) == 2
        with pytest.raises(LoopbackError, match="Duplicate entry 'null'"):
            await boxes.create({"id": None})
    finally:
        await source.disconnect()


async def test_mysql_writes_lists_in_a_where_out(mysql_database: dict[str, Any], tmp_path: Path) -> None:
    source = create_data_source("db", mysql_database, tmp_path)
    boxes = registry_of(BOX, source=source).models["Box"]
    await source.automigrate()
    try:
        await boxes.create([{"id": str(size), "size": size} for size in (1, 2, 3)])
        wheres: list[Any] = [
            {"size": {"inq": [[1, 2], 9]}},
            {"size": {"nin": [[1, 2], 9]}},
            {"size": {"nin": [[1, None]]}},
            {"made": [1, None]},
        ]
        assert [await boxes.count(where) for where in wheres] == [2, 1, 0, 0]
        assert await boxes.update_all({"made": [1, None]}, {"size": 4}) == {"count": 0}
    finally:
        await source.disconnect()


async def test_near_on_what_mysql_does_not_know(mysql_database: dict[str, Any], tmp_path: Path) -> None:
    source = create_data_source("db", mysql_database, tmp_path)
    boxes = registry_of(BOX, source=source).models["Box"]
    await source.automigrate()
    try:
        await boxes.create([{"id": "a"}, {"id": "b"}])
        for near in ({"near": False}, {"near": "1,2"}):
            assert await boxes.find({"where": {"nothing": near}}) == []  # selected here
            assert await boxes.count({"nothing": near}) == 2  # counted there, where the condition is dropped
    finally:
        await source.disconnect()


async def test_mongodb_takes_any_value_of_the_first_operator(
    mongodb_database: dict[str, Any], tmp_path: Path
) -> None:
    source = create_data_source("db", mongodb_database, tmp_path)
    boxes = registry_of(BOX, source=source).models["Box"]
    try:
        await boxes.create([{"id": "a", "loose": "x", "parts": {"a": 1}}, {"id": "b", "loose": 5}])
        counted: list[tuple[dict[str, Any], int]] = [
            ({"like": []}, 1), ({"like": None}, 0), ({"nlike": ""}, 1), ({"inq": "x"}, 1), ({"inq": ""}, 0),
            ({"inq": None}, 0), ({"inq": 5}, 1), ({"nin": 0}, 2), ({"nin": False}, 2), ({"regexp": ""}, 1),
        ]  # fmt: skip
        assert [await boxes.count({"loose": given}) for given, _ in counted] == [
            number for _, number in counted
        ]
        for near in ({"near": False}, {"near": None}, {"foo": 1, "near": "1,2"}):
            assert await boxes.find({"where": {"nothing": near}}) == []
        assert await boxes.count({"parts": {"lte": "10"}}) == 1  # compared with the object of a text
        with pytest.raises(LoopbackError):
            await boxes.count({"loose": {"between": None}})
    finally:
        await source.disconnect()


async def test_between_null_is_no_condition_that_everything_meets() -> None:
    boxes = registry_of(BOX).models["Box"]
    assert await boxes.count({"loose": {"between": None}}) == 0
    await boxes.create({"id": "a"})
    with pytest.raises(LoopbackError, match="of null"):
        await boxes.update_all({"loose": {"between": None}}, {"size": 1})


@pytest.mark.parametrize("strict", [False, True])
async def test_mongodb_replaces_nested_models_with_nulls_for_what_they_lack(
    mongodb_database: dict[str, Any], tmp_path: Path, strict: bool
) -> None:
    source = create_data_source("db", {**mongodb_database, "strict": strict}, tmp_path)
    money = {"name": "Money", "base": "Model", "properties": {"currency": "string", "amount": "number"}}
    properties = {"total": "Money", "parts": ["Money"]}
    bills = registry_of(money, {"name": "Bill", "properties": properties}, source=source).models["Bill"]
    try:
        data = {"total": {"amount": 1, "more": 2}, "parts": [{"amount": 1}, {}]}
        bill = await bills.create(data)
        stored = (await bills.find_by_id(bill.id)).to_json()
        assert {**stored, "id": None} == {**data, "id": None}
        assert (await bills.replace_by_id(bill.id, data)).to_json() == stored
        replaced = (await bills.find_by_id(bill.id)).to_json()
        lacking = {} if strict else {"currency": None, "id": None}
        assert replaced["total"] == {**lacking, "amount": 1, "more": 2}
        assert replaced["parts"] == [
            {**lacking, "amount": 1},
            {**lacking, **({} if strict else {"amount": None})},
        ]
    finally:
        await source.disconnect()
