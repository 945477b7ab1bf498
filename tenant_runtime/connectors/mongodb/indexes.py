"""The indexes that a model asks for, in LoopBack's several spellings.

In charge of: ``indexes`` of a model and ``index``/``unique`` of its properties → index specifications, and
whether one that is there is the one wanted. Must not know: the client.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from tenant_runtime.connectors.mongodb.mapping import Mapping
from tenant_runtime.model.definition import ModelDefinition, Property

#: Options of createIndex; anything else in an ``index`` object is for other connectors.
OPTIONS = frozenset(
    [
        *("name", "unique", "sparse", "expireAfterSeconds", "partialFilterExpression", "collation", "hidden"),
        *("default_language", "language_override", "textIndexVersion", "weights"),
        *("min", "max", "bits", "wildcardProjection"),
    ]
)


@dataclass(frozen=True, slots=True)
class Index:
    """``keys`` as createIndex takes them: field → 1, -1, "2dsphere", "text", …"""

    keys: tuple[tuple[str, Any], ...]
    options: dict[str, Any] = field(default_factory=dict, hash=False)

    @property
    def name(self) -> str:
        return str(self.options.get("name") or "_".join(f"{key}_{kind}" for key, kind in self.keys))


def wanted_indexes(model: ModelDefinition, mapping: Mapping) -> list[Index]:
    """All indexes of one model, those of ``indexes`` first."""
    named = model.settings.get("indexes") or {}
    found = [named_index(name, spec, mapping) for name, spec in named.items()]
    found += [property_index(prop, mapping) for prop in model.properties.values() if prop.index]
    return [index for index in found if index.keys and index.keys != (("_id", 1),)]


def named_index(name: str, spec: Any, mapping: Mapping) -> Index:
    """``{keys, options}``, ``{columns: "a,b"}`` or the keys themselves."""
    if not isinstance(spec, dict):
        return Index(())
    if isinstance(spec.get("keys"), dict):
        keys, options = spec["keys"], spec.get("options") or {}
    elif isinstance(spec.get("columns"), str):
        keys = {column.strip(): 1 for column in spec["columns"].split(",")}
        options = {"unique": True} if str(spec.get("kind", "")).lower() == "unique" else {}
    else:
        keys, options = spec, {}
    chosen = {key: value for key, value in options.items() if key in OPTIONS}
    return Index(
        tuple(
            (mapping.field(key), int(kind) if isinstance(kind, float) else kind) for key, kind in keys.items()
        ),
        {"name": name, **chosen},
    )


def property_index(prop: Property, mapping: Mapping) -> Index:
    """``index: true``, ``{unique: true}``, ``{mongodb: {kind: "text"}}``, or a GeoPoint's index."""
    kind: Any = 1
    options: dict[str, Any] = {}
    if isinstance(prop.index, dict):
        own = prop.index.get("mongodb")
        source = own if isinstance(own, dict) else prop.index
        options = {key: value for key, value in source.items() if key in OPTIONS}
        if source is own:
            kind = own.get("kind") or 1
            if prop.index.get("unique") is True:
                options["unique"] = True
    elif prop.name in mapping.points:
        kind = prop.index if isinstance(prop.index, str) else "2dsphere"
        options = {"name": f"index{kind}{prop.name}"}
    elif prop.unique:
        options["unique"] = True
    return Index(((mapping.field(prop.name), kind),), options)


def same(index: Index, existing: dict[str, Any]) -> bool:
    """Whether an index as the server lists it is the one wanted."""
    if tuple(existing["key"].items()) != index.keys:
        return "text" in dict(index.keys).values() and existing["name"] == index.name
    return bool(existing.get("unique")) == bool(index.options.get("unique")) and existing.get(
        "expireAfterSeconds"
    ) == index.options.get("expireAfterSeconds")
