"""Names and types of columns, by the tables of the original's connectors."""

from __future__ import annotations

from typing import Any

import pytest

from tenant_runtime.connectors.sql.columns import (
    column_name,
    column_type,
    is_nullable,
    is_serial,
    schema_name,
    table_name,
)
from tests.tenant_runtime.connectors.sql.conftest import model, prop

KINDS: list[tuple[Any, str, str, str]] = [
    ("string", "VARCHAR(512)", "TEXT", "TEXT"),
    ("number", "INT", "INTEGER", "REAL"),
    ("boolean", "TINYINT(1)", "BOOLEAN", "INTEGER"),
    ("date", "DATETIME", "TIMESTAMP WITH TIME ZONE", "INTEGER"),
    ("geopoint", "POINT", "POINT", "TEXT"),
    *((kind, "TEXT", "TEXT", "TEXT") for kind in ("text", "object", "json", "any", "array", "model")),
    *((kind, "TEXT", "TEXT", "TEXT") for kind in ("buffer", "datestring")),
]


@pytest.mark.parametrize(("kind", "mysql", "postgresql", "sqlite3"), KINDS)
def test_types_by_kind(kind: Any, mysql: str, postgresql: str, sqlite3: str) -> None:
    item = prop("p", kind)
    assert column_type("mysql", item) == mysql
    assert column_type("postgresql", item) == postgresql
    assert column_type("sqlite3", item) == sqlite3


MYSQL: list[tuple[Any, dict[str, Any], str]] = [
    ("string", {"length": 40}, "VARCHAR(40)"),
    ("string", {"limit": 41}, "VARCHAR(41)"),
    ("string", {"index": True}, "VARCHAR(255)"),
    ("string", {"id_order": 1}, "VARCHAR(255)"),
    ("string", {"dataType": "text"}, "text"),
    ("string", {"dataType": "char"}, "char(255)"),
    ("string", {"charset": "latin1", "collation": "latin1_bin"},
     "VARCHAR(512) CHARACTER SET latin1 COLLATE latin1_bin"),
    ("string", {"mysql": {"dataType": "text"}}, "TEXT"),
    ("string", {"mysql": {"dataType": "char", "dataLength": 8}}, "CHAR(8)"),
    ("string", {"mysql": {"dataType": "enum"}, "jsonSchema": {"enum": ["a", "b's"]}}, "ENUM('a','b''s')"),
    ("text", {"dataType": "varchar"}, "varchar(4096)"),
    ("number", {"unsigned": True}, "INT UNSIGNED"),
    ("number", {"mysql": {"dataType": "double"}}, "DOUBLE"),
    ("number", {"mysql": {"dataType": "decimal"}, "precision": 12, "scale": 3}, "DECIMAL"),
    ("number", {"mysql": {"dataType": "decimal", "dataPrecision": 12, "dataScale": 3}}, "DECIMAL(12,3)"),
    ("number", {"mysql": {"dataType": "decimal", "dataPrecision": 12}}, "DECIMAL(12)"),
    ("number", {"dataType": "decimal"}, "decimal(9,2)"),
    ("number", {"dataType": "decimal", "precision": 12, "scale": 3}, "decimal(12,3)"),
    ("number", {"dataType": "double", "precision": 10}, "double(10)"),
    ("date", {"dataType": "timestamp", "precision": 3}, "timestamp(3)"),
    ("date", {"dataType": "date", "precision": 3}, "date"),
    ("date", {"mysql": {"dataType": "datetime", "dataPrecision": 6}}, "DATETIME(6)"),
    ("object", {"mysql": {"dataType": "json"}}, "JSON"),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "given", "expected"), MYSQL)
def test_mysql_types(kind: Any, given: dict[str, Any], expected: str) -> None:
    assert column_type("mysql", prop("p", kind, **given)) == expected


POSTGRESQL: list[tuple[Any, dict[str, Any], str]] = [
    ("string", {"length": 40}, "TEXT"),
    ("string", {"postgresql": {"dataType": "character varying", "dataLength": 9}}, "VARCHAR(9)"),
    ("string", {"postgresql": {"dataType": "varchar"}, "length": 7}, "VARCHAR(7)"),
    ("number", {"postgresql": {"dataType": "decimal", "dataPrecision": 8, "dataScale": 2}}, "DECIMAL(8,2)"),
    ("date", {"postgresql": {"dataType": "timestamptz"}}, "TIMESTAMP WITH TIME ZONE"),
    ("date", {"postgresql": {"dataType": "timestamp", "dataPrecision": 3}},
     "TIMESTAMP (3) WITHOUT TIME ZONE"),
    ("object", {"postgresql": {"dataType": "jsonb"}}, "JSONB"),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "given", "expected"), POSTGRESQL)
def test_postgresql_types(kind: Any, given: dict[str, Any], expected: str) -> None:
    assert column_type("postgresql", prop("p", kind, **given)) == expected


def test_sqlite_types() -> None:
    assert column_type("sqlite3", prop("id", "number", id_order=1)) == "INTEGER"
    assert column_type("sqlite3", prop("p", sqlite3={"dataType": "varchar", "dataLength": 5})) == "VARCHAR(5)"


def test_names() -> None:
    plain = model("MyOrder", prop("firstName"))
    told = model(
        "MyOrder", mysql={"table": "tbl"}, postgresql={"tableName": "Tbl", "schemaName": "shop"}, sqlite3={}
    )
    assert [table_name(d, plain) for d in ("mysql", "postgresql", "sqlite3")] == [
        "MyOrder", "myorder", "myorder",
    ]  # fmt: skip
    assert [table_name(d, told) for d in ("mysql", "postgresql", "sqlite3")] == ["tbl", "Tbl", "myorder"]
    assert schema_name("postgresql", plain, None) == "public"
    assert schema_name("postgresql", plain, "app") == "app"
    assert schema_name("postgresql", told, "app") == "shop"
    assert schema_name("mysql", told, "app") is None


@pytest.mark.parametrize(
    ("given", "mysql", "postgresql"),
    [
        ({}, "firstName", "firstname"),
        ({"mysql": {"columnName": "A"}, "postgresql": {"column": "B"}}, "A", "B"),
        ({"mysql": {"field": "f"}, "postgresql": {"fieldName": "G"}}, "f", "G"),
        ({"name": "Other"}, "Other", "Other"),
    ],
)
def test_column_names(given: dict[str, Any], mysql: str, postgresql: str) -> None:
    item = prop("firstName")
    item.raw.update(given)
    assert (column_name("mysql", item), column_name("postgresql", item)) == (mysql, postgresql)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, True),
        ({"required": True}, False),
        ({"id_order": 1}, False),
        ({"nullable": False}, False),
        ({"nullable": "N"}, False),
        ({"null": 0}, False),
        ({"allowNull": "NO"}, False),
        ({"nullable": "Y"}, True),
        ({"nullable": None}, True),
    ],
)
def test_nullable(given: dict[str, Any], expected: bool) -> None:
    assert is_nullable(prop("p", **given)) is expected


def test_only_generated_whole_numbers_count_themselves() -> None:
    serial = prop("id", "number", id_order=1, generated=True)
    assert all(is_serial(dialect, serial) for dialect in ("mysql", "postgresql", "sqlite3"))
    assert not is_serial("mysql", prop("id", "string", id_order=1, generated=True))
    assert not is_serial("mysql", prop("id", "number", id_order=1))
