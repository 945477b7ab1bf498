"""Errors of drivers as ours, and the drivers by name.

In charge of: what the three drivers have in common. What is shown never holds a host, a user or a password.
"""

from __future__ import annotations

import importlib
import select
from collections.abc import Sequence
from typing import Any, Protocol, cast

from tenant_runtime.connectors.base import ConnectorError, DataSourceUnavailable, Talk
from tenant_runtime.connectors.sql.settings import Target

#: What to do about a missing table; it ends the error's text in the log.
MAKE_TABLES = " (schema apply makes the tables of the models)"


class Driver(Protocol):
    """A module of ``drivers``; only the one that a data source names is loaded."""

    def connect(self, target: Target) -> Any:
        """A new connection in auto-commit; raises the driver's own errors."""

    def is_dead(self, connection: Any) -> bool:
        """Whether an idle connection was ended by the server, without asking it."""

    def conversation(self, target: Target) -> Talk | None:
        """A new connection for the event loop; None where all of the driver's block."""

    def asks_again(self, error: Exception, parameters: Sequence[Any]) -> bool:
        """Whether ``connect``'s connections run a statement again that failed so, otherwise written."""

    def translate(self, data_source: str, error: Exception, connecting: bool) -> ConnectorError | None:
        """Our error for the driver's, None for one that it does not know."""


def driver(dialect: str) -> Driver:
    return cast(Driver, importlib.import_module(f"tenant_runtime.connectors.sql.drivers.{dialect}"))


def unavailable(data_source: str, reason: str) -> DataSourceUnavailable:
    return DataSourceUnavailable(f'Data source "{data_source}" is not available: {reason}')


def has_unread(descriptor: int) -> bool:
    """Whether a connection with no query under way has something to read: then the other side closed it.

    This costs no round trip, which a ping does: as much as a small query.
    """
    if descriptor < 0:
        return True
    poll = select.poll()
    poll.register(descriptor, select.POLLIN | select.POLLHUP | select.POLLERR)
    return bool(poll.poll(0))
