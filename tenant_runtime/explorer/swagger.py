"""The Swagger 2.0 document of an app.

In charge of: shared classes and their routes → the document that loopback-swagger 5 makes. Must not know:
requests, where the document is served.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from tenant_runtime.explorer.schemas import (
    PRIMITIVES,
    RELATIONS_SUFFIX,
    Definitions,
    Documented,
    Schema,
    text,
    type_name,
)
from tenant_runtime.remoting.shared_class import SharedClass
from tenant_runtime.remoting.shared_method import Argument, Returned, SharedMethod

CONSUMES = ["application/json", "application/x-www-form-urlencoded", "application/xml", "text/xml"]
PRODUCES = [
    *("application/json", "application/xml", "text/xml"),
    *("application/javascript", "text/javascript"),  # JSONP
]
SWITCHES = ("generateOperationScopedModels", "generateRelationProperties")
#: Not to be replaced by the ``swagger`` of config.json.
FIXED = ("swagger", "info", "basePath", "paths", "tags", "definitions")
NOT_FROM_CLIENTS = frozenset(["req", "res", "context", "options", "none"])
READS_WITH_RELATIONS = re.compile(r"\.(find|findOne|findById|__(get|findById)__*)")


@dataclass(frozen=True, slots=True)
class DocumentedRoute:
    """One operation: ``path`` is below the API root, its parameters written ``:name``."""

    shared_class: SharedClass
    method: SharedMethod
    verb: str
    path: str

    @property
    def swagger_verb(self) -> str:
        return "post" if self.verb == "all" else self.verb

    @property
    def swagger_path(self) -> str:
        return "/".join(f"{{{part[1:]}}}" if part.startswith(":") else part for part in self.path.split("/"))


@dataclass(frozen=True, slots=True)
class Package:
    """What a package.json beside the app says, for ``info``."""

    name: str | None = None
    version: str | None = None
    description: str | None = None


def document(
    routes: Iterable[DocumentedRoute],
    models: Mapping[str, Documented],
    options: Mapping[str, Any],
    extensions: Mapping[str, Any],
    package: Package,
) -> dict[str, Any]:
    """``options`` are the explorer's with ``basePath``, ``extensions`` the ``swagger`` of config.json."""
    switches = {**extensions, **options}
    definitions = Definitions(
        models,
        operation_scoped=bool(switches.get("generateOperationScopedModels")),
        relations=bool(switches.get("generateRelationProperties")),
    )
    routes = [route for route in routes if route.method.documented]
    classes = {id(route.shared_class): route.shared_class for route in routes}
    made = base(options, package)
    made["tags"] = [tag_of(shared_class) for shared_class in classes.values()]
    made["paths"] = paths(routes, definitions)
    own = {key: value for key, value in extensions.items() if key not in SWITCHES and key not in FIXED}
    return {
        **{key: value for key, value in (made | own).items() if value is not None},
        "definitions": {**(options.get("models") or {}), **definitions.build()},
    }


def base(options: Mapping[str, Any], package: Package) -> dict[str, Any]:
    info = {key: text(value) for key, value in (options.get("apiInfo") or {}).items()}
    info["version"] = str(info.get("version") or options.get("version") or package.version or "1.0.0")
    info["title"] = info.get("title") or package.name or "LoopBack Application"
    info["description"] = info.get("description") or package.description or "LoopBack Application"
    base_path = str(options.get("basePath") or "/api")
    return {
        "swagger": "2.0",
        "info": info,
        "basePath": base_path[:-1] if base_path.endswith("/") else base_path,
        "host": options.get("host"),
        "schemes": [options["protocol"]] if options.get("protocol") else None,
        "consumes": options.get("consumes") or CONSUMES,
        "produces": options.get("produces") or PRODUCES,
    }


def swagger_settings(shared_class: SharedClass) -> dict[str, Any]:
    settings = shared_class.model.settings.get("swagger") if shared_class.model is not None else None
    tag = settings.get("tag") if isinstance(settings, dict) else None
    return tag if isinstance(tag, dict) else {}


def tag_of(shared_class: SharedClass) -> dict[str, Any]:
    tag = swagger_settings(shared_class)
    settings = shared_class.model.settings if shared_class.model is not None else {}
    found = {
        "name": tag.get("name") or shared_class.name,
        "description": text(settings.get("description")),
        "externalDocs": tag.get("externalDocs"),
    }
    return {key: value for key, value in found.items() if value is not None}


def paths(routes: list[DocumentedRoute], definitions: Definitions) -> dict[str, Any]:
    """A later route takes the place of an earlier one with its verb and path, as in the original."""
    made: dict[str, dict[str, Any]] = {}
    identities = operation_ids(routes)
    for route, identity in zip(routes, identities, strict=True):
        operation = {
            "tags": [swagger_settings(route.shared_class).get("name") or route.shared_class.name],
            "summary": text(route.method.description),
            "description": text(route.method.notes),
            "operationId": identity,
            "parameters": parameters(route, definitions),
            "responses": responses(route.method, definitions),
            "deprecated": bool(route.method.raw.get("deprecated")),
        }
        shown = {key: value for key, value in operation.items() if value is not None}
        made.setdefault(route.swagger_path, {})[route.swagger_verb] = shown
    return made


