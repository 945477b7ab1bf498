"""The OpenAPI 3.1 document, made of recorded swagger documents, judged by an independent validator."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator

from tenant_runtime.explorer.openapi import component, document, request_body, schema
from tests.conformance.scenario import recorded

SWAGGER = [
    pytest.param(answer["body"], id=f"{scenario.id}-{connector}")
    for scenario, _ in recorded(areas=["swagger"], connectors=["memory"])
    for connector, answer in scenario.steps[0]["expect"].items()
]


@pytest.mark.parametrize("swagger", SWAGGER)
def test_recorded_documents_become_valid(swagger: dict[str, Any]) -> None:
    before = copy.deepcopy(swagger)
    made = document(swagger)
    OpenAPIV31SpecValidator(made).validate()
    assert swagger == before
    operations = {operation["operationId"] for path in made["paths"].values() for operation in path.values()}
    assert operations == {
        operation["operationId"] for path in swagger["paths"].values() for operation in path.values()
    }
    assert set(made["components"]["securitySchemes"]) == {"accessTokenHeader", "accessTokenQuery"}


def test_what_is_not_defined_gets_a_definition() -> None:
    definitions = {
        "A": {"properties": {"b": {"$ref": "#/definitions/text"}, "c": {"$ref": "#/definitions/Gone"}}}
    }
    made = document({"info": {}, "paths": {}, "definitions": definitions})["components"]["schemas"]
    assert made["text"] == {"type": "string"}
    assert made["Gone"] == {"type": "object"}


def test_server() -> None:
    swagger = {"info": {}, "paths": {}, "basePath": "/foo/api"}
    assert document(swagger)["servers"] == [{"url": "/foo/api"}]
    assert document({**swagger, "host": "x:1", "schemes": ["https"]})["servers"] == [
        {"url": "https://x:1/foo/api"}
    ]


def test_names_that_components_may_have() -> None:
    assert component("$new_Book") == "new_Book"
    assert schema({"$ref": "#/definitions/$new_Book"}) == {"$ref": "#/components/schemas/new_Book"}


def test_a_property_may_be_called_like_a_keyword() -> None:
    old = {"properties": {"type": {"type": "file"}, "default": {"type": "string", "default": {"$ref": "x"}}}}
    assert schema(old) == {
        "properties": {
            "type": {"type": "string", "format": "binary"},
            "default": {"type": "string", "default": {"$ref": "x"}},
        }
    }


@pytest.mark.parametrize(
    ("parameters", "types", "required"),
    [
        ([{"in": "body", "name": "data", "required": True, "schema": {}}], ["application/json"], True),
        ([{"in": "formData", "name": "f", "type": "file"}], ["multipart/form-data"], False),
        (
            [{"in": "formData", "name": "a", "type": "string", "required": True}],
            ["application/x-www-form-urlencoded", "application/json"],
            True,
        ),
    ],
)
def test_bodies(parameters: list[dict[str, Any]], types: list[str], required: bool) -> None:
    body = request_body(parameters, {})
    assert body is not None
    assert list(body["content"]) == types
    assert body["required"] is required
    assert request_body([], {}) is None
