"""Settings of datasources.json as connection arguments."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tenant_runtime.connectors.sql.settings import target

FOLDER = Path("/tenant")


def arguments(connector: str, **settings: Any) -> dict[str, Any]:
    return target({"connector": connector, **settings}, FOLDER).arguments


def test_mysql_defaults() -> None:
    found = target({"connector": "mysql", "user": "u", "password": "p", "database": "d"}, FOLDER)
    assert found.arguments == {
        "host": "localhost",
        "port": 3306,
        "user": "u",
        "password": b"p",
        "database": "d",
        "charset": "utf8mb4",
        "connect_timeout": 5.0,
    }
    assert (found.dialect, found.threads, found.query_seconds) == ("mysql", 4, 60.0)


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"username": "a", "user": "b"}, {"user": "a"}),
        ({"hostname": "h", "port": "3307"}, {"host": "h", "port": 3307}),
        ({"socketPath": "/run/m.sock"}, {"unix_socket": "/run/m.sock", "ssl_disabled": True}),
        ({"ssl": False}, {"ssl_disabled": True}),
        ({"password": "pässwörd€"}, {"password": "pässwörd€".encode()}),
        ({"charset": "utf8"}, {"charset": "utf8mb4"}),
        ({"collation": "utf8mb4_unicode_ci"}, {"charset": "utf8mb4", "collation": "utf8mb4_unicode_ci"}),
        ({"collation": "latin1_swedish_ci"}, {"charset": "latin1", "collation": "latin1_swedish_ci"}),
        ({"connectTimeout": 2000}, {"connect_timeout": 2.0}),
        ({"connectTimeout": 60000}, {"connect_timeout": 5.0}),
        (
            {"url": "mysql://u%40x:p%3Aw@db:3307/shop", "host": "other", "user": "other"},
            {"host": "db", "port": 3307, "user": "u@x", "password": b"p:w", "database": "shop"},
        ),
        ({"url": "mysql://db/shop?charset=latin1"}, {"charset": "latin1"}),
        ({"ssl": True}, {"ssl": {"check_hostname": False}}),
        (
            {"ssl": {"ca": "/ca.pem"}},
            {"ssl": {"ca": "/ca.pem", "check_hostname": True, "verify_mode": "required"}},
        ),
        (
            {"ssl": {"ca": "/ca.pem", "rejectUnauthorized": False}},
            {"ssl": {"ca": "/ca.pem", "check_hostname": False, "verify_mode": "none"}},
        ),
    ],
)
def test_mysql(settings: dict[str, Any], expected: dict[str, Any]) -> None:
    assert expected.items() <= arguments("mysql", **settings).items()


def test_mysql_creates_its_database() -> None:
    found = target({"connector": "mysql", "database": "d", "createDatabase": True}, FOLDER)
    assert found.create_database
    assert "database" not in found.arguments
    assert found.database == "d"


@pytest.mark.parametrize(
    ("limit", "threads"), [({"connectionLimit": 1}, 1), ({"connectionLimit": 50}, 10), ({}, 4)]
)
def test_threads(limit: dict[str, Any], threads: int) -> None:
    assert target({"connector": "mysql", **limit}, FOLDER).threads == threads


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({}, {"host": "localhost", "port": 5432, "connect_timeout": 5}),
        (
            {"url": "postgres://u:p@db:5433/shop?sslmode=require"},
            {
                "host": "db",
                "port": 5433,
                "user": "u",
                "password": "p",
                "dbname": "shop",
                "sslmode": "require",
            },
        ),
        ({"host": "/run/postgresql"}, {"host": "/run/postgresql"}),
        ({"ssl": True}, {"sslmode": "require"}),
        ({"ssl": {"ca": "/ca.pem"}}, {"sslmode": "verify-full", "sslrootcert": "/ca.pem"}),
        ({"ssl": {"ca": "/ca.pem", "rejectUnauthorized": False}}, {"sslmode": "require"}),
        ({"timezone": "Europe/Paris"}, {"options": "-c TimeZone=Europe/Paris -c statement_timeout=60000"}),
        ({"queryTimeout": 1500}, {"options": "-c statement_timeout=1500"}),
    ],
)
def test_postgresql(settings: dict[str, Any], expected: dict[str, Any]) -> None:
    assert expected.items() <= arguments("postgresql", **settings).items()


@pytest.mark.parametrize(
    ("settings", "database", "threads"),
    [
        ({}, ":memory:", 1),
        ({"file": "data/app.db"}, "/tenant/data/app.db", 2),
        ({"file_name": "x.db"}, "/tenant/x.db", 2),
        ({"file": "/var/x.db"}, "/var/x.db", 2),
    ],
)
def test_sqlite(settings: dict[str, Any], database: str, threads: int) -> None:
    found = target({"connector": "sqlite3", **settings}, FOLDER)
    assert (found.database, found.threads) == (database, threads)


@pytest.mark.parametrize(
    ("word", "dialect"),
    [
        ("mysql", "mysql"),
        ("mariadb", "mysql"),
        ("postgresql", "postgresql"),
        ("postgres", "postgresql"),
        ("sqlite3", "sqlite3"),
        ("sqlite", "sqlite3"),
        ("loopback-connector-mysql", "mysql"),
    ],
)
def test_names_of_connectors(word: str, dialect: str) -> None:
    assert target({"connector": word}, FOLDER).dialect == dialect


def test_a_target_does_not_show_its_password() -> None:
    assert "hunter2" not in repr(target({"connector": "mysql", "password": "hunter2"}, FOLDER))
