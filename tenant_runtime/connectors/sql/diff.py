"""What must change for a database to hold the defined models.

In charge of: comparing the wanted tables with those that are there, and the order of the steps. Columns,
tables and indexes that no model knows are never dropped unless told to; a change of type that can lose data
counts as dropping. Must not know: connections.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from tenant_runtime.connectors.base import SchemaChange
from tenant_runtime.connectors.sql import ddl
from tenant_runtime.connectors.sql.columns import column_name, column_type, is_nullable
from tenant_runtime.connectors.sql.tables import Mapping
from tenant_runtime.model.definition import Property


@dataclass(frozen=True, slots=True)
class ActualColumn:
    name: str
    type: str
    nullable: bool
    generated: bool = False


@dataclass(frozen=True, slots=True)
class ActualIndex:
    name: str
    columns: tuple[str, ...]
    unique: bool


@dataclass(frozen=True, slots=True)
class ActualKey:
    """A foreign key constraint; actions are upper case, empty for the default."""

    name: str
    columns: tuple[str, ...]
    table: str
    targets: tuple[str, ...]
    on_delete: str = ""
    on_update: str = ""


@dataclass(slots=True)
class ActualTable:
    """A table that is there."""

    name: str
    columns: dict[str, ActualColumn]
    primary: tuple[str, ...] = ()
    indexes: list[ActualIndex] = field(default_factory=list)
    keys: list[ActualKey] = field(default_factory=list)


Actual = dict[tuple[str | None, str], ActualTable]


def table_key(mapping: Mapping) -> tuple[str | None, str]:
    return (mapping.table.schema, mapping.table.name)


def plan(mappings: dict[str, Mapping], actual: Actual) -> list[SchemaChange]:
    """All the steps from what is there to what is wanted, destructive ones included, in running order."""
    known = dict(actual)
    tables: list[SchemaChange] = []
    for mapping in in_dependency_order(mappings):
        there = known.get(table_key(mapping))
        if there is None:
            tables += _steps(mapping, "create-table", ddl.create_table(mapping))
            known[table_key(mapping)] = _as_created(mapping)
        else:
            tables += _alter(mapping, there)
    return tables + list(_foreign_keys(mappings, actual))


def reset(mappings: dict[str, Mapping], actual: Actual) -> list[SchemaChange]:
    """Drop the models' tables and make them anew; constraints between them go first."""
    steps: list[SchemaChange] = []
    there = [m for m in in_dependency_order(mappings) if table_key(m) in actual]
    for mapping in there:
        for key in actual[table_key(mapping)].keys:
            sql = ddl.drop_foreign_key(mapping, key.name)
            if mapping.dialect != "sqlite3":
                steps.append(SchemaChange(mapping.model.name, "drop-foreign-key", sql, True))
    for mapping in reversed(there):
        steps.append(SchemaChange(mapping.model.name, "drop-table", ddl.drop_table(mapping), True))
    left = {key: table for key, table in actual.items() if key not in {table_key(m) for m in there}}
    return steps + plan(mappings, left)


def in_dependency_order(mappings: dict[str, Mapping]) -> list[Mapping]:
    """Referenced models first, by ``foreignKeys``; a cycle keeps the order of definition."""
    tables = {m.table.name: name for name, m in mappings.items()}
    done: dict[str, Mapping] = {}

    def visit(name: str, trail: frozenset[str]) -> None:
        if name in done or name in trail:
            return
        for key in ddl.wanted_foreign_keys(mappings[name], mappings):
            visit(tables[key.table], trail | {name})
        done[name] = mappings[name]

    for name in mappings:
        visit(name, frozenset())
    return list(done.values())


def _steps(
    mapping: Mapping, kind: str, statements: Iterable[str], *, destructive: bool = False
) -> list[SchemaChange]:
    return [SchemaChange(mapping.model.name, kind, sql, destructive) for sql in statements]


