"""LoopBack's types as schemas of Swagger 2.0, and the definitions they refer to.

In charge of: properties, arguments and results → schema objects. Must not know: routes, HTTP.

Source: loopback-swagger 5 (``schema-builder``, ``model-helper``, ``type-registry``). Generated clients were
built from its output, so its oddities stay: ``additionalProperties: false`` also for open models.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tenant_runtime.model.definition import ModelDefinition, Property, PropertyType

Schema = dict[str, Any]

#: Definitions that are not models, by their name in lower case.
BUILT_IN: dict[str, tuple[str, Schema]] = {
    "x-any": ("x-any", {"properties": {}}),
    "objectid": ("ObjectID", {"type": "string", "pattern": "^[a-fA-F\\d]{24}$"}),
    "geopoint": ("GeoPoint", {"properties": {"lat": {"type": "number"}, "lng": {"type": "number"}}}),
    "datestring": ("DateString", {"type": "string", "format": "date-time"}),
    "file": ("file", {"type": "file"}),
}

PRIMITIVES = frozenset(["boolean", "integer", "number", "null", "string", "object", "array", "file"])
FORMATTED: dict[str, Schema] = {
    "date": {"type": "string", "format": "date-time"},
    "buffer": {"type": "string", "format": "byte"},
}

#: LoopBack's word → Swagger's, then the words that both have.
RENAMED = {"min": "minimum", "max": "maximum", "length": "maxLength"}
COPIED = (
    *("format", "default", "enum", "minimum", "minItems", "minLength"),
    *("maximum", "maxItems", "maxLength", "uniqueItems", "pattern"),
)

CREATE_PREFIX = "$new_"
RELATIONS_SUFFIX = "WithRelations"
TO_MANY = frozenset(["hasMany", "hasAndBelongsToMany", "embedsMany", "referencesMany"])


@dataclass(frozen=True, slots=True)
class RelatedTo:
    """A relation, as far as a model's definition with its relations shows it."""

    kind: str
    model: str
    includable: bool = True


@dataclass(frozen=True, slots=True)
class Documented:
    """A model with what its definition does not say: its relations, resolved."""

    definition: ModelDefinition
    relations: Mapping[str, RelatedTo]


