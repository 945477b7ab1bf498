"""patchOrCreate, replaceOrCreate, upsertWithWhere, findOrCreate.

In charge of: the writes that find out whether the object is there (juggler ``dao.js``).
Must not know: HTTP.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from tenant_runtime.dao import creating, reading, updating
from tenant_runtime.dao.operation import (
    Options,
    Row,
    check_data,
    id_where,
    is_where_of_id,
    keep_known,
    loaded,
    normalized,
    not_found,
    notify,
    sanitized_where,
    storable,
    transaction_of,
    tree,
    validates,
    where_context,
)
from tenant_runtime.dao.updating import no_where
from tenant_runtime.dao.validating import ensure_valid
from tenant_runtime.errors import LoopbackError
from tenant_runtime.filter.parse import Filter, merge_query, to_query
from tenant_runtime.filter.query import Query, Where
from tenant_runtime.filter.where import coerce_data
from tenant_runtime.model.javascript import to_text
from tenant_runtime.model.validation import ValidationError

if TYPE_CHECKING:
    from tenant_runtime.model.instance import Instance
    from tenant_runtime.model.model_class import ModelClass

log = logging.getLogger("tenant_runtime.dao")


def _given_id(model: ModelClass, data: Any) -> Any:
    return data.get(model.id_name) if data else None


async def patch_or_create(model: ModelClass, data: Any, options: Options) -> Instance:
    """Change the object with the data's id, or make it. With a forced id it must exist (404)."""
    if isinstance(data, list):
        raise LoopbackError("updateOrCreate does not support bulk mode or any array input")
    id = _given_id(model, data)
    if id is None:
        return await creating.create(model, data, options)
    check = _upsert_validation(model, options)
    if model.definition.force_id:
        options = {**options, "validate": bool(check)}
        found = await reading.find_by_id(model, id, {}, options)
        if found is None:
            raise not_found(f"Could not update attributes. Object with id {to_text(id)} does not exist!")
        return await updating.patch_attributes(found, data, options)
    state: dict[str, Any] = {}
    context = await notify(model, "access", options, state, query={"where": id_where(model, id)})
    where = context.query.get("where") if context is not None else None
    if context is not None and not is_where_of_id(model, where, id):
        return await _patch_narrowed(model, where, data, options)
    return await _patch_by_id(model, id, data, check, options, state)


def _upsert_validation(model: ModelClass, options: Options) -> bool | None:
    """True: invalid data is refused; None: a warning only (``validateUpsert`` undefined); False:
    unchecked.
    """
    for setting in (
        options.get("validate"),
        model.settings.get("validateUpsert"),
        model.settings.get("automaticValidation"),
    ):
        if setting is not None:
            return bool(setting)
    return None


async def _patch_narrowed(model: ModelClass, where: Any, data: Any, options: Options) -> Instance:
    """A hook changed the query: what the id is said no longer identifies the object."""
    found = await reading.find_one(model, {"where": where}, {**options, "notify": False})
    data = {name: value for name, value in data.items() if name != model.id_name}
    if found is not None:
        return await updating.patch_attributes(found, data, options)
    return await creating.create(model, data, options)


async def _patch_by_id(
    model: ModelClass, id: Any, data: Any, check: bool | None, options: Options, state: dict[str, Any]
) -> Instance:
    where = id_where(model, id)
    context = await notify(model, "before save", options, state, where=where, data=data)
    if context is not None:
        data = context.data
    instance = model.construct(data, defaults=False)
    if check is not False:
        try:
            await ensure_valid(instance, options)
        except ValidationError as error:
            if check:
                raise
            log.warning("Ignoring validation errors in updateOrCreate(): %s", error)
    row = {**instance.to_object(False), **model.enforced}
    check_data(model, row, options)
    context = await notify(model, "persist", options, state, where=where, data=row, currentInstance=instance)
    if context is not None:
        row = context.data
    asked = tree(model, where, options)
    row, is_new = await _update_or_create(model, asked, row, options)
    return await _finish(model, instance, row, is_new, options, state)


async def _update_or_create(model: ModelClass, asked: Where, row: Row, options: Options) -> tuple[Row, bool]:
    """Write the row; the answer is the whole object where the original's driver returns it (not on SQL)."""
    source, transaction = model.source(), transaction_of(options)
    written = storable(model, row)
    if await source.run("update", model.name, asked, written, transaction):
        if source.capabilities.null_is_missing:
            return row, False
        rows = await source.run("find", model.name, Query(where=asked, limit=1), transaction)
        return (rows[0] if rows else row), False
    id = await source.run("create", model.name, written, transaction)
    return {**row, model.id_name: id}, True


async def _finish(
    model: ModelClass, instance: Instance, row: Row, is_new: bool, options: Options, state: dict[str, Any]
) -> Instance:
    row = await loaded(model, row, options, state, is_new)
    model.refill(instance, row)
    if options.get("notify") is not False:
        await notify(model, "after save", options, state, instance=instance, isNewInstance=is_new)
    return instance