def _as_created(mapping: Mapping) -> ActualTable:
    columns = {}
    for prop in mapping.model.properties.values():
        name = column_name(mapping.dialect, prop)
        columns[name] = ActualColumn(name, column_type(mapping.dialect, prop), is_nullable(prop))
    indexes = [
        ActualIndex(index.name, tuple(name for name, _ in index.columns), index.unique)
        for index in ddl.wanted_indexes(mapping)
    ]
    return ActualTable(mapping.table.name, columns, mapping.ids, indexes)


def _alter(mapping: Mapping, there: ActualTable) -> Iterator[SchemaChange]:
    wanted = {column_name(mapping.dialect, p): p for p in mapping.model.properties.values()}
    found = {name.lower() if mapping.dialect == "sqlite3" else name: c for name, c in there.columns.items()}
    for name, prop in wanted.items():
        actual = found.get(name.lower() if mapping.dialect == "sqlite3" else name)
        if actual is None:
            yield from _steps(mapping, "add-column", ddl.add_column(mapping, prop))
        elif not prop.is_id:
            yield from _alter_column(mapping, prop, actual)
    known = {name.lower() for name in wanted}
    extra = [name for name in there.columns if name.lower() not in known and name not in there.primary]
    dropped = {name: ddl.drop_column(mapping, name) for name in extra}
    yield from _indexes(mapping, there)
    for sql in dropped.values():
        yield SchemaChange(mapping.model.name, "drop-column", sql, True)


def _alter_column(mapping: Mapping, prop: Property, actual: ActualColumn) -> Iterator[SchemaChange]:
    """SQLite's columns take any value, so their types are left alone there."""
    if mapping.dialect == "sqlite3":
        return
    wanted = column_type(mapping.dialect, prop)
    kind = not same_type(mapping.dialect, wanted, actual.type)
    null = is_nullable(prop) != actual.nullable
    if kind or null:
        lossy = kind and not widens(mapping.dialect, actual.type, wanted)
        sql = ddl.change_column(mapping, prop, kind=kind, null=null)
        yield from _steps(mapping, "alter-column", sql, destructive=lossy)


def _indexes(mapping: Mapping, there: ActualTable) -> Iterator[SchemaChange]:
    wanted = {index.name: index for index in ddl.wanted_indexes(mapping)}
    actual = {index.name: index for index in there.indexes}
    for name, index in wanted.items():
        columns = tuple(column for column, _ in index.columns)
        old = actual.get(name)
        if old is not None and (old.columns, old.unique) != (columns, index.unique):
            yield SchemaChange(mapping.model.name, "drop-index", ddl.drop_index(mapping, name))
        elif old is not None or any((i.columns, i.unique) == (columns, index.unique) for i in there.indexes):
            continue  # there, under this name or another
        yield SchemaChange(mapping.model.name, "create-index", ddl.create_index(mapping, index))
    wanted_columns = {tuple(c for c, _ in index.columns) for index in wanted.values()}
    of_keys = {key.columns for key in there.keys}
    for name, old in actual.items():
        if name not in wanted and old.columns not in wanted_columns | of_keys:
            yield SchemaChange(mapping.model.name, "drop-index", ddl.drop_index(mapping, name), True)


def _foreign_keys(mappings: dict[str, Mapping], actual: Actual) -> Iterator[SchemaChange]:
    """Last of all, when every table is there."""
    for mapping in in_dependency_order(mappings):
        there = actual.get(table_key(mapping))
        keys = {key.name: key for key in there.keys} if there else {}
        for wanted in ddl.wanted_foreign_keys(mapping, mappings):
            old = keys.get(wanted.name)
            if old is not None and _same_key(old, wanted):
                continue
            name = mapping.model.name
            if old is not None:
                yield SchemaChange(name, "drop-foreign-key", ddl.drop_foreign_key(mapping, wanted.name))
            yield SchemaChange(name, "add-foreign-key", ddl.add_foreign_key(mapping, wanted))


def _same_key(old: ActualKey, wanted: ddl.ForeignKey) -> bool:
    def action(word: str) -> str:
        return "" if word in ("RESTRICT", "NO ACTION") else word

    return (
        (old.columns, old.table, old.targets) == ((wanted.column,), wanted.table, (wanted.target,))
        and action(old.on_delete) == action(wanted.on_delete)
        and action(old.on_update) == action(wanted.on_update)
    )


