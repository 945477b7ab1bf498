"""What a model definition says, as values.

In charge of: the shape of a model after its JSON (``models/*.json`` plus ``model-config.json``) was read,
inherited and checked. Must not know: files, data sources' connections, HTTP.

Names follow LoopBack 3 (reference section 1.4): a *property* has a *type*; a *relation* has a *kind*;
``settings`` holds every other top-level key, ``options`` folded in.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

TypeKind = Literal[
    "string",
    "text",
    "number",
    "boolean",
    "date",
    "datestring",
    "object",
    "json",
    "any",
    "null",
    "array",
    "buffer",
    "geopoint",
    "objectid",
    "model",
]

RelationKind = Literal[
    "belongsTo",
    "hasMany",
    "hasOne",
    "hasAndBelongsToMany",
    "embedsOne",
    "embedsMany",
    "referencesMany",
]


@dataclass(frozen=True, slots=True)
class PropertyType:
    """A property's type. ``item`` is set for typed arrays (``["string"]``), ``model`` for nested models."""

    kind: TypeKind
    item: PropertyType | None = None
    model: str | None = None


@dataclass(slots=True)
class Property:
    """One property. ``raw`` is its JSON object as written, with the per-connector parts (``mysql``, …)."""

    name: str
    type: PropertyType
    required: bool = False
    has_default: bool = False
    default: Any = None
    default_fn: str | None = None
    id_order: int | None = None  # 1 for an ordinary id; the position in a composite key otherwise
    generated: bool = False  # the store makes the value (auto-increment, ObjectID)
    index: Any = None  # True, or the object form ({"unique": true, …})
    unique: bool = False
    raw: dict[str, Any] = field(default_factory=dict)

    @property
    def is_id(self) -> bool:
        return self.id_order is not None

    def store(self, connector: str) -> dict[str, Any]:
        """The connector's own settings for this property (``{"columnName": …}``), or an empty dict."""
        value = self.raw.get(connector)
        return value if isinstance(value, dict) else {}


@dataclass(slots=True)
class RelationDefinition:
    """A relation as written, defaults not yet filled in (``model.relations`` resolves them)."""

    name: str
    kind: RelationKind
    model: str | None  # None for a polymorphic belongsTo
    raw: dict[str, Any] = field(default_factory=dict)


@dataclass(slots=True)
class ModelDefinition:
    """A model after inheritance. ``properties`` are in definition order, the injected id last."""

    name: str
    base: str | None
    properties: dict[str, Property]
    relations: dict[str, RelationDefinition] = field(default_factory=dict)
    settings: dict[str, Any] = field(default_factory=dict)
    plural: str = ""
    http_path: str = ""  # without slashes; the plural when not set
    strict: bool | Literal["filter"] = False
    hidden: frozenset[str] = frozenset()
    protected: frozenset[str] = frozenset()
    acls: list[dict[str, Any]] = field(default_factory=list)
    methods: dict[str, Any] = field(default_factory=dict)
    scopes: dict[str, dict[str, Any]] = field(default_factory=dict)
    scope: dict[str, Any] | None = None
    mixins: dict[str, Any] = field(default_factory=dict)
    indexes: dict[str, Any] = field(default_factory=dict)
    anonymous: dict[str, ModelDefinition] = field(default_factory=dict)  # inline object types, by their name
    force_id: bool | Literal["auto"] = False  # "auto": because the store makes the id
    source: str = ""  # path of the JSON file, for complaints

    @property
    def id_name(self) -> str | None:
        """The property that routes and relations call the id: ``id`` if it is one, else the first of the
        key.
        """
        declared = self.properties.get("id")
        if declared is not None and declared.id_order is not None:
            return "id"
        ids = self.id_properties
        return ids[0].name if ids else None

    @property
    def id_properties(self) -> list[Property]:
        ids = [p for p in self.properties.values() if p.id_order is not None]
        return sorted(ids, key=lambda p: p.id_order or 0)

    @property
    def id_property(self) -> Property | None:
        """The single id, or None when there is none or the key is composite."""
        ids = self.id_properties
        return ids[0] if len(ids) == 1 else None

    def store(self, connector: str) -> dict[str, Any]:
        """The connector's own settings for this model (``{"table": …}``), or an empty dict."""
        value = self.settings.get(connector)
        return value if isinstance(value, dict) else {}
