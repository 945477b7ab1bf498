"""What all relations share: the resolved definition, and the base of what they offer on an instance.

In charge of: keys, the relation's own scope and ``properties``, the discriminator of polymorphic ones
(juggler ``relation-definition.js``). Must not know: stores, HTTP.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tenant_runtime.errors import LoopbackError
from tenant_runtime.filter.parse import Filter, merge_query
from tenant_runtime.model.definition import RelationKind
from tenant_runtime.model.instance import Instance
from tenant_runtime.model.javascript import UNDEFINED, to_text

if TYPE_CHECKING:
    from tenant_runtime.model.model_class import ModelClass

Options = dict[str, Any] | None


@dataclass(slots=True)
class Polymorphic:
    """The two columns of a polymorphic relation; ``invert``: seen from the other side of a join model."""

    selector: str
    foreign_key: str
    discriminator: str
    id_type: str | None = None
    invert: bool = False


@dataclass(slots=True)
class Relation:
    """A relation with its models and keys resolved. ``key_from`` is a property of ``model_from``."""

    name: str
    kind: RelationKind
    model_from: ModelClass
    model_to: ModelClass | None  # None for a polymorphic belongsTo: looked up for each object
    key_from: str
    key_to: str
    multiple: bool
    make_scope: Callable[[Relation, Instance], RelationScope]
    through: ModelClass | None = None
    key_through: str | None = None
    polymorphic: Polymorphic | None = None
    properties: Any = None
    options: dict[str, Any] = field(default_factory=dict)
    filter: Filter | None = None  # the relation's "scope"
    embed: bool = False
    raw: dict[str, Any] = field(default_factory=dict)

    def scope(self, instance: Instance) -> RelationScope:
        return self.make_scope(self, instance)

    @property
    def target(self) -> ModelClass:
        if self.model_to is None:
            raise LoopbackError(f"The relation {self.name} of {self.model_from.name} is polymorphic")
        return self.model_to

    def scoped(self, filter: Filter) -> Filter:
        """The filter narrowed by the discriminator and by the relation's own scope (``applyScope``)."""
        result = dict(filter)
        if self.polymorphic is not None and self.kind != "belongsTo":
            result["where"] = {
                **(result.get("where") or {}),
                self.polymorphic.discriminator: self._type_name(),
            }
        return merge_query(result, self.filter)

    def _type_name(self) -> str:
        assert self.polymorphic is not None
        return self.target.name if self.polymorphic.invert else self.model_from.name

    def apply_properties(self, instance: Instance, data: Any) -> None:
        """Copy the relation's ``properties`` from the owner into ``data`` (or back, ``invertProperties``)."""
        source: Any = instance
        target = data
        if self.options.get("invertProperties"):
            source, target = data, instance
        if self.options.get("embedsProperties"):
            target = _embedded_copy(target, self.name)
            target[self.key_to] = _read(source, self.key_to)
        for wanted, key in _copied_names(self.properties):
            value = _read(source, wanted)
            if value is not UNDEFINED:
                target[key] = value
        if self.polymorphic is not None and self.kind != "belongsTo":
            target[self.polymorphic.discriminator] = self._type_name()


def _embedded_copy(target: Any, name: str) -> dict[str, Any]:
    copy: dict[str, Any] = {}
    if isinstance(target, Instance):
        target._data[name] = copy
    else:
        target[name] = copy
    return copy


def _copied_names(properties: Any) -> list[tuple[str, str]]:
    """A list of names, or source name → target name."""
    if isinstance(properties, list):
        return [(name, name) for name in properties]
    return list(properties.items()) if isinstance(properties, dict) else []


def _read(source: Any, name: str) -> Any:
    data = source._data if isinstance(source, Instance) else source
    return data.get(name, UNDEFINED)


class RelationScope:
    """What a relation offers on one instance; the kinds add what makes sense for them."""

    def __init__(self, relation: Relation, instance: Instance) -> None:
        self.relation = relation
        self.instance = instance

    @property
    def key(self) -> Any:
        """The owner's side of the keys."""
        return self.instance._data.get(self.relation.key_from)

    def is_unset(self) -> bool:
        """Whether the instance has nothing to find its related objects by. In the original they are
        ``undefined`` then, where they are ``null`` when nothing was found; for code both are None.
        """
        return False

    def cached(self) -> Any:
        return self.instance._related.get(self.relation.name, UNDEFINED)

    def remember(self, value: Any) -> None:
        self.instance._related[self.relation.name] = value

    def forget(self) -> None:
        self.instance._related.pop(self.relation.name, None)

    def check_keys(self, found: Instance, owner_key: str, target_key: str) -> None:
        """Refuse (400) what a scope or hook made of the query when it is not the related object."""
        mine, other = self.instance._data.get(owner_key), found._data.get(target_key)
        if mine is None or other is None or to_text(mine) != to_text(other):
            raise LoopbackError(
                f"Key mismatch: {self.relation.model_from.name}.{owner_key}: {to_text(mine)}, "
                f"{found.model.name}.{target_key}: {shown(other)}",
                status=400,
            )


def shown(value: Any) -> str:
    return "undefined" if value is None else to_text(value)


def refuse_other_key(found: Instance, data: dict[str, Any], key: str) -> None:
    """A foreign key cannot be changed through the relation (a 500 in the original)."""
    if key in data and to_text(data[key]) != to_text(found._data.get(key)):
        raise LoopbackError(
            f"Cannot override foreign key {key} from {shown(found._data.get(key))} to {shown(data[key])}"
        )
