"""The Swagger document of shared classes: what the recordings do not show."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from tenant_runtime.explorer.schemas import Documented
from tenant_runtime.explorer.swagger import DocumentedRoute, Package, document
from tenant_runtime.model.definition import ModelDefinition, Property, PropertyType
from tenant_runtime.remoting.shared_class import SharedClass
from tenant_runtime.remoting.shared_method import method_from_spec

DEFINITION = ModelDefinition(
    "Book", None, {"title": Property("title", PropertyType("string"), raw={"type": "string"})}
)


def route(key: str, spec: dict[str, Any], verb: str = "get", path: str = "/books/x", **settings: Any) -> Any:
    shared = SharedClass("Book", "books", SimpleNamespace(settings=settings, definition=DEFINITION))
    method = method_from_spec(key, spec)
    shared.define(method)
    return DocumentedRoute(shared, method, verb, path)


def made(
    *routes: DocumentedRoute, options: Any = None, extensions: Any = None, **package: Any
) -> dict[str, Any]:
    models = {"Book": Documented(DEFINITION, {})}
    return document(
        routes, models, {"basePath": "/api", **(options or {})}, extensions or {}, Package(**package)
    )


def operation(key: str, spec: dict[str, Any], **more: Any) -> dict[str, Any]:
    [path] = made(route(key, spec, **more))["paths"].values()
    [found] = path.values()
    return dict(found)


def test_info_and_options() -> None:
    whole = made(
        options={"apiInfo": {"title": ["a", "b"]}, "host": "h:1", "protocol": "https", "basePath": "/v1/"},
        extensions={"x-own": 1, "generateOperationScopedModels": True},
        version="2.0",
    )
    assert whole["info"] == {"title": "a\nb", "version": "2.0", "description": "LoopBack Application"}
    assert (whole["host"], whole["schemes"], whole["basePath"], whole["x-own"]) == (
        "h:1",
        ["https"],
        "/v1",
        1,
    )
    assert "generateOperationScopedModels" not in whole
    assert made(extensions={"produces": ["a/b"], "info": {}})["produces"] == ["a/b"]
    assert made(options={"consumes": ["a/b"], "produces": ["c/d"]})["consumes"] == ["a/b"]


def test_undocumented_methods_and_arguments_are_left_out() -> None:
    assert made(route("secret", {"documented": False}))["paths"] == {}
    accepts = [
        {"arg": "a", "type": "string"},
        {"arg": "b", "type": "string", "documented": False},
        {"arg": "req", "type": "object", "http": {"source": "req"}},
        {"arg": "options", "type": "object", "http": "optionsFromRequest"},
    ]
    assert [one["name"] for one in operation("m", {"accepts": accepts})["parameters"]] == ["a"]


def test_where_arguments_stand() -> None:
    accepts = [
        {"arg": "id", "type": "number"},
        {"arg": "h", "type": "string", "http": {"source": "header"}},
        {"arg": "flag", "type": "boolean", "required": True},
        {"arg": "list", "type": ["string"]},
        {"arg": "file", "type": "file"},
    ]
    for verb, place in (("get", "query"), ("post", "formData")):
        found = operation("m", {"accepts": accepts}, verb=verb, path="/books/:id/x")["parameters"]
        assert [(one["name"], one["in"], one["required"]) for one in found] == [
            ("id", "path", True),
            ("h", "header", False),
            ("flag", place, True),
            ("list", place, False),
            ("file", "formData", False),
        ]
        assert found[3]["type"], found[3]["format"] == ("string", "JSON")


def test_instance_methods_have_the_id_first() -> None:
    found = operation(
        "prototype.rate", {"accepts": {"arg": "stars", "type": "number"}}, path="/books/:id/rate"
    )
    assert [(one["name"], one["description"]) for one in found["parameters"][:1]] == [("id", "Book id")]
    assert found["operationId"] == "Book.prototype.rate"


def test_any_verb_is_shown_as_post() -> None:
    assert list(made(route("m", {}, verb="all"))["paths"]["/books/x"]) == ["post"]


def test_several_routes_make_long_ids() -> None:
    one, other = route("m", {}), route("m", {}, verb="post", path="/books/:id/y")
    ids = [
        operation["operationId"] for path in made(one, other)["paths"].values() for operation in path.values()
    ]
    assert ids == ["Book.m__get_books_x", "Book.m__post_books_{id}_y"]


def test_results() -> None:
    cases: list[tuple[Any, str, Any]] = [
        ([], "204", None),
        ({"arg": "data", "type": "Book", "root": True}, "200", {"$ref": "#/definitions/Book"}),
        (
            {"arg": "n", "type": "number"},
            "200",
            {"type": "object", "properties": {"n": {"type": "number", "format": "double"}}},
        ),
        ({"arg": "at", "type": "date"}, "200", {"type": "object", "properties": {"at": {"type": "object"}}}),
        ({"arg": "body", "type": "ReadableStream"}, "200", {"type": "file"}),
        (
            [{"arg": "a", "type": ["Unknown"]}, {"arg": "s", "type": "number", "http": {"target": "status"}}],
            "200",
            {"type": "object", "properties": {"a": {"type": "array", "items": {"type": "object"}}}},
        ),
    ]
    for returns, status, schema in cases:
        found = operation("m", {"returns": returns})["responses"]
        assert list(found) == [status]
        assert found[status].get("schema") == schema


def test_statuses_and_errors() -> None:
    spec = {
        "http": {"verb": "get", "path": "/x", "status": 201, "errorStatus": 409},
        "returns": {"arg": "data", "type": "object", "root": True, "example": {"a": 1}},
        "errors": [{"code": 404, "message": "no such book", "responseModel": "Book"}],
    }
    assert operation("m", spec)["responses"] == {
        "201": {
            "description": "Request was successful",
            "schema": {"type": "object", "example": {"a": 1}},
            "examples": {"application/json": {"a": 1}},
        },
        "404": {"description": "no such book", "schema": {"$ref": "#/definitions/Book"}},
        "409": {"description": "Unknown error"},
    }


def test_tags() -> None:
    settings = {"description": "Books", "swagger": {"tag": {"name": "Lib", "externalDocs": {"url": "u"}}}}
    whole = made(route("m", {}, **settings))
    assert whole["tags"] == [{"name": "Lib", "description": "Books", "externalDocs": {"url": "u"}}]
    assert whole["paths"]["/books/x"]["get"]["tags"] == ["Lib"]
