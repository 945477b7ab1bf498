"""SQL that a tenant's code wrote itself: placeholders in, plain rows out.

In charge of: the two spellings between the original's ``dataSource.connector.execute`` and Python's drivers.
Must not know: models, connections.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from tenant_runtime.connectors.base import Row
from tenant_runtime.connectors.sql.values import number

#: Quoted texts and names, and comments, in which a ``?`` is no placeholder.
_TOKENS = re.compile(
    r"'(?:[^'\\]|\\.|'')*'|\"(?:[^\"\\]|\\.|\"\")*\"|`[^`]*`|--[^\n]*|/\*.*?\*/|\$(\d+)|\?|%", re.DOTALL
)


def placeholders(dialect: str, sql: str, parameters: Sequence[Any]) -> tuple[str, tuple[Any, ...]]:
    """Text and values for the driver, of ``?`` on MySQL and SQLite and ``$1`` on PostgreSQL."""
    if dialect == "sqlite3":
        return sql, tuple(parameters)
    ordered: list[Any] = []

    def swap(match: re.Match[str]) -> str:
        token = match[0]
        if token == "?" and dialect == "mysql":
            ordered.append(parameters[len(ordered)])
            return "%s"
        if match[1] and dialect == "postgresql":
            ordered.append(parameters[int(match[1]) - 1])
            return "%s"
        return token.replace("%", "%%")

    return _TOKENS.sub(swap, sql), tuple(ordered)


def plain_row(names: Sequence[str], row: Sequence[Any]) -> Row:
    return {name: _plain(value) for name, value in zip(names, row, strict=True)}


def _plain(value: Any) -> Any:
    """Drivers' values as JSON knows them, datetimes aware."""
    if isinstance(value, Decimal):
        return number(value)
    if isinstance(value, datetime):
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
    if isinstance(value, date | UUID):
        return str(value)
    return bytes(value) if isinstance(value, memoryview) else value
