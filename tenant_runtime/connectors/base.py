"""What a connector is: eight operations and a statement of what its store can do.

In charge of: the interface and the errors. Relations, includes, scopes, hooks, validation and defaults are
written once above it (``dao``), which asks ``Capabilities`` and never the connector's name.

All operations are synchronous. ``connectors.pool`` runs them in a data source's own threads, one hop an
operation, unless ``Capabilities.inline`` says that they never block. Rows are plain dicts keyed by property
name (never column name) with these Python values: str, int, float, bool, None, aware UTC ``datetime`` for
dates, bytes for buffers, dict and list for the rest; an ObjectID is its 24 hex digits as text.
A missing key is JavaScript's ``undefined``, None is ``null``.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from tenant_runtime.filter.query import Query, Where
from tenant_runtime.model.definition import ModelDefinition

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What the store can do; each flag says what ``dao`` does when it is False."""

    inline: bool = False  # operations never block: called on the loop, without a thread
    threads: int = 4  # threads of the data source's pool, when not inline
    transactions: bool = False  # else begin() is refused
    dynamic_properties: bool = False  # keeps undeclared properties; else they are dropped before writing
    nested_queries: bool = False  # where and order by "a.b"
    per_parent_limit: bool = False  # Query.per_parent in one query; else one query for each parent
    geo: bool = False  # near
    generated_id: str = "number"  # type of ids that the store makes: "number", "objectid" or "string"
    json_as_text: bool = False  # texts and nulls of object, json and any properties go as JSON
    replaces_with_nulls: bool = False  # members that a nested model lacks are written as null by replace
    null_is_missing: bool = False  # rows come back with null for unset columns (SQL)
    first_operator: bool = False  # of several on an undeclared property the first counts; else a fixed order
    upsert_checks_whole: bool = False  # partial upserts validate only the data given when False


class ConnectorError(Exception):
    """The root of what a connector raises; foreign errors are translated at the call to the driver."""

    status: int | str = 500
    code: str | None = None

    def __init__(self, message: str, **properties: Any) -> None:
        super().__init__(message)
        self.properties = properties  # extra members of LoopBack's error body (errno, sqlState, …)


class DuplicateKey(ConnectorError):
    """A unique index or primary key refused the row. ``status`` as the original store's driver has it."""

    def __init__(
        self, message: str, *, status: int | str = 422, code: str | None = None, **properties: Any
    ) -> None:
        super().__init__(message, **properties)
        self.status = status
        self.code = code


class QueryRefused(ConnectorError):
    """The store cannot run this query (unknown operator, bad pattern)."""


class DataSourceUnavailable(ConnectorError):
    """The database cannot be reached: a 503 that names the data source, never a connection string."""

    status = 503
    code = "DATASOURCE_UNAVAILABLE"


class Transaction(Protocol):
    """A handle made by ``begin``; passed back as ``tx``."""

    def commit(self) -> None:
        """Once; then it is over."""

    def rollback(self) -> None:
        """Once; then it is over."""


class Connector(Protocol):
    """One data source's store. Constructed from its settings; touches no network until ``connect``.

    ``define`` is called for each attached model before ``connect``; a connector may set id types there.
    ``tx`` is None for auto-commit.
    """

    name: str  # LoopBack's: memory, mysql, postgresql, sqlite3, mongodb
    capabilities: Capabilities

    def define(self, model: ModelDefinition) -> None:
        """Learn of a model, or of its change."""

    def connect(self) -> None:
        """Reach the store. Raises DataSourceUnavailable."""

    def disconnect(self) -> None:
        """Let all connections go; ``connect`` may follow."""

    def ping(self) -> None:
        """Raise DataSourceUnavailable when the store does not answer."""

    def create(self, model: str, row: Row, tx: Transaction | None = None) -> Any:
        """Insert; returns the id (the given one, or the one that the store made)."""

    def find(self, model: str, query: Query, tx: Transaction | None = None) -> list[Row]:
        """The rows that match, in the query's order and window."""

    def count(self, model: str, where: Where, tx: Transaction | None = None) -> int:
        """How many rows match."""

    def update(self, model: str, where: Where, changes: Row, tx: Transaction | None = None) -> int:
        """Set ``changes`` on all matching rows; returns how many matched."""

    def replace(self, model: str, id: Any, row: Row, tx: Transaction | None = None) -> int:
        """Make the row with that id consist of ``row`` only; 0 when there is none."""

    def delete(self, model: str, where: Where, tx: Transaction | None = None) -> int:
        """Delete what matches; how many there were."""

    def begin(self, isolation: str | None = None) -> Transaction:
        """A transaction; only where ``Capabilities.transactions`` is set."""

    def execute(self, command: Any, parameters: Sequence[Any] = ()) -> Any:
        """The raw way in for tenant code: SQL text, or a callable given the store's own handle."""


class NeedsThread(Exception):
    """A question cannot be put, or its answer not be dealt with, on the event loop: run it in a thread."""


@dataclass(slots=True)
class Further:
    """In the place of a result: there is another question to be put first."""

    question: Any


class Talk(Protocol):
    """A connection for the event loop as its driver sees it: opened, and set not to block."""

    socket: Any  # socket.socket

    def ask(self, question: Any) -> bytes:
        """What to send. Raises NeedsThread, or what is wrong with the question."""

    def take(self, data: bytes) -> bool:
        """Takes in a part of the answer; True once it is complete. Raises where it is none."""

    def answer(self) -> Any:
        """The answer that is complete. An error that the store reports is an answer too."""

    def close(self) -> None:
        """Once or more."""


class Talkative(Protocol):
    """What a connector adds whose driver need not block: ``connectors.wire`` runs its operations."""

    answer_seconds: float  # after which a question counts as failed

    def dial(self) -> Talk | None:
        """A new connection, made in a thread; None where there can be none that does not block."""

    def question(self, operation: str, arguments: Sequence[Any]) -> Any | None:
        """What an operation asks of the store; None where that takes more than one exchange."""

    def understood(self, question: Any, answer: Any) -> Any:
        """The operation's result, or Further. Raises ConnectorError for an error of the store's, or
        NeedsThread.
        """

    def lost(self, reason: str) -> ConnectorError:
        """The error of a connection that broke."""


@dataclass(frozen=True, slots=True)
class SchemaChange:
    """One step of a schema plan, in the order in which it must run."""

    model: str
    kind: str  # create-table, add-column, alter-column, drop-column, create-index, drop-index, …
    statement: str  # the SQL, or for MongoDB the command as JSON
    destructive: bool = False


class SchemaStore(Protocol):
    """What a connector adds when its store has a schema (SQL tables, MongoDB indexes).

    ``models`` are names of defined models; None means all of them.
    """

    def plan(self, models: Collection[str] | None = None, *, allow_drop: bool = False) -> list[SchemaChange]:
        """What ``apply`` would do to bring the store to the models (autoupdate)."""

    def apply(
        self, models: Collection[str] | None = None, *, allow_drop: bool = False
    ) -> list[SchemaChange]: ...

    def reset(self, models: Collection[str] | None = None) -> list[SchemaChange]:
        """Drop and recreate the models' tables (automigrate)."""

    def discover(self) -> list[dict[str, Any]]:
        """Model definitions (JSON form) of the tables that are there, relations included."""
