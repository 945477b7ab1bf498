"""A model's JSON → ModelDefinition: inheritance, LoopBack 2 spellings, complaints.

In charge of: what juggler's ``ModelBuilder.define``/``extend`` and loopback's ``Registry.createModel`` and
``configureModel`` do with a model file and its entry in model-config.json. Must not know: files (the loader
hands in parsed JSON), data sources, model classes.
"""

from __future__ import annotations

import copy
import functools
import pickle
from dataclasses import replace
from typing import Any, Literal

import inflection

from tenant_runtime.errors import ConfigurationError
from tenant_runtime.model.definition import ModelDefinition, Property, PropertyType, RelationDefinition
from tenant_runtime.model.keys import Json, Warn, check_acls, check_shapes, suggest, warn_keys
from tenant_runtime.model.property_types import TypeReader

RELATION_KINDS = (
    "belongsTo",
    "hasMany",
    "hasOne",
    "hasAndBelongsToMany",
    "embedsOne",
    "embedsMany",
    "referencesMany",
)

_MERGED_BY_CONCATENATION = ("hidden", "protected", "hiddenProperties", "protectedProperties", "acls")


def ignore(message: str, pointer: str) -> None:
    """The Warn of those who do not want to know."""


def root_definitions() -> dict[str, ModelDefinition]:
    """The three models that everything descends from; their id is inherited by models that declare none.

    Fresh copies: built once in a process, so that a fork of the zygote does not do it again.
    """
    copies: dict[str, ModelDefinition] = pickle.loads(_pickled_roots())
    return copies


@functools.cache
def _pickled_roots() -> bytes:
    model = build({"name": "Model"}, None)
    settings = {"base": "Model", "replaceOnPUT": True}
    roots = {
        "Model": model,
        "PersistedModel": build({"name": "PersistedModel", **settings}, model),
        "KeyValueModel": build({"name": "KeyValueModel", "base": "Model"}, model),
    }
    return pickle.dumps(roots)


def build(
    source: Json, base: ModelDefinition | None, *, file: str = "", warn: Warn = ignore
) -> ModelDefinition:
    """The definition of ``source`` (a model file) extending ``base``. Raises ConfigurationError."""
    name = source.get("name")
    if not isinstance(name, str) or not name:
        raise ConfigurationError('a model needs a "name"', file=file, pointer="/name")
    check_shapes(source, file)
    warn_keys(source, warn)
    own = _settings(source)
    settings = _inherit_settings(base.settings, own) if base else own
    if base:
        settings["base"] = base.name
    if settings.get("strict") is None:
        settings["strict"] = False
    reader = TypeReader(name, file)
    properties = _properties(source.get("properties") or {}, base, settings, reader)
    for message, pointer in reader.warnings:
        warn(message, pointer)
    definition = ModelDefinition(
        name, base.name if base else None, properties, settings=settings, source=file
    )
    if base:
        definition.anonymous.update(base.anonymous)
    for anonymous, raw in reader.anonymous.items():
        nested = {
            "name": anonymous,
            "properties": raw,
            "strict": settings.get("strictEmbeddedModels") or False,
        }
        definition.anonymous[anonymous] = _build_anonymous(nested, file, warn)
    _inject_id(definition)
    plural = settings.get("plural") or inflection_plural(name)
    definition.plural = plural
    http = settings.get("http")
    definition.http_path = str((http.get("path") if isinstance(http, dict) else None) or plural).strip("/")
    derive(definition)
    _check_strict(definition, warn)
    return definition


def configure(definition: ModelDefinition, entry: Json, *, file: str = "", warn: Warn = ignore) -> None:
    """Apply a model's entry of model-config.json, in place (Registry.configureModel)."""
    settings = definition.settings
    pointer = f"/{definition.name}"
    relations = entry.get("relations")
    if isinstance(relations, dict):
        merged = settings["relations"] = dict(settings.get("relations") or {})
        for name, relation in relations.items():
            if not isinstance(relation, dict):
                raise ConfigurationError(
                    "a relation must be an object", file=file, pointer=f"{pointer}/relations/{name}"
                )
            merged[name] = {**(merged.get(name) or {}), **relation}
    elif relations is not None:
        warn("must be an object", f"{pointer}/relations")
    acls = entry.get("acls")
    if isinstance(acls, list):
        check_acls(acls, file, f"{pointer}/acls")
        settings["acls"] = list(settings.get("acls") or [])
        for acl in acls:
            _add_acl(settings["acls"], acl)
    elif acls is not None:
        warn("must be an array of objects", f"{pointer}/acls")
    options = entry.get("options")
    if isinstance(options, dict):
        for key, value in options.items():
            if key in ("base", "super", "relations", "acls", "dataSource"):
                warn("cannot be reconfigured", f"{pointer}/options/{key}")
            else:
                settings[key] = value
    elif options is not None:
        warn("must be an object", f"{pointer}/options")
    if isinstance(entry.get("methods"), dict):
        settings["methods"] = {**(settings.get("methods") or {}), **entry["methods"]}
    derive(definition)


