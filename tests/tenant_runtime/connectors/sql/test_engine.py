"""The SQL connector against real databases: each test runs on MariaDB, PostgreSQL and SQLite."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tenant_runtime.connectors.base import ConnectorError, DuplicateKey, QueryRefused
from tenant_runtime.connectors.sql.engine import SqlConnector
from tenant_runtime.filter.query import EVERYTHING, Compare, Group, Order, PerParent, Query, Where
from tenant_runtime.model.definition import ModelDefinition
from tenant_runtime.model.javascript import INVALID_DATE, UNDEFINED
from tests.tenant_runtime.connectors.sql.conftest import model, prop

Make = Callable[..., SqlConnector]

CELL = model(
    "Cell",
    prop("s"),
    prop("n", "number"),
    prop("x", "number", mysql={"dataType": "double"}, postgresql={"dataType": "double precision"}),
    prop("b", "boolean"),
    prop("d", "date"),
    prop("o", "object"),
    prop("list", "array"),
    prop("any", "any"),
    prop("at", "geopoint"),
)


def where(path: str, value: Any, op: Any = "eq", of: ModelDefinition = CELL, **more: Any) -> Compare:
    return Compare(path, op, value, of.properties.get(path), **more)


def ids(connector: SqlConnector, condition: Any, name: str = "Cell") -> list[Any]:
    return [row["id"] for row in connector.find(name, Query(condition, fields=("id",)))]


def test_every_type_comes_back(connect: Make) -> None:
    connector = connect(CELL)
    row = {
        "s": 'it\'s 100% \\ "fine" \U0001f600',
        "n": 5,
        "x": 3.14159265358979,
        "b": True,
        "d": datetime(2020, 2, 3, 4, 5, 6, tzinfo=UTC),
        "o": {"a": [1, None, {"b": "ü"}]},
        "list": ["x", "y"],
        "any": "z",
        "at": {"lat": 1.5, "lng": -2},
    }
    key = connector.create("Cell", row)
    assert key == 1
    assert connector.find("Cell", Query()) == [row | {"id": 1}]


def test_unset_columns_are_null(connect: Make) -> None:
    connector = connect(CELL)
    connector.create("Cell", {})
    [row] = connector.find("Cell", Query())
    assert row == dict.fromkeys(CELL.properties) | {"id": 1}


def test_undeclared_properties_are_not_stored(connect: Make) -> None:
    connector = connect(CELL)
    connector.create("Cell", {"s": "a", "stray": 1})
    assert connector.update("Cell", EVERYTHING, {"stray": 2}) == 1
    assert "stray" not in connector.find("Cell", Query())[0]


CONDITIONS: list[tuple[Where, list[int]]] = [
    (EVERYTHING, [1, 2, 3]),
    (where("s", "a"), [1]),
    (where("s", "a", "neq"), [2]),
    (where("s", None), [3]),
    (where("s", None, "neq"), [1, 2]),
    (where("n", 1, "gt"), [2]),
    (where("n", (1, 2), "between"), [1, 2]),
    (where("n", (1, 7, 9), "inq"), [1]),
    (where("n", (None, 1), "inq"), [1]),
    (where("n", (), "inq"), []),
    (where("n", (), "nin"), [1, 2, 3]),
    (where("n", (1,), "nin"), [2]),
    (where("n", "abc"), []),
    (where("b", True), [1]),
    (where("d", datetime(2020, 1, 1, tzinfo=UTC), "gt"), [2]),
    (where("s", "b%", "like"), [2]),
    (where("s", "b%", "nlike"), [1]),
    (where("s", "^[ab]$", "regexp"), [1]),
    (where("s", "/^B/i", "regexp"), [2]),
    (where("s", "^B", "regexp"), []),
    (where("list", "%x%", "like"), [1]),
    (where("o", "%a%", "like"), []),
    (where("nothing", "x"), [1, 2, 3]),
    (Group("or", ()), [1, 2, 3]),
    (Group("nor", (where("s", "a"),)), [1, 2, 3]),
    (Group("or", (where("s", "a"), where("n", 2))), [1, 2]),
    (Group("or", (where("nothing", 1), where("n", 2))), [2]),
    (Group("and", (where("n", 0, "gt"), Group("or", (where("s", "a"), where("s", "bc"))))), [1, 2]),
]


def test_where(connect: Make) -> None:
    connector = connect(CELL)
    old, new = datetime(2019, 1, 1, tzinfo=UTC), datetime(2021, 1, 1, tzinfo=UTC)
    connector.create("Cell", {"s": "a", "n": 1, "b": True, "d": old, "list": ["x"], "o": {"a": 1}})
    connector.create("Cell", {"s": "bc", "n": 2, "b": False, "d": new})
    connector.create("Cell", {})
    for condition, expected in CONDITIONS:
        assert ids(connector, condition) == expected, condition
        assert connector.count("Cell", condition) == len(expected), condition


def test_operators_that_no_sql_store_has(connect: Make) -> None:
    connector = connect(CELL, create=False)
    for op in ("near", "exists", "raw"):
        with pytest.raises(QueryRefused, match=op):
            connector.find("Cell", Query(where("s", "x", op)))


def test_ilike_is_postgresqls(connect: Make) -> None:
    connector = connect(CELL)
    connector.create("Cell", {"s": "Abc"})
    if connector.name == "postgresql":
        assert ids(connector, where("s", "aB%", "ilike")) == [1]
        assert ids(connector, where("s", "aB%", "nilike")) == []
    else:
        with pytest.raises(QueryRefused):
            ids(connector, where("s", "aB%", "ilike"))


def test_order_window_and_fields(connect: Make) -> None:
    connector = connect(CELL)
    for n in (3, 1, 2, 1):
        connector.create("Cell", {"n": n, "s": f"row {n}"})
    order = (Order("n", descending=True), Order("id"))
    found = connector.find("Cell", Query(order=order, limit=2, skip=1, fields=("id", "n", "nothing")))
    assert found == [{"id": 3, "n": 2}, {"id": 2, "n": 1}]
    assert ids(connector, EVERYTHING) == [1, 2, 3, 4]
    assert [r["id"] for r in connector.find("Cell", Query(skip=3))] == [4]
    with pytest.raises(ConnectorError):
        connector.find("Cell", Query(order=(Order("nothing"),)))


def test_limit_for_each_parent(connect: Make) -> None:
    connector = connect(CELL)
    for n in (1, 1, 1, 2, 2, 3):
        connector.create("Cell", {"n": n})
    query = Query(
        where("n", (1, 2), "inq"),
        order=(Order("id", descending=True),),
        limit=2,
        skip=1,
        fields=("id", "n"),
        per_parent=PerParent("n"),
    )
    assert connector.find("Cell", query) == [{"id": 2, "n": 1}, {"id": 1, "n": 1}, {"id": 4, "n": 2}]


def test_update_counts_what_matched(connect: Make) -> None:
    connector = connect(CELL)
    for s in ("a", "a", "b"):
        connector.create("Cell", {"s": s})
    assert connector.update("Cell", where("s", "a"), {"s": "a", "n": 1}) == 2
    assert connector.update("Cell", where("s", "a"), {"s": "a", "n": 1}) == 2
    assert connector.update("Cell", where("s", "zz"), {"n": 1}) == 0
    assert connector.update("Cell", where("s", "a"), {}) == 2


def test_replace_makes_the_others_null(connect: Make) -> None:
    connector = connect(CELL)
    connector.create("Cell", {"s": "a", "n": 1, "o": {"x": 1}})
    assert connector.replace("Cell", 1, {"s": "b"}) == 1
    [row] = connector.find("Cell", Query(fields=("s", "n", "o")))
    assert row == {"s": "b", "n": None, "o": None}
    assert connector.replace("Cell", 99, {"s": "b"}) == 0


def test_delete(connect: Make) -> None:
    connector = connect(CELL)
    for n in (1, 2, 3):
        connector.create("Cell", {"n": n})
    assert connector.delete("Cell", where("n", 2)) == 1
    assert connector.delete("Cell", EVERYTHING) == 2
    assert connector.count("Cell") == 0


def test_duplicates_are_the_clients_fault(connect: Make) -> None:
    key = model("Key", prop("id", id_order=1, length=40), prop("v"))
    connector = connect(key)
    assert connector.create("Key", {"id": "k1", "v": "a"}) == "k1"
    with pytest.raises(DuplicateKey) as caught:
        connector.create("Key", {"id": "k1", "v": "b"})
    error = caught.value
    expected = {
        "mysql": ("422", "ER_DUP_ENTRY", "ER_DUP_ENTRY: Duplicate entry 'k1' for key 'PRIMARY'"),
        "postgresql": (422, "23505", 'duplicate key value violates unique constraint "key_pkey"'),
        "sqlite3": (
            422,
            "SQLITE_CONSTRAINT",
            "SQLITE_CONSTRAINT: UNIQUE constraint failed: key.id (duplicate value)",
        ),
    }
    assert (error.status, error.code, str(error)) == expected[connector.name]


def test_made_ids_follow_given_ones(connect: Make) -> None:
    connector = connect(CELL)
    assert connector.create("Cell", {"id": 5}) == 5
    assert connector.create("Cell", {"id": 3}) == 3
    assert connector.create("Cell", {}) == 6


def test_transactions(connect: Make) -> None:
    connector = connect(CELL)
    tx = connector.begin()
    connector.create("Cell", {"s": "in"}, tx)
    assert connector.count("Cell", EVERYTHING, tx) == 1
    assert connector.count("Cell", EVERYTHING) == 0
    tx.rollback()
    assert connector.count("Cell", EVERYTHING) == 0
    with pytest.raises(ConnectorError, match="no longer active"):
        connector.create("Cell", {"s": "late"}, tx)
    tx = connector.begin("SERIALIZABLE")
    connector.create("Cell", {"s": "in"}, tx)
    tx.commit()
    assert connector.count("Cell", EVERYTHING) == 1
    with pytest.raises(QueryRefused):
        connector.begin("CHAOS; DROP TABLE cell")


def test_one_transaction_in_several_threads(connect: Make) -> None:
    connector = connect(CELL)
    tx = connector.begin()

    def work() -> None:
        for number in range(20):
            connector.create("Cell", {"n": number}, tx)
            connector.find("Cell", Query(where("n", number), limit=1), tx)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    tx.commit()
    assert connector.count("Cell") == 80


def test_execute(connect: Make) -> None:
    connector = connect(CELL)
    mark = {"mysql": "?", "postgresql": "$1", "sqlite3": "?"}[connector.name]
    table = "Cell" if connector.name == "mysql" else "cell"
    connector.create("Cell", {"s": "50%"})
    rows = connector.execute(f"SELECT s, '?%' AS q FROM {table} WHERE s = {mark}", ["50%"])
    assert rows == [{"s": "50%", "q": "?%"}]
    done = connector.execute(f"UPDATE {table} SET s = {mark}", ["x"])
    assert done["affectedRows"] == 1
    assert connector.execute(lambda connection: connection.cursor() is not None) is True


def test_numbers_are_rounded_as_mysql_rounds_them(connect: Make) -> None:
    """``number`` is INT there, as on PostgreSQL; SQLite keeps what it is given."""
    connector = connect(CELL)
    for n in (2.5, -0.5, 1.4999, 1e3):
        connector.create("Cell", {"n": n})
    found = [row["n"] for row in connector.find("Cell", Query())]
    assert found == ([2.5, -0.5, 1.4999, 1000] if connector.name == "sqlite3" else [3, -1, 1, 1000])
    assert all(type(n) is int for n in found[3:])


ODD: list[Any] = [
    *(None, True, "", "x", "12abc", "\x00", "\ud800", "\U0001f600", b"\xff", -0.0, 1e300, 10**30),
    *(float("nan"), float("inf"), [], [1, [2]], {}, {"lat": "x"}, {"$gt": 1}, INVALID_DATE, UNDEFINED),
    *(datetime(1, 1, 2, tzinfo=UTC), datetime(9999, 12, 30, tzinfo=UTC)),
]


def test_odd_values_are_refused_or_stored_but_never_break(connect: Make) -> None:
    """Whatever comes through: an answer, or an error that has a status."""
    connector = connect(CELL)
    for name in CELL.properties:
        for value in ODD:
            for op in ("eq", "neq", "gt", "like", "inq"):
                asked = (value, value) if op == "inq" else value
                with suppress(ConnectorError):
                    connector.find("Cell", Query(where(name, asked, op)))
            with suppress(ConnectorError):
                connector.create("Cell", {name: value})
    connector.find("Cell", Query())
    assert connector.count("Cell") > 20


def test_many_rows(connect: Make) -> None:
    connector = connect(CELL)
    tx = connector.begin()
    for n in range(1500):
        connector.create("Cell", {"n": n}, tx)
    tx.commit()
    assert len(connector.find("Cell", Query())) == 1500
    some = tuple(range(0, 3000, 2))
    assert connector.count("Cell", where("n", some, "inq")) == 750


def test_no_pattern_stalls_sqlite(tmp_path: Path) -> None:
    """There it is this process that evaluates it: one budget for a whole statement."""
    connector = SqlConnector("db", {"connector": "sqlite3", "file": "x.db"}, tmp_path)
    connector.define(CELL)
    connector.connect()
    connector.reset()
    for _ in range(20):
        connector.create("Cell", {"s": "a" * 40 + "!"})
    started = time.monotonic()
    with pytest.raises(QueryRefused) as caught:
        ids(connector, where("s", "^(a|aa)+$", "regexp", options=""))
    assert time.monotonic() - started < 5
    assert (caught.value.status, caught.value.code) == (400, "REGEXP_TOO_SLOW")
    assert ids(connector, where("s", "(", "regexp", options="")) == []
    assert len(ids(connector, where("s", "A!$", "regexp", options="i"))) == 20
    connector.disconnect()
