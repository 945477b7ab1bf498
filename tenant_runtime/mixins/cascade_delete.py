"""CascadeDelete: what belongs to an object goes with it (as npm's ``loopback-cascade-delete-mixin``).

Options: ``relations``: names, or objects ``{"name", "foreignKey", "deepDelete"}``; ``deepDelete``: delete the
related objects one by one, so that their own hooks and cascades run.
"""

from __future__ import annotations

from typing import Any

from tenant_runtime.errors import LoopbackError


def mixin(Model: Any, options: dict[str, Any]) -> None:
    relations = options.get("relations")
    if not isinstance(relations, list):
        return
    wanted = [entry if isinstance(entry, dict) else {"name": entry} for entry in relations]
    deep = bool(options.get("deepDelete"))

    async def cascade(ctx: Any) -> None:
        for id in ctx.hookState.get("cascadeIds") or ():
            for entry in wanted:
                await _delete_related(Model, id, entry, bool(entry.get("deepDelete", deep)), ctx.options)

    async def remember(ctx: Any) -> None:
        ctx.hookState["cascadeIds"] = await _matching_ids(Model, ctx)

    Model.observe("before delete", remember)
    Model.observe("after delete", cascade)


async def _matching_ids(Model: Any, ctx: Any) -> list[Any]:
    """The ids that a delete is about to remove. The package only cascades from deletes of one id."""
    if ctx.instance is not None:
        return [ctx.instance.id]
    name = Model.definition.id_property.name
    found = await Model.find({"where": ctx.where or {}, "fields": [name]}, ctx.options)
    return [instance[name] for instance in found]


async def _delete_related(
    Model: Any, id: Any, entry: dict[str, Any], deep: bool, options: dict[str, Any]
) -> None:
    name = entry.get("name")
    relation = Model.relations.get(name)
    if relation is None:
        raise LoopbackError(f"Relation {name} not found for model {Model.name} (mixin CascadeDelete)")
    target = relation.through or relation.model_to
    where = {entry.get("foreignKey") or relation.key_to: id}
    if not deep:
        await target.destroy_all(where, options)
        return
    for instance in await target.find({"where": where}, options):
        await instance.delete(options)
