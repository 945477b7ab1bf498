"""Validators: codes, messages and details recorded from the original for the same validations."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tenant_runtime.errors import LoopbackError
from tenant_runtime.model.inspection import inspect
from tenant_runtime.model.model_class import ModelClass
from tests.tenant_runtime.registries import registry_of

RECORDED = json.loads((Path(__file__).parent / "validations_of_loopback.json").read_text("utf-8"))
PROPERTIES: dict[str, Any] = {
    "a": "string",
    "n": "number",
    "d": "date",
    "o": "object",
    "t": ["string"],
    "u": "string",
    "w": "string",
    "req": {"type": "string", "required": {"message": "gimme"}},
}


def validated() -> ModelClass:
    model = registry_of({"name": "V", "properties": PROPERTIES}).V
    model.validates_presence_of("a", message="need a")
    model.validates_length_of("a", min=3, max=5, message={"min": "short!", "max": "long!"})
    model.validates_length_of("w", is_=2, allow_blank=True)
    model.validates_numericality_of("n", int=True)
    model.validates_inclusion_of("a", in_=["abc", "abcd"], allow_null=True)
    model.validates_exclusion_of("u", {"in": ["root"], "allowBlank": True, "allowNull": True, "code": "mine"})
    model.validates_format_of("a", with_="^[a-z]+$", message="bad format")
    model.validatesUniquenessOf("u", message="taken")
    model.validates_uniqueness_of("w", scoped_to=["n"], ignore_case=True)
    model.validates_absence_of("t", unless="o")

    def check_object(instance: Any, err: Any) -> None:
        if instance.o and instance.o.get("bad"):
            err()
        if instance.o and instance.o.get("kind"):
            err("weird")

    def unlucky(instance: Any, err: Any) -> None:
        if instance.n == 13:
            err("null")

    async def later(instance: Any, err: Any) -> None:
        if instance.n == 14:
            err()

    model.validate("o", check_object, message="o is bad")
    model.validate("n", unlucky, message={"x": "y"})
    model.validate_async("d", later, message="async d")
    return model


async def test_as_the_original() -> None:
    model = validated()
    for data, expected in RECORDED:
        try:
            answer = (await model.create(data)).to_json()
        except LoopbackError as error:
            assert (error.status, error.name) == (422, "ValidationError")
            answer = {"message": str(error), "details": error.details}
        assert answer == expected, data


async def test_errors_stay_on_the_instance() -> None:
    instance = validated()({"a": "ab"})
    assert await instance.is_valid() is False
    assert instance.errors.codes["a"] == ["length.min", "inclusion"]
    instance.a, instance.n, instance.req = "abc", 1, "r"
    assert await instance.is_valid() is True
    assert instance.errors is False


@pytest.mark.parametrize(
    ("value", "depth", "text"),
    [
        ({"a": "x", "b": {"c": 1}}, 0, "{ a: 'x', b: [Object] }"),
        ([{"a": 1}, {"b": {"c": 2}}], 1, "[ { a: 1 }, { b: [Object] } ]"),
        (["it's", 'a "b"'], 1, '[ "it\'s", \'a "b"\' ]'),
        ({"a-b": None, "1": True}, 0, "{ '1': true, 'a-b': null }"),
        ([1, 2, 3, 4, 5, 6, 7, 8, 9, 10], 1, "[\n  1, 2, 3, 4,  5,\n  6, 7, 8, 9, 10\n]"),
        ({"a": "a" * 80, "b": 2}, 0, "{\n  a: '" + "a" * 80 + "',\n  b: 2\n}"),
        ([], 1, "[]"),
    ],
)
def test_values_are_shown_as_node_shows_them(value: Any, depth: int, text: str) -> None:
    assert inspect(value, depth) == text
