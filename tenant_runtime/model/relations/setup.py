"""From a relation as written to one with models and keys.

In charge of: default names and keys, join models, the properties that relations define (foreign keys,
discriminators, lists), the validations of embedded ones (juggler ``relation-definition.js``).
Must not know: stores, HTTP.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from tenant_runtime.model.build import build
from tenant_runtime.model.definition import Property, PropertyType, RelationDefinition
from tenant_runtime.model.model_class import ModelClass
from tenant_runtime.model.names import camelize
from tenant_runtime.model.property_types import TypeReader
from tenant_runtime.model.relations import checks
from tenant_runtime.model.relations.base import Polymorphic, Relation
from tenant_runtime.model.relations.embedded import EmbedsManyScope, EmbedsOneScope
from tenant_runtime.model.relations.referenced import ReferencesManyScope
from tenant_runtime.model.relations.to_many import HasManyScope, HasManyThroughScope
from tenant_runtime.model.relations.to_one import BelongsToScope, HasOneScope

if TYPE_CHECKING:
    from tenant_runtime.model.registry import Registry


def define_relations(models: Iterable[ModelClass], registry: Registry) -> list[str]:
    """Resolve relations in the order in which models were attached; warnings for those that cannot be.

    As the original: a model's relations are set up when it is attached; one whose target comes later waits
    until the target's own are. The order names join models and places foreign keys among the columns.
    """
    attached: set[str] = set()
    waiting: list[tuple[ModelClass, RelationDefinition]] = []
    for model in models:
        attached.add(model.name)
        mine = [(model, definition) for definition in model.definition.relations.values()]
        for owner, definition in (*mine, *waiting):
            if definition.name not in owner.relations and _targets(definition, registry) <= attached:
                _MAKERS[definition.kind](owner, definition, registry)
        waiting = [pair for pair in (*waiting, *mine) if pair[1].name not in pair[0].relations]
    return [_left_out(model, definition, registry) for model, definition in waiting]


def _targets(definition: RelationDefinition, registry: Registry) -> set[str]:
    """Names of the models that must be attached; one that is not there is named as it is written."""
    wanted = [str(name) for name in (definition.model, definition.raw.get("through")) if name]
    found = ((name, registry.find_ignoring_case(name)) for name in wanted)
    return {model.name if model else name for name, model in found}


def _left_out(model: ModelClass, definition: RelationDefinition, registry: Registry) -> str:
    place = model.definition.source or model.name
    return f"{place}: the relation {definition.name} is left out: {_missing(definition, registry)}"


def _missing(definition: RelationDefinition, registry: Registry) -> str | None:
    for name in (definition.model, definition.raw.get("through")):
        if not name:
            continue
        target = registry.find_ignoring_case(str(name))
        if target is None:
            return f"there is no model {name}"
        if target.data_source is None:
            return f"the model {target.name} is not attached to a data source"
    return None


def _target(definition: RelationDefinition, registry: Registry) -> ModelClass:
    target = registry.find_ignoring_case(definition.model or "")
    assert target is not None
    return target


def _common(definition: RelationDefinition) -> dict[str, Any]:
    raw = definition.raw
    scope = raw.get("scope")
    return {
        "name": definition.name,
        "kind": definition.kind,
        "properties": raw.get("properties"),
        "options": raw.get("options") or {},
        "filter": scope if isinstance(scope, dict) else None,
        "raw": raw,
    }


def normalize_polymorphic(given: Any, relation_name: str) -> Polymorphic:
    """``true``, a selector, or an object with selector (``as``), foreignKey and discriminator."""
    written: dict[str, Any] = given if isinstance(given, dict) else {}
    selector = given if isinstance(given, str) else written.get("selector") or written.get("as")
    selector = selector or relation_name or "reference"
    return Polymorphic(
        selector=selector,
        foreign_key=written.get("foreignKey") or camelize(f"{selector}_id"),
        discriminator=written.get("discriminator") or camelize(f"{selector}_type"),
        id_type=written.get("idType"),
    )


def _belongs_to(model: ModelClass, definition: RelationDefinition, registry: Registry) -> None:
    raw = definition.raw
    if raw.get("polymorphic"):
        polymorphic = normalize_polymorphic(raw["polymorphic"], definition.name)
        primary = raw.get("primaryKey") or raw.get("idName") or "id"
        if polymorphic.id_type:
            kind = TypeReader(model.name, "").read(polymorphic.id_type, polymorphic.foreign_key, "")
            _define(model, polymorphic.foreign_key, kind, {"index": True})
        else:
            define_foreign_key(model, polymorphic.foreign_key, model, primary)
        _define(model, polymorphic.discriminator, PropertyType("string"), {"index": True})
        model.relations[definition.name] = Relation(
            **_common(definition),
            model_from=model,
            model_to=None,
            key_from=polymorphic.foreign_key,
            key_to=primary,
            multiple=False,
            polymorphic=polymorphic,
            make_scope=BelongsToScope,
        )
        return
    target = _target(definition, registry)
    primary = raw.get("primaryKey") or target.id_name
    foreign = raw.get("foreignKey") or f"{definition.name}Id"
    define_foreign_key(model, foreign, target, primary)
    model.relations[definition.name] = Relation(
        **_common(definition),
        model_from=model,
        model_to=target,
        key_from=foreign,
        key_to=primary,
        multiple=False,
        make_scope=BelongsToScope,
    )


def _has_one(model: ModelClass, definition: RelationDefinition, registry: Registry) -> None:
    raw = definition.raw
    target = _target(definition, registry)
    primary = raw.get("primaryKey") or model.id_name
    foreign = raw.get("foreignKey") or camelize(f"{model.name}_id")
    polymorphic = None
    if raw.get("polymorphic"):
        polymorphic = normalize_polymorphic(raw["polymorphic"], definition.name)
        foreign = polymorphic.foreign_key
        _define(target, polymorphic.discriminator, PropertyType("string"), {"index": True})
    define_foreign_key(target, foreign, model, primary)
    model.relations[definition.name] = Relation(
        **_common(definition),
        model_from=model,
        model_to=target,
        key_from=primary,
        key_to=foreign,
        multiple=False,
        polymorphic=polymorphic,
        make_scope=HasOneScope,
    )


def _has_many(
    model: ModelClass,
    definition: RelationDefinition,
    registry: Registry,
    through: ModelClass | None = None,
) -> None:
    raw = definition.raw
    target = _target(definition, registry)
    if through is None and raw.get("through"):
        through = registry.find_ignoring_case(str(raw["through"]))
    primary = raw.get("primaryKey") or model.id_name
    foreign = raw.get("foreignKey") or camelize(f"{model.name}_id")
    key_through = raw.get("keyThrough") or camelize(f"{target.name}_id")
    polymorphic = None
    if raw.get("polymorphic"):
        polymorphic = normalize_polymorphic(raw["polymorphic"], definition.name)
        polymorphic.invert = bool(raw.get("invert"))
        if polymorphic.invert:
            key_through = polymorphic.foreign_key
        else:
            foreign = polymorphic.foreign_key
        if through is None:
            _define(target, polymorphic.discriminator, PropertyType("string"), {"index": True})
    model.relations[definition.name] = Relation(
        **_common(definition),
        model_from=model,
        model_to=target,
        key_from=primary,
        key_to=foreign,
        multiple=True,
        through=through,
        key_through=key_through,
        polymorphic=polymorphic,
        make_scope=HasManyScope if through is None else HasManyThroughScope,
    )
    if through is None:
        define_foreign_key(target, foreign, model, primary)


def _has_and_belongs_to_many(model: ModelClass, definition: RelationDefinition, registry: Registry) -> None:
    target = _target(definition, registry)
    raw = definition.raw
    through = _join_model(model, target, raw, registry)
    if raw.get("polymorphic"):
        polymorphic = normalize_polymorphic(raw["polymorphic"], definition.name)
        if polymorphic.selector not in through.relations:
            written = {"type": "belongsTo", "polymorphic": True}
            _belongs_to(
                through, RelationDefinition(polymorphic.selector, "belongsTo", None, written), registry
            )
    else:
        _join_to(through, model, registry)
    _join_to(through, target, registry)
    as_has_many = replace(definition, kind="hasMany", raw={**raw, "foreignKey": None, "keyThrough": None})
    _has_many(model, as_has_many, registry, through)


def _join_to(through: ModelClass, target: ModelClass, registry: Registry) -> None:
    name = camelize(target.name)
    if name not in through.relations:
        written = {"type": "belongsTo", "model": target.name}
        _belongs_to(through, RelationDefinition(name, "belongsTo", target.name, written), registry)


def _join_model(model: ModelClass, target: ModelClass, raw: dict[str, Any], registry: Registry) -> ModelClass:
    """The model that was named, one called after the two models, or a new one on this model's data source."""
    if raw.get("through"):
        given = registry.find_ignoring_case(str(raw["through"]))
        assert given is not None
        return given
    name = raw.get("throughTable") or f"{model.name}{target.name}"
    for candidate in (name, f"{target.name}{model.name}"):
        known = registry.find_ignoring_case(candidate)
        if known is not None and known.data_source is not None:
            return known
    made = registry.define(build({"name": name}, None))
    assert model.data_source is not None
    registry.attach(made, model.data_source)
    made.settings["public"] = False
    return made


