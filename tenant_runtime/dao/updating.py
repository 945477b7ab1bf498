"""updateAll, patchAttributes, replaceById and an instance's save.

In charge of: these writes to objects that exist, hooks in LoopBack's order (juggler ``dao.js``).
Must not know: HTTP.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tenant_runtime.dao import creating
from tenant_runtime.dao.operation import (
    Options,
    Row,
    check_data,
    declared,
    id_where,
    keep_known,
    loaded,
    need_key,
    not_found,
    notify,
    sanitized_where,
    storable,
    subset,
    transaction_of,
    tree,
    validates,
    where_context,
)
from tenant_runtime.dao.validating import ensure_valid
from tenant_runtime.errors import LoopbackError
from tenant_runtime.filter.parse import Filter, merge_where
from tenant_runtime.filter.where import coerce_data
from tenant_runtime.model.javascript import UNDEFINED, to_text, truthy

if TYPE_CHECKING:
    from tenant_runtime.model.instance import Instance
    from tenant_runtime.model.model_class import ModelClass


async def update_all(
    model: ModelClass, where: Filter | None, data: dict[str, Any], options: Options
) -> dict[str, int]:
    """Change what matches. Hooks: access, before save{where, data}, persist, after save{where, data,
    info}.
    """
    source = model.source()
    if where is None:
        raise no_where(model)
    if model.registry.strict and where == {} and options.get("refuseEmptyWhere"):
        raise LoopbackError("An update of all objects needs a condition", status=400)
    state: dict[str, Any] = {}
    scope = model.definition.scope
    if scope:
        where = merge_where(where, scope.get("where"))
    data = {**data, **model.enforced}
    context = await notify(model, "access", options, state, query={"where": where})
    if context is not None:
        where = context.query.get("where")
    context = await notify(model, "before save", options, state, where=where, data=data)
    if context is not None:
        where, data = context.where, context.data
    instance = model.construct(data, defaults=False)
    if _validates_update(model, options):
        await ensure_valid(instance, options)
    where = sanitized_where(model, where or {}, options)
    asked = tree(model, where, options)
    check_data(model, data, options)
    data = coerce_data(data, where_context(model, options))
    context = await notify(model, "persist", options, state, where=where, data=data)
    if context is not None:
        data = context.data
    changes = {name: value for name, value in declared(model, data).items() if name not in model.key_names}
    count = await source.run("update", model.name, asked, changes, transaction_of(options))
    info = {"count": count}
    await notify(model, "after save", options, state, where=where, data=data, info=info)
    return info


def no_where(model: ModelClass) -> LoopbackError:
    """The original's assertion, a 500; with the strict switch a 400."""
    status = 400 if model.registry.strict else 500
    return LoopbackError("The where argument must be an object", status=status, name="AssertionError")


def _validates_update(model: ModelClass, options: Options) -> bool:
    for setting in (
        options.get("validate"),
        model.settings.get("validateUpdate"),
        model.settings.get("automaticValidation"),
    ):
        if setting is not None:
            return bool(setting)
    return False


async def patch_attributes(instance: Instance, data: dict[str, Any], options: Options) -> Instance:
    """Change some properties of a stored object. The id cannot be changed (400)."""
    model = instance._model
    source = model.source()
    need_key(model)
    if hasattr(data, "to_object"):
        data = data.to_object(False)
    check_data(model, data, options)
    _refuse_other_id(instance, data)
    state: dict[str, Any] = {}
    where = id_where(model, instance._data.get(model.id_name))
    context = await notify(
        model, "before save", options, state, where=where, data=data, currentInstance=instance
    )
    if context is not None:
        data = context.data
    if not where_context(model, options).extended_operators:
        data = keep_known(model, data, instance)
    instance.set_attributes(data)
    if validates(model, options):
        await ensure_valid(instance, options)
    changes = subset(instance, {**data, **model.enforced})
    context = await notify(
        model,
        "persist",
        options,
        state,
        where=where,
        data=changes,
        currentInstance=instance,
        isNewInstance=False,
    )
    if context is not None:
        changes = context.data
    id = instance._data.get(model.id_name)
    if not truthy(id):
        raise LoopbackError("You must provide an id when updating attributes!")
    count = await source.run(
        "update", model.name, tree(model, where, options), storable(model, changes), transaction_of(options)
    )
    if not count:
        raise _cannot_update(id)
    changes = await loaded(model, changes, options, state, False)
    instance._persisted = True
    if model.settings.get("updateOnLoad"):
        instance.set_attributes(changes)
    await notify(model, "after save", options, state, instance=instance, isNewInstance=False)
    return instance


