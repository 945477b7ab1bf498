"""A data source: an entry of datasources.json, its connector, and the one hop into its threads.

In charge of: finding the connector by name, connecting when first needed and again after a failure, turning
connector errors into LoopBack's. Must not know: filters, instances, HTTP.
"""

from __future__ import annotations

import importlib
import logging
import threading
import time
from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, cast

import trio

from tenant_runtime.connectors.base import (
    Capabilities,
    Connector,
    ConnectorError,
    DataSourceUnavailable,
    Further,
    NeedsThread,
    SchemaChange,
    Talk,
    Talkative,
    Transaction,
)
from tenant_runtime.connectors.pool import ThreadPool
from tenant_runtime.connectors.wire import Wire
from tenant_runtime.errors import ConfigurationError, LoopbackError
from tenant_runtime.model.definition import ModelDefinition

logger = logging.getLogger("tenant_runtime")

_SQL = "tenant_runtime.connectors.sql.engine:SqlConnector"

#: LoopBack's connector names, with and without ``loopback-connector-``.
CONNECTORS = {
    "memory": "tenant_runtime.connectors.memory:MemoryConnector",
    "transient": "tenant_runtime.connectors.memory:TransientConnector",
    "kv-memory": "tenant_runtime.connectors.kv_memory:KeyValueMemoryConnector",
    "mysql": _SQL,
    "mariadb": _SQL,
    "postgresql": _SQL,
    "postgres": _SQL,
    "sqlite3": _SQL,
    "sqlite": _SQL,
    "mongodb": "tenant_runtime.connectors.mongodb.client:MongodbConnector",
    "mail": "tenant_runtime.components.mail:MailConnector",
    "component-storage": "tenant_runtime.components.storage:StorageConnector",
    "loopback-component-storage": "tenant_runtime.components.storage:StorageConnector",
}

#: Seconds after a failed connection attempt in which requests fail at once instead of trying again.
RETRY_PAUSE_SECONDS = 0.5


def create_data_source(name: str, settings: dict[str, Any], tenant_dir: Path) -> DataSource:
    """The data source of one entry; touches no network. Raises ConfigurationError for an unknown
    connector.
    """
    wanted = str(settings.get("connector") or settings.get("adapter") or name)
    path = CONNECTORS.get(wanted.removeprefix("loopback-connector-"))
    if path is None:
        raise ConfigurationError(
            f'the data source "{name}" has the unknown connector "{wanted}"; there are '
            + ", ".join(sorted(CONNECTORS)),
            file="datasources.json",
            pointer=f"/{name}/connector",
        )
    module, _, attribute = path.partition(":")
    connector: Connector = getattr(importlib.import_module(module), attribute)(name, settings, tenant_dir)
    return DataSource(name, settings, connector)


class TransactionHandle:
    """A transaction of a data source, to be passed as ``options["transaction"]``."""

    def __init__(self, data_source: DataSource, transaction: Transaction) -> None:
        self._data_source = data_source
        self.transaction = transaction
        self.active = True
        self._watch = trio.CancelScope()

    def ensure_active(self) -> None:
        if not self.active:
            raise LoopbackError("The transaction is not active: it was committed or rolled back")

    async def commit(self) -> None:
        self.ensure_active()
        self._end()
        await self._data_source.call(self.transaction.commit)

    async def rollback(self) -> None:
        self.ensure_active()
        self._end()
        await self._data_source.call(self.transaction.rollback)

    def _end(self) -> None:
        self.active = False
        self._watch.cancel()

    async def roll_back_after(self, seconds: float) -> None:
        """A task of its own: ends a transaction that nobody ended, so that its connection is free again."""
        with self._watch:
            await trio.sleep(seconds)
        if not self.active:
            return
        name = self._data_source.name
        logger.warning('a transaction on the data source "%s" is rolled back: open for %g s', name, seconds)
        self.active = False
        try:
            await self._data_source.call(self.transaction.rollback)
        except Exception:  # a system task: what leaves it would end the worker
            logger.exception('the transaction on "%s" could not be rolled back', name)


