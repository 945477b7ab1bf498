"""The strict switch's further checks: what a call reaches beyond the model that it names.

In charge of: which other models and methods a relation route or an ``include`` reaches. Must not know: who
may do what. LoopBack checks the called model only, so that ``GET /Customers/1/orders`` needs no right on
orders; with ``strictRelationAccess`` the right on the reached model is asked too.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

#: What a relation's method does to the model at its other end.
_REACHED_METHODS = {
    "get": "find",
    "count": "count",
    "create": "create",
    "delete": "deleteById",
    "findById": "findById",
    "updateById": "patchAttributes",
    "destroyById": "deleteById",
    "update": "patchAttributes",
    "destroy": "deleteById",
    "link": "patchAttributes",
    "unlink": "patchAttributes",
    "exists": "findById",
}
_TO_ONE = ("belongsTo", "hasOne", "embedsOne")


@dataclass(frozen=True, slots=True)
class Reached:
    """A model that a call reaches, by the method that would do the same directly; ``id`` where known."""

    model: Any
    method: str
    id: Any = None


def reached(model: Any, method: str, instance: Any, args: dict[str, Any]) -> Iterator[Reached]:
    """What a call of ``method`` reaches: by its name (``__get__orders``), and by its ``filter``'s include."""
    target = model
    if method.startswith("__"):
        steps = [part for part in method.split("__") if part]
        operation, names = steps[0], steps[1:]
        for position, name in enumerate(names):
            relation = target.relations.get(name)
            if relation is None or relation.model_to is None:
                return
            last = position == len(names) - 1
            yield _step(relation, operation if last else "get", instance if position == 0 else None, args)
            target = relation.model_to
    filter = args.get("filter")
    if isinstance(filter, dict):
        yield from included(target, filter.get("include"))


def _step(relation: Any, operation: str, instance: Any, args: dict[str, Any]) -> Reached:
    method = _REACHED_METHODS.get(operation, operation)
    if operation == "get" and relation.kind in _TO_ONE:
        id = instance[relation.key_from] if relation.kind == "belongsTo" and instance is not None else None
        return Reached(relation.model_to, "findById", id)
    return Reached(relation.model_to, method, args.get("fk"))


def included(model: Any, include: Any) -> Iterator[Reached]:
    """The models that an include reads, nested ones too; names that are no relations are passed over."""
    if isinstance(include, str):
        yield from _included_relation(model, include, None)
    elif isinstance(include, list):
        for one in include:
            yield from included(model, one)
    elif isinstance(include, dict) and isinstance(include.get("relation") or include.get("rel"), str):
        scope = include.get("scope")
        inner = scope.get("include") if isinstance(scope, dict) else None
        yield from _included_relation(model, include.get("relation") or include["rel"], inner)
    elif isinstance(include, dict):
        for name, inner in include.items():
            yield from _included_relation(model, name, inner)


def _included_relation(model: Any, name: str, inner: Any) -> Iterator[Reached]:
    relation = model.relations.get(name)
    if relation is None or relation.model_to is None:
        return
    yield Reached(relation.model_to, "find")
    yield from included(relation.model_to, inner)
