"""PostgreSQL by psycopg: opening a connection, and what its errors mean."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import psycopg
import psycopg.types.datetime

from tenant_runtime.connectors.base import ConnectorError, DuplicateKey
from tenant_runtime.connectors.sql.driver import MAKE_TABLES, has_unread, unavailable
from tenant_runtime.connectors.sql.settings import Target


class _SessionTimestamp(psycopg.types.datetime.TimestampLoader):
    """``timestamp without time zone``: the original writes it in the session's zone, so it is read in it."""

    def load(self, data: Any) -> datetime:
        found = super().load(data)
        zone = self.connection.info.timezone if self.connection else None
        return found.replace(tzinfo=zone) if zone else found


def connect(target: Target) -> Any:
    connection = psycopg.connect(**target.arguments, autocommit=True)
    connection.adapters.register_loader("timestamp", _SessionTimestamp)
    return connection


def is_dead(connection: Any) -> bool:
    return has_unread(-1 if connection.closed else connection.fileno())


def conversation(target: Target) -> None:
    """libpq could, but psycopg's coroutines are asyncio's."""


def asks_again(error: Exception, parameters: Sequence[Any]) -> bool:
    """Never."""
    return False


def translate(data_source: str, error: Exception, connecting: bool) -> ConnectorError | None:
    state = getattr(error, "sqlstate", None) or ""
    if state.startswith("08") or state in ("57P01", "57P02", "57P03", "53300"):
        return unavailable(
            data_source, "too many connections" if state == "53300" else "the connection was lost"
        )
    if connecting or (not state and type(error).__name__ in ("OperationalError", "ConnectionTimeout")):
        return unavailable(data_source, _reason(str(error)))
    diagnostic = getattr(error, "diag", None)
    message = getattr(diagnostic, "message_primary", None) or str(error)
    if state == "23505":
        return DuplicateKey(message, status=422, code=state)
    found = ConnectorError(message + (MAKE_TABLES if state == "42P01" else ""))
    found.code = state or None
    return found


def _reason(message: str) -> str:
    """libpq says it in a sentence that names hosts and users: only what happened is kept."""
    known = (
        ("timeout", "timed out"),
        ("timed out", "timed out"),
        ("password authentication failed", "access denied"),
        ("authentication", "access denied"),
        ("does not exist", "unknown database or user"),
        ("server closed", "the connection was lost"),
        ("starting up", "the server is starting up"),
    )
    return next((reason for words, reason in known if words in message), "cannot connect")
