"""The SQL connector: mysql (and MariaDB), postgresql, sqlite3.

In charge of: connections (a pool as large as the data source's threads, which heals by itself), transactions,
running compiled statements, and translating the driver's errors. What is asked of the database is decided
in ``compile`` and ``tables``; the tables themselves are made in ``schema``.

Statements are run on the driver's cursor directly: the text is ready, and SQLAlchemy's execution layer costs
as much as SQLite itself (docs/performance.md).
"""

from __future__ import annotations

import threading
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any, cast

import sqlalchemy as sa
from sqlalchemy import event, pool
from sqlalchemy.exc import DisconnectionError
from sqlalchemy.pool import PoolProxiedConnection

from tenant_runtime.connectors.base import (
    Capabilities,
    ConnectorError,
    DataSourceUnavailable,
    NeedsThread,
    QueryRefused,
    Row,
    SchemaChange,
    Talk,
    Transaction,
)
from tenant_runtime.connectors.sql import ddl, schema
from tenant_runtime.connectors.sql.compile import Compiler
from tenant_runtime.connectors.sql.driver import driver, unavailable
from tenant_runtime.connectors.sql.operations import Asked, Operations
from tenant_runtime.connectors.sql.raw import placeholders, plain_row
from tenant_runtime.connectors.sql.settings import target
from tenant_runtime.connectors.sql.tables import Mapping, Mappings, map_model
from tenant_runtime.connectors.sql.values import zone_of
from tenant_runtime.filter.query import EVERYTHING, Query, Where
from tenant_runtime.model.definition import ModelDefinition

#: LoopBack's ``Transaction`` constants; what else a tenant's code passes is refused.
ISOLATION_LEVELS = ("READ UNCOMMITTED", "READ COMMITTED", "REPEATABLE READ", "SERIALIZABLE")

#: Connections beyond the pool's, for transactions: each keeps one until it ends.
TRANSACTION_CONNECTIONS = 10


#: Operations that are one statement each.
ONE_STATEMENT = frozenset(("create", "find", "count", "update", "replace", "delete"))

_ADVANCE_SEQUENCE = """
SELECT setval(s, %s) FROM (SELECT pg_get_serial_sequence(%s, %s)::regclass AS s) AS sequence
WHERE s IS NOT NULL AND coalesce(pg_sequence_last_value(s), 0) < %s
"""


class SqlTransaction:
    """A transaction and the connection that it has for itself. One of the two ends must be called."""

    def __init__(self, connector: SqlConnector, connection: PoolProxiedConnection) -> None:
        self.connector = connector
        self.connection = connection
        self.ended = False
        self.lock = threading.Lock()  # a tenant's tasks may use it at once, from several threads

    def commit(self) -> None:
        """Keep what was done, and give the connection back."""
        self._end("COMMIT")

    def rollback(self) -> None:
        """Undo what was done, and give the connection back."""
        self._end("ROLLBACK")

    def _end(self, word: str) -> None:
        with self.lock:
            self.ensure_active()
            self.ended = True
            try:
                self.connector.run_on(self.connection, word)
            except DataSourceUnavailable:
                self.connection.invalidate()
                raise
            finally:
                self.connection.close()

    def ensure_active(self) -> None:
        """Raises ConnectorError once it is over."""
        if self.ended:
            raise ConnectorError("The transaction is no longer active")


