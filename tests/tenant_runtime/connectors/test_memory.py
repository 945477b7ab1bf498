"""The memory connector's own affairs: numbering, the file, isolation of what is stored."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tenant_runtime.connectors.datasource import create_data_source
from tenant_runtime.errors import LoopbackError
from tenant_runtime.model.definition import Property, PropertyType
from tenant_runtime.model.registry import Registry
from tests.tenant_runtime.registries import registry_of

NOTE = {"name": "Note", "properties": {"text": "string", "at": "date", "o": "object"}, "forceId": False}


def with_file(folder: Path) -> Registry:
    source = create_data_source("db", {"connector": "memory", "file": "data.json"}, folder)
    return registry_of(NOTE, source=source)


async def test_ids_continue_after_the_highest() -> None:
    model = registry_of(NOTE).Note
    created = [await model.create(data) for data in ({}, {"id": 7}, {}, {"id": 3}, {})]
    assert [instance.id for instance in created] == [1, 7, 8, 3, 10]
    with pytest.raises(LoopbackError, match=r"Duplicate entry for Note\.id") as caught:
        await model.create({"id": 7})
    assert caught.value.status == 409


async def test_nobody_can_change_what_is_stored() -> None:
    model = registry_of(NOTE).Note
    given: dict[str, Any] = {"o": {"list": [1]}}
    await model.create(given)
    given["o"]["list"].append(2)
    found = await model.find_by_id(1)
    assert found is not None
    found["o"]["list"].append(3)
    again = await model.find_by_id(1)
    assert again is not None and again["o"] == {"list": [1]}


async def test_the_file_has_loopbacks_format(tmp_path: Path) -> None:
    registry = with_file(tmp_path)
    await registry.Note.create({"text": "a", "at": "2020-01-01"})
    await registry.Note.data_source.disconnect()
    content = json.loads((tmp_path / "data.json").read_text("utf-8"))
    assert content["ids"] == {"Note": 2}
    assert json.loads(content["models"]["Note"]["1"]) == {
        "text": "a",
        "at": "2020-01-01T00:00:00.000Z",
        "id": 1,
    }
    assert list(tmp_path.iterdir()) == [tmp_path / "data.json"]


async def test_a_file_is_read_again(tmp_path: Path) -> None:
    row = json.dumps({"text": "old", "at": "2020-01-01T00:00:00.000Z", "id": 4})
    content = {"ids": {"Note": 5}, "models": {"Note": {"4": row}, "Other": {}}}
    (tmp_path / "data.json").write_text(json.dumps(content), "utf-8")
    registry = with_file(tmp_path)
    [found] = await registry.Note.find({"where": {"at": {"lt": "2021-01-01"}}})
    assert found["text"] == "old"
    assert (await registry.Note.create({})).id == 5
    await registry.Note.data_source.disconnect()
    assert "Other" in json.loads((tmp_path / "data.json").read_text("utf-8"))["models"]


async def test_a_broken_file_is_a_503_and_stays_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "data.json").write_text("{broken", "utf-8")
    registry = with_file(tmp_path)
    with pytest.raises(LoopbackError) as caught:
        await registry.Note.create({"text": "x"})
    assert caught.value.status == 503
    assert (tmp_path / "data.json").read_text("utf-8") == "{broken"
    await registry.Note.data_source.disconnect()


async def test_a_pattern_without_end_is_refused_in_time() -> None:
    model = registry_of(NOTE).Note
    await model.create([{"text": "a" * 40 + "b"}] * 20)
    with pytest.raises(LoopbackError) as caught:
        await model.find({"where": {"text": {"regexp": "^(a|aa)+$"}}})
    assert (caught.value.status, caught.value.code) == (400, "REGEXP_TOO_SLOW")


async def test_a_property_that_is_defined_later_is_stored_as_what_it_is() -> None:
    model = registry_of(NOTE).Note
    await model.create({"text": "a"})
    model.define_property(Property("seen", PropertyType("date")))
    await model.create({"seen": "2020-01-01"})
    found = await model.find_by_id(2)
    assert found is not None and found.seen == datetime(2020, 1, 1, tzinfo=UTC)
