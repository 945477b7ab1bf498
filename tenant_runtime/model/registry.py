"""All models of a tenant, by name.

In charge of: defining them (bases first), attaching them to data sources, and ``resolve``: once all are
there, relations are set up, foreign keys defined, and each connector is told its models. Must not know:
files, HTTP.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from tenant_runtime.errors import ConfigurationError, LoopbackError
from tenant_runtime.model.build import root_definitions
from tenant_runtime.model.definition import ModelDefinition, PropertyType, TypeKind
from tenant_runtime.model.key_value import KeyValueModelClass
from tenant_runtime.model.model_class import ModelClass
from tenant_runtime.model.relations.setup import define_relations
from tenant_runtime.model.scope import define_scopes

if TYPE_CHECKING:
    from tenant_runtime.connectors.datasource import DataSource

_ID_KINDS: dict[str, TypeKind] = {"number": "number", "objectid": "objectid", "string": "string"}


class Registry:
    """See the module. ``registry["Customer"]``, ``registry.Customer``, iteration over names."""

    def __init__(self, app: Any = None) -> None:
        self.app = app
        self.models: dict[str, ModelClass] = {}
        self.warnings: list[str] = []
        #: The tenant's switch for what LoopBack gets plainly wrong (docs/compatibility.md).
        self._anonymous: dict[str, ModelClass] = {}
        self._attached: dict[str, ModelClass] = {}  # in the order of attaching
        for definition in root_definitions().values():
            self.define(definition)

    @property
    def strict(self) -> bool:
        """The app's strict switch: its setting ``strict``."""
        return self.app is not None and bool(self.app.get("strict"))

    def blame_client(self, error: LoopbackError) -> None:
        """With the strict switch, data that cannot be converted (a bad point, a name with a dot) is a 400."""
        if error.status == 500 and self.strict:
            error.status = 400

    def define(self, definition: ModelDefinition) -> ModelClass:
        """Make the model class; its base must be there already. Raises ConfigurationError."""
        base = None
        if definition.base is not None:
            base = self.models.get(definition.base)
            if base is None:
                raise ConfigurationError(
                    f"Model not found: model `{definition.name}` is extending an unknown model "
                    f"`{definition.base}`.",
                    file=definition.source,
                    pointer="/base",
                )
        holds_keys = definition.name == "KeyValueModel" or isinstance(base, KeyValueModelClass)
        model = (KeyValueModelClass if holds_keys else ModelClass)(definition, base, self)
        self.models[definition.name] = model
        for name, nested in definition.anonymous.items():
            if name not in self._anonymous:
                self._anonymous[name] = ModelClass(nested, None, self)
        return model

    def attach(self, model: ModelClass, data_source: DataSource) -> None:
        """Let the model live in that data source. A generated id takes the store's type."""
        model.data_source = data_source
        self._attached[model.name] = model
        data_source.models[model.name] = model
        identity = model.definition.id_name
        prop = model.definition.properties.get(identity) if identity else None
        if prop is not None and prop.generated:
            kind = _ID_KINDS[data_source.capabilities.generated_id]
            model.definition.properties[prop.name] = replace(prop, type=PropertyType(kind))
            model.prepare()
        attached = getattr(data_source.connector, "attached", None)
        if attached is not None:  # a service (mail, files) gives the model its methods
            attached(model)

    def resolve(self) -> list[str]:
        """Set up relations and scopes, tell the connectors; returns warnings. May be called again."""
        warnings = define_relations(tuple(self._attached.values()), self)
        for model in self.models.values():
            define_scopes(model)
            model.prepare()
            warnings += self._unknown_types(model)
        for model in self.models.values():
            if model.data_source is not None:
                model.data_source.define(model.definition)
        self.warnings = warnings
        return warnings

    def _unknown_types(self, model: ModelClass) -> list[str]:
        complaints = []
        for prop in model.definition.properties.values():
            kind: PropertyType | None = prop.type
            while kind is not None:
                if kind.kind == "model" and self.nested(kind.model or "", model) is None:
                    complaints.append(
                        f"{model.definition.source or model.name}: property {prop.name} has the unknown type "
                        f'"{kind.model}"; its values are kept as they are'
                    )
                kind = kind.item
        return complaints

    def nested(self, name: str, owner: ModelClass) -> ModelClass | None:
        """The model that a property's type names: an anonymous one of the owner's, or any model."""
        return self._anonymous.get(name) or self.models.get(name)

    def find(self, name: str) -> ModelClass | None:
        return self.models.get(name)

    def find_ignoring_case(self, name: str) -> ModelClass | None:
        """As relations and discriminators name models."""
        model = self.models.get(name)
        if model is not None:
            return model
        lowered = name.lower()
        return next((model for known, model in self.models.items() if known.lower() == lowered), None)

    def get(self, name: str) -> ModelClass:
        """LoopBack's getModel: an unknown name is an error."""
        model = self.models.get(name)
        if model is None:
            raise KeyError(f"Model not found: {name}")
        return model

    def by_type(self, name: str) -> ModelClass | None:
        """The first model that descends from ``name``, else itself (getModelByType): User's stand-in."""
        for model in self.models.values():
            if model.name != name and model.extends(name):
                return model
        return self.models.get(name)

    def __getitem__(self, name: str) -> ModelClass:
        return self.models[name]

    def __contains__(self, name: str) -> bool:
        return name in self.models

    def __iter__(self) -> Iterator[str]:
        return iter(self.models)

    def __len__(self) -> int:
        return len(self.models)

    def __getattr__(self, name: str) -> ModelClass:
        if name.startswith("_"):
            raise AttributeError(name)
        try:
            return self.models[name]
        except KeyError:
            raise AttributeError(f"there is no model {name!r}") from None