def _embeds_one(model: ModelClass, definition: RelationDefinition, registry: Registry) -> None:
    raw = definition.raw
    target = _target(definition, registry)
    name = _embedding_property(definition, raw.get("property") or camelize(target.name))
    relation = Relation(
        **_common(definition),
        model_from=model,
        model_to=target,
        key_from=name,
        key_to=target.id_name,
        multiple=False,
        embed=True,
        make_scope=EmbedsOneScope,
    )
    model.relations[definition.name] = relation
    attributes = dict(relation.options.get("property") or {})
    given = raw.get("default")
    default: Callable[[], Any] | None = None
    if given is True or isinstance(given, dict):
        data = given if isinstance(given, dict) else {}

        def default() -> Any:
            return target(dict(data))

    _define(model, name, PropertyType("model", model=target.name), attributes, default)
    if relation.options.get("validate") is not False:
        checks.validate_embedded_one(model, relation)


def _embeds_many(model: ModelClass, definition: RelationDefinition, registry: Registry) -> None:
    raw = definition.raw
    target = _target(definition, registry)
    name = _embedding_property(definition, raw.get("property") or camelize(target.definition.plural))
    relation = Relation(
        **_common(definition),
        model_from=model,
        model_to=target,
        key_from=name,
        key_to=target.id_name,
        multiple=True,
        embed=True,
        make_scope=EmbedsManyScope,
    )
    model.relations[definition.name] = relation
    attributes = dict(relation.options.get("property") or {})
    kind = PropertyType("array", item=PropertyType("model", model=target.name))
    default = None if relation.options.get("omitDefaultEmbeddedItem") else list
    _define(model, name, kind, attributes, default)
    checks.validate_embedded_many(model, relation)