# ---- types --------------------------------------------------------------------------------------------

_ALIASES = {
    "INTEGER": "INT",
    "BOOL": "TINYINT(1)",
    "BOOLEAN": "TINYINT(1)",
    "NUMERIC": "DECIMAL",
    "DEC": "DECIMAL",
    "REAL": "DOUBLE",
    "DOUBLE PRECISION": "DOUBLE",
    "JSON": "LONGTEXT",  # what MariaDB makes of it
    "TIMESTAMPTZ": "TIMESTAMP WITH TIME ZONE",
    "CHARACTER VARYING": "VARCHAR",
    "CHARACTER": "CHAR",
}
_POSTGRESQL_ALIASES = _ALIASES | {
    "BOOL": "BOOLEAN",
    "BOOLEAN": "BOOLEAN",
    "JSON": "JSON",
    "REAL": "REAL",
    "INT4": "INT",
    "INT8": "BIGINT",
    "FLOAT8": "DOUBLE",
    "FLOAT": "DOUBLE",
}
_INTEGERS = ("TINYINT", "SMALLINT", "MEDIUMINT", "INT", "BIGINT")
_TEXTS = ("VARCHAR", "TINYTEXT", "TEXT", "MEDIUMTEXT", "LONGTEXT")


def normal_type(dialect: str, spelled: str) -> str:
    """One spelling for each type: upper case, no display widths, no default precisions."""
    text = re.sub(r"\s+(CHARACTER SET|COLLATE)\s+\S+", "", spelled.upper().strip())
    text = re.sub(r"\s*([(),])\s*", r"\1", text)
    head, _, rest = text.partition("(")
    aliases = _POSTGRESQL_ALIASES if dialect == "postgresql" else _ALIASES
    if rest:
        head = aliases.get(head, head)
        text = f"{head}({rest}"
    else:
        text = aliases.get(text, text)
        head = text.partition("(")[0]
    if head in _INTEGERS and text != "TINYINT(1)":
        text = re.sub(r"\(\d+\)", "", text)
    if head == "DECIMAL" and dialect == "mysql":
        text = {"DECIMAL": "DECIMAL(10,0)"}.get(text, re.sub(r"\((\d+)\)$", r"(\1,0)", text))
    return text


def same_type(dialect: str, wanted: str, actual: str) -> bool:
    return normal_type(dialect, wanted) == normal_type(dialect, actual)


def widens(dialect: str, actual: str, wanted: str) -> bool:
    """Whether every value of the actual type fits into the wanted one."""
    old, new = (_parts(normal_type(dialect, spelled)) for spelled in (actual, wanted))
    for family in (_INTEGERS, _TEXTS):
        if old[0] in family and new[0] in family:
            places = family.index(old[0]), family.index(new[0])
            return places[0] < places[1] or (places[0] == places[1] and old[1] <= new[1])
    if old[0] in (*_INTEGERS, "DATE", "DATETIME", "TIMESTAMP", "CHAR") and new[0] in _TEXTS:
        return new[0] != "VARCHAR" or new[1] >= (255,)
    if old[0] in _INTEGERS[:4] and new[0] in ("DOUBLE", "DECIMAL"):
        return new[0] == "DOUBLE" or new[1] >= (12, 0)
    if (old[0], new[0]) in (("FLOAT", "DOUBLE"), ("DATE", "DATETIME"), ("JSON", "JSONB")):
        return True
    same_sizes = old[0] == new[0] and len(old[1]) == len(new[1])
    return same_sizes and all(a <= b for a, b in zip(old[1], new[1], strict=True))


def _parts(text: str) -> tuple[str, tuple[int, ...]]:
    head = re.split(r"[( ]", text, maxsplit=1)[0]
    return head, tuple(int(digits) for digits in re.findall(r"\d+", text.partition("(")[2].partition(")")[0]))