def operation_ids(routes: list[DocumentedRoute]) -> list[str]:
    """``Model.method``; with ``__verb_path`` behind it where a method has several routes."""
    count: dict[str, int] = {}
    for route in routes:
        name = route.method.string_name
        count[name] = count.get(name, 0) + 1
    identities = []
    for route in routes:
        name = route.method.string_name
        if count[name] > 1:
            name += f"__{route.swagger_verb}{re.sub('[/:]+', '_', route.swagger_path)}"
        identities.append(name)
    return identities


# -- arguments ----------------------------------------------------------------------------------------------


def parameters(route: DocumentedRoute, definitions: Definitions) -> list[dict[str, Any]]:
    arguments = list(route.method.accepts)
    if not route.method.is_static:
        arguments.insert(0, instance_id(route.shared_class.name))
    return [
        parameter(argument, route, definitions)
        for argument in arguments
        if argument.raw.get("documented") is not False and argument.source not in NOT_FROM_CLIENTS
    ]


def instance_id(model: str) -> Argument:
    """The argument that every instance method has before its own."""
    return Argument("id", "any", "path", required=True, raw={"description": f"{model} id"})


def parameter(argument: Argument, route: DocumentedRoute, definitions: Definitions) -> dict[str, Any]:
    place = place_of(argument, route)
    found = {
        "name": argument.name,
        "in": place,
        "description": text(argument.raw.get("description")),
        "required": place == "path" or argument.required,
    }
    declaration = {**argument.raw, "type": argument.type}
    if argument.model:
        declaration["model"] = argument.model
    schema = definitions.of(declaration, argument=True)
    if place == "body":
        if argument.name == "data" and schema.get("type") == "object":
            schema = {"$ref": definitions.reference(route.shared_class.name)}
        found["schema"] = schema
    elif schema.get("type") == "file":
        found |= {"type": "file", "in": "formData", "allowMultiple": False, "description": "File to upload"}
    elif "$ref" in schema or schema.get("type") in ("object", "array"):
        found |= {"type": "string", "format": "JSON"}
    else:
        found |= schema
    return {key: value for key, value in found.items() if value is not None}


def place_of(argument: Argument, route: DocumentedRoute) -> str:
    if argument.source:
        return "formData" if argument.source == "form" else argument.source
    if f":{argument.name}" in route.path:
        return "path"
    return "query" if route.verb == "get" else "formData"


# -- results ------------------------------------------------------------------------------------------------


def responses(method: SharedMethod, definitions: Definitions) -> dict[str, Any]:
    status = method.success_status or (200 if method.returns else 204)
    found: dict[str, Any] = {str(status): {"description": "Request was successful"}}
    schema = result_schema(method, definitions)
    if schema is not None:
        found[str(status)]["schema"] = schema
    example = method.returns[0].raw.get("example") if method.returns else None
    if example:
        found[str(status)]["examples"] = {"application/json": example}
    for error in method.raw.get("errors") or []:
        entry: dict[str, Any] = {"description": error.get("message") or ""}
        if error.get("responseModel"):
            entry["schema"] = definitions.of(error["responseModel"])
        found[str(error.get("code"))] = entry
    if method.error_status:
        found.setdefault(str(method.error_status), {"description": "Unknown error"})
    return found


def result_schema(method: SharedMethod, definitions: Definitions) -> Schema | None:
    if not method.returns:
        return None
    returns = [with_relations(one, method, definitions) for one in method.returns if not one.target]
    if len(returns) == 1 and returns[0].root:
        model = returns[0].raw.get("model")
        if model:
            return {"$ref": definitions.reference(str(model))}
        return definitions.of({**returns[0].raw, "type": returns[0].type})
    if len(returns) == 1 and returns[0].type == "ReadableStream":
        return {"type": "file"}
    schema: Schema = {
        "type": "object",
        "properties": {one.name: member_schema(one, definitions) for one in returns},
    }
    required = [one.name for one in returns if one.raw.get("required")]
    return {**schema, "required": required} if required else schema


def with_relations(returned: Returned, method: SharedMethod, definitions: Definitions) -> Returned:
    """Reads say ``XWithRelations`` under ``generateRelationProperties``."""
    if not definitions.relations or not READS_WITH_RELATIONS.search(method.string_name):
        return returned
    kind = returned.type[0] if isinstance(returned.type, list) else returned.type
    if not isinstance(kind, str) or kind.lower() in PRIMITIVES or not definitions.is_defined(kind):
        return returned
    changed = copy.copy(returned)
    changed.type = [kind + RELATIONS_SUFFIX] if isinstance(returned.type, list) else kind + RELATIONS_SUFFIX
    return changed


def member_schema(returned: Returned, definitions: Definitions) -> Schema:
    """One of several results; a type that nobody defined is shown as an object."""
    generic: Schema = {"type": "object"}
    kind = type_name(returned.type)
    while isinstance(kind, list):
        generic = {"type": "array", "items": generic}
        kind = type_name(kind[0] if kind else "any")
    if kind.lower() in PRIMITIVES or definitions.is_defined(kind):
        return definitions.of({**returned.raw, "type": returned.type})
    return generic
