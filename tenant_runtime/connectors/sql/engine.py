"""The SQL connector: mysql (and MariaDB), postgresql, sqlite3.

In charge of: connections (a pool as large as the data source's threads, which heals by itself), transactions,
running compiled statements, and translating the driver's errors. What is asked of the database is decided
in ``compile`` and ``tables``; the tables themselves are made in ``schema``.

Statements are run on the driver's cursor directly: the text is ready, and SQLAlchemy's execution layer costs
as much as SQLite itself (docs/performance.md).
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
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
    QueryRefused,
    Row,
    SchemaChange,
    Transaction,
)
from tenant_runtime.connectors.sql import ddl, schema
from tenant_runtime.connectors.sql.compile import Compiler, Statement
from tenant_runtime.connectors.sql.driver import driver, unavailable
from tenant_runtime.connectors.sql.raw import placeholders, plain_row
from tenant_runtime.connectors.sql.settings import target
from tenant_runtime.connectors.sql.tables import Mapping, Mappings, map_model
from tenant_runtime.connectors.sql.values import zone_of
from tenant_runtime.filter.query import EVERYTHING, Compare, Query, Where
from tenant_runtime.model.definition import ModelDefinition

#: LoopBack's ``Transaction`` constants; what else a tenant's code passes is refused.
ISOLATION_LEVELS = ("READ UNCOMMITTED", "READ COMMITTED", "REPEATABLE READ", "SERIALIZABLE")

#: Connections beyond the pool's, for transactions: each keeps one until it ends.
TRANSACTION_CONNECTIONS = 10


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
        self._end("COMMIT")

    def rollback(self) -> None:
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
        self._pool = self._make_pool()

    # ---- connections ----------------------------------------------------------------------------------

    def _make_pool(self) -> pool.Pool:
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

    def _run(
        self,
        made: tuple[Statement, tuple[Any, ...]],
        tx: Transaction | None,
        read: Callable[[Any], Any],
    ) -> Any:
        statement, parameters = made
        with self.connection(tx) as connection:
            cursor = self.run_on(connection, statement.sql, parameters)
            try:
                return read(cursor)
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
        self._pool.dispose()
        self._pool = self._pool.recreate()

    def ping(self) -> None:
        with self.connection() as connection:
            self.run_on(connection, "SELECT 1").close()

    def create(self, model: str, row: Row, tx: Transaction | None = None) -> Any:
        mapping = self._mapping(model)
        made = self._compiler.insert(mapping, row)
        ids = mapping.ids
        given = row.get(ids[0]) if ids else None
        if self.name == "postgresql" and ids:
            stored = self._run(made, tx, lambda cursor: made[0].rows(cursor.fetchall()))
            if mapping.serial and isinstance(given, int):
                self._advance_sequence(mapping, given, tx)
            return stored[0][ids[0]] if stored else given
        last = self._run(made, tx, lambda cursor: cursor.lastrowid)
        return given if given is not None or mapping.serial is None else last

    def _advance_sequence(self, mapping: Mapping, id: int, tx: Transaction | None) -> None:
        """After a row with an id of the client's own the next made one follows it, as on the other stores."""
        column = mapping.columns[mapping.serial or ""].name
        with self.connection(tx) as connection:
            parameters = (id, ddl.table_of(mapping), column, id)
            self.run_on(connection, _ADVANCE_SEQUENCE, parameters).fetchall()

    def find(self, model: str, query: Query, tx: Transaction | None = None) -> list[Row]:
        made = self._compiler.select(self._mapping(model), query)
        found: list[Row] = self._run(made, tx, lambda cursor: made[0].rows(cursor.fetchall()))
        return found

    def count(self, model: str, where: Where = EVERYTHING, tx: Transaction | None = None) -> int:
        made = self._compiler.count(self._mapping(model), where)
        return int(self._run(made, tx, lambda cursor: cursor.fetchone()[0]))

    def update(self, model: str, where: Where, changes: Row, tx: Transaction | None = None) -> int:
        made = self._compiler.update(self._mapping(model), where, changes)
        if made is None:
            return self.count(model, where, tx)
        return int(self._run(made, tx, _row_count))

    def replace(self, model: str, id: Any, row: Row, tx: Transaction | None = None) -> int:
        """Properties that ``row`` lacks become null; one that cannot be null is left as it is."""
        mapping = self._mapping(model)
        key = mapping.ids[0]
        whole = {
            name: row.get(name)
            for name in mapping.columns
            if name not in mapping.ids and (name in row or mapping.codecs[name].null is None)
        }
        where = Compare(key, "eq", id, mapping.property(key))
        return self.update(model, where, whole, tx)

    def delete(self, model: str, where: Where, tx: Transaction | None = None) -> int:
        return int(self._run(self._compiler.delete(self._mapping(model), where), tx, _row_count))

    def begin(self, isolation: str | None = None) -> SqlTransaction:
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

    # ---- SchemaStore ----------------------------------------------------------------------------------

    def plan(self, models: Collection[str] | None = None, *, allow_drop: bool = False) -> list[SchemaChange]:
        return schema.plan(self, models, allow_drop=allow_drop)

    def apply(self, models: Collection[str] | None = None, *, allow_drop: bool = False) -> list[SchemaChange]:
        return schema.apply(self, models, allow_drop=allow_drop)

    def reset(self, models: Collection[str] | None = None) -> list[SchemaChange]:
        return schema.reset(self, models)

    def discover(self) -> list[dict[str, Any]]:
        return schema.definitions(self)

    def _mapping(self, model: str) -> Mapping:
        if model not in self.mappings:
            raise ConnectorError(f'Model {model} is not attached to data source "{self.data_source}"')
        return self.mappings[model]


def _row_count(cursor: Any) -> int:
    return int(cursor.rowcount)


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