class SqlConnector:
    """One data source on an SQL database. ``capabilities.threads`` is also the size of its pool."""

    def __init__(self, name: str, settings: dict[str, Any], tenant_dir: Path) -> None:
        self.data_source = name
        self.target = target(settings, tenant_dir)
        self.name = self.target.dialect
        self._driver = driver(self.name)
        self.capabilities = Capabilities(
            threads=self.target.threads,
            transactions=True,
            per_parent_limit=True,
            json_as_text=True,
            null_is_missing=True,
            upsert_checks_whole=True,
        )
        given = settings.get("schema") or settings.get("schemaName") or "public"
        self.default_schema = str(given) if self.name == "postgresql" else None
        legacy = settings.get("legacyUtcDateProcessing", True)
        zone = zone_of("Z" if legacy else str(settings.get("timezone") or "local"))
        self.mappings = Mappings(partial(map_model, self.name, schema=self.default_schema, zone=zone))
        ordered = not settings.get("disableDefaultSort") and settings.get("defaultIdSort") is not False
        self._compiler = Compiler(self.name, default_order=ordered)
        returns_keys = self.name == "postgresql"
        self.operations = Operations(name, self.mappings, self._compiler, returns_keys=returns_keys)

    # ---- connections ----------------------------------------------------------------------------------

    @cached_property
    def _pool(self) -> pool.Pool:
        """Of connections; made when the first one is needed."""
        if self.name == "sqlite3" and self.target.database == ":memory:":
            return pool.StaticPool(self._connect, reset_on_return=None)
        made = pool.QueuePool(
            self._connect,
            pool_size=self.target.threads,
            max_overflow=TRANSACTION_CONNECTIONS,
            timeout=self.target.connect_seconds,
            reset_on_return=None,  # auto-commit: there is nothing to roll back
        )
        event.listen(made, "checkout", self._check_alive)
        return made

    def _check_alive(self, connection: Any, _record: Any, _proxy: Any) -> None:
        if self._driver.is_dead(connection):
            raise DisconnectionError("the server closed the connection")

    def _connect(self) -> Any:
        try:
            return self._driver.connect(self.target)
        except Exception as error:
            raise self.translated(error, connecting=True) from error

    def translated(self, error: Exception, *, connecting: bool = False) -> ConnectorError:
        """Our error for a driver's; ``connecting`` when there was no connection yet."""
        if isinstance(error, ConnectorError):
            return error
        found = self._driver.translate(self.data_source, error, connecting)
        if found is None and (connecting or isinstance(error, OSError)):
            reason = "timed out" if isinstance(error, TimeoutError) else "cannot connect"
            return unavailable(self.data_source, reason)
        return found or ConnectorError(str(error))

    def inspected(self) -> sa.Engine:
        """SQLAlchemy's engine for its inspector: on a connection of its own, not on the pool's."""
        url = {"mysql": "mysql+pymysql://", "postgresql": "postgresql+psycopg://", "sqlite3": "sqlite://"}
        if isinstance(self._pool, pool.StaticPool):
            return sa.create_engine(url[self.name], pool=self._pool)
        return sa.create_engine(url[self.name], creator=self._connect, poolclass=pool.NullPool)

    @contextmanager
    def connection(self, tx: Transaction | None = None) -> Iterator[PoolProxiedConnection]:
        """A connection of the pool, or the transaction's. A broken one is not given back."""
        if tx is not None:
            transaction = cast(SqlTransaction, tx)
            with transaction.lock:
                transaction.ensure_active()
                yield transaction.connection
            return
        found = self._checkout()
        try:
            yield found
        except DataSourceUnavailable:
            found.invalidate()
            raise
        finally:
            found.close()

    def _checkout(self) -> PoolProxiedConnection:
        try:
            return self._pool.connect()
        except sa.exc.TimeoutError as error:
            raise unavailable(self.data_source, "all of its connections are in use") from error
        except sa.exc.InvalidRequestError as error:  # two new ones in a row were ended at once
            raise unavailable(self.data_source, "the connection was lost") from error

    def run_on(self, connection: PoolProxiedConnection, sql: str, parameters: Sequence[Any] = ()) -> Any:
        """Run a statement; returns the driver's cursor, rows not yet read. The caller closes it."""
        cursor = connection.cursor()
        try:
            cursor.execute(sql, parameters)
        except Exception as error:
            cursor.close()
            raise self.translated(error) from error
        return cursor

    def _run(self, asked: Asked, tx: Transaction | None) -> Any:
        with self.connection(tx) as connection:
            cursor = self.run_on(connection, asked.sql, asked.parameters)
            try:
                return asked.read(cursor)
            except ConnectorError:
                raise
            except Exception as error:
                raise self.translated(error) from error
            finally:
                cursor.close()

    # ---- Connector ------------------------------------------------------------------------------------

    def define(self, model: ModelDefinition) -> None:
        self.mappings.define(model)
        self._compiler.forget()

    def connect(self) -> None:
        """Reach the database once, and find out whether it knows window functions."""
        with self.connection() as connection:
            if self.name == "mysql":
                version = _mysql_version(connection.dbapi_connection)
                windows = version >= ((10, 2) if version[0] >= 10 else (8, 0))
                self.capabilities = replace(self.capabilities, per_parent_limit=windows)

    def disconnect(self) -> None:
        """Close the pool's connections; those in use are closed when they come back."""
        made = self.__dict__.pop("_pool", None)  # the next connection makes another one
        if made is not None:
            made.dispose()

    def ping(self) -> None:
        with self.connection() as connection:
            self.run_on(connection, "SELECT 1").close()

    def create(self, model: str, row: Row, tx: Transaction | None = None) -> Any:
        key = self._run(self.operations.create(model, row), tx)
        if self.name == "postgresql":
            self._advance_sequence(self.operations.mapping(model), row, tx)
        return key

    def _advance_sequence(self, mapping: Mapping, row: Row, tx: Transaction | None) -> None:
        """After a row with an id of the client's own the next made one follows it, as on the other stores."""
        id = row.get(mapping.serial or "")
        if mapping.serial is None or not isinstance(id, int):
            return
        column = mapping.columns[mapping.serial].name
        with self.connection(tx) as connection:
            parameters = (id, ddl.table_of(mapping), column, id)
            self.run_on(connection, _ADVANCE_SEQUENCE, parameters).fetchall()

    def find(self, model: str, query: Query, tx: Transaction | None = None) -> list[Row]:
        found: list[Row] = self._run(self.operations.find(model, query), tx)
        return found

    def count(self, model: str, where: Where = EVERYTHING, tx: Transaction | None = None) -> int:
        return int(self._run(self.operations.count(model, where), tx))

    def update(self, model: str, where: Where, changes: Row, tx: Transaction | None = None) -> int:
        return int(self._run(self.operations.update(model, where, changes), tx))

    def replace(self, model: str, id: Any, row: Row, tx: Transaction | None = None) -> int:
        return int(self._run(self.operations.replace(model, id, row), tx))

    def delete(self, model: str, where: Where, tx: Transaction | None = None) -> int:
        return int(self._run(self.operations.delete(model, where), tx))

    def begin(self, isolation: str | None = None) -> SqlTransaction:
        """Begin on a connection of the transaction's own."""
        level = isolation.upper() if isolation else None
        if level is not None and level not in ISOLATION_LEVELS:
            raise QueryRefused(f"Unknown isolation level {isolation!r}; one of {', '.join(ISOLATION_LEVELS)}")
        connection = self._checkout()
        try:
            for statement in _begin(self.name, level):
                self.run_on(connection, statement).close()
        except ConnectorError:
            connection.invalidate()
            connection.close()
            raise
        return SqlTransaction(self, connection)

    def execute(self, command: Any, parameters: Sequence[Any] = (), tx: Transaction | None = None) -> Any:
        """SQL with the original's placeholders (``?``, on PostgreSQL ``$1``), or a function that is given
        the driver's connection. Rows come back as dicts by column name, writes as
        ``{"affectedRows", "insertId"}``."""
        with self.connection(tx) as connection:
            if callable(command):
                return command(connection.dbapi_connection)
            sql, ordered = placeholders(self.name, str(command), parameters)
            cursor = self.run_on(connection, sql, ordered)
            try:
                if cursor.description is None:
                    return {"affectedRows": cursor.rowcount, "insertId": getattr(cursor, "lastrowid", None)}
                names = [str(column[0]) for column in cursor.description]
                return [plain_row(names, row) for row in cursor.fetchall()]
            finally:
                cursor.close()

    # ---- Talkative ------------------------------------------------------------------------------------

    @property
    def answer_seconds(self) -> float:
        return self.target.query_seconds

    def dial(self) -> Talk | None:
        """See Talkative; None for drivers that block."""
        try:
            return self._driver.conversation(self.target)
        except Exception as error:
            raise self.translated(error, connecting=True) from error

    def question(self, operation: str, arguments: Sequence[Any]) -> Asked | None:
        """See Talkative; None for what is more than one statement, or a transaction's."""
        if operation not in ONE_STATEMENT or isinstance(arguments[-1], SqlTransaction):
            return None
        given = arguments[:-1] if arguments[-1] is None else arguments
        asked: Asked = getattr(self.operations, operation)(*given)
        return asked

    def understood(self, question: Asked, answer: Any) -> Any:
        """See Talkative."""
        if answer.error is None:
            return question.read(answer)
        if self._driver.asks_again(answer.error, question.parameters):
            raise NeedsThread
        raise self.translated(answer.error) from answer.error

    def lost(self, reason: str) -> ConnectorError:
        return unavailable(self.data_source, reason)

    # ---- SchemaStore ----------------------------------------------------------------------------------

    def plan(self, models: Collection[str] | None = None, *, allow_drop: bool = False) -> list[SchemaChange]:
        return schema.plan(self, models, allow_drop=allow_drop)

    def apply(self, models: Collection[str] | None = None, *, allow_drop: bool = False) -> list[SchemaChange]:
        return schema.apply(self, models, allow_drop=allow_drop)

    def reset(self, models: Collection[str] | None = None) -> list[SchemaChange]:
        return schema.reset(self, models)

    def discover(self) -> list[dict[str, Any]]:
        return schema.definitions(self)


def _mysql_version(connection: Any) -> tuple[int, ...]:
    """``10.11.6-MariaDB`` (old drivers are told ``5.5.5-10.11.6-MariaDB``) or ``8.0.36``."""
    words = str(connection.get_server_info()).removeprefix("5.5.5-").partition("-")[0].split(".")
    return tuple(int(word) for word in words if word.isdigit()) or (0,)


def _begin(dialect: str, level: str | None) -> list[str]:
    if dialect == "sqlite3":
        return ["BEGIN IMMEDIATE"]  # never fails half-way for want of the write lock
    if dialect == "postgresql":
        return [f"BEGIN ISOLATION LEVEL {level}" if level else "BEGIN"]
    return ([f"SET TRANSACTION ISOLATION LEVEL {level}"] if level else []) + ["START TRANSACTION"]
