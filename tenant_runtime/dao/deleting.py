"""destroyAll, deleteById and an instance's delete.

In charge of: hooks access, before delete, after delete; ``strictDelete``. Must not know: HTTP.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tenant_runtime.dao.operation import (
    Options,
    declared,
    id_where,
    need_key,
    not_found,
    notify,
    sanitized_where,
    transaction_of,
    tree,
)
from tenant_runtime.errors import LoopbackError
from tenant_runtime.filter.parse import Filter, merge_where
from tenant_runtime.model.javascript import to_text

if TYPE_CHECKING:
    from tenant_runtime.model.instance import Instance
    from tenant_runtime.model.model_class import ModelClass

Count = dict[str, int]


async def destroy_all(
    model: ModelClass, where: Filter, options: Options, instance: Instance | None = None
) -> Count:
    """Delete what matches. ``instance`` is in the hooks' context when one object is deleted through
    itself.
    """
    source = model.source()
    state: dict[str, Any] = {}
    scope = model.definition.scope
    if scope and instance is None:
        where = merge_where(where, scope.get("where"))
    notifying = options.get("notify") is not False
    if notifying:
        context = await notify(model, "access", options, state, query={"where": where or {}})
        if context is not None:
            where = context.query.get("where")
        context = await notify(model, "before delete", options, state, where=where, instance=instance)
        if context is not None:
            where = context.where
    where = sanitized_where(model, where or {}, options)
    matching, transaction = tree(model, where, options), transaction_of(options)
    if model.deletion_marks is None:
        count = await source.run("delete", model.name, matching, transaction)
    else:
        marks = declared(model, model.deletion_marks())
        count = await source.run("update", model.name, matching, marks, transaction)
    info = {"count": count}
    if instance is not None and not count:
        _check_strict_delete(model, instance.id)
    if notifying:
        await notify(model, "after delete", options, state, where=where, instance=instance, info=info)
    return info


async def delete_by_id(model: ModelClass, id: Any, options: Options) -> Count:
    """A missing object is a count of 0, or with the setting ``strictDelete`` a 404."""
    need_key(model)
    if id is None or id == "":
        raise LoopbackError("Model::deleteById requires the id argument")
    info = await destroy_all(model, id_where(model, id), options)
    if not info["count"]:
        _check_strict_delete(model, id)
    return info


async def delete_instance(instance: Instance, options: Options) -> Count:
    model = instance._model
    need_key(model)
    return await destroy_all(model, id_where(model, instance._data.get(model.id_name)), options, instance)


def _check_strict_delete(model: ModelClass, id: Any) -> None:
    if model.settings.get("strictDelete"):
        raise not_found(f"No instance with id {to_text(id)} found for {model.name}", code="NOT_FOUND")
