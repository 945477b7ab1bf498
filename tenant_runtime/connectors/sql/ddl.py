"""The SQL that makes and alters tables, as the original's connectors write it.

In charge of: text for CREATE TABLE, columns, indexes and foreign keys on each dialect. Must not know: what
is in the database (``diff``), connections.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from tenant_runtime.connectors.sql.columns import column_name, column_type, is_nullable, is_serial
from tenant_runtime.connectors.sql.tables import DIALECTS, Mapping
from tenant_runtime.model.definition import Property

#: What an added NOT NULL column holds in rows that are already there, as MySQL fills it by itself.
_FILL = {
    ("number", "postgresql"): "0",
    ("number", "sqlite3"): "0",
    ("boolean", "postgresql"): "FALSE",
    ("boolean", "sqlite3"): "0",
    ("date", "postgresql"): "now()",
    ("date", "sqlite3"): "0",
}


@dataclass(frozen=True, slots=True)
class Index:
    """An index of a table. ``columns`` are column names with their direction."""

    name: str
    columns: tuple[tuple[str, bool], ...]  # (name, descending)
    unique: bool = False
    kind: str = ""  # FULLTEXT, SPATIAL, …
    using: str = ""  # BTREE, HASH, gin, …


@dataclass(frozen=True, slots=True)
class ForeignKey:
    """A constraint of ``settings.foreignKeys``."""

    name: str
    column: str
    table: str
    schema: str | None
    target: str
    on_delete: str = ""
    on_update: str = ""


def quote(dialect: str, name: str) -> str:
    return DIALECTS[dialect].identifier_preparer.quote_identifier(name)


def table_of(mapping: Mapping) -> str:
    """The table's quoted name, with its schema on PostgreSQL."""
    parts = [mapping.table.schema, mapping.table.name] if mapping.table.schema else [mapping.table.name]
    return ".".join(quote(mapping.dialect, part) for part in parts)


def column_line(mapping: Mapping, prop: Property) -> str:
    """A column's definition as in CREATE TABLE, without its name."""
    dialect = mapping.dialect
    if dialect == "postgresql" and is_serial(dialect, prop):
        return "SERIAL"
    line = column_type(dialect, prop)
    if dialect == "mysql":
        line += " NULL" if is_nullable(prop) else " NOT NULL"
    elif not is_nullable(prop):
        line += " NOT NULL"
    return line + _default(dialect, prop)


def _default(dialect: str, prop: Property) -> str:
    """DEFAULT of a column: ``mysql.default``, ``postgresql.dbDefault`` or the property's, ``dbDefault``."""
    store = prop.store(dialect)
    if dialect == "mysql":
        if prop.type.kind in ("buffer", "json", "text") or not store.get("default"):
            return ""
        return " DEFAULT " + _mysql_literal(store["default"])
    if dialect == "postgresql":
        if store.get("dbDefault"):
            return f" DEFAULT {store['dbDefault']}"
        if str(store.get("dataType") or "").upper() == "UUID" and prop.generated:
            return f" DEFAULT {store.get('defaultFn') or 'gen_random_uuid()'}"
        literal = _literal(prop.default) if prop.has_default and prop.type.kind != "date" else None
        return f" DEFAULT {literal}" if literal else ""
    return f" DEFAULT {_literal(store['dbDefault'])}" if _literal(store.get("dbDefault")) else ""


def _mysql_literal(value: Any) -> str:
    if isinstance(value, str) and value.upper() in ("CURRENT_TIMESTAMP", "NOW"):
        return "CURRENT_TIMESTAMP"
    return _literal(value) or "NULL"


def _literal(value: Any) -> str | None:
    """A plain value as an SQL literal; None for what has none (objects, lists, null)."""
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    if isinstance(value, int | float):
        return str(value)
    return "'" + value.replace("'", "''") + "'" if isinstance(value, str) else None


def create_table(mapping: Mapping) -> list[str]:
    """The statements that make a model's table with its indexes; foreign keys come later."""
    dialect, model = mapping.dialect, mapping.model
    ids = model.id_properties
    lines = []
    for prop in _in_table_order(mapping):
        line = f"{quote(dialect, column_name(dialect, prop))} {column_line(mapping, prop)}"
        if len(ids) == 1 and prop.is_id and dialect != "postgresql":
            serial = dialect == "mysql" and is_serial(dialect, prop)
            line += " AUTO_INCREMENT PRIMARY KEY" if serial else " PRIMARY KEY"
        lines.append(line)
    if ids and (dialect == "postgresql" or len(ids) > 1):
        keys = ",".join(quote(dialect, column_name(dialect, prop)) for prop in ids)
        lines.append(f"PRIMARY KEY({keys})")
    indexes = list(wanted_indexes(mapping))
    if dialect == "mysql":
        lines += [_inline_index(index) for index in indexes]
    engine = model.store(dialect).get("engine") if dialect == "mysql" else None
    body = ",\n  ".join(lines)
    found = f"CREATE TABLE {table_of(mapping)} (\n  {body}\n)" + (f" ENGINE={engine}" if engine else "")
    return [found] + ([] if dialect == "mysql" else [create_index(mapping, index) for index in indexes])