class Definitions:
    """Schemas, and which models they refer to: only those get into the document."""

    def __init__(
        self, models: Mapping[str, Documented], *, operation_scoped: bool = False, relations: bool = False
    ) -> None:
        self._models = models
        self.operation_scoped = operation_scoped  # $new_X without the id for create
        self.relations = relations  # XWithRelations
        self._referenced: dict[str, None] = {}

    def reference(self, name: str) -> str:
        known = BUILT_IN.get(name.lower())
        name = known[0] if known else name
        self._referenced[name] = None
        return f"#/definitions/{name}"

    def is_defined(self, name: str) -> bool:
        return name.lower() in BUILT_IN or self._base(name) in self._models

    def build(self) -> dict[str, Schema]:
        """Everything referred to so far, and what that refers to in turn."""
        built: dict[str, Schema | None] = {}
        while missing := [name for name in self._referenced if name not in built]:
            built |= {name: self._definition(name) for name in missing}
        return {name: schema for name, schema in built.items() if schema is not None}

    def _definition(self, name: str) -> Schema | None:
        if name.lower() in BUILT_IN:
            return dict(BUILT_IN[name.lower()][1])
        model = self._models.get(self._base(name))
        if model is None:
            return None  # text, json or a model that is not there: a reference to nothing, as in the original
        return self.model_schema(
            model,
            without_update_only=name.startswith(CREATE_PREFIX),
            with_relations=self.relations and name.endswith(RELATIONS_SUFFIX),
        )

    def _base(self, name: str) -> str:
        if name in self._models:
            return name
        return name.removeprefix(CREATE_PREFIX).removesuffix(RELATIONS_SUFFIX)

    # -- models ---------------------------------------------------------------------------------------------

    def model_schema(
        self, model: Documented, *, without_update_only: bool = False, with_relations: bool = False
    ) -> Schema:
        settings = model.definition.settings
        swagger = settings.get("swagger")
        schema: Schema = {}
        if (description := text(settings.get("description"))) is not None:
            schema["description"] = description
        schema["properties"] = {}
        if isinstance(swagger, dict) and swagger.get("example"):
            schema["example"] = swagger["example"]
        schema |= {key: value for key, value in settings.items() if key.startswith("x-")}
        required = []
        for prop in model.definition.properties.values():
            if prop.name in model.definition.hidden:
                continue
            if prop.required or (prop.is_id and not prop.generated):
                required.append(prop.name)
            if not (without_update_only and is_update_only(prop)):
                schema["properties"][prop.name] = self.of({**prop.raw, "type": declared_type(prop)})
        if required:
            schema["required"] = required
        if settings.get("strict") or settings.get("additionalProperties") is not True:
            schema["additionalProperties"] = False
        if with_relations:
            schema["properties"] |= self._relation_schemas(model)
        return schema

    def _relation_schemas(self, model: Documented) -> dict[str, Schema]:
        schemas = {}
        for name, relation in model.relations.items():
            if relation.includable:
                target = relation.model + RELATIONS_SUFFIX
                schemas[name] = self.of([target] if relation.kind in TO_MANY else target)
        return schemas

    # -- types ----------------------------------------------------------------------------------------------

    def of(self, declaration: Any, *, argument: bool = False) -> Schema:
        """The schema of a type word, ``[item]``, or an object with ``type`` and validation words."""
        if not isinstance(declaration, dict):
            declaration = {"type": declaration}
        if not declaration.get("type"):
            declaration = {"type": "any"}
        schema = metadata(declaration)
        kind = declaration["type"]
        if kind == "object" and declaration.get("model"):
            kind = self._scoped(declaration) if argument else declaration["model"]
        return self._typed(schema, kind)

    def _scoped(self, declaration: dict[str, Any]) -> str:
        """The definition that stands for a model in an argument."""
        model = str(declaration["model"])
        if self.operation_scoped and declaration.get("createOnlyInstance"):
            return CREATE_PREFIX + model
        return model + RELATIONS_SUFFIX if self.relations else model

    def _typed(self, schema: Schema, kind: Any) -> Schema:
        if isinstance(kind, dict):
            properties = {name: self.of(inner) for name, inner in kind.items()}
            return {**schema, "type": "object", "properties": properties}
        kind = type_name(kind)
        if isinstance(kind, list):
            return {**schema, "type": "array", "items": self.of(kind[0] if kind and kind[0] else "any")}
        lowered = kind.lower()
        if lowered in FORMATTED:
            return {**schema, **FORMATTED[lowered]}
        if lowered == "number":
            return {**schema, "type": "number", "format": schema.get("format") or "double"}
        if lowered == "any":
            return {**schema, "$ref": self.reference("x-any")}
        if lowered in PRIMITIVES:
            return {**schema, "type": lowered}
        return {**schema, "$ref": self.reference(kind)}


def declared_type(prop: Property) -> Any:
    """The type as written, unless the store decides it (an id's) or a relation made the property."""
    if prop.type.kind == "objectid" or not prop.raw.get("type"):
        return word(prop.type)
    return prop.raw["type"]


def word(kind: PropertyType) -> Any:
    if kind.kind == "array":
        return [word(kind.item)] if kind.item else "array"
    if kind.kind == "model":
        # An inline object without the word "type" is of no known type to the original.
        return "any" if "." in (kind.model or "") else kind.model
    return "ObjectID" if kind.kind == "objectid" else kind.kind


def is_update_only(prop: Property) -> bool:
    return bool(prop.raw.get("updateOnly"))


def type_name(kind: Any) -> Any:
    """``array`` and ``[x]`` in a text are lists; anything that is neither text nor list is ``any``."""
    if kind == "array":
        return ["any"]
    if isinstance(kind, str):
        inner = re.fullmatch(r"\[(.*)\]", kind)
        return [inner[1]] if inner else kind
    return kind if isinstance(kind, list) else "any"


def metadata(declaration: dict[str, Any]) -> Schema:
    """Limits, defaults and descriptions; nulls, which Swagger 2.0 does not know, are left out."""
    schema: Schema = {}
    for key, renamed in RENAMED.items():
        if declaration.get(key) is not None:
            schema[renamed] = declaration[key]
    for key in COPIED:
        if key in declaration and not callable(declaration[key]):
            schema[key] = declaration[key]
    if "default" in schema:
        default = without_nulls(schema.pop("default"))
        if default is not None:
            schema["default"] = default
    described = declaration.get("description") or declaration.get("doc")
    if described:
        schema["description"] = text(described)
    if declaration.get("example"):
        schema["example"] = declaration["example"]
    return schema


def without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: without_nulls(item) for key, item in value.items() if item is not None}
    return value


def text(value: Any) -> Any:
    """A description may be written as a list of lines."""
    return "\n".join(map(str, value)) if isinstance(value, list) else value
