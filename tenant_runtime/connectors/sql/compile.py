"""Queries as SQL: a typed where tree and a window become a statement and its parameters.

In charge of: what the original's ``buildSelect``, ``buildInsert`` and their like ask of the database.
Statements are SQLAlchemy Core, compiled once for each *shape* (the query without its values, ``where``) and
then kept as text. Must not know: connections, models' behaviour.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field
from types import NoneType
from typing import Any

import sqlalchemy as sa
from sqlalchemy.sql.compiler import SQLCompiler

from tenant_runtime.connectors.base import Row
from tenant_runtime.connectors.sql.tables import DIALECTS, Mapping
from tenant_runtime.connectors.sql.values import Convert
from tenant_runtime.connectors.sql.where import (
    Shape,
    bind,
    column_of,
    filtered,
    is_json_path,
    normalise,
    parameters_of,
)
from tenant_runtime.filter.query import Order, Query, Where

#: Statements kept for each connector; shapes are few, but a client can make up any number of them.
CACHE_SIZE = 1000

#: Combinations of types that a statement remembers: which columns are null differs from row to row.
DECODERS_SIZE = 200


@dataclass(frozen=True, slots=True)
class Statement:
    """SQL text for the driver. ``order`` says which value each placeholder takes; ``columns`` of what it
    finds are a property's name, the type that is ready as it is, and the decoder of the others.
    """

    sql: str
    order: tuple[int, ...]
    columns: tuple[tuple[str, type, Convert], ...] = ()
    _decoders: dict[tuple[type, ...], tuple[tuple[str, Convert], ...]] = field(
        default_factory=dict, compare=False
    )

    def parameters(self, values: Sequence[Any]) -> tuple[Any, ...]:
        return tuple([values[index] for index in self.order])

    def rows(self, found: Sequence[Sequence[Any]]) -> list[Row]:
        """A driver's rows as dicts by property name (plain ``str`` keys, which orjson insists on)."""
        names = [name for name, _, _ in self.columns]
        known = self._decoders
        rows = []
        for values in found:
            row = dict(zip(names, values, strict=False))
            kinds = tuple(map(type, values))
            decoders = known.get(kinds)
            if decoders is None:
                decoders = self._decoders_of(kinds)
            for name, decode in decoders:
                row[name] = decode(row[name])
            rows.append(row)
        return rows

    def _decoders_of(self, kinds: tuple[type, ...]) -> tuple[tuple[str, Convert], ...]:
        """Which of a row's values have to be decoded: their types say it, mostly those of the last row."""
        found = tuple(
            (name, decode)
            for (name, ready, decode), kind in zip(self.columns, kinds, strict=False)
            if kind is not NoneType and kind is not ready
        )
        if len(self._decoders) < DECODERS_SIZE:
            self._decoders[kinds] = found
        return found