def _in_table_order(mapping: Mapping) -> Iterable[Property]:
    """The model's order; MySQL's connector puts a single key first."""
    properties = list(mapping.model.properties.values())
    if mapping.dialect == "mysql" and len(mapping.ids) == 1:
        properties.sort(key=lambda prop: not prop.is_id)
    return properties


def add_column(mapping: Mapping, prop: Property) -> list[str]:
    """Statements that add a column; rows that are there get MySQL's implicit value when it is NOT NULL."""
    dialect = mapping.dialect
    name = quote(dialect, column_name(dialect, prop))
    line = column_line(mapping, prop)
    table = table_of(mapping)
    if dialect == "mysql" or is_nullable(prop) or " DEFAULT " in line or line == "SERIAL":
        return [f"ALTER TABLE {table} ADD COLUMN {name} {line}"]
    value = _FILL.get((prop.type.kind, dialect), "''")
    found = [f"ALTER TABLE {table} ADD COLUMN {name} {line} DEFAULT {value}"]
    if dialect == "postgresql":
        found.append(f"ALTER TABLE {table} ALTER COLUMN {name} DROP DEFAULT")
    return found


def change_column(mapping: Mapping, prop: Property, *, kind: bool, null: bool) -> list[str]:
    """Statements that bring a column to the wanted type (``kind``) and nullability (``null``)."""
    dialect, table = mapping.dialect, table_of(mapping)
    name = quote(dialect, column_name(dialect, prop))
    if dialect == "mysql":
        return [f"ALTER TABLE {table} CHANGE COLUMN {name} {name} {column_line(mapping, prop)}"]
    found = []
    if kind:
        wanted = column_type(dialect, prop)
        found.append(f"ALTER TABLE {table} ALTER COLUMN {name} TYPE {wanted} USING {name}::{wanted}")
    if null:
        word = "DROP" if is_nullable(prop) else "SET"
        found.append(f"ALTER TABLE {table} ALTER COLUMN {name} {word} NOT NULL")
    return found


def drop_column(mapping: Mapping, name: str) -> str:
    return f"ALTER TABLE {table_of(mapping)} DROP COLUMN {quote(mapping.dialect, name)}"


# ---- indexes ------------------------------------------------------------------------------------------


def wanted_indexes(mapping: Mapping) -> Iterable[Index]:
    """The model's ``indexes`` and the properties' ``index``, by the names that the original gives them."""
    declared = mapping.model.indexes or mapping.model.settings.get("indexes") or {}
    for name, given in declared.items():
        index = _declared(mapping, name, given)
        if index is not None:
            yield index
    for prop in mapping.model.properties.values():
        if prop.index and not prop.is_id:
            yield _of_property(mapping, prop)


def _declared(mapping: Mapping, name: str, given: Any) -> Index | None:
    if not isinstance(given, dict):
        return None
    options = given.get("options") or {}
    keys = given.get("keys", given.get("columns"))
    if keys is None and "kind" not in given and "type" not in given:
        keys = {key: value for key, value in given.items() if key != "options"}
    columns = tuple(_keys(mapping, keys))
    if not columns:
        return None
    kind = str(given.get("kind") or "").upper()
    using = str(given.get("type") or "")
    return Index(
        name if mapping.dialect != "sqlite3" else name.lower(),
        columns,
        unique=bool(options.get("unique")) or kind == "UNIQUE",
        kind="" if kind == "UNIQUE" else kind,
        using=using,
    )


def _keys(mapping: Mapping, keys: Any) -> Iterable[tuple[str, bool]]:
    """``{"a": 1, "b": -1}``, ``["a", "b DESC"]`` or ``"a, b DESC"`` as columns with their direction."""
    if isinstance(keys, dict):
        pairs = [(str(key), value == -1) for key, value in keys.items()]
    else:
        words = keys.split(",") if isinstance(keys, str) else [str(key) for key in keys or ()]
        pairs = [(w.split()[0], w.upper().split()[-1] == "DESC") for w in words if w.strip()]
    for name, descending in pairs:
        prop = mapping.model.properties.get(name)
        yield (column_name(mapping.dialect, prop) if prop else name), descending


