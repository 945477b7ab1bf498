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
