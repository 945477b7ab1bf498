"""A where tree as SQL conditions.

In charge of: what the original's ``buildWhere`` and ``buildExpression`` ask of the database, conditions that
they drop included. A tree is taken apart into its *shape* and its values, so that the statement of a shape is
compiled once. Must not know: statements, connections.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.sql import ColumnElement

from tenant_runtime.connectors.base import QueryRefused
from tenant_runtime.connectors.sql.tables import Mapping
from tenant_runtime.connectors.sql.values import Convert
from tenant_runtime.filter.query import Compare, Where
from tenant_runtime.model.javascript import UNDEFINED

Condition = ColumnElement[bool]

#: A normalised where tree without its values: what of it reaches the database. ``("cmp", path, op, n)`` for
#: n parameters, or ``("and"|"or", children)``.
Shape = tuple[Any, ...]


def normalise(where: Where, mapping: Mapping, values: list[Any]) -> Shape | None:
    """The part of a where tree that the database is asked, its encoded values appended to ``values``.

    As the original: conditions on properties that the model does not declare are dropped, ``nor`` too, and
    a group of which nothing is left; None is "all rows".
    """
    if isinstance(where, Compare):
        return _comparison(where, mapping, values)
    if where.kind == "nor":
        return None
    children = [shape for child in where.children if (shape := normalise(child, mapping, values))]
    if not children:
        return None
    return children[0] if len(children) == 1 else (where.kind, tuple(children))


def _comparison(where: Compare, mapping: Mapping, values: list[Any]) -> Shape | None:
    path, op, value = where.path, where.op, where.value
    encode = _encoder(mapping, path)
    if encode is None:
        return None
    if value is UNDEFINED:
        value = None
    if value is None and op in ("eq", "neq"):
        return ("cmp", path, "null" if op == "eq" else "notnull", 0)
    if op in ("inq", "nin"):
        items = _spread(value) if where.prop is not None and where.prop.type.kind == "number" else list(value)
        if not items:
            return ("cmp", path, "never", 0) if op == "inq" else None
        items += items[-1:] * (_bucket(len(items)) - len(items))
        values.extend(encode(item) for item in items)
        return ("cmp", path, op, len(items))
    if op == "between":
        values.extend(encode(item) for item in value or (None, None))
        return ("cmp", path, op, 2)
    if op == "regexp":
        values.append(_pattern(mapping.dialect, value, where.options))
        return ("cmp", path, op, 1)
    if op not in _OPERATORS[mapping.dialect]:
        raise QueryRefused(f"The operator {op!r} is not supported by {mapping.dialect} ({path})")
    values.append(encode(value))
    return ("cmp", path, op, 1)


def _spread(values: Sequence[Any]) -> list[Any]:
    """A list among a number's values is written out by the original's driver: its items count."""
    return [item for value in values for item in (value if isinstance(value, list) and value else [value])]


def _encoder(mapping: Mapping, path: str) -> Convert | None:
    """How a where value of that path is encoded; None when the database is not asked about it."""
    found = mapping.codecs.get(path)
    if found is not None:
        encode, null = found.query, found.null
        return lambda value: null if value is None or value is UNDEFINED else encode(value)
    return _as_text if is_json_path(mapping, path) else None


def _as_text(value: Any) -> Any:
    if value is None or isinstance(value, str):
        return value
    return str(value).lower() if isinstance(value, bool) else str(value)


def is_json_path(mapping: Mapping, path: str) -> bool:
    """Whether a dotted path leads into a JSON column, which PostgreSQL alone can ask about."""
    head, dot, _ = path.partition(".")
    if not dot or mapping.dialect != "postgresql" or head not in mapping.columns:
        return False
    return str(mapping.columns[head].type).upper() in ("JSON", "JSONB")


def _bucket(count: int) -> int:
    """The next power of two: lists are padded to it, so that their lengths make few statements."""
    return 1 << (count - 1).bit_length()


def _pattern(dialect: str, value: Any, options: str | None) -> str:
    """A pattern for the database. Without ``options`` it is as a client writes it, perhaps /source/flags.

    The case flag goes into the pattern: MySQL's connector asks REGEXP_LIKE with "c" or "i", which MariaDB
    lacks, while all of the databases know inline flags. The other flags are ignored, as in the original.
    """
    source, flags = str(value), options or ""
    if options is None and source.startswith("/") and "/" in source[1:]:
        source, _, flags = source[1:].rpartition("/")
    if "i" in flags:
        return "(?i)" + source
    return "(?-i)" + source if dialect == "mysql" else source


def parameters_of(shape: Shape | None) -> int:
    """How many values a shape's conditions take."""
    if shape is None:
        return 0
    if shape[0] == "cmp":
        return int(shape[3])
    return sum(parameters_of(child) for child in shape[1])


