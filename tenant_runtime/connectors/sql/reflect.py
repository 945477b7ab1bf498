"""What tables a database has: columns, keys, indexes, constraints.

In charge of: asking the database (SQLAlchemy's inspector, and its catalogue for types as it spells them).
Must not know: models.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from typing import Any

import sqlalchemy as sa

from tenant_runtime.connectors.sql.diff import Actual, ActualColumn, ActualIndex, ActualKey, ActualTable

_MYSQL_COLUMNS = """
SELECT table_name, column_name, column_type, is_nullable = 'YES', extra LIKE '%%auto_increment%%'
FROM information_schema.columns WHERE table_schema = DATABASE() ORDER BY table_name, ordinal_position
"""
_POSTGRESQL_COLUMNS = """
SELECT c.relname, a.attname, format_type(a.atttypid, a.atttypmod), NOT a.attnotnull,
  a.attidentity <> '' OR coalesce(pg_get_expr(d.adbin, d.adrelid), '') LIKE 'nextval(%%'
FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace
LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
WHERE n.nspname = %s AND c.relkind IN ('r', 'p') AND a.attnum > 0 AND NOT a.attisdropped
ORDER BY c.relname, a.attnum
"""


def read(engine: sa.Engine, dialect: str, schemas: Iterable[str | None]) -> Actual:
    """All tables of the schemas (of the database where there are none)."""
    found: Actual = {}
    with warnings.catch_warnings(), engine.connect() as connection:
        # The inspector warns of types that SQLAlchemy does not know (POINT); they are read as text below.
        warnings.simplefilter("ignore", sa.exc.SAWarning)
        for schema in set(schemas) or {None}:
            inspector = sa.inspect(connection)
            columns = _columns(connection, inspector, dialect, schema)
            for name in inspector.get_table_names(schema=schema):
                found[(schema, name)] = _table(inspector, dialect, schema, name, columns.get(name, {}))
    return found


def _table(
    inspector: sa.Inspector, dialect: str, schema: str | None, name: str, columns: dict[str, ActualColumn]
) -> ActualTable:
    indexes = [
        ActualIndex(str(i["name"]), tuple(str(c) for c in i["column_names"]), bool(i["unique"]))
        for i in inspector.get_indexes(name, schema=schema)
        if not i.get("duplicates_constraint")
    ]
    keys = [_key(found) for found in inspector.get_foreign_keys(name, schema=schema)]
    primary = inspector.get_pk_constraint(name, schema=schema).get("constrained_columns") or []
    return ActualTable(name, columns, tuple(primary), indexes, keys)


def _key(found: Any) -> ActualKey:
    options = found.get("options") or {}
    return ActualKey(
        str(found["name"] or ""),
        tuple(found["constrained_columns"]),
        str(found["referred_table"]),
        tuple(found["referred_columns"]),
        str(options.get("ondelete") or "").upper(),
        str(options.get("onupdate") or "").upper(),
    )


def _columns(
    connection: sa.Connection, inspector: sa.Inspector, dialect: str, schema: str | None
) -> dict[str, dict[str, ActualColumn]]:
    """Columns by table, in table order."""
    rows: list[Any] = []
    if dialect == "mysql":
        rows = list(connection.exec_driver_sql(_MYSQL_COLUMNS, ()))
    elif dialect == "postgresql":
        rows = list(connection.exec_driver_sql(_POSTGRESQL_COLUMNS, (schema,)))
    else:
        for table in inspector.get_table_names():
            quoted = table.replace('"', '""')
            for row in connection.exec_driver_sql(f'PRAGMA table_info("{quoted}")'):
                serial = row[5] == 1 and str(row[2]).upper() == "INTEGER"
                rows.append((table, row[1], row[2], not row[3], serial))
    found: dict[str, dict[str, ActualColumn]] = {}
    for table, name, kind, nullable, generated in rows:
        column = ActualColumn(str(name), str(kind), bool(nullable), bool(generated))
        found.setdefault(str(table), {})[column.name] = column
    return found