def _refuse_other_id(instance: Instance, data: dict[str, Any]) -> None:
    for prop in instance._model.definition.id_properties:
        if prop.name in data and not same_id(data[prop.name], instance._data.get(prop.name)):
            current = to_text(instance._data.get(prop.name, UNDEFINED))
            raise LoopbackError(
                f"id cannot be updated from {current} to {to_text(data[prop.name])} "
                "when forceId is set to true",
                status=400,
            )


def same_id(one: Any, other: Any) -> bool:
    """LoopBack's idEquals: numbers and texts are compared by their text."""
    if isinstance(one, int | float | str) and isinstance(other, int | float | str):
        return to_text(one) == to_text(other)
    return bool(one == other)


def _cannot_update(id: Any) -> LoopbackError:
    return not_found(f"Could not update attributes. Object with id {to_text(id)} does not exist!")


async def replace_by_id(model: ModelClass, id: Any, data: Any, options: Options) -> Instance:
    """Make the object consist of ``data`` only, defaults applied anew."""
    need_key(model)
    source = model.source()
    name = model.id_name
    data = dict(data) if isinstance(data, dict) else data.to_object(False)
    if not truthy(data.get(name)):
        data[name] = id
    instance = model.construct(data, persisted=True)
    if model.enforced:
        instance.set_attributes({})
    if not _identical(id, data[name]):
        raise LoopbackError(
            f"id property ({name}) cannot be updated from {to_text(id)} to {to_text(data[name])}", status=400
        )
    state: dict[str, Any] = {}
    await notify(model, "before save", options, state, instance=instance, isNewInstance=False)
    row = keep_known(model, instance.to_object(False), instance)
    check_data(model, row, options)
    instance.set_attributes(row)
    if validates(model, options):
        await ensure_valid(instance, options)
    row = subset(instance, row)
    context = await notify(
        model,
        "persist",
        options,
        state,
        where=id_where(model, id),
        data=row,
        isNewInstance=False,
        currentInstance=instance,
    )
    if context is not None:
        row = context.data
    written = storable(model, row)
    if source.capabilities.replaces_with_nulls:
        written = {key: _with_null_members(value, instance._data.get(key)) for key, value in written.items()}
    key = instance._data.get(name)
    if key != key:  # a number's NaN: the store is asked for what the client wrote, and has no such object
        key = id
    if not await source.run("replace", model.name, key, written, transaction_of(options)):
        raise not_found(f"Could not replace. Object with id {to_text(id)} does not exist!")
    row = await loaded(model, row, options, state, False)
    instance._persisted = True
    instance.set_attributes({**row, name: id})
    await notify(model, "after save", options, state, instance=instance, isNewInstance=False)
    return instance


def _with_null_members(value: Any, typed: Any) -> Any:
    """A nested model's value with null for what it lacks, as MongoDB's driver writes undefined."""
    if isinstance(value, list) and isinstance(typed, list) and len(value) == len(typed):
        return [_with_null_members(item, inner) for item, inner in zip(value, typed, strict=True)]
    nested = getattr(typed, "_model", None)
    if nested is None or not isinstance(value, dict):
        return value
    members = {name: _with_null_members(item, typed._data.get(name)) for name, item in value.items()}
    return {**dict.fromkeys(nested.property_names), **members}


def _identical(one: Any, other: Any) -> bool:
    """``===``."""
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    numbers = isinstance(one, int | float) and isinstance(other, int | float)
    return bool(one == other) and (numbers or type(one) is type(other))


async def save(instance: Instance, options: Options) -> Instance:
    """Store an instance: create when it is new, else write all its properties."""
    model = instance._model
    need_key(model)
    if not instance._persisted:
        return await creating.create(model, instance, options)
    source = model.source()
    state: dict[str, Any] = {}
    await notify(model, "before save", options, state, instance=instance)
    row: Row = {**instance.to_object(True), **model.enforced}
    instance.set_attributes(row)
    if validates(model, options):
        await ensure_valid(instance, options)
    check_data(model, row, options)
    where = id_where(model, instance._data.get(model.id_name))
    context = await notify(model, "persist", options, state, data=row, where=where, currentInstance=instance)
    if context is not None:
        row = context.data
    transaction = transaction_of(options)
    written = storable(model, row)
    is_new = False
    if not await source.run("update", model.name, tree(model, where, options), written, transaction):
        await source.run("create", model.name, written, transaction)
        is_new = True
    row = await loaded(model, row, options, state, is_new)
    model.refill(instance, row)
    await notify(model, "after save", options, state, instance=instance, isNewInstance=is_new)
    return instance
