"""MySQL on the event loop: the same answers, errors and healing as in threads."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import trio
from pymysql.converters import escape_datetime

from tenant_runtime.connectors.base import NeedsThread
from tenant_runtime.connectors.datasource import DataSource, create_data_source
from tenant_runtime.connectors.sql.drivers import mysql
from tenant_runtime.errors import LoopbackError
from tenant_runtime.filter.query import EVERYTHING, Compare, Query
from tests.tenant_runtime.connectors.sql.conftest import model, prop

NOTE = model(
    "Note",
    prop("text", mysql={"dataType": "longtext"}),
    prop("code", index={"unique": True}, mysql={"dataType": "varchar", "dataLength": 20}),
    prop("n", "number"),
)


@pytest.fixture
async def source(mysql_database: dict[str, Any], tmp_path: Path) -> AsyncIterator[DataSource]:
    source = create_data_source("db", mysql_database, tmp_path)
    source.define(NOTE)
    await source.automigrate()
    yield source
    await source.disconnect()


async def ids_of_connections(source: DataSource) -> list[int]:
    rows = await source.execute("SELECT id FROM information_schema.processlist WHERE db = DATABASE()")
    return [int(row["id"]) for row in rows]


async def test_operations(source: DataSource) -> None:
    assert await source.run("create", "Note", {"text": "a \U0001f600", "n": 1}, None) == 1
    assert await source.run("create", "Note", {"text": "b", "n": 2}, None) == 2
    second = Compare("id", "eq", 2, NOTE.properties["id"])
    assert await source.run("update", "Note", second, {"n": 3}, None) == 1
    assert await source.run("update", "Note", second, {"stray": 3}, None) == 1
    assert await source.run("replace", "Note", 2, {"text": "c"}, None) == 1
    assert await source.run("count", "Note", EVERYTHING, None) == 2
    assert await source.run("find", "Note", Query(), None) == [
        {"id": 1, "text": "a \U0001f600", "code": None, "n": 1},
        {"id": 2, "text": "c", "code": None, "n": None},
    ]
    assert await source.run("delete", "Note", second, None) == 1


async def test_errors_are_those_of_threads(source: DataSource) -> None:
    await source.run("create", "Note", {"code": "x"}, None)
    async with source.transaction() as handle:
        found = []
        for tx in (None, handle.transaction):
            with pytest.raises(LoopbackError) as caught:
                await source.run("create", "Note", {"code": "x"}, tx)
            found.append((caught.value.status, caught.value.code, str(caught.value)))
    assert found[0] == found[1]
    assert found[0][1] == "ER_DUP_ENTRY"


async def test_many_at_once_and_large_results(source: DataSource) -> None:
    await source.run("create", "Note", {"text": "x" * 1_000_000}, None)
    await source.run("create", "Note", {"text": "y" * 300_000}, None)
    sizes: list[int] = []

    async def read() -> None:
        rows = await source.run("find", "Note", Query(), None)
        sizes.append(sum(len(row["text"]) for row in rows))

    async with trio.open_nursery() as nursery:
        for _ in range(20):
            nursery.start_soon(read)
    assert sizes == [1_300_000] * 20
    assert len(await ids_of_connections(source)) <= 4 + 4


async def test_connections_that_were_killed_while_idle(source: DataSource) -> None:
    await source.run("count", "Note", EVERYTHING, None)
    mine = int((await source.execute("SELECT CONNECTION_ID() AS id"))[0]["id"])
    for id in await ids_of_connections(source):
        if id != mine:
            await source.execute(f"KILL {id}")
    assert await source.run("count", "Note", EVERYTHING, None) == 0


async def test_an_abandoned_statement_leaves_its_connection_of_use(
    mysql_database: dict[str, Any], tmp_path: Path
) -> None:
    source = create_data_source("db", mysql_database | {"connectionLimit": 1}, tmp_path)
    source.define(NOTE)
    await source.automigrate()
    assert await source.run("count", "Note", EVERYTHING, None) == 0
    before = await ids_of_connections(source)
    for number in range(1, 6):
        with trio.CancelScope() as scope:
            scope.cancel()
            await source.run("create", "Note", {"n": 1}, None)
        assert await source.run("count", "Note", EVERYTHING, None) == number
    assert await ids_of_connections(source) == before
    await source.disconnect()


def test_what_is_not_asked_on_the_loop(mysql_database: dict[str, Any], tmp_path: Path) -> None:
    connector = create_data_source("db", mysql_database, tmp_path).connector
    connector.define(NOTE)
    assert connector.question("execute", ["SELECT 1"]) is None  # type: ignore[attr-defined]
    talk = connector.dial()  # type: ignore[attr-defined]
    long = connector.question("create", ["Note", {"text": "x" * (1 << 24)}, None])  # type: ignore[attr-defined]
    with pytest.raises(NeedsThread):
        talk.ask(long)
    talk.close()


@pytest.mark.parametrize(
    "moment",
    [
        datetime(2020, 1, 2, 3, 4, 5),
        datetime(1, 1, 1),
        datetime(9999, 12, 31, 23, 59, 59, 999000),
        datetime(2020, 1, 2, 3, 4, 5, 7, UTC),
    ],
)
def test_dates_are_written_as_pymysql_writes_them(moment: datetime) -> None:
    assert mysql.literal(moment) == escape_datetime(moment)
