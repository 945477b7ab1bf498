"""What a model works out once from its definition, so that no request has to.

In charge of: conversions, defaults, names, what forms leave out. Must not know: operations, stores.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, cast

from tenant_runtime.model import construct
from tenant_runtime.model.definition import ModelDefinition
from tenant_runtime.model.instance import Instance
from tenant_runtime.model.types import Codec, Convert, codec_for

if TYPE_CHECKING:
    from tenant_runtime.model.model_class import ModelClass
    from tenant_runtime.model.registry import Registry

_NOTHING: frozenset[str] = frozenset()

#: Types whose values an encoder of JSON can write as they are.
SIMPLE_KINDS = frozenset(("string", "number", "boolean", "date", "objectid", "text", "datestring"))

#: Types whose values are JSON where a store has nothing else for them.
JSON_KINDS = frozenset(("object", "json", "any"))


class Prepared:
    """The base of ModelClass that owns what ``prepare`` makes."""

    definition: ModelDefinition
    registry: Registry
    settings: dict[str, Any]

    def prepare(self) -> None:
        """Work out what instances are made with; again after the definition changed."""
        definition = self.definition
        self.id_name: str = definition.id_name or "id"
        identity = definition.id_property
        self.simple_id: str | None = identity.name if identity else None
        self.key_names = frozenset(prop.name for prop in definition.id_properties)
        self.property_names = tuple(definition.properties)
        self.json_names = tuple(
            prop.name for prop in definition.properties.values() if prop.type.kind in JSON_KINDS
        )
        self.strict: bool | Literal["filter"] = definition.strict
        self.codecs: dict[str, Codec] = {
            name: codec_for(prop.type, self._instantiate) for name, prop in definition.properties.items()
        }
        self.loaders: tuple[tuple[str, Convert], ...] = tuple(
            (name, self._loader(name, codec))
            for name, codec in self.codecs.items()
            if self._loads(name, codec)
        )
        self._prepare_defaults()
        self.undefined_is_null = bool(self.settings.get("persistUndefinedAsNull"))
        simple = all(prop.type.kind in SIMPLE_KINDS for prop in definition.properties.values())
        self.is_plain = simple and not definition.hidden and not self.undefined_is_null
        self._left_out: dict[tuple[bool, bool], frozenset[str]] = {}

    def _prepare_defaults(self) -> None:
        definition = self.definition
        makers = ((name, construct.default_maker(prop)) for name, prop in definition.properties.items())
        self.default_makers = tuple((name, make) for name, make in makers if make is not None)
        self.stripped_defaults = tuple(
            (name, prop.default)
            for name, prop in definition.properties.items()
            if prop.raw.get("persistDefaultValues") is False and prop.has_default
        )
        self.defaults_on_reads = self.settings.get("applyDefaultsOnReads") is not False
        self.enforced = self._enforced_values()
        self.unwritten_defaults = tuple(
            (name, prop.default)
            for name, prop in definition.properties.items()
            if prop.has_default and not prop.raw.get("applyDefaultOnWrites", True)
        )

    def _loads(self, name: str, codec: Codec) -> bool:
        return codec.load is not None or name == self.id_name

    def _loader(self, name: str, codec: Codec) -> Convert:
        return codec.assign if name == self.id_name else codec.load or codec.assign

    def _enforced_values(self) -> dict[str, Any]:
        """What the model's ``properties``/``attributes`` option or its default scope writes into every
        object.
        """
        given = self.settings.get("attributes")
        if isinstance(given, dict):
            return given
        if given is False or self.definition.scope is None:
            return {}
        return fixed_values(self.definition.scope.get("where"), self.definition)

    def fixed_values(self, where: Any) -> dict[str, Any]:
        """The equalities of a where on declared properties."""
        return fixed_values(where, self.definition)

    def _instantiate(self, name: str) -> Convert:
        """The constructor of a nested model, looked up when first needed: it may be defined later."""

        def make(value: Any) -> Any:
            target = self.registry.nested(name, cast("ModelClass", self))
            if target is None or (isinstance(value, Instance) and value._model is target):
                return value
            return construct.construct(target, value)

        return make

    def left_out(self, hidden: bool, protected: bool) -> frozenset[str]:
        """Names that a form without hidden and/or protected properties leaves out."""
        if not hidden and not protected:
            return _NOTHING
        names = self._left_out.get((hidden, protected))
        if names is None:
            names = (self.definition.hidden if hidden else _NOTHING) | (
                self.definition.protected if protected else _NOTHING
            )
            self._left_out[hidden, protected] = names
        return names


def fixed_values(where: Any, definition: ModelDefinition) -> dict[str, Any]:
    """The equalities of a scope's where on declared properties (juggler ``setScopeValuesFromWhere``)."""
    values: dict[str, Any] = {}
    for name, value in (where or {}).items() if isinstance(where, dict) else ():
        if name == "and" and isinstance(value, list):
            for clause in value:
                values |= fixed_values(clause, definition)
        elif name in definition.properties and not isinstance(value, dict | list) and value is not None:
            values[name] = value
    return values