def _embedding_property(definition: RelationDefinition, name: str) -> str:
    return f"_{name}" if name == definition.name else name


def _references_many(model: ModelClass, definition: RelationDefinition, registry: Registry) -> None:
    target = _target(definition, registry)
    foreign = definition.raw.get("foreignKey") or camelize(f"{target.name}_ids")
    relation = Relation(
        **_common(definition),
        model_from=model,
        model_to=target,
        key_from=foreign,
        key_to=target.id_name,
        multiple=True,
        make_scope=ReferencesManyScope,
    )
    model.relations[definition.name] = relation
    item = target.definition.properties[target.id_name].type
    _define(model, foreign, PropertyType("array", item=item), {}, list)
    checks.validate_references(model, relation)


def define_foreign_key(model: ModelClass, key: str, foreign: ModelClass, primary: str) -> None:
    """Give ``model`` the property ``key`` with the type of the key it refers to (also if it was declared)."""
    referred = foreign.definition.properties.get(primary)
    kind = referred.type if referred is not None else PropertyType("any")
    declared = model.definition.properties.get(key)
    if declared is not None:
        if referred is not None and declared.type != kind:
            model.definition.properties[key] = replace(declared, type=kind)
            model.prepare()
        return
    attributes: dict[str, Any] = {}
    if referred is not None and model.data_source is not None:
        store = model.data_source.connector.name
        column = {name: referred.store(store).get(name) for name in ("dataType", "dataLength")}
        column = {name: value for name, value in column.items() if value}
        if column:
            attributes[store] = column
    _define(model, key, kind, attributes)


def _define(
    model: ModelClass,
    name: str,
    kind: PropertyType,
    attributes: dict[str, Any],
    default: Callable[[], Any] | None = None,
) -> None:
    model.define_property(
        Property(
            name,
            kind,
            required=bool(attributes.get("required")),
            has_default=default is not None or "default" in attributes,
            default=default if default is not None else attributes.get("default"),
            index=attributes.get("index"),
            raw={**attributes},
        )
    )


_MAKERS: dict[str, Callable[[ModelClass, RelationDefinition, Any], None]] = {
    "belongsTo": _belongs_to,
    "hasOne": _has_one,
    "hasMany": _has_many,
    "hasAndBelongsToMany": _has_and_belongs_to_many,
    "embedsOne": _embeds_one,
    "embedsMany": _embeds_many,
    "referencesMany": _references_many,
}
