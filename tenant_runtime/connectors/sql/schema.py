"""A connector's tables: what would change, changing it, and models of what is there.

In charge of: reading the database, having the steps worked out (``diff``), running them. Must not know: SQL's
text, which is ``ddl``'s.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING, Any, cast

import sqlalchemy as sa
from sqlalchemy.pool import PoolProxiedConnection

from tenant_runtime.connectors.base import ConnectorError, DataSourceUnavailable, QueryRefused, SchemaChange
from tenant_runtime.connectors.sql import ddl, diff, discover, reflect
from tenant_runtime.connectors.sql.tables import Mapping

if TYPE_CHECKING:
    from tenant_runtime.connectors.sql.engine import SqlConnector


def plan(
    connector: SqlConnector, models: Collection[str] | None, *, allow_drop: bool = False
) -> list[SchemaChange]:
    steps = diff.plan(_chosen(connector, models), _tables(connector))
    return [step for step in steps if allow_drop or not step.destructive]


def apply(
    connector: SqlConnector, models: Collection[str] | None, *, allow_drop: bool = False
) -> list[SchemaChange]:
    return _run(connector, plan(connector, models, allow_drop=allow_drop))


def reset(connector: SqlConnector, models: Collection[str] | None) -> list[SchemaChange]:
    return _run(connector, diff.reset(_chosen(connector, models), _tables(connector)))


def definitions(connector: SqlConnector) -> list[dict[str, Any]]:
    """Model definitions of all tables, whether or not a model has them."""
    schema = connector.default_schema
    found = [table for key, table in _tables(connector).items() if key[0] == schema]
    return discover.models(connector.name, found, schema)


def _tables(connector: SqlConnector) -> diff.Actual:
    """The tables that are there, in the schemas that the models use."""
    schemas = {mapping.table.schema for mapping in connector.mappings.values()}
    try:
        return reflect.read(connector.inspected(), connector.name, schemas | {connector.default_schema})
    except sa.exc.DBAPIError as error:
        raise connector.translated(cast(Exception, error.orig)) from error


def _chosen(connector: SqlConnector, models: Collection[str] | None) -> dict[str, Mapping]:
    if models is None:
        return dict(connector.mappings)
    unknown = [name for name in models if name not in connector.mappings]
    if unknown:
        raise QueryRefused(f"Cannot migrate models not attached to this datasource: {' '.join(unknown)}")
    return {name: connector.mappings[name] for name in models}


def _run(connector: SqlConnector, steps: list[SchemaChange]) -> list[SchemaChange]:
    """Run the steps, up to the first error. All or none of them, where the database can take a table back."""
    if not steps:
        return steps
    if connector.name == "mysql":
        with connector.connection() as connection:
            _run_on(connector, connection, steps)
        return steps
    tx = connector.begin()
    try:
        _run_on(connector, tx.connection, steps)
    except ConnectorError:
        tx.rollback()
        raise
    tx.commit()
    return steps


def _run_on(connector: SqlConnector, connection: PoolProxiedConnection, steps: list[SchemaChange]) -> None:
    schemas = {mapping.table.schema for mapping in connector.mappings.values()}
    for name in sorted(schema for schema in schemas if schema and schema != "public"):
        sql = f"CREATE SCHEMA IF NOT EXISTS {ddl.quote(connector.name, name)}"
        connector.run_on(connection, sql).close()
    for step in steps:
        sql = step.statement if connector.name == "sqlite3" else step.statement.replace("%", "%%")
        try:
            connector.run_on(connection, sql).close()
        except DataSourceUnavailable:
            raise
        except ConnectorError as error:
            raise ConnectorError(f"{error} (model {step.model}, statement: {step.statement})") from error
