"""Filters on four rows in memory: results and complaints recorded from the original."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tenant_runtime.errors import LoopbackError
from tenant_runtime.model.model_class import ModelClass
from tests.tenant_runtime.registries import registry_of

RECORDED = json.loads((Path(__file__).parent / "filters_of_loopback.json").read_text("utf-8"))
#: Here a broken pattern matches nothing where V8's complaint has other words.
V8_WORDS = "Invalid regular expression"


async def four_rows() -> ModelClass:
    model = registry_of(
        {
            "name": "T",
            "properties": {
                "n": "number",
                "s": "string",
                "d": "date",
                "b": "boolean",
                "tags": ["string"],
                "o": "object",
                "g": "geopoint",
                "nest": {"type": {"a": "string"}},
                "ar": "array",
            },
        }
    ).T
    first = {"n": 1, "s": "abc", "d": "2020-01-01", "b": True, "tags": ["x", "y"], "dyn": 5}
    await model.create(
        [
            {**first, "o": {"a": 1, "l": [{"k": 1}]}},
            {"n": 2, "s": "a/i", "d": None, "b": False, "tags": [], "o": None, "dyn": "q"},
            {"s": "A.c%", "o": {"a": 2}},
            {"n": None, "s": None, "b": None},
        ]
    )
    return model


async def check(model: ModelClass, filter: dict[str, Any], expected: dict[str, Any]) -> None:
    if "status" in expected:
        with pytest.raises(LoopbackError) as caught:
            await model.find(filter)
        assert caught.value.status == expected["status"]
        assert caught.value.code == expected.get("code")
        if not expected["message"].startswith(V8_WORDS):
            assert str(caught.value) == expected["message"]
        return
    found = [instance.to_json() for instance in await model.find(filter)]
    if "ids" in expected:
        assert [row["id"] for row in found] == expected["ids"]
    else:
        assert found == expected["rows"]


@pytest.mark.parametrize(("where", "expected"), RECORDED["where"], ids=lambda value: json.dumps(value)[:40])
async def test_where(where: dict[str, Any], expected: dict[str, Any]) -> None:
    await check(await four_rows(), {"where": where}, expected)


@pytest.mark.parametrize(("filter", "expected"), RECORDED["filter"], ids=lambda value: json.dumps(value)[:40])
async def test_other_parts(filter: dict[str, Any], expected: dict[str, Any]) -> None:
    await check(await four_rows(), filter, expected)
