"""What a property is called in the database, and its column's type there.

In charge of: the names and types that the original's connectors give (``loopback-connector-mysql`` 5.4,
``-postgresql`` 3.9, ``-sqlite3`` 1.5), so that a database made by LoopBack 3 is taken over as it stands.
Must not know: SQLAlchemy, statements, connections.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tenant_runtime.model.definition import ModelDefinition, Property

#: Values of ``nullable``, ``null`` and ``allowNull`` that mean "not null" (``Connector.isNullable``).
_NOT_NULL = (0, "N", "NO", False)


def fold(dialect: str, name: str) -> str:
    """A name that the model file does not give for the store: lower case except on MySQL (``dbName``)."""
    return name if dialect == "mysql" else name.lower()


def table_name(dialect: str, model: ModelDefinition) -> str:
    settings = model.store(dialect)
    return str(settings.get("table") or settings.get("tableName") or fold(dialect, model.name))


def schema_name(dialect: str, model: ModelDefinition, default: str | None) -> str | None:
    """The schema of a model's table on PostgreSQL (``public`` unless told); the others have none."""
    if dialect != "postgresql":
        return None
    settings = model.store(dialect)
    return str(settings.get("schema") or settings.get("schemaName") or default or "public")


def column_name(dialect: str, prop: Property) -> str:
    settings = prop.store(dialect)
    for key in ("column", "columnName", "field", "fieldName"):
        if settings.get(key):
            return str(settings[key])
    given = prop.raw.get("name")
    return given if isinstance(given, str) and given else fold(dialect, prop.name)


def is_nullable(prop: Property) -> bool:
    if prop.required or prop.is_id:
        return False
    flags = (prop.raw.get(key) for key in ("nullable", "null", "allowNull"))
    return not any(flag in _NOT_NULL for flag in flags if flag is not None)


def is_serial(dialect: str, prop: Property) -> bool:
    """Whether the store numbers the rows itself (AUTO_INCREMENT, SERIAL, INTEGER PRIMARY KEY)."""
    if not (prop.generated and prop.is_id):
        return False
    head = column_type(dialect, prop).partition("(")[0].partition(" ")[0].upper()
    return head in ("TINYINT", "SMALLINT", "MEDIUMINT", "INT", "INTEGER", "BIGINT")


def column_type(dialect: str, prop: Property) -> str:
    """The type of a property's column as SQL text (``VARCHAR(512)``, ``DECIMAL(9,2)``, ``TEXT``)."""
    return _TYPES[dialect](prop)


def _sized(kind: str, length: Any, precision: Any = None, scale: Any = None) -> str:
    if length:
        return f"{kind}({length})"
    if precision and scale:
        return f"{kind}({precision},{scale})"
    return f"{kind}({precision})" if precision else kind


def _mysql(prop: Property) -> str:
    store = prop.store("mysql")
    kind = str(store.get("dataType") or "").upper()
    if not kind:
        return _mysql_default(prop)
    if kind == "ENUM":
        words = (prop.raw.get("jsonSchema") or {}).get("enum") or []
        return "ENUM(" + ",".join("'" + str(word).replace("'", "''") + "'" for word in words) + ")"
    length = store.get("dataLength") or prop.raw.get("length") or prop.raw.get("limit")
    return _sized(kind, length, store.get("dataPrecision"), store.get("dataScale"))


def _mysql_default(prop: Property) -> str:
    """``buildColumnType``: by the property's type, with a ``dataType`` beside it as the word to use."""
    given = str(prop.raw.get("dataType") or "")
    kind = prop.type.kind
    if kind == "boolean":
        return "TINYINT(1)"
    if kind == "geopoint":
        return "POINT"
    if kind == "number":
        return _mysql_number(prop, given or "INT")
    if kind == "date":
        word = given or "DATETIME"
        precise = word.lower() in ("time", "datetime", "timestamp")
        return _sized(word, prop.raw.get("precision") if precise else None)
    return _mysql_text(prop, given or ("VARCHAR" if kind == "string" else "TEXT"))


def _mysql_number(prop: Property, word: str) -> str:
    precision, scale = prop.raw.get("precision"), prop.raw.get("scale")
    if word.lower() in ("decimal", "numeric"):
        return f"{word}({precision or 9},{scale or 2})"
    if word.lower() in ("float", "double"):
        return _sized(word, None, precision, scale)
    return word + (" UNSIGNED" if prop.raw.get("unsigned") else "")


def _mysql_text(prop: Property, word: str) -> str:
    length = prop.raw.get("length") or prop.raw.get("limit")
    if word.lower() == "char":
        word += f"({length or 255})"
    elif word.lower() not in ("text", "tinytext", "mediumtext", "longtext"):
        usual = 4096 if prop.type.kind != "string" else 255 if prop.is_id or prop.index else 512
        word += f"({length or usual})"
    if prop.raw.get("charset"):
        word += f" CHARACTER SET {prop.raw['charset']}"
    if prop.raw.get("collation"):
        word += f" COLLATE {prop.raw['collation']}"
    return word


_POSTGRESQL = {
    "number": "INTEGER",
    "date": "TIMESTAMP WITH TIME ZONE",
    "geopoint": "POINT",
    "boolean": "BOOLEAN",
}


def _postgresql(prop: Property) -> str:
    store = prop.store("postgresql")
    kind = str(store.get("dataType") or "").upper()
    if not kind:
        return _POSTGRESQL.get(prop.type.kind, "TEXT")
    length = store.get("dataLength") or prop.raw.get("length") or prop.raw.get("limit")
    precision, scale = store.get("dataPrecision"), store.get("dataScale")
    if kind == "CHARACTER VARYING":
        kind = "VARCHAR"
    if kind.startswith("TIME") and not length:
        return _postgresql_time(kind, precision)
    return _sized(kind, length, precision, scale)


def _postgresql_time(kind: str, precision: Any) -> str:
    digits = f"({precision}) " if isinstance(precision, int) and precision < 6 else ""
    base = "TIMESTAMP" if kind.startswith("TIMESTAMP") else "TIME"
    zone = "WITH" if kind.endswith("TZ") or "WITH TIME ZONE" in kind else "WITHOUT"
    return f"{base} {digits}{zone} TIME ZONE"


def _sqlite(prop: Property) -> str:
    store = prop.store("sqlite3")
    kind = str(store.get("dataType") or "").upper()
    length = store.get("dataLength") or prop.raw.get("length") or prop.raw.get("limit")
    if kind:
        return _sized(kind, length)
    if prop.type.kind == "number":
        return "INTEGER" if prop.is_id else "REAL"
    return "INTEGER" if prop.type.kind in ("boolean", "date") else "TEXT"


_TYPES: dict[str, Callable[[Property], str]] = {
    "mysql": _mysql,
    "postgresql": _postgresql,
    "sqlite3": _sqlite,
}
