"""The query that a connector is asked: a typed ``where`` tree, order, window and fields.

In charge of: the values only. ``filter.parse`` makes them from what a client sent, ``filter.where`` types
them by the model, connectors compile them. Must not know: HTTP, models' behaviour, databases.

The tree is made of frozen values, so that a connector may cache what it compiled by the tree's shape
(``shape()``: the same tree with the values taken out).
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import Any, Literal

from tenant_runtime.model.definition import Property

Operator = Literal[
    "eq",
    "neq",
    "gt",
    "gte",
    "lt",
    "lte",
    "between",
    "inq",
    "nin",
    "like",
    "nlike",
    "ilike",
    "nilike",
    "regexp",
    "near",
    "exists",
    "raw",  # an operator of the store itself ($…), only with allowExtendedOperators
]


@dataclass(frozen=True, slots=True)
class Compare:
    """``path`` (dots for nesting) against ``value``, already coerced to the property's type.

    ``prop`` is the declared property of the path's first segment, None when the model declares none: the
    stores differ in what they do then (SQL drops the condition, memory and MongoDB look at the data).
    ``options`` is LoopBack's regular expression flags beside like/nlike, or the store operator of ``raw``.
    """

    path: str
    op: Operator
    value: Any
    prop: Property | None = None
    options: str | None = None


@dataclass(frozen=True, slots=True)
class Group:
    """``and`` / ``or`` / ``nor`` over children. An empty group is kept: the stores differ there too."""

    kind: Literal["and", "or", "nor"]
    children: tuple[Where, ...]


Where = Compare | Group

EVERYTHING = Group("and", ())


@dataclass(frozen=True, slots=True)
class Order:
    path: str
    descending: bool = False


@dataclass(frozen=True, slots=True)
class PerParent:
    """Ask for limit/skip per value of ``key`` (a foreign key), for includes with a scoped limit."""

    key: str


@dataclass(slots=True)
class Query:
    """What to read. ``fields`` are the declared or dynamic names wanted, None for all."""

    where: Where = EVERYTHING
    order: tuple[Order, ...] = ()
    limit: int | None = None
    skip: int = 0
    fields: tuple[str, ...] | None = None
    per_parent: PerParent | None = None
    options: dict[str, Any] = field(default_factory=dict, hash=False, compare=False)


def shape(where: Where) -> Hashable:
    """The tree without its values: two trees of one shape compile to the same statement.

    The number of values of ``inq``/``nin`` and whether a value is null belong to the shape.
    """
    if isinstance(where, Group):
        return (where.kind, tuple(shape(child) for child in where.children))
    value = where.value
    if where.op in ("inq", "nin"):
        size: Hashable = (len(value), any(item is None for item in value))
    else:
        size = value is None
    return (where.path, where.op, size, where.options)
