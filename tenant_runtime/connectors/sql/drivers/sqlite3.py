"""SQLite by Python's own sqlite3: opening a file, and what its errors mean."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from typing import Any

from tenant_runtime.connectors.base import ConnectorError, DuplicateKey, QueryRefused
from tenant_runtime.connectors.sql.driver import MAKE_TABLES, unavailable
from tenant_runtime.connectors.sql.settings import Target
from tenant_runtime.errors import LoopbackError
from tenant_runtime.filter.patterns import BUDGET_SECONDS, Budget


class _Connection(sqlite3.Connection):
    """A connection that evaluates REGEXP itself, with one time budget for each statement's cursor."""

    def cursor(self, factory: Any = None) -> Any:
        self._budget = Budget()
        self._tests: dict[str, Callable[[str], bool]] = {}
        return super().cursor(factory) if factory else super().cursor()

    def matches(self, pattern: str, value: Any) -> bool:
        """A broken pattern matches nothing; an exception (time is up) ends the statement."""
        if value is None:
            return False
        test = self._tests.get(pattern)
        if test is None:
            source = pattern.removeprefix("(?i)")
            try:
                test = self._budget.matcher(source, "i" if source != pattern else "")
            except LoopbackError:
                return False
            self._tests[pattern] = test
        return test(str(value))


def connect(target: Target) -> Any:
    connection = sqlite3.connect(
        target.database,
        timeout=5.0,
        isolation_level=None,
        check_same_thread=False,
        cached_statements=256,
        factory=_Connection,
    )
    connection.create_function("REGEXP", 2, connection.matches)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=NORMAL")
    return connection


def is_dead(connection: Any) -> bool:
    return False


def conversation(target: Target) -> None:
    """SQLite is no server: its calls block."""


def asks_again(error: Exception, parameters: Sequence[Any]) -> bool:
    """Never."""
    return False


def translate(data_source: str, error: Exception, connecting: bool) -> ConnectorError | None:
    message = str(error)
    if connecting or "unable to open" in message or "disk I/O" in message:
        return unavailable(data_source, "cannot open the file")
    if "database is locked" in message:
        return unavailable(data_source, "the file is locked by another process")
    if message.startswith("no such table"):
        return ConnectorError(message + MAKE_TABLES)
    if "user-defined function raised exception" in message:  # there is but one
        text = f"The regular expression takes more than {BUDGET_SECONDS} seconds"
        found = QueryRefused(text)
        found.status, found.code = 400, "REGEXP_TOO_SLOW"
        return found
    if "UNIQUE constraint failed" in message:
        text = f"SQLITE_CONSTRAINT: {message} (duplicate value)"
        return DuplicateKey(text, status=422, code="SQLITE_CONSTRAINT")
    return None