class Compiler:
    """Makes and keeps the statements of one connector."""

    def __init__(self, dialect: str, *, default_order: bool = True) -> None:
        self._dialect = dialect
        self._default_order = default_order
        self._cache: dict[Hashable, Statement] = {}

    def forget(self) -> None:
        """A model was defined anew: its statements may name columns that it no longer has."""
        self._cache.clear()

    def select(self, mapping: Mapping, query: Query) -> tuple[Statement, tuple[Any, ...]]:
        values: list[Any] = []
        shape = normalise(query.where, mapping, values)
        key = (mapping.model.name, "select", shape, query.order, bool(query.limit), query.skip > 0,
               query.fields, query.per_parent)  # fmt: skip
        if query.limit:
            values.append(query.limit)
        if query.skip > 0:
            values.append(query.skip)
        statement = self._cached(key, lambda: self._select(mapping, query, shape))
        return statement, statement.parameters(values)

    def count(self, mapping: Mapping, where: Where) -> tuple[Statement, tuple[Any, ...]]:
        values: list[Any] = []
        shape = normalise(where, mapping, values)

        def build() -> Statement:
            found = sa.select(sa.func.count()).select_from(mapping.table)
            return self._statement(filtered(found, mapping, shape))

        statement = self._cached((mapping.model.name, "count", shape), build)
        return statement, statement.parameters(values)

    def delete(self, mapping: Mapping, where: Where) -> tuple[Statement, tuple[Any, ...]]:
        values: list[Any] = []
        shape = normalise(where, mapping, values)

        def build() -> Statement:
            return self._statement(filtered(sa.delete(mapping.table), mapping, shape))

        statement = self._cached((mapping.model.name, "delete", shape), build)
        return statement, statement.parameters(values)

    def update(
        self, mapping: Mapping, where: Where, changes: Row
    ) -> tuple[Statement, tuple[Any, ...]] | None:
        """None when nothing that the table has would change. The key's columns are never written."""
        names = tuple(n for n in changes if n in mapping.columns and n not in mapping.ids)
        if not names:
            return None
        values = [_stored(mapping, name, changes[name]) for name in names]
        shape = normalise(where, mapping, values)

        def build() -> Statement:
            setters = {mapping.columns[n]: bind(i) for i, n in enumerate(names)}
            found = filtered(sa.update(mapping.table), mapping, shape, first=len(names))
            return self._statement(found.values(setters))

        statement = self._cached((mapping.model.name, "update", names, shape), build)
        return statement, statement.parameters(values)

    def insert(self, mapping: Mapping, row: Row) -> tuple[Statement, tuple[Any, ...]]:
        """Properties that the model does not declare are not stored; a null id is left to the store, if it
        makes them.
        """
        names = tuple(
            n
            for n in row
            if n in mapping.columns
            and not (row[n] is None and n in mapping.ids and mapping.property(n).generated)
        )
        values = [_stored(mapping, name, row[name]) for name in names]

        def build() -> Statement:
            found = sa.insert(mapping.table)
            if self._dialect == "postgresql" and mapping.ids:
                found = found.returning(*(mapping.columns[n] for n in mapping.ids))
            setters = {mapping.columns[n].name: bind(i) for i, n in enumerate(names)}
            return self._statement(found.values(setters), mapping, mapping.ids)

        statement = self._cached((mapping.model.name, "insert", names), build)
        return statement, statement.parameters(values)

    def _cached(self, key: Hashable, build: Callable[[], Statement]) -> Statement:
        found = self._cache.get(key)
        if found is None:
            if len(self._cache) >= CACHE_SIZE:
                self.forget()
            found = self._cache[key] = build()
        return found

    def _select(self, mapping: Mapping, query: Query, shape: Shape | None) -> Statement:
        wanted = [n for n in query.fields or mapping.columns if n in mapping.columns]
        columns: list[Any] = [mapping.columns[n] for n in wanted] or [sa.literal_column("1")]
        order = _order(mapping, query.order, self._default_order)
        count = parameters_of(shape)
        limit: Any = sa.bindparam(f"p{count}", type_=sa.Integer) if query.limit else None
        position = count + (limit is not None)
        skip: Any = sa.bindparam(f"p{position}", type_=sa.Integer) if query.skip > 0 else None
        if query.per_parent and (limit is not None or skip is not None):
            key = mapping.columns[query.per_parent.key]
            found = _per_parent(mapping, columns, shape, order, key, limit, skip)
        else:
            found = filtered(sa.select(*columns).select_from(mapping.table), mapping, shape).order_by(*order)
            if self._dialect == "sqlite3" and (limit is not None or skip is not None):
                # It knows no OFFSET without a LIMIT, and SQLAlchemy gives it no LIMIT without an OFFSET.
                limit = sa.literal_column("-1") if limit is None else limit
                skip = sa.literal_column("0") if skip is None else skip
            found = found.limit(limit).offset(skip)
        return self._statement(found, mapping, wanted)

    def _statement(
        self,
        found: sa.sql.expression.ClauseElement,
        mapping: Mapping | None = None,
        names: Sequence[str] = (),
    ) -> Statement:
        compiled = found.compile(dialect=DIALECTS[self._dialect])
        assert isinstance(compiled, SQLCompiler)
        order = tuple(int(name[1:]) for name in compiled.positiontup or ())
        codecs = mapping.codecs if mapping else {}
        columns = tuple((name, codecs[name].ready, codecs[name].decode) for name in names)
        return Statement(str(compiled), order, columns)


def _order(mapping: Mapping, order: Sequence[Order], by_id: bool) -> list[Any]:
    """The order wanted, or by id; a name that the model does not declare is the database's to refuse."""
    wanted = order or (tuple(Order(name) for name in mapping.ids) if by_id else ())
    found = []
    for item in wanted:
        known = item.path in mapping.columns or is_json_path(mapping, item.path)
        column = column_of(mapping, item.path) if known else sa.column(item.path)
        found.append(column.desc() if item.descending else column)
    return found


def _per_parent(
    mapping: Mapping,
    columns: list[Any],
    shape: Shape | None,
    order: list[Any],
    key: Any,
    limit: Any,
    skip: Any,
) -> Any:
    """A window of rows for each value of ``key``, in one statement."""
    rank = sa.func.row_number().over(partition_by=key, order_by=order).label("row_rank")
    inner = filtered(sa.select(*columns, key.label("row_parent"), rank), mapping, shape).subquery("ranked")
    names = [inner.c[index] for index in range(len(columns))]
    rank_column = inner.c.row_rank
    low = skip if skip is not None else sa.literal_column("0")
    found = sa.select(*names).where(rank_column > low)
    if limit is not None:
        found = found.where(rank_column <= low + limit)
    return found.order_by(inner.c.row_parent, rank_column)


def _stored(mapping: Mapping, name: str, value: Any) -> Any:
    found = mapping.codecs[name]
    return found.null if value is None else found.encode(value)
