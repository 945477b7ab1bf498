"""create, for one object and for many.

In charge of: LoopBack's order: before save, validation, persist, the store, loaded, after save.
Must not know: HTTP.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tenant_runtime.dao.operation import (
    Options,
    check_data,
    loaded,
    notify,
    storable,
    transaction_of,
    validates,
    without_unwritten_defaults,
)
from tenant_runtime.dao.validating import ensure_valid
from tenant_runtime.errors import LoopbackError, MultipleErrors
from tenant_runtime.model.javascript import truthy

if TYPE_CHECKING:
    from tenant_runtime.model.instance import Instance
    from tenant_runtime.model.model_class import ModelClass


async def create(model: ModelClass, data: Any, options: Options) -> Instance:
    """Store a new object; the answer is what was given, with defaults and the id, not read back."""
    source = model.source()
    state: dict[str, Any] = {}
    instance = _as_new(model, data)
    await notify(model, "before save", options, state, instance=instance, isNewInstance=True)
    if validates(model, options):
        await ensure_valid(instance, options)
    row = instance.to_object(True)
    check_data(model, row, options)
    row = without_unwritten_defaults(model, row)
    context = await notify(
        model, "persist", options, state, data=row, isNewInstance=True, currentInstance=instance
    )
    if context is not None:
        row = context.data
    id = await source.run("create", model.name, storable(model, row), transaction_of(options))
    if truthy(id) and model.definition.id_name:
        instance._data[model.id_name] = id
        row[model.id_name] = id
    instance._persisted = True
    row = await loaded(model, row, options, state, True)
    if model.settings.get("updateOnLoad"):
        instance.set_attributes(row)
    if options.get("notify") is not False:
        await notify(model, "after save", options, state, instance=instance, isNewInstance=True)
    return instance


def _as_new(model: ModelClass, data: Any) -> Instance:
    given = getattr(data, "_model", None)
    if given is model and not truthy(data._data.get(model.id_name)):
        instance: Instance = data
    else:
        instance = model(data)
    if model.enforced:
        instance.set_attributes({})
    return instance


async def create_many(model: ModelClass, items: list[Any], options: Options) -> list[Instance]:
    """One after another. Good ones are stored even when others fail; then MultipleErrors is raised."""
    created: list[Instance] = []
    errors: list[LoopbackError | None] = []
    for item in items:
        try:
            created.append(await create(model, {} if item is None else item, options))
            errors.append(None)
        except LoopbackError as error:
            errors.append(error)
    if any(errors):
        while errors[-1] is None:
            errors.pop()
        raise MultipleErrors(errors)
    return created
