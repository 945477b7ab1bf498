"""Model files → definitions: inheritance, spellings, complaints, warnings."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tenant_runtime.errors import ConfigurationError
from tenant_runtime.model.build import build, configure, root_definitions
from tenant_runtime.model.definition import ModelDefinition

ROOTS = root_definitions()


def made(base: ModelDefinition | None = None, **source: Any) -> ModelDefinition:
    return build({"name": "M", **source}, base or ROOTS["PersistedModel"], file="models/m.json")


def test_the_id_comes_last_and_is_forced() -> None:
    model = made(properties={"a": "string"})
    assert list(model.properties) == ["a", "id"]
    assert model.force_id == "auto"
    assert model.id_name == "id"


@pytest.mark.parametrize(
    ("properties", "settings", "id_name", "force_id"),
    [
        ({"code": {"type": "string", "id": True}}, {}, "code", False),
        ({"id": {"type": "string", "id": True, "generated": True}}, {}, "id", "auto"),
        ({"id": "string"}, {}, "id", "auto"),  # not marked as the id: replaced by the generated one
        ({}, {"forceId": False}, "id", False),
        ({"code": {"type": "string", "id": True}}, {"forceId": True}, "code", True),
        ({"a": {"type": "number", "id": 2}, "b": {"type": "number", "id": 1}}, {}, "b", False),
    ],
)
def test_ids(properties: Any, settings: Any, id_name: str, force_id: Any) -> None:
    model = made(properties=properties, **settings)
    assert (model.id_name, model.force_id) == (id_name, force_id)


def test_inheritance() -> None:
    base = made(
        properties={"a": "string", "b": {"type": "number", "required": True}, "c": "date"},
        hidden=["a"],
        acls=[{"permission": "DENY"}],
        plural="Things",
        strict=True,
        relations={"r": {"type": "hasMany", "model": "X"}},
        mysql={"table": "t"},
    )
    child = build(
        {
            "name": "Child",
            "base": "M",
            "properties": {"b": "string", "c": None, "d": "any"},
            "hidden": ["d"],
            "acls": [{"permission": "ALLOW"}],
            "relations": {"r": {"type": "hasOne", "model": "Y"}},
            "options": {"mysql": {"engine": "e"}},
        },
        base,
    )
    assert list(child.properties) == ["b", "d", "a", "id"]
    assert child.hidden == {"a", "d"}
    assert [acl["permission"] for acl in child.acls] == ["DENY", "ALLOW"]
    assert (child.plural, child.http_path, child.strict) == ("Things", "Things", True)
    assert child.relations["r"].kind == "hasOne"
    assert child.store("mysql") == {"table": "t", "engine": "e"}
    assert child.properties["b"].required is False
    assert base.hidden == {"a"}


def test_excluded_properties() -> None:
    base = made(properties={"a": "string", "b": "string"})
    child = build({"name": "C", "excludeBaseProperties": ["a", "id"], "properties": {}}, base)
    assert list(child.properties) == ["b", "id"]


@pytest.mark.parametrize(
    ("written", "kind", "item"),
    [
        ("String", "string", None),
        ({"type": "NUMBER"}, "number", None),
        (["date"], "array", "date"),
        ({"type": ["object"]}, "array", "object"),
        ({"type": "array"}, "array", None),
        ([], "array", None),
        ({"type": {"x": "string"}}, "model", None),
        ({"x": "string"}, "model", None),
        ([{"x": "string"}], "array", "model"),
        ("Other", "model", None),
        ("integer", "number", None),
        ("Binary", "buffer", None),
    ],
)
def test_types(written: Any, kind: str, item: str | None) -> None:
    kind_of_p = made(properties={"p": written}).properties["p"].type
    assert kind_of_p.kind == kind
    assert (kind_of_p.item.kind if kind_of_p.item else None) == item


@pytest.mark.parametrize(
    ("name", "plural"),
    [
        ("Person", "People"),
        ("Leaf", "Leafs"),
        ("Hero", "Heros"),
        ("Category", "Categories"),
        ("News", "News"),
    ],
)
def test_plurals(name: str, plural: str) -> None:
    assert build({"name": name}, ROOTS["PersistedModel"]).plural == plural


@pytest.mark.parametrize(
    ("source", "pointer"),
    [
        ({"name": ""}, "/name"),
        ({"properties": []}, "/properties"),
        ({"properties": {"a.b": "string"}}, "/properties/a.b"),
        ({"properties": {"a": {"type": 5}}}, "/properties/a/type"),
        ({"properties": {"a": 5}}, "/properties/a"),
        ({"relations": {"r": {"type": "hasLots", "model": "X"}}}, "/relations/r/type"),
        ({"relations": {"r": {"type": "hasMany"}}}, "/relations/r"),
        ({"relations": {"r": "x"}}, "/relations/r"),
        ({"acls": {}}, "/acls"),
        ({"methods": "x"}, "/methods"),
    ],
)
def test_complaints_name_the_place(source: dict[str, Any], pointer: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        made(**source)
    assert (caught.value.file, caught.value.pointer) == ("models/m.json", pointer)


def test_warnings() -> None:
    heard: list[tuple[str, str]] = []
    build(
        {
            "name": "M",
            "propertys": {},
            "trackChanges": True,
            "validations": [{}],
            "options": {"forceID": False, "ownSetting": 1},
            "properties": {"n": "integer"},
            "strict": "throw",
        },
        ROOTS["PersistedModel"],
        warn=lambda message, pointer: heard.append((pointer, message)),
    )
    assert {pointer for pointer, _ in heard} == {
        "/propertys",
        "/trackChanges",
        "/validations",
        "/options/forceID",
        "/properties/n",
        "/strict",
    }
    assert 'did you mean "properties"?' in dict(heard)["/propertys"]


def test_model_config() -> None:
    model = made(
        properties={},
        acls=[{"principalId": "$owner", "permission": "DENY"}],
        relations={"r": {"type": "hasMany", "model": "X"}},
    )
    configure(
        model,
        {
            "dataSource": "db",
            "acls": [{"principalId": "$owner", "permission": "ALLOW"}],
            "relations": {"r": {"foreignKey": "k"}},
            "options": {"hidden": ["x"], "base": "Nope"},
            "methods": {"greet": {}},
        },
    )
    assert [acl["permission"] for acl in model.acls] == ["ALLOW"]
    assert model.relations["r"].raw == {"type": "hasMany", "model": "X", "foreignKey": "k"}
    assert model.hidden == {"x"}
    assert list(model.methods) == ["greet"]
    assert model.base == "PersistedModel"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.text("ab.:", max_size=4),
    lambda inner: (
        st.lists(inner, max_size=2) | st.dictionaries(st.text("abtype", max_size=4), inner, max_size=3)
    ),
    max_leaves=6,
)
KEYS = [
    "properties",
    "relations",
    "options",
    "acls",
    "scopes",
    "hidden",
    "http",
    "plural",
    "mixins",
    "strict",
]


@given(st.dictionaries(st.sampled_from(KEYS), JSON, max_size=4))
def test_any_json_is_a_definition_or_a_complaint(source: dict[str, Any]) -> None:
    try:
        made(**source)
    except ConfigurationError as error:
        assert error.pointer


KEYS = {"foreignKey": "imageId", "discriminator": "imageType"}


@pytest.mark.parametrize(
    ("relation", "pointer", "message"),
    [
        ({"polymorphic": {"foreignKey": "k"}}, "/polymorphic", "requires param `polymorphic.discriminator`"),
        ({"polymorphic": {"discriminator": "d"}}, "/polymorphic", "requires param `polymorphic.foreignKey`"),
        ({"polymorphic": {**KEYS, "as": "s"}}, "/polymorphic/as", "does not expect param `polymorphic.as`"),
        ({"polymorphic": {**KEYS, "selector": "s"}}, "/polymorphic/selector", "`polymorphic.selector`"),
    ],
)
def test_contradictory_polymorphic_settings_are_refused(
    relation: dict[str, Any], pointer: str, message: str
) -> None:
    """As the original does when it boots."""
    with pytest.raises(ConfigurationError) as caught:
        made(relations={"image": {"type": "hasMany", "model": "X", **relation}})
    assert (caught.value.file, caught.value.pointer) == ("models/m.json", "/relations/image" + pointer)
    assert message in caught.value.message


@pytest.mark.parametrize("given", [True, "image", {"as": "image"}, {"selector": "image"}, KEYS])
def test_polymorphic_settings_that_agree(given: Any) -> None:
    made(relations={"image": {"type": "hasMany", "model": "X", "polymorphic": given}})
