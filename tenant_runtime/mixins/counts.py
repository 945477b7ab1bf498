"""Counts: ``filter[counts]=orders`` adds ``ordersCount`` to results (npm: ``loopback-counts-mixin``)."""

from __future__ import annotations

from typing import Any


def mixin(Model: Any, options: dict[str, Any]) -> None:
    async def add_counts(ctx: Any, result: Any) -> None:
        found = result if isinstance(result, list) else [result]
        for name in _wanted(Model, ctx.args.get("filter")):
            for instance in found:
                instance[f"{name}Count"] = await instance.relation(name).count()

    for method in ("find", "findOne", "findById"):
        Model.after_remote(method, add_counts)


def _wanted(Model: Any, filter: Any) -> list[str]:
    """The names in ``counts`` that are relations to many or to one other (``has…``)."""
    counts = filter.get("counts") if isinstance(filter, dict) else None
    names = counts if isinstance(counts, list) else [counts]
    relations = Model.relations
    return [
        name
        for name in names
        if isinstance(name, str) and name in relations and relations[name].kind.startswith("has")
    ]