async def replace_or_create(model: ModelClass, data: Any, options: Options) -> Instance:
    """Replace the object with the data's id, or make it. With a forced id it must exist (404)."""
    id = _given_id(model, data)
    if id is None:
        return await creating.create(model, data, options)
    if model.definition.force_id:
        return await updating.replace_by_id(model, id, data, options)
    instance = model(data)
    state: dict[str, Any] = {}
    context = await notify(model, "access", options, state, query={"where": id_where(model, id)})
    where = context.query.get("where") if context is not None else None
    if context is not None and not is_where_of_id(model, where, id):
        return await _replace_narrowed(model, where, data, options)
    await notify(model, "before save", options, state, instance=instance)
    row = keep_known(model, instance.to_object(False), instance)
    row = {**row, **model.enforced}
    if validates(model, options):
        await ensure_valid(instance, options)
    check_data(model, row, options)
    where = id_where(model, id)
    context = await notify(model, "persist", options, state, where=where, data=row, currentInstance=instance)
    if context is not None:
        row = context.data
    source, transaction = model.source(), transaction_of(options)
    key = instance._data.get(model.id_name)
    is_new = not await source.run("replace", model.name, key, storable(model, row), transaction)
    if is_new:
        row = {
            **row,
            model.id_name: await source.run("create", model.name, storable(model, row), transaction),
        }
    return await _finish(model, instance, row, is_new, options, state)


async def _replace_narrowed(model: ModelClass, where: Any, data: Any, options: Options) -> Instance:
    found = await reading.find_one(model, {"where": where}, {**options, "notify": False})
    data = {name: value for name, value in data.items() if name != model.id_name}
    if found is not None:
        return await updating.replace_by_id(model, found.id, data, options)
    return await creating.create(model, data, options)


async def upsert_with_where(
    model: ModelClass, where: dict[str, Any], data: dict[str, Any], options: Options
) -> Instance:
    """Change the one object that matches, or make one; several are a 400."""
    if not isinstance(where, dict):
        raise no_where(model)
    if not data:
        raise LoopbackError("data object cannot be empty!", status=400)
    state: dict[str, Any] = {}
    context = await notify(model, "access", options, state, query={"where": where})
    if context is not None:
        where = context.query.get("where")
    if model.source().capabilities.upsert_checks_whole:
        found = await reading.find(model, {"where": where}, {**options, "notify": False})
        if len(found) > 1:
            raise _several()
        if found:
            return await updating.patch_attributes(found[0], data, options)
        return await creating.create(model, data, options)
    context = await notify(model, "before save", options, state, where=where, data=data)
    if context is not None:
        where, data = context.where, context.data
    instance = model.construct(data, defaults=False)
    row = {**instance.to_object(False), **model.enforced}
    if validates(model, options):
        await ensure_valid(instance, options)
    where = sanitized_where(model, where, options)
    asked = tree(model, where, options)
    check_data(model, row, options)
    row = coerce_data(row, where_context(model, options))
    context = await notify(model, "persist", options, state, where=where, data=row, currentInstance=instance)
    if context is not None:
        row = context.data
    row, is_new = await _write_matching(model, asked, row, options)
    return await _finish(model, instance, row, is_new, {**options, "notify": True}, state)


async def _write_matching(model: ModelClass, asked: Where, row: Row, options: Options) -> tuple[Row, bool]:
    source, transaction = model.source(), transaction_of(options)
    found = await source.run("find", model.name, Query(where=asked, limit=2), transaction)
    if len(found) > 1:
        raise _several()
    if not found:
        id = await source.run("create", model.name, storable(model, row), transaction)
        return {**row, model.id_name: id}, True
    id = found[0].get(model.id_name)
    one = tree(model, id_where(model, id), options)
    written = {**storable(model, row), model.id_name: id}
    await source.run("update", model.name, one, written, transaction)
    return {**found[0], **written}, False


def _several() -> LoopbackError:
    return LoopbackError(
        "There are multiple instances found.Upsert Operation will not be performed!", status=400
    )


async def find_or_create(
    model: ModelClass, filter: Filter, data: dict[str, Any], options: Options
) -> tuple[Instance, bool]:
    """The first object that matches, or a new one. Hooks: access, before save, persist, loaded, after
    save.
    """
    source, transaction = model.source(), transaction_of(options)
    state: dict[str, Any] = {}
    query = normalized(model, {**filter, "limit": 1}, where_context(model, options), options)
    scope = model.definition.scope
    if scope:
        query = merge_query(query, scope, scope)
    context = await notify(model, "access", options, state, query=query)
    if context is not None:
        query = context.query
    asked = to_query(query, where_context(model, options))
    instance = model(data)
    if model.enforced:
        instance.set_attributes({})
    await notify(model, "before save", options, state, instance=instance, isNewInstance=True)
    found = await source.run("find", model.name, asked, transaction)
    # Only what is to be made must be valid; the original's memory and MongoDB connectors validate first, and
    # so never find anything of a model with a unique property.
    if not found and validates(model, options):
        await ensure_valid(instance, options)
    row = instance.to_object(True)
    check_data(model, row, options)
    context = await notify(
        model,
        "persist",
        options,
        state,
        where=query.get("where"),
        data=row,
        isNewInstance=True,
        currentInstance=instance,
    )
    if context is not None:
        row = context.data
    created = not found
    if created:
        id = await source.run("create", model.name, storable(model, row), transaction)
        row = {**row, model.id_name: id}
    else:
        row = found[0]
    row = await loaded(model, row, options, state, created)
    result = model.load(row, asked.fields)
    if created:
        await notify(model, "after save", options, state, instance=result, isNewInstance=True)
    return result, created