def derive(definition: ModelDefinition) -> None:
    """Fill the fields that are views of ``settings``; to be called after settings changed."""
    settings = definition.settings
    strict = settings.get("strict")
    definition.strict = "filter" if strict == "filter" else bool(strict)
    definition.hidden = _names(settings.get("hiddenProperties") or settings.get("hidden"))
    definition.protected = _names(settings.get("protectedProperties") or settings.get("protected"))
    definition.acls = list(settings.get("acls") or [])
    definition.methods = dict(settings.get("methods") or {})
    definition.scopes = {key: value or {} for key, value in (settings.get("scopes") or {}).items()}
    scope = settings.get("scope")
    definition.scope = scope if isinstance(scope, dict) else None
    definition.mixins = dict(settings.get("mixins") or {})
    definition.indexes = _indexes(definition)
    relations = settings.get("relationships") or settings.get("relations") or {}
    definition.relations = {
        name: _relation(definition, name, raw) for name, raw in relations.items() if raw is not None
    }
    forced = settings.get("forceId")
    definition.force_id = "auto" if forced == "auto" else bool(forced)


@functools.lru_cache(maxsize=1024)
def inflection_plural(name: str) -> str:
    """The plural as the original's inflector has it (its table is the one of Rails, like this library's)."""
    return inflection.pluralize(name)


def _build_anonymous(source: Json, file: str, warn: Warn) -> ModelDefinition:
    source["idInjection"] = False
    return build(source, None, file=file, warn=warn)


def _settings(source: Json) -> Json:
    """``options`` and the other keys in one bag; ``options`` wins (buildModelOptionsFromConfig)."""
    settings = copy.deepcopy(source.get("options") or {})
    for key, value in source.items():
        if key not in ("name", "properties", "options") and settings.get(key) is None:
            settings[key] = copy.deepcopy(value)
    settings.pop("super", None)
    return settings


def _inherit_settings(base: Json, own: Json) -> Json:
    """Child over parent: objects merge, hidden and acls add up, relations replace by name, the rest replaces.

    ``configureModelMerge: true`` selects the original's other policy (null deletes, objects patch or
    replace).
    """
    recommended = own.get("configureModelMerge") is True
    merged: Json = copy.deepcopy(base)
    for key, value in own.items():
        if recommended and value is None:
            merged.pop(key, None)
        elif key == "description" or (recommended and key in ("scope",)):
            merged[key] = value
        elif key == "relations" or (
            recommended and key in ("options", "indexes", "methods", "mixins", "scopes")
        ):
            merged[key] = {**(merged.get(key) or {}), **(value or {})}
        elif recommended and key not in _MERGED_BY_CONCATENATION:
            merged[key] = value
        else:
            merged[key] = _deep_merge(merged.get(key), value)
    return merged


def _deep_merge(base: Any, extra: Any) -> Any:
    if isinstance(base, list) and isinstance(extra, list):
        # objects are never the same, texts are: the original compares by identity
        return base + [item for item in extra if isinstance(item, dict | list) or item not in base]
    if isinstance(base, dict) and isinstance(extra, dict):
        return {**base, **{key: _deep_merge(base.get(key), value) for key, value in extra.items()}}
    return extra


def _properties(
    raw: Json, base: ModelDefinition | None, settings: Json, reader: TypeReader
) -> dict[str, Property]:
    excluded = settings.get("excludeBaseProperties") or ()
    properties: dict[str, Property] = {}
    for name, definition in raw.items():
        pointer = f"/properties/{name.replace('~', '~0').replace('/', '~1')}"
        if "." in name:
            raise ConfigurationError(
                "Property names containing dot(s) are not supported. "
                f"Model: {reader.model}, property: {name}",
                file=reader.file,
                pointer=pointer,
            )
        if name == "constructor":
            reader.warnings.append(('Property name should not be "constructor"', pointer))
        if definition is None or definition is False or name in excluded:
            continue
        properties[name] = _property(name, definition, reader, pointer)
    own_id = any(prop.is_id for prop in properties.values())
    for name, inherited in (base.properties if base else {}).items():
        if name not in raw and name not in excluded and not (own_id and inherited.is_id):
            properties[name] = replace(inherited, raw=copy.deepcopy(inherited.raw))
    return properties


def _property(name: str, raw: Any, reader: TypeReader, pointer: str) -> Property:
    attributes: Json = copy.deepcopy(raw) if isinstance(raw, dict) and raw.get("type") else {}
    identity = attributes.get("id")
    index = attributes.get("index")
    return Property(
        name=name,
        type=reader.read(raw, name, pointer),
        required=bool(attributes.get("required")),
        has_default="default" in attributes,
        default=attributes.get("default"),
        default_fn=attributes.get("defaultFn"),
        id_order=None if not identity else (identity if type(identity) is int else 1),
        generated=bool(attributes.get("generated")),
        index=index,
        unique=bool(attributes.get("unique")) or (isinstance(index, dict) and bool(index.get("unique"))),
        raw=attributes,
    )


