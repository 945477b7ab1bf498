"""Making instances: from a client's data and from a store's row (juggler ``ModelBaseClass._initProperties``).

In charge of: conversions, defaults, strict modes, relation names among the data, list and nested models.
Must not know: stores, operations.
"""

from __future__ import annotations

import copy
import secrets
import uuid
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from tenant_runtime.errors import LoopbackError
from tenant_runtime.filter.fields import fields_to_list
from tenant_runtime.model.definition import Property
from tenant_runtime.model.instance import Instance
from tenant_runtime.model.javascript import UNDEFINED, own_properties

if TYPE_CHECKING:
    from tenant_runtime.model.model_class import ModelClass

#: What ``shortid.generate()`` draws from.
SHORTID_ALPHABET = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_-"


def now() -> datetime:
    """The time, in whole milliseconds as JavaScript has it."""
    moment = datetime.now(UTC)
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)


def shortid() -> str:
    return "".join(secrets.choice(SHORTID_ALPHABET) for _ in range(9))


DEFAULT_FUNCTIONS: dict[str, Callable[[], Any]] = {
    "guid": lambda: str(uuid.uuid1()),
    "uuid": lambda: str(uuid.uuid1()),
    "uuidv4": lambda: str(uuid.uuid4()),
    "now": now,
    "shortid": shortid,
}


def default_maker(prop: Property) -> Callable[[], Any] | None:
    """What gives a property its value when there is none, or None."""
    if prop.has_default and prop.raw.get("applyDefaultOnWrites", True) and prop.default is not UNDEFINED:
        default = prop.default
        if prop.type.kind == "date" and default == "$now":
            return now
        if callable(default):
            return default  # type: ignore[no-any-return]
        if isinstance(default, dict | list):
            return lambda: copy.deepcopy(default)
        return lambda: default
    return DEFAULT_FUNCTIONS.get(prop.default_fn) if prop.default_fn else None


def construct(
    model: ModelClass,
    data: Any,
    *,
    setters: bool = True,
    defaults: bool = True,
    persisted: bool = False,
    fields: Iterable[str] | None = None,
) -> Instance:
    """``new Model(data, options)``. ``setters`` False is for stored data: only complex types are
    converted.
    """
    instance = Instance(model, {}, persisted)
    try:
        fill(instance, data, setters=setters, defaults=defaults, fields=fields)
    except LoopbackError as error:
        if setters:
            model.registry.blame_client(error)
        raise
    return instance


def fill(
    instance: Instance,
    data: Any,
    *,
    setters: bool = True,
    defaults: bool = True,
    fields: Iterable[str] | None = None,
) -> None:
    """Give an instance its data; so far it has none."""
    model = instance._model
    source = data.to_object(False) if isinstance(data, Instance) else own_properties(data)
    if model.enforced:
        source = {**source, **model.enforced}
    wanted = None if fields is None else set(fields)
    values = instance._data
    codecs = model.codecs
    for name, value in source.items():
        if wanted is not None and name not in wanted:
            continue
        if value is UNDEFINED:
            if not model.undefined_is_null:
                continue
            value = None
        codec = codecs.get(name)
        if setters and name in model.setters:
            value = model.setters[name](model, value)
            if value is not UNDEFINED:
                values[name] = value
        elif codec is not None:
            if value is not None and (setters or name == model.id_name):
                value = codec.assign(value)
                if codec.complete is not None and value is not None:
                    value = codec.complete(value)
            elif value is not None and codec.load is not None:
                value = codec.load(value)
            values[name] = value
        elif name in model.relations:
            _take_related(instance, name, value)
        else:
            _take_unmanaged(instance, name, value, source)
    _apply_defaults(instance, wanted, defaults)


def load(
    model: ModelClass, rows: list[dict[str, Any]], fields: tuple[str, ...] | None = None
) -> list[Instance]:
    """Instances of a store's rows, which they take over. The short path: usually nothing is converted."""
    known, loaders = model.codecs.keys(), model.loaders
    whole = fields is None and not model.enforced
    defaults = model.defaults_on_reads and bool(model.default_makers)
    completes = defaults or model.undefined_is_null or bool(model.stripped_defaults)
    instances = []
    for row in rows:
        if not (whole and row.keys() <= known):
            instances.append(_load_slowly(model, row, fields))
            continue
        for name, convert in loaders:
            value = row.get(name)
            if value is not None:
                row[name] = convert(value)
        instance = Instance(model, row, True)
        if completes:
            _apply_defaults(instance, None, defaults)
        instances.append(instance)
    return instances


def _load_slowly(model: ModelClass, row: dict[str, Any], fields: tuple[str, ...] | None) -> Instance:
    return construct(
        model, row, setters=False, defaults=model.defaults_on_reads, persisted=True, fields=fields
    )


def _take_related(instance: Instance, name: str, value: Any) -> None:
    """A relation's name among the data: never stored; a belongsTo given as an object sets the foreign key."""
    relation = instance._model.relations[name]
    if relation.kind == "belongsTo" and value is not None:
        data = value._data if isinstance(value, Instance) else value if isinstance(value, dict) else {}
        if relation.key_to in data:
            instance._data[relation.key_from] = data[relation.key_to]
        else:
            instance._data.pop(relation.key_from, None)
        if relation.options.get("embedsProperties") and relation.model_to is not None:
            target = relation.model_to
            names = fields_to_list(relation.properties, list(target.codecs), bool(target.strict)) or []
            instance._data[name] = construct(
                target, value, setters=False, fields=[*names, relation.key_to], persisted=instance._persisted
            )
    instance._related[name] = value


def _virtual_id(model: ModelClass, source: dict[str, Any]) -> Any:
    """What ``id`` reads as where it is no property: the key, or an object of the key's parts (none: {})."""
    if model.simple_id is not None:
        return source.get(model.simple_id)
    return {name: source[name] for name in model.key_names if name in source}


def _take_unmanaged(instance: Instance, name: str, value: Any, source: dict[str, Any]) -> None:
    model = instance._model
    if model.strict is False:
        if "." in name:
            raise LoopbackError(
                "Property names containing dot(s) are not supported. "
                f"Model: {model.name}, dynamic property: {name}"
            )
        instance._data[name] = value if name != "id" else _virtual_id(model, source)
    elif model.strict is True:
        if instance._unknown is None:
            instance._unknown = []
        instance._unknown.append(name)


def _apply_defaults(instance: Instance, wanted: set[str] | None, defaults: bool) -> None:
    model = instance._model
    values = instance._data
    if defaults:
        for name, make in model.default_makers:
            if name not in values and (wanted is None or name in wanted):
                value = make()
                codec = model.codecs[name]
                if codec.load is not None and value is not None:
                    value = codec.load(value)
                values[name] = value
    for name, default in model.stripped_defaults:
        if name in values and values[name] == default:
            del values[name]
    if model.undefined_is_null:
        for name in model.property_names:
            if name not in values and (wanted is None or name in wanted):
                values[name] = None
