"""Model definitions of tables that are there already.

In charge of: what the original's ``discoverSchemas`` makes of a table: properties with their column settings,
the id, ``belongsTo`` from foreign keys; and, beyond it, ``hasMany`` the other way and uniform names. Must not
know: connections, files.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from tenant_runtime.connectors.sql.diff import ActualColumn, ActualKey, ActualTable

#: JSON types by the head of a column's type, in lower case; what is not here is a string.
_TYPES = {
    **dict.fromkeys(
        (
            *("smallint", "mediumint", "int", "integer", "bigint", "year", "float", "double", "real"),
            *("decimal", "numeric", "double precision", "serial", "bigserial"),
        ),
        "number",
    ),
    **dict.fromkeys(("date", "datetime", "timestamp"), "date"),
    **dict.fromkeys(("bool", "boolean"), "boolean"),
    **dict.fromkeys(("json", "jsonb"), "object"),
    **dict.fromkeys(("tinyblob", "blob", "mediumblob", "longblob", "binary", "varbinary", "bytea"), "buffer"),
    "point": "geopoint",
}


def models(dialect: str, tables: Iterable[ActualTable], schema: str | None) -> list[dict[str, Any]]:
    """A definition for each table, relations both ways; sorted by name."""
    found = {table.name: _model(dialect, table, schema) for table in tables}
    for table in tables:
        for key in table.keys:
            if len(key.columns) == 1 and key.table in found:
                _relate(found, table, key)
    return sorted(found.values(), key=lambda model: str(model["name"]))


def model_name(table: str) -> str:
    """``order_items`` and ``ORDER_ITEMS`` become OrderItems; a name in mixed case is kept."""
    if table != table.lower() and table != table.upper():
        return table[:1].upper() + table[1:]
    words = [word for word in re.split(r"[^0-9A-Za-z]+", table.lower()) if word]
    return "".join(word[:1].upper() + word[1:] for word in words) or "Model"


def property_name(column: str) -> str:
    """``first_name`` and ``FIRST_NAME`` become firstName; a name in mixed case is kept."""
    if column != column.lower() and column != column.upper():
        return column
    name = model_name(column)
    return name[:1].lower() + name[1:]


def _model(dialect: str, table: ActualTable, schema: str | None) -> dict[str, Any]:
    store: dict[str, Any] = {"table": table.name}
    if schema:
        store["schema"] = schema
    properties = {}
    for column in table.columns.values():
        place = table.primary.index(column.name) + 1 if column.name in table.primary else 0
        properties[property_name(column.name)] = _property(dialect, column, place)
    found: dict[str, Any] = {
        "name": model_name(table.name),
        "base": "PersistedModel",
        "idInjection": False,
        "options": {dialect: store},
        "properties": properties,
    }
    indexes = {
        index.name: {
            "keys": {property_name(name): 1 for name in index.columns},
            **({"options": {"unique": True}} if index.unique else {}),
        }
        for index in table.indexes
    }
    if indexes:
        found["indexes"] = indexes
    return found | {"relations": {}, "validations": [], "acls": [], "methods": {}}


def _property(dialect: str, column: ActualColumn, place: int) -> dict[str, Any]:
    """``place`` is the column's position in the primary key, 0 when it is not in it."""
    head, _, sizes = column.type.lower().partition("(")
    word = _TYPES.get(head.strip().partition(" ")[0], "string")
    if head.strip() == "tinyint":
        word = "boolean" if sizes.startswith("1)") else "number"
    if column.type.lower() == "bit(1)":
        word = "boolean"
    found: dict[str, Any] = {"type": word}
    if place:
        found["id"] = place
        if column.generated:
            found["generated"] = True
    elif not column.nullable:
        found["required"] = True
    return found | {dialect: _store(dialect, column)}


def _store(dialect: str, column: ActualColumn) -> dict[str, Any]:
    """The column's settings, from which the same column would be made again."""
    match = re.fullmatch(r"([A-Za-z ]+?)\s*\((\d+)(?:,(\d+))?\)(.*)", column.type)
    head = (match[1] + match[4] if match else column.type).strip()
    found: dict[str, Any] = {"columnName": column.name, "dataType": head}
    if match and head.lower().startswith(("decimal", "numeric", "float", "double", "date", "time")):
        found["dataPrecision"] = int(match[2])
        if match[3]:
            found["dataScale"] = int(match[3])
    elif match and "int" not in head.lower():
        found["dataLength"] = int(match[2])
    elif column.type.lower() == "tinyint(1)":
        found["dataLength"] = 1
    return found | {"nullable": "Y" if column.nullable else "N"}


def _relate(found: dict[str, dict[str, Any]], table: ActualTable, key: ActualKey) -> None:
    child, parent = found[table.name], found[key.table]
    foreign = property_name(key.columns[0])
    name = foreign[:-2] if foreign.endswith("Id") and len(foreign) > 2 else property_name(key.table)
    _add_relation(child, name, {"type": "belongsTo", "model": parent["name"], "foreignKey": foreign})
    many = property_name(table.name)
    many = many if many.endswith("s") else many + "s"
    _add_relation(parent, many, {"type": "hasMany", "model": child["name"], "foreignKey": foreign})


def _add_relation(model: dict[str, Any], name: str, relation: dict[str, Any]) -> None:
    """Under its name, or with the foreign key added where another one or a property has it."""
    taken = model["relations"].keys() | model["properties"].keys()
    if name in taken:
        name = f"{name}By{relation['foreignKey'][:1].upper()}{relation['foreignKey'][1:]}"
    model["relations"][name] = relation
