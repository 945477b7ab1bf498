"""The OpenAPI 3.1 document beside swagger.json: the same operations, with what Swagger 2.0 could not say.

In charge of: the Swagger document → OpenAPI 3.1, with the ways in which LoopBack reads an access token. Must
not know: models, requests. swagger.json stays as clients know it; this one is for new tools.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

JSON = "application/json"
FORM = "application/x-www-form-urlencoded"
MULTIPART = "multipart/form-data"

#: Where a token may stand; any one of them, or none for what everybody may do.
SECURITY_SCHEMES: dict[str, Any] = {
    "accessTokenHeader": {
        "type": "apiKey",
        "in": "header",
        "name": "Authorization",
        "description": "The id of an access token, as login returns it, without a scheme before it.",
    },
    "accessTokenQuery": {
        "type": "apiKey",
        "in": "query",
        "name": "access_token",
        "description": "The id of an access token.",
    },
}
SECURITY: list[dict[str, list[str]]] = [{}, {"accessTokenHeader": []}, {"accessTokenQuery": []}]

#: Components may be called by these characters only.
NAME = re.compile(r"[^A-Za-z0-9._-]")
DEFINITION = "#/definitions/"
#: What swagger.json refers to without defining it: the words text and json, and models that are not there.
UNDEFINED: dict[str, Any] = {"text": {"type": "string"}}


def document(swagger: dict[str, Any]) -> dict[str, Any]:
    """``swagger`` is the document of ``explorer.swagger``; it is not changed."""
    made = {
        "openapi": "3.1.0",
        "info": swagger["info"],
        "servers": [{"url": server_url(swagger)}],
        "security": SECURITY,
        "tags": swagger.get("tags", []),
        "paths": {
            path: {verb: operation(one, swagger) for verb, one in operations.items()}
            for path, operations in swagger["paths"].items()
        },
        "components": {
            "schemas": schemas(swagger),
            "securitySchemes": SECURITY_SCHEMES,
        },
    }
    return made | {key: value for key, value in swagger.items() if key.startswith("x-")}


def schemas(swagger: dict[str, Any]) -> dict[str, Any]:
    """Every definition, and one for each name that is referred to without having one."""
    definitions: dict[str, Any] = swagger.get("definitions", {})
    missing = {name for name in references(swagger) if name not in definitions}
    added = {name: UNDEFINED.get(name.lower(), {"type": "object"}) for name in sorted(missing)}
    return {component(name): schema(one) for name, one in {**definitions, **added}.items()}


def references(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        if isinstance(value.get("$ref"), str):
            yield value["$ref"].removeprefix(DEFINITION)
        for inner in value.values():
            yield from references(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from references(inner)


def server_url(swagger: dict[str, Any]) -> str:
    """Relative unless the explorer's options name a host."""
    path = swagger.get("basePath") or "/"
    if not swagger.get("host"):
        return str(path)
    scheme = (swagger.get("schemes") or ["http"])[0]
    return f"{scheme}://{swagger['host']}{path}"


def component(name: str) -> str:
    return NAME.sub("_", name.removeprefix("$"))


def operation(old: dict[str, Any], swagger: dict[str, Any]) -> dict[str, Any]:
    kept: dict[str, Any] = {
        key: old[key] for key in ("tags", "summary", "description", "operationId", "deprecated") if key in old
    }
    parameters = [parameter(one) for one in old["parameters"] if one["in"] not in ("body", "formData")]
    body = request_body(old["parameters"], swagger)
    return {
        **kept,
        **({"parameters": parameters} if parameters else {}),
        **({"requestBody": body} if body else {}),
        "responses": {status: response(one) for status, one in old["responses"].items()},
    }


def parameter(old: dict[str, Any]) -> dict[str, Any]:
    """A JSON text keeps its shape: a string that holds JSON."""
    outer: dict[str, Any] = {key: old[key] for key in ("name", "in", "description", "required") if key in old}
    inner = {key: value for key, value in old.items() if key not in outer}
    if inner.get("format") == "JSON":
        inner = {"type": "string", "contentMediaType": JSON}
    return {**outer, "schema": schema(inner)}


def request_body(parameters: list[dict[str, Any]], swagger: dict[str, Any]) -> dict[str, Any] | None:
    for old in parameters:
        if old["in"] == "body":
            types = [kind for kind in swagger.get("consumes") or [JSON] if kind in (JSON, FORM)] or [JSON]
            content = {kind: {"schema": schema(old["schema"])} for kind in types}
            return {**described(old), "required": bool(old.get("required")), "content": content}
    fields = [old for old in parameters if old["in"] == "formData"]
    if not fields:
        return None
    has_file = any(old.get("type") == "file" for old in fields)
    form: dict[str, Any] = {
        "type": "object",
        "properties": {old["name"]: {**parameter(old)["schema"], **described(old)} for old in fields},
    }
    if required := [old["name"] for old in fields if old.get("required")]:
        form["required"] = required
    types = [MULTIPART] if has_file else [FORM, JSON]
    return {"required": bool(required), "content": {kind: {"schema": form} for kind in types}}


def described(old: dict[str, Any]) -> dict[str, Any]:
    return {"description": old["description"]} if old.get("description") else {}


def response(old: dict[str, Any]) -> dict[str, Any]:
    made: dict[str, Any] = {"description": old["description"]}
    if "schema" in old:
        is_file = old["schema"].get("type") == "file"
        media: dict[str, Any] = {"schema": schema(old["schema"])}
        if example := (old.get("examples") or {}).get(JSON):
            media["example"] = example
        made["content"] = {"application/octet-stream" if is_file else JSON: media}
    return made


def schema(old: Any) -> Any:
    """JSON Schema 2020-12, which OpenAPI 3.1 takes, from Swagger's dialect."""
    if isinstance(old, list):
        return [schema(item) for item in old]
    if not isinstance(old, dict):
        return old
    made: dict[str, Any] = {}
    for key, value in old.items():
        if key == "$ref" and str(value).startswith(DEFINITION):
            made[key] = "#/components/schemas/" + component(value.removeprefix(DEFINITION))
        elif key == "properties":
            made[key] = {name: schema(one) for name, one in value.items()}
        elif key in ("default", "enum", "example"):
            made[key] = value
        elif key != "allowMultiple":
            made[key] = schema(value)
    if made.get("type") == "file":
        made = {**made, "type": "string", "format": "binary"}
    return made
