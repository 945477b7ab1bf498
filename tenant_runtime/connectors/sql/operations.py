"""The operations of a connector as statements: what is asked of the database, and what its answer means.

In charge of: which statement an operation is. Each is one statement, so that it can be run in a thread or on
the event loop alike. Must not know: connections, drivers.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from tenant_runtime.connectors.base import ConnectorError, Row
from tenant_runtime.connectors.sql.compile import Compiler, Statement
from tenant_runtime.connectors.sql.tables import Mapping, Mappings
from tenant_runtime.filter.query import EVERYTHING, Compare, Query, Where


class Answer(Protocol):
    """What a statement did: a driver's cursor, or something with these of its members."""

    rowcount: Any
    lastrowid: Any

    def fetchall(self) -> Sequence[Sequence[Any]]:
        """All rows."""

    def fetchone(self) -> Sequence[Any] | None:
        """The first row."""


@dataclass(slots=True)
class Asked:
    """A statement with its parameters; ``read`` makes the operation's result of the answer."""

    sql: str
    parameters: tuple[Any, ...]
    read: Callable[[Any], Any]


class Operations:
    """Those of one data source. ``returns_keys``: an INSERT gives back the new row's key (PostgreSQL)."""

    def __init__(self, name: str, mappings: Mappings, compiler: Compiler, *, returns_keys: bool) -> None:
        self._name = name
        self._mappings = mappings
        self._compiler = compiler
        self._returns_keys = returns_keys

    def create(self, model: str, row: Row) -> Asked:
        """INSERT; the result is the id, given or made."""
        mapping = self.mapping(model)
        statement, parameters = self._compiler.insert(mapping, row)
        ids = mapping.ids
        given = row.get(ids[0]) if ids else None
        if self._returns_keys and ids:
            return Asked(statement.sql, parameters, lambda answer: _key(statement, answer, ids[0], given))
        if given is not None or mapping.serial is None:
            return Asked(statement.sql, parameters, lambda answer: given)
        return Asked(statement.sql, parameters, _made_id)

    def find(self, model: str, query: Query) -> Asked:
        """SELECT; the result is rows by property name."""
        statement, parameters = self._compiler.select(self.mapping(model), query)
        return Asked(statement.sql, parameters, lambda answer: statement.rows(answer.fetchall()))

    def count(self, model: str, where: Where = EVERYTHING) -> Asked:
        """SELECT count(*)."""
        statement, parameters = self._compiler.count(self.mapping(model), where)
        return Asked(statement.sql, parameters, _number)

    def update(self, model: str, where: Where, changes: Row) -> Asked:
        """Where nothing that the table has would change, the rows are counted."""
        made = self._compiler.update(self.mapping(model), where, changes)
        if made is None:
            return self.count(model, where)
        return Asked(made[0].sql, made[1], _row_count)

    def replace(self, model: str, id: Any, row: Row) -> Asked:
        """Properties that ``row`` lacks become null; one that cannot be null is left as it is."""
        mapping = self.mapping(model)
        key = mapping.ids[0]
        whole = {
            name: row.get(name)
            for name in mapping.columns
            if name not in mapping.ids and (name in row or mapping.codecs[name].null is None)
        }
        return self.update(model, Compare(key, "eq", id, mapping.property(key)), whole)

    def delete(self, model: str, where: Where) -> Asked:
        """DELETE; the result is how many rows there were."""
        statement, parameters = self._compiler.delete(self.mapping(model), where)
        return Asked(statement.sql, parameters, _row_count)

    def mapping(self, model: str) -> Mapping:
        """The model's table."""
        if model not in self._mappings:
            raise ConnectorError(f'Model {model} is not attached to data source "{self._name}"')
        return self._mappings[model]


def _key(statement: Statement, answer: Answer, name: str, given: Any) -> Any:
    stored = statement.rows(answer.fetchall())
    return stored[0][name] if stored else given


def _made_id(answer: Answer) -> Any:
    return answer.lastrowid


def _number(answer: Answer) -> int:
    row = answer.fetchone()
    return int(row[0]) if row else 0


def _row_count(answer: Answer) -> int:
    return int(answer.rowcount)