def _inject_id(definition: ModelDefinition) -> None:
    """The generated number id, and forceId (the end of ModelBuilder.define)."""
    settings = definition.settings
    if not definition.id_properties and settings.get("idInjection") is not False:
        raw = {"type": "number", "id": 1, "generated": True}
        definition.properties["id"] = Property(
            "id", PropertyType("number"), id_order=1, generated=True, raw=raw
        )
    name = definition.id_name
    if name is None:
        return
    generated = definition.properties[name].generated
    force_id: bool | Literal["auto"] | Any = settings.get("forceId")
    if generated and force_id is not False:
        force_id = "auto"
    elif not generated and force_id == "auto":
        force_id = False  # inherited from a parent whose id is generated
    settings["forceId"] = force_id
    definition.properties[name].raw["updateOnly"] = bool(force_id)


def _relation(definition: ModelDefinition, name: str, raw: Any) -> RelationDefinition:
    pointer = f"/relations/{name}"
    if not isinstance(raw, dict):
        raise ConfigurationError("a relation must be an object", file=definition.source, pointer=pointer)
    given = raw.get("type")
    kind = next((kind for kind in RELATION_KINDS if kind.lower() == str(given).lower()), None)
    if kind is None:
        raise ConfigurationError(
            f"Invalid relation type: {given}{suggest(str(given), RELATION_KINDS)}",
            file=definition.source,
            pointer=f"{pointer}/type",
        )
    if name == "trigger":
        raise ConfigurationError(f"Invalid relation name: {name}", file=definition.source, pointer=pointer)
    model = raw.get("model")
    polymorphic = bool(raw.get("polymorphic"))
    if not model and not (polymorphic and kind == "belongsTo"):
        raise ConfigurationError(
            f"{kind} relation: {name} requires param `model`", file=definition.source, pointer=pointer
        )
    if polymorphic:
        _check_polymorphic(definition, name, kind, raw)
    return RelationDefinition(name, kind, model or None, raw)  # type: ignore[arg-type]


#: Members of ``polymorphic`` → one that must, and one that must not be there beside them (juggler
#: ``datasource.js: validateRelation``).
_POLYMORPHIC_NEEDS = (("foreignKey", "discriminator"), ("discriminator", "foreignKey"))
_POLYMORPHIC_EXCLUDES = (("foreignKey", "as"), ("foreignKey", "selector"))


def _check_polymorphic(definition: ModelDefinition, name: str, kind: str, raw: Json) -> None:
    """Refuse settings that contradict each other.

    A belongsTo may keep a ``model``, which the original refuses: so model-config makes AccessToken's own
    relation polymorphic.
    """

    def refuse(what: str, member: str) -> None:
        raise ConfigurationError(
            f"polymorphic {kind} relation: {name} {what}",
            file=definition.source,
            pointer=f"/relations/{name}/{member}",
        )

    given = raw["polymorphic"]
    if not isinstance(given, dict):
        return
    for present, needed in _POLYMORPHIC_NEEDS:
        if given.get(present) and not given.get(needed):
            refuse(
                f"requires param `polymorphic.{needed}` when param `polymorphic.{present}` is provided",
                "polymorphic",
            )
    for present, excluded in _POLYMORPHIC_EXCLUDES:
        if given.get(present) and given.get(excluded):
            refuse(
                f"does not expect param `polymorphic.{excluded}` beside `foreignKey` and `discriminator`",
                f"polymorphic/{excluded}",
            )


def _indexes(definition: ModelDefinition) -> Json:
    indexes = dict(definition.settings.get("indexes") or {})
    for name, prop in definition.properties.items():
        if prop.index:
            indexes[f"{name}_index"] = prop.index
    return indexes


def _add_acl(acls: list[Json], acl: Json) -> None:
    keys = ("property", "accessType", "principalType", "principalId")
    for position, known in enumerate(acls):
        if all(known.get(key) == acl.get(key) for key in keys):
            acls[position] = acl
            return
    acls.append(acl)


def _names(value: Any) -> frozenset[str]:
    """A list of names, or the object form ``{"name": true}``."""
    if isinstance(value, dict):
        return frozenset(key for key, on in value.items() if on)
    if isinstance(value, str):
        return frozenset((value,))
    return (
        frozenset(name for name in value if isinstance(name, str)) if isinstance(value, list) else frozenset()
    )


def _check_strict(definition: ModelDefinition, warn: Warn) -> None:
    if definition.settings.get("strict") == "throw":
        warn('strict mode "throw" has been removed; it behaves as true', "/strict")
