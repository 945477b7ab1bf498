"""SQLite by Python's own sqlite3: opening a file, and what its errors mean."""

from __future__ import annotations

import sqlite3
from typing import Any

import regex

from tenant_runtime.connectors.base import ConnectorError, DuplicateKey
from tenant_runtime.connectors.sql.driver import unavailable
from tenant_runtime.connectors.sql.settings import Target

#: Seconds that one regular expression may run on SQLite, where it is this process that evaluates it.
_PATTERN_LIMIT_SECONDS = 1.0


def connect(target: Target) -> Any:
    connection = sqlite3.connect(
        target.database,
        timeout=5.0,
        isolation_level=None,
        check_same_thread=False,
        cached_statements=256,
        uri=False,
    )
    connection.create_function("REGEXP", 2, _matches, deterministic=True)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=NORMAL")
    return connection


def _matches(pattern: str, value: Any) -> bool:
    """SQLite's REGEXP. A broken pattern matches nothing; one that runs too long is an error (a 500)."""
    if value is None:
        return False
    try:
        return regex.search(pattern, str(value), timeout=_PATTERN_LIMIT_SECONDS) is not None
    except regex.error:
        return False


def is_dead(connection: Any) -> bool:
    return False


def translate(data_source: str, error: Exception, connecting: bool) -> ConnectorError | None:
    message = str(error)
    if connecting or "unable to open" in message or "disk I/O" in message:
        return unavailable(data_source, "cannot open the file")
    if "database is locked" in message:
        return unavailable(data_source, "the file is locked by another process")
    if "UNIQUE constraint failed" in message:
        text = f"SQLITE_CONSTRAINT: {message} (duplicate value)"
        return DuplicateKey(text, status=422, code="SQLITE_CONSTRAINT")
    return None