def _of_property(mapping: Mapping, prop: Property) -> Index:
    dialect, column = mapping.dialect, column_name(mapping.dialect, prop)
    names = {
        "mysql": column,
        "postgresql": f"{mapping.table.name}_{column}_idx",
        "sqlite3": f"{mapping.model.name}_{prop.name}".lower(),
    }
    given = prop.index if isinstance(prop.index, dict) else {}
    kind = str(given.get("kind") or "").upper()
    return Index(
        names[dialect],
        ((column, False),),
        unique=given.get("unique") is True or kind == "UNIQUE",
        kind="" if kind == "UNIQUE" else kind,
        using=str(given.get("type") or ""),
    )


def _columns(dialect: str, index: Index) -> str:
    return ",".join(quote(dialect, name) + (" DESC" if down else "") for name, down in index.columns)


def _inline_index(index: Index) -> str:
    kind = (index.kind or ("UNIQUE" if index.unique else "")) + " "
    using = f" USING {index.using}" if index.using and not index.kind else ""
    return f"{kind.lstrip()}INDEX {quote('mysql', index.name)} ({_columns('mysql', index)}){using}"


def create_index(mapping: Mapping, index: Index) -> str:
    dialect, table = mapping.dialect, table_of(mapping)
    if dialect == "mysql":
        return f"ALTER TABLE {table} ADD {_inline_index(index)}"
    unique = "UNIQUE " if index.unique else ""
    using = f" USING {index.using}" if index.using and dialect == "postgresql" else ""
    exists = "IF NOT EXISTS " if dialect == "sqlite3" else ""
    name = quote(dialect, index.name)
    return f"CREATE {unique}INDEX {exists}{name} ON {table}{using} ({_columns(dialect, index)})"


def drop_index(mapping: Mapping, name: str) -> str:
    dialect = mapping.dialect
    if dialect == "mysql":
        return f"ALTER TABLE {table_of(mapping)} DROP INDEX {quote(dialect, name)}"
    schema = f"{quote(dialect, mapping.table.schema)}." if mapping.table.schema else ""
    return f"DROP INDEX {schema}{quote(dialect, name)}"


# ---- foreign keys -------------------------------------------------------------------------------------


def wanted_foreign_keys(mapping: Mapping, mappings: dict[str, Mapping]) -> Iterable[ForeignKey]:
    """``foreignKeys`` of the model whose target is in the same data source; SQLite's are not declared."""
    if mapping.dialect == "sqlite3":
        return
    for name, given in (mapping.model.settings.get("foreignKeys") or {}).items():
        if not isinstance(given, dict):
            continue
        entity = given.get("entity")
        target = mappings.get(str(entity.get("name") if isinstance(entity, dict) else entity))
        prop = mapping.model.properties.get(str(given.get("foreignKey")))
        key = target.model.properties.get(str(given.get("entityKey"))) if target else None
        if target is None or prop is None or key is None:
            continue
        yield ForeignKey(
            str(given.get("name") or name),
            column_name(mapping.dialect, prop),
            target.table.name,
            target.table.schema,
            column_name(mapping.dialect, key),
            str(given.get("onDelete") or "").upper(),
            str(given.get("onUpdate") or "").upper(),
        )


def add_foreign_key(mapping: Mapping, key: ForeignKey) -> str:
    dialect = mapping.dialect
    target = ".".join(quote(dialect, part) for part in (key.schema, key.table) if part)
    found = (
        f"ALTER TABLE {table_of(mapping)} ADD CONSTRAINT {quote(dialect, key.name)} "
        f"FOREIGN KEY ({quote(dialect, key.column)}) REFERENCES {target} ({quote(dialect, key.target)})"
    )
    for event, action in (("DELETE", key.on_delete), ("UPDATE", key.on_update)):
        found += f" ON {event} {action}" if action else ""
    return found


def drop_foreign_key(mapping: Mapping, name: str) -> str:
    word = "FOREIGN KEY" if mapping.dialect == "mysql" else "CONSTRAINT"
    return f"ALTER TABLE {table_of(mapping)} DROP {word} {quote(mapping.dialect, name)}"


def drop_table(mapping: Mapping) -> str:
    return f"DROP TABLE IF EXISTS {table_of(mapping)}"