class DataSource:
    """See the module. ``models`` are the ModelClass objects attached to it."""

    def __init__(self, name: str, settings: dict[str, Any], connector: Connector) -> None:
        self.name = name
        self.settings = settings
        self.connector = connector
        self.capabilities: Capabilities = connector.capabilities
        self.models: dict[str, Any] = {}
        self._pool: ThreadPool | None = None
        if not self.capabilities.inline:
            self._pool = ThreadPool(f"ds-{name}", self.capabilities.threads)
        self._wire: Wire | None = None
        if hasattr(connector, "dial"):
            self._wire = self._wire_of(cast(Talkative, connector))
        self._connected = False
        self._connecting = threading.Lock()
        self._retry_at = 0.0

    def define(self, definition: ModelDefinition) -> None:
        """Tell the connector of a model; before ``connect``, or again after it changed."""
        self.connector.define(definition)

    async def connect(self) -> None:
        """Connect now; a LoopbackError (503) when the store does not answer. Later requests try again."""
        await self.call(self._ensure_connected)

    async def disconnect(self) -> None:
        if self._connected:
            self._connected = False
            if self._wire is not None:
                self._wire.close()
            await self.call(self.connector.disconnect)
        if self._pool is not None:
            self._pool.close()

    async def ping(self) -> None:
        await self.run("ping")

    async def run(self, operation: str, *arguments: Any) -> Any:
        """One connector operation: on the event loop where it can be, else in one of the threads."""
        if self._wire is not None and self._connected:
            try:
                return await self._talk(self._wire, operation, arguments)
            except NeedsThread:
                pass
            except ConnectorError as error:
                raise self._translated(error) from error
        return await self.call(self._operate, operation, arguments)

    async def _talk(self, wire: Wire, operation: str, arguments: tuple[Any, ...]) -> Any:
        connector = cast(Talkative, self.connector)
        question = connector.question(operation, arguments)
        if question is None:
            raise NeedsThread
        result = connector.understood(question, await wire.ask(question))
        while isinstance(result, Further):
            question = result.question
            result = connector.understood(question, await wire.ask(question))
        return result

    def _wire_of(self, connector: Talkative) -> Wire:
        async def dial() -> Talk:
            assert self._pool is not None
            talk: Talk | None = await self._pool.run(connector.dial)
            if talk is None:
                self._wire = None
                raise NeedsThread
            return talk

        return Wire(dial, self.capabilities.threads, connector.answer_seconds, connector.lost)

    async def execute(self, command: Any, parameters: Sequence[Any] = ()) -> Any:
        """The store's own language: SQL text with parameters, or a callable given the store's handle."""
        return await self.run("execute", command, parameters)

    async def autoupdate(self, models: str | Collection[str] | None = None) -> list[SchemaChange]:
        """Bring the store's tables and indexes to the models (all of them, or those named); what it did.

        Beyond the original, nothing is dropped: columns that no model has any more stay.
        """
        return await self._change_schema("apply", models)

    async def automigrate(self, models: str | Collection[str] | None = None) -> list[SchemaChange]:
        """Drop and recreate the models' tables: their rows are lost."""
        return await self._change_schema("reset", models)

    async def is_actual(self, models: str | Collection[str] | None = None) -> bool:
        """Whether ``autoupdate`` would do nothing."""
        return not await self._change_schema("plan", models)

    isActual = is_actual

    async def _change_schema(
        self, operation: str, models: str | Collection[str] | None
    ) -> list[SchemaChange]:
        if not hasattr(self.connector, operation):
            return []  # a store without a schema, as memory
        wanted = [models] if isinstance(models, str) else models
        changes: list[SchemaChange] = await self.run(operation, wanted)
        return changes

    async def begin(
        self, isolation: str | None = None, timeout_seconds: float | None = None
    ) -> TransactionHandle:
        """Begin a transaction; LoopbackError where the store has none. Rolled back after the timeout."""
        if not self.capabilities.transactions:
            raise LoopbackError(
                f'The connector "{self.connector.name}" of the data source "{self.name}" has no transactions'
            )
        handle = TransactionHandle(self, await self.run("begin", isolation))
        if timeout_seconds:
            trio.lowlevel.spawn_system_task(handle.roll_back_after, timeout_seconds)
        return handle

    @asynccontextmanager
    async def transaction(self, isolation: str | None = None) -> AsyncIterator[TransactionHandle]:
        """Commits at the end of the block, rolls back on an exception."""
        handle = await self.begin(isolation)
        try:
            yield handle
        except BaseException:
            if handle.active:
                await handle.rollback()
            raise
        if handle.active:
            await handle.commit()

    async def call(self, function: Any, *arguments: Any) -> Any:
        """Any synchronous function that talks to the store, with its errors translated."""
        try:
            if self._pool is None:
                return function(*arguments)
            return await self._pool.run(function, *arguments)
        except ConnectorError as error:
            raise self._translated(error) from error

    def _operate(self, operation: str, arguments: tuple[Any, ...]) -> Any:
        if not self._connected:
            self._ensure_connected()
        return getattr(self.connector, operation)(*arguments)

    def _ensure_connected(self) -> None:
        """Connect once; while the store is away, only one attempt at a time, the others fail at once."""
        if self._connected:
            return
        with self._connecting:
            if self._connected:
                return
            if time.monotonic() < self._retry_at:
                raise DataSourceUnavailable(f'The data source "{self.name}" is not available')
            try:
                self.connector.connect()
            except DataSourceUnavailable:
                self._retry_at = time.monotonic() + RETRY_PAUSE_SECONDS
                raise
            self.capabilities = self.connector.capabilities  # it may know its server's version now
            self._connected = True

    def _translated(self, error: ConnectorError) -> LoopbackError:
        if isinstance(error, DataSourceUnavailable):
            return LoopbackError(
                f'The data source "{self.name}" is not available',
                status=503,
                code="DATASOURCE_UNAVAILABLE",
                name="DataSourceUnavailable",
                expose=True,  # unlike other 5xx: the client may know which store it waits for
            )
        name = error.properties.pop("name", "Error")
        return LoopbackError(str(error), status=error.status, code=error.code, name=name, **error.properties)
