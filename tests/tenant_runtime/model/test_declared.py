"""Validations in JSON, switched on and off."""

from __future__ import annotations

from typing import Any

import pytest

from tenant_runtime.errors import ConfigurationError

PERSON = {
    "name": "Person",
    "properties": {
        "name": {"type": "string", "minLength": 2, "maxLength": 4},
        "age": {"type": "number", "min": 0, "max": 150},
        "kind": {"type": "string", "enum": ["a", "b"]},
        "code": {"type": "string", "pattern": "^[a-z]+$"},
        "mail": {"type": "string", "format": "email"},
        "nick": {"type": "string", "unique": True},
        "text": "string",
    },
    "validations": [{"property": "text", "kind": "exclusion", "in": ["admin"], "message": "is taken"}],
}
ON = {"config.json": {"restApiRoot": "/api", "enforceValidations": True}}


@pytest.mark.parametrize(
    ("data", "codes"),
    [
        ({}, {}),
        ({"name": "ab", "age": 0, "kind": "a", "code": "x", "mail": "a@b", "nick": "n2", "text": "x"}, {}),
        ({"name": "a"}, {"name": ["length.min"]}),
        ({"name": "abcde"}, {"name": ["length.max"]}),
        ({"age": -1}, {"age": ["custom.min"]}),
        ({"age": 151}, {"age": ["custom.max"]}),
        ({"kind": "c"}, {"kind": ["inclusion"]}),
        ({"code": "A"}, {"code": ["format"]}),
        ({"mail": "nobody"}, {"mail": ["format"]}),
        ({"nick": "n1"}, {"nick": ["uniqueness"]}),
        ({"text": "admin"}, {"text": ["exclusion"]}),
    ],
)
async def test_enforced(make_app: Any, data: dict[str, Any], codes: dict[str, list[str]]) -> None:
    api = await make_app({"models/person.json": PERSON, **ON}, Person={})
    await api("POST", "/People", {"nick": "n1"})
    reply = await api("POST", "/People", data)
    found = reply.json["error"]["details"]["codes"] if reply.status == 422 else {}
    assert found == codes


async def test_ignored_without_the_switch(make_app: Any) -> None:
    person = {**PERSON, "validations": []}
    api = await make_app({"models/person.json": person}, Person={})
    assert (await api("POST", "/People", {"name": "a", "age": -1, "kind": "c"})).status == 200


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"validations": [{"property": "name", "kind": "magic"}]}, "/validations/0/kind"),
        ({"validations": [{"property": "no", "kind": "presence"}]}, "/validations/0/property"),
        ({"validations": ["name"]}, "/validations/0"),
        (
            {"properties": {"x": {"type": "string", "pattern": "("}}, "validations": []},
            "/properties/x/pattern",
        ),
    ],
)
async def test_what_cannot_be_enforced_is_refused(make_app: Any, change: Any, pointer: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        await make_app({"models/person.json": {**PERSON, **change}, **ON}, Person={})
    assert (caught.value.file, caught.value.pointer) == ("models/person.json", pointer)
