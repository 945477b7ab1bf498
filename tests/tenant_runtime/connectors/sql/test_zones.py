"""Dates in databases that do not think in UTC."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tenant_runtime.connectors.sql.engine import SqlConnector
from tenant_runtime.filter.query import Compare, Query
from tests.tenant_runtime.connectors.sql.conftest import model, prop

NOON = datetime(2020, 7, 1, 12, tzinfo=UTC)
EVENT = model(
    "Event",
    prop("at", "date"),
    prop("local", "date", postgresql={"dataType": "timestamp"}),
    prop("day", "date", mysql={"dataType": "date"}, postgresql={"dataType": "date"}),
)


def stored(settings: dict[str, Any], folder: Path, sql: str) -> tuple[Any, list[dict[str, Any]]]:
    """One event at noon: what the database shows of it, and what the connector reads back."""
    connector = SqlConnector("db", settings, folder)
    connector.define(EVENT)
    connector.connect()
    connector.reset()
    connector.create("Event", {"at": NOON, "local": NOON})
    [row] = connector.execute(sql)
    query = Query(Compare("local", "eq", NOON, EVENT.properties["local"]), fields=("at", "local"))
    found = connector.find("Event", query)
    connector.disconnect()
    return row["text"], found


def test_mysql_keeps_utc(mysql_database: dict[str, Any], tmp_path: Path) -> None:
    """Also when the settings name a zone, as the original does (legacyUtcDateProcessing)."""
    sql = "SELECT CAST(local AS CHAR) AS text FROM Event"
    both = [{"at": NOON, "local": NOON}]
    assert stored(mysql_database | {"timezone": "+02:00"}, tmp_path, sql) == ("2020-07-01 12:00:00", both)
    modern = mysql_database | {"timezone": "+02:00", "legacyUtcDateProcessing": False}
    assert stored(modern, tmp_path, sql) == ("2020-07-01 14:00:00", both)


def test_postgresql_keeps_the_sessions_zone(postgresql_database: dict[str, Any], tmp_path: Path) -> None:
    """In a timestamp without time zone, which the original writes through that zone."""
    sql = "SELECT local::text AS text FROM event"
    both = [{"at": NOON, "local": NOON}]
    settings = postgresql_database | {"timezone": "Europe/Paris"}
    assert stored(settings, tmp_path, sql) == ("2020-07-01 14:00:00", both)


def test_days(mysql_database: dict[str, Any], tmp_path: Path) -> None:
    connector = SqlConnector("db", mysql_database, tmp_path)
    connector.define(EVENT)
    connector.connect()
    connector.reset()
    connector.create("Event", {"day": NOON})
    connector.execute("SET SESSION sql_mode = ''")
    connector.execute("UPDATE Event SET local = '0000-00-00'")
    [row] = connector.find("Event", Query(fields=("day", "local")))
    assert row == {"day": datetime(2020, 7, 1, tzinfo=UTC), "local": None}
    connector.disconnect()
