"""One object of a model.

In charge of: attribute access, conversion on assignment, the plain and the JSON form (juggler ``model.js``).
The operations are ``dao``'s. Must not know: connectors, HTTP.

Property data is reached by attribute (``customer.name``) or by item (``customer["name"]``); the item works
for every name, also for those that are methods here. A property without a value reads as None.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from tenant_runtime.dao import deleting, updating, validating
from tenant_runtime.errors import LoopbackError
from tenant_runtime.model.call_options import current_options
from tenant_runtime.model.javascript import UNDEFINED, to_json_value

if TYPE_CHECKING:
    from tenant_runtime.model.model_class import ModelClass
    from tenant_runtime.model.relations.base import RelationScope

Options = dict[str, Any] | None


class Instance:
    """See the module. Made by ``Model(data)`` (new) or by the operations that read."""

    __slots__ = ("_data", "_model", "_persisted", "_related", "_unknown", "errors")

    _data: dict[str, Any]  # declared and dynamic properties; a missing key is undefined
    _model: ModelClass
    _persisted: bool
    _related: dict[str, Any]  # what include or a relation fetched, by relation name
    _unknown: list[str] | None  # names that a strict model refuses
    errors: Any  # of the last validation, or False

    def __init__(self, model: ModelClass, data: dict[str, Any], persisted: bool) -> None:
        set_slot = object.__setattr__
        set_slot(self, "_model", model)
        set_slot(self, "_data", data)
        set_slot(self, "_persisted", persisted)
        set_slot(self, "_related", {})
        set_slot(self, "_unknown", None)
        set_slot(self, "errors", False)

    @property
    def model(self) -> ModelClass:
        """The ModelClass that it is of."""
        return self._model

    @property
    def id(self) -> Any:
        """The id, whatever its property's name; a dict for a composite key."""
        name = self._model.simple_id
        if name is not None:
            return self._data.get(name)
        return {prop.name: self._data.get(prop.name) for prop in self._model.definition.id_properties} or None

    @id.setter
    def id(self, value: Any) -> None:
        self[self._model.simple_id or "id"] = value

    def __getitem__(self, name: str) -> Any:
        return self._data.get(name)

    def __setitem__(self, name: str, value: Any) -> None:
        """Assign by the property's setter or conversion; ``UNDEFINED`` removes the value."""
        if name in self._model.setters:
            value = self._model.setters[name](self._model, value)
            if value is not UNDEFINED:
                self._data[name] = value
            return
        if value is UNDEFINED and not self._model.undefined_is_null:
            self._data.pop(name, None)
            return
        if value is None or value is UNDEFINED:
            self._data[name] = None
            return
        codec = self._model.codecs.get(name)
        self._data[name] = codec.assign(value) if codec is not None else value

    def __contains__(self, name: str) -> bool:
        return name in self._data

    def get(self, name: str, default: Any = None) -> Any:
        """A property's value, or the default where it is undefined."""
        return self._data.get(name, default)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        if name in self._data:
            return self._data[name]
        model = self._model
        if name in model.relations:
            return self.relation(name)
        method = model.find_prototype_method(name)
        if method is not None:
            return method.__get__(self)
        if name in model.codecs:
            return None
        raise AttributeError(f"{model.name} has no property, relation or method {name!r}")

    def __setattr__(self, name: str, value: Any) -> None:
        if name.startswith("_") or name in ("id", "errors"):
            object.__setattr__(self, name, value)
        else:
            self[name] = value

    def __repr__(self) -> str:
        return f"<{self._model.name} {self._data!r}>"

    def is_new_record(self) -> bool:
        """Whether it has not been stored."""
        return not self._persisted

    def set_attributes(self, data: dict[str, Any]) -> None:
        """Assign every member of ``data``; names of relations are no properties and are passed over."""
        relations = self._model.relations
        try:
            for name, value in {**data, **self._model.enforced}.items():
                if name not in relations or name in self._model.codecs:
                    self[name] = value
        except LoopbackError as error:
            self._model.registry.blame_client(error)
            raise

    def unset_attribute(self, name: str, nullify: bool = False) -> None:
        """Make a property undefined, or null where the model or the caller wants that."""
        if nullify or self._model.undefined_is_null:
            self._data[name] = None
        else:
            self._data.pop(name, None)

    def to_object(
        self, only_schema: bool = True, remove_hidden: bool = False, remove_protected: bool = False
    ) -> dict[str, Any]:
        """The plain form with internal values: declared properties in definition order, then the others.

        With ``only_schema`` a strict model gives only declared ones. Nested models never show protected ones.
        """
        model = self._model
        data = self._data
        whole = model.strict is False or not only_schema
        left_out = model.left_out(remove_hidden, remove_protected)
        out: dict[str, Any] = {}
        for name in model.property_names:
            if name in data:
                value = data[name]
                if name not in left_out:
                    out[name] = value if type(value) in _SIMPLE else _plain(value, not whole, remove_hidden)
            elif model.undefined_is_null and name not in left_out:
                out[name] = None
        if whole and len(data) > len(out):
            for name, value in data.items():
                if name not in out and name not in model.codecs and name not in left_out:
                    out[name] = _plain(value, not whole, remove_hidden)
        return out

    def to_json(self) -> dict[str, Any]:
        """What leaves as JSON: hidden properties removed, dates as ISO 8601 text, NaN as null."""
        return _json_object(self, False)

    def jsonable(self) -> dict[str, Any]:
        """``to_json`` for an encoder that knows dates and NaN: the data themselves, if they may be shown."""
        model, data = self._model, self._data
        if not model.is_plain:
            return _json_object(self, False)
        if tuple(data) == model.property_names:
            return data
        out = {name: data[name] for name in model.property_names if name in data}
        return out if len(out) == len(data) else _json_object(self, False)

    def __json__(self) -> dict[str, Any]:
        """The JSON form inside another instance: protected properties are removed too."""
        return _json_object(self, True)

    async def save(self, options: Options = None) -> Instance:
        """Create or update the stored object. Hooks: before save, persist, loaded, after save."""
        return await updating.save(self, current_options(options))

    async def patch_attributes(self, data: dict[str, Any], options: Options = None) -> Instance:
        """Change these properties here and in the store; the others stay."""
        return await updating.patch_attributes(self, data, current_options(options))

    async def replace_attributes(self, data: dict[str, Any], options: Options = None) -> Instance:
        """Let the object consist of the data, but for its id."""
        return await updating.replace_by_id(self._model, self.id, data, current_options(options))

    async def update_attribute(self, name: str, value: Any, options: Options = None) -> Instance:
        """Change one property, here and in the store."""
        return await updating.patch_attributes(self, {name: value}, current_options(options))

    async def delete(self, options: Options = None) -> dict[str, int]:
        """Delete the stored object."""
        return await deleting.delete_instance(self, current_options(options))

    async def reload(self) -> Instance | None:
        """The object as it is stored now, as a new instance; None when it is gone."""
        return await self._model.find_by_id(self.id)

    async def is_valid(self, options: Options = None) -> bool:
        """Run the validators; what they said is in ``errors`` (False when all is well)."""
        return await validating.is_valid(self, current_options(options))

    def relation(self, name: str) -> RelationScope:
        """What the relation offers on this instance."""
        return self._model.relations[name].scope(self)

    toObject = to_object
    toJSON = to_json
    isNewRecord = is_new_record
    setAttributes = set_attributes
    unsetAttribute = unset_attribute
    patchAttributes = patch_attributes
    updateAttributes = patch_attributes
    update_attributes = patch_attributes
    updateAttribute = update_attribute
    replaceAttributes = replace_attributes
    isValid = is_valid
    destroy = delete
    remove = delete


_SIMPLE = frozenset((str, int, float, bool, type(None), datetime))


def _plain(value: Any, only_schema: bool, remove_hidden: bool) -> Any:
    if isinstance(value, Instance):
        return value.to_object(only_schema, remove_hidden, True)
    if isinstance(value, list):
        return [_plain(item, only_schema, remove_hidden) for item in value]
    return value


def _json_object(instance: Instance, nested: bool) -> dict[str, Any]:
    model = instance._model
    data = instance._data
    left_out = model.left_out(True, nested)
    out: dict[str, Any] = {}
    for name in model.property_names:
        if name in data:
            value = data[name]
            kind = type(value)
            if name not in left_out:
                out[name] = value if kind is str or kind is int or value is None else to_json_value(value)
        elif model.undefined_is_null and name not in left_out:
            out[name] = None
    if len(data) > len(out):
        for name, value in data.items():
            if name not in out and name not in model.codecs and name not in left_out:
                out[name] = to_json_value(value)
    return out