def bind(index: int) -> sa.BindParameter[Any]:
    """The placeholder of the value at that place; codecs have made it what the driver takes."""
    return sa.bindparam(f"p{index}", type_=sa.types.NullType())


def filtered(found: Any, mapping: Mapping, shape: Shape | None, first: int = 0) -> Any:
    """The statement narrowed by a shape, whose first value is at ``first``."""
    if shape is None:
        return found
    return found.where(condition(shape, mapping, iter(range(first, first + parameters_of(shape)))))


def condition(shape: Shape, mapping: Mapping, places: Any) -> Condition:
    """The clause of a shape; ``places`` counts the parameters up."""
    if shape[0] != "cmp":
        parts = [condition(child, mapping, places) for child in shape[1]]
        return sa.and_(*parts) if shape[0] == "and" else sa.or_(*parts)
    _, path, op, count = shape
    return _OPERATORS[mapping.dialect][op](
        column_of(mapping, path), [bind(next(places)) for _ in range(count)]
    )


def column_of(mapping: Mapping, path: str) -> Any:
    """A property's column, or what a dotted path leads to in a JSON column."""
    if path in mapping.columns:
        return mapping.columns[path]
    head, *steps = path.split(".")
    found: Any = mapping.columns[head]
    for index, step in enumerate(steps):
        arrow = "->>" if index == len(steps) - 1 else "->"
        found = found.op(arrow)(sa.literal_column("'" + step.replace("'", "''") + "'"))
    return found


# ---- operators ----------------------------------------------------------------------------------------

Operator = Callable[[Any, list[Any]], Condition]

_COMMON: dict[str, Operator] = {
    "eq": lambda column, p: column == p[0],
    "neq": lambda column, p: column != p[0],
    "gt": lambda column, p: column > p[0],
    "gte": lambda column, p: column >= p[0],
    "lt": lambda column, p: column < p[0],
    "lte": lambda column, p: column <= p[0],
    "between": lambda column, p: column.between(p[0], p[1]),
    "inq": lambda column, p: column.in_(p),
    "nin": lambda column, p: column.not_in(p),
    "null": lambda column, p: column.is_(None),
    "notnull": lambda column, p: column.is_not(None),
    "never": lambda column, p: sa.false(),
    "like": lambda column, p: column.like(p[0]),
    "nlike": lambda column, p: column.not_like(p[0]),
}


def _infix(operator: str) -> Operator:
    def build(column: Any, p: list[Any]) -> Condition:
        found: Condition = column.op(operator, is_comparison=True)(p[0])
        return found

    return build


def _on_text(operator: Operator) -> Operator:
    return lambda column, p: operator(sa.cast(column, sa.Text), p)


_OPERATORS: dict[str, dict[str, Operator]] = {
    "mysql": _COMMON | {"regexp": _infix("REGEXP")},
    "postgresql": _COMMON
    | {
        "regexp": _on_text(_infix("~")),
        "like": _on_text(_infix("LIKE")),
        "nlike": _on_text(_infix("NOT LIKE")),
        "ilike": _on_text(_infix("ILIKE")),
        "nilike": _on_text(_infix("NOT ILIKE")),
    },
    "sqlite3": _COMMON | {"regexp": _infix("REGEXP")},
}
