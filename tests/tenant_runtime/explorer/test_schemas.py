"""LoopBack's types as Swagger's, as loopback-swagger writes them."""

from __future__ import annotations

from typing import Any

import pytest

from tenant_runtime.explorer.schemas import Definitions, Documented, RelatedTo
from tenant_runtime.model.definition import ModelDefinition, Property, PropertyType

ID = Property(
    "id", PropertyType("number"), id_order=1, generated=True, raw={"type": "number", "updateOnly": True}
)


def documented(name: str, *properties: Property, relations: Any = None, **settings: Any) -> Documented:
    definition = ModelDefinition(name, None, {prop.name: prop for prop in properties}, settings=settings)
    definition.hidden = frozenset(settings.get("hidden", ()))
    return Documented(definition, relations or {})


MODELS = {"Book": documented("Book", ID)}


@pytest.mark.parametrize(
    ("declaration", "schema"),
    [
        ("string", {"type": "string"}),
        ("Number", {"type": "number", "format": "double"}),
        (
            {"type": "number", "format": "int32", "min": 1, "max": 2},
            {"minimum": 1, "maximum": 2, "format": "int32", "type": "number"},
        ),
        ("date", {"type": "string", "format": "date-time"}),
        ("buffer", {"type": "string", "format": "byte"}),
        ("any", {"$ref": "#/definitions/x-any"}),
        (None, {"$ref": "#/definitions/x-any"}),
        ("array", {"type": "array", "items": {"$ref": "#/definitions/x-any"}}),
        ("[string]", {"type": "array", "items": {"type": "string"}}),
        (["Book"], {"type": "array", "items": {"$ref": "#/definitions/Book"}}),
        ("geopoint", {"$ref": "#/definitions/GeoPoint"}),
        ("objectid", {"$ref": "#/definitions/ObjectID"}),
        ("text", {"$ref": "#/definitions/text"}),
        ("Book", {"$ref": "#/definitions/Book"}),
        ({"type": "object", "model": "Book"}, {"$ref": "#/definitions/Book"}),
        (
            {"type": {"a": "string", "b": {"type": "number"}}},
            {
                "type": "object",
                "properties": {"a": {"type": "string"}, "b": {"type": "number", "format": "double"}},
            },
        ),
        ([{"street": "string"}], {"type": "array", "items": {"$ref": "#/definitions/x-any"}}),
        ({"type": "string", "length": 5, "default": None}, {"maxLength": 5, "type": "string"}),
        ({"type": "object", "default": {"a": None, "b": 1}}, {"default": {"b": 1}, "type": "object"}),
        ({"type": "string", "description": ["a", "b"]}, {"description": "a\nb", "type": "string"}),
    ],
)
def test_types(declaration: Any, schema: dict[str, Any]) -> None:
    given = (
        [declaration] if isinstance(declaration, list) and isinstance(declaration[0], dict) else declaration
    )
    if given is not declaration:
        given = {"type": declaration}
    assert Definitions(MODELS).of(given) == schema


def test_a_model() -> None:
    model = documented(
        "Book",
        Property("title", PropertyType("string"), required=True, raw={"type": "string", "required": True}),
        Property("secret", PropertyType("string"), raw={"type": "string"}),
        Property("authorId", PropertyType("objectid")),
        ID,
        hidden=["secret"],
        description=["a", "book"],
        **{"x-tag": 1},
    )
    definitions = Definitions({"Book": model})
    assert definitions.model_schema(model) == {
        "description": "a\nbook",
        "properties": {
            "title": {"type": "string"},
            "authorId": {"$ref": "#/definitions/ObjectID"},
            "id": {"type": "number", "format": "double"},
        },
        "x-tag": 1,
        "required": ["title"],
        "additionalProperties": False,
    }


def test_open_models_only_when_they_say_so() -> None:
    for settings, closed in (
        ({}, True),
        ({"additionalProperties": True}, False),
        ({"additionalProperties": True, "strict": True}, True),
    ):
        model = documented("M", **settings)
        assert ("additionalProperties" in Definitions({"M": model}).model_schema(model)) is closed


def test_create_has_a_model_without_the_forced_id() -> None:
    definitions = Definitions(MODELS, operation_scoped=True)
    argument = {"type": "object", "model": "Book", "createOnlyInstance": True}
    assert definitions.of(argument, argument=True) == {"$ref": "#/definitions/$new_Book"}
    assert definitions.build()["$new_Book"]["properties"] == {}


def test_relations_are_shown_on_request() -> None:
    relations = {"author": RelatedTo("belongsTo", "Author"), "notes": RelatedTo("hasMany", "Note")}
    relations["hidden"] = RelatedTo("hasOne", "Note", includable=False)
    models = {
        "Book": documented("Book", ID, relations=relations),
        "Author": documented("Author"),
        "Note": documented("Note"),
    }
    definitions = Definitions(models, relations=True)
    definitions.reference("BookWithRelations")
    built = definitions.build()
    assert set(built) == {"BookWithRelations", "AuthorWithRelations", "NoteWithRelations"}
    assert built["BookWithRelations"]["properties"] == {
        "id": {"type": "number", "format": "double"},
        "author": {"$ref": "#/definitions/AuthorWithRelations"},
        "notes": {"type": "array", "items": {"$ref": "#/definitions/NoteWithRelations"}},
    }


def test_only_what_is_referred_to_is_built() -> None:
    definitions = Definitions(MODELS)
    assert definitions.build() == {}
    definitions.reference("Unknown")
    assert definitions.build() == {}
