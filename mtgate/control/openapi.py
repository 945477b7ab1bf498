"""The OpenAPI 3.1 document of the control API, made of the table of operations and the pydantic models.

Pure.
"""

from __future__ import annotations

import re
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from mtgate.control.routes import NDJSON, OPERATIONS, SCHEMA_ACTIONS, Operation
from mtgate.control.schema import Problem

_REFERENCE = "#/components/schemas/{model}"


def document(version: str) -> dict[str, Any]:
    """The whole document, for a daemon of that version."""
    models = {model for operation in OPERATIONS for model in (operation.answer, operation.body) if model}
    ordered = sorted(models | {Problem}, key=lambda model: model.__name__)
    _, definitions = models_json_schema(
        [(model, "validation") for model in ordered], ref_template=_REFERENCE, title="mtgate"
    )
    paths: dict[str, dict[str, Any]] = {}
    for operation in OPERATIONS:
        paths.setdefault(operation.path, {})[operation.method.lower()] = _operation(operation)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "mtgate control API",
            "version": version,
            "description": "On the control socket only. Errors are problem documents (RFC 9457).",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "http://localhost", "description": "the daemon's Unix socket"}],
        "paths": paths,
        "components": {"schemas": definitions["$defs"]},
    }


def _operation(operation: Operation) -> dict[str, Any]:
    described: dict[str, Any] = {
        "operationId": operation.name,
        "summary": operation.summary,
        "x-role": operation.role,
        "parameters": [*_path_parameters(operation.path), *_query_parameters(operation)],
        "responses": {
            "200": {"description": "Done.", "content": _answer(operation)},
            "default": {
                "description": "Why not.",
                "content": {"application/problem+json": {"schema": _reference(Problem)}},
            },
        },
    }
    if operation.body:
        described["requestBody"] = {"content": {"application/json": {"schema": _reference(operation.body)}}}
    return described


def _path_parameters(path: str) -> list[dict[str, Any]]:
    schemas: dict[str, dict[str, Any]] = {
        "id": {"type": "string", "pattern": "^[a-z0-9]{1,63}$"},
        "action": {"type": "string", "enum": list(SCHEMA_ACTIONS)},
    }
    return [
        {"name": name, "in": "path", "required": True, "schema": schemas[name]}
        for name in re.findall(r"\{(\w+)\}", path)
    ]


def _query_parameters(operation: Operation) -> list[dict[str, Any]]:
    return [
        {"name": query.name, "in": "query", "description": query.description, "schema": {"type": query.type}}
        for query in operation.query
    ]


def _answer(operation: Operation) -> dict[str, Any]:
    if operation.answer is None:
        return {"application/json": {"schema": {"type": "object"}}}
    reference = _reference(operation.answer)
    if operation.stream:
        return {NDJSON: {"schema": reference}}
    schema = {"type": "array", "items": reference} if operation.many else reference
    return {"application/json": {"schema": schema}}


def _reference(model: type[BaseModel]) -> dict[str, Any]:
    return {"$ref": _REFERENCE.format(model=model.__name__)}
