"""For generated rows and queries the SQL connectors return what the memory connector returns.

Only what LoopBack gives one meaning on all stores is generated: no order or comparison of nulls (the database
decides), no upper case (MySQL ignores it), whole numbers (``number`` is INT there), no dates in lists (memory
compares them as objects of JavaScript, which are never the same), no empty ``nin`` (SQL drops it from an or).
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tenant_runtime.connectors.memory import MemoryConnector
from tenant_runtime.connectors.sql.engine import SqlConnector
from tenant_runtime.filter.query import EVERYTHING, Compare, Group, Order, PerParent, Query, Where
from tests.tenant_runtime.connectors.sql.conftest import model, prop

THING = model(
    "Thing",
    prop("word", required=True),
    prop("maybe"),
    prop("n", "number", required=True),
    prop("yes", "boolean", required=True),
    prop("day", "date", required=True),
)
START = datetime(2020, 1, 1, tzinfo=UTC)

WORDS = st.text("abcxyz", min_size=1, max_size=3)
NUMBERS = st.integers(-3, 3)
DAYS = st.integers(0, 5).map(lambda days: START + timedelta(days=days))
ROWS = st.lists(
    st.fixed_dictionaries(
        {"word": WORDS, "maybe": st.none() | WORDS, "n": NUMBERS, "yes": st.booleans(), "day": DAYS}
    ),
    max_size=12,
)
VALUES = {"word": WORDS, "n": NUMBERS, "day": DAYS}


def compare(name: str, op: Any, values: st.SearchStrategy[Any]) -> st.SearchStrategy[Compare]:
    return values.map(lambda value: Compare(name, op, value, THING.properties[name]))


CONDITIONS: st.SearchStrategy[Compare] = st.one_of(
    *(
        compare(name, op, values)
        for name, values in VALUES.items()
        for op in ("eq", "neq", "gt", "gte", "lt", "lte")
    ),
    *(
        compare(name, op, st.lists(values, min_size=op == "nin", max_size=5).map(tuple))
        for name, values in (("word", WORDS), ("n", NUMBERS))
        for op in ("inq", "nin")
    ),
    *(compare(name, "between", st.tuples(values, values)) for name, values in VALUES.items()),
    compare("maybe", "eq", st.none() | WORDS),
    compare("maybe", "neq", st.none()),
    compare("yes", "eq", st.booleans()),
    compare("word", "like", WORDS.map(lambda word: f"%{word}%")),
    compare("word", "regexp", WORDS.map(lambda word: f"^[{word}]+$")),
)
WHERES: st.SearchStrategy[Where] = st.recursive(
    CONDITIONS,
    lambda inner: st.builds(
        lambda kind, children: Group(kind, tuple(children)),
        st.sampled_from(["and", "or"]),
        st.lists(inner, min_size=1, max_size=3),
    ),
    max_leaves=6,
)
ORDERS = st.lists(
    st.builds(Order, st.sampled_from(["word", "n", "yes", "day"]), st.booleans()), max_size=2
).map(lambda keys: (*keys, Order("id")))
FIELDS = st.none() | st.sets(st.sampled_from(list(THING.properties)), min_size=1).map(
    lambda names: tuple(name for name in THING.properties if name in names)
)
QUERIES = st.builds(
    Query,
    where=WHERES | st.just(EVERYTHING),
    order=ORDERS,
    limit=st.none() | st.integers(1, 5),
    skip=st.integers(0, 4),
    fields=FIELDS,
)


#: Few, and none is made smaller: each costs a database some milliseconds for every row.
EXAMPLES = settings(
    max_examples=12,
    deadline=None,
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


def fill(connector: Any, rows: list[dict[str, Any]]) -> None:
    connector.delete("Thing", EVERYTHING)
    tx = connector.begin() if connector.capabilities.transactions else None
    for number, row in enumerate(rows, 1):
        connector.create("Thing", row | {"id": number}, tx)
    if tx is not None:
        tx.commit()


@pytest.fixture
def sql(connect: Callable[..., SqlConnector]) -> SqlConnector:
    """One table for all the examples of a test."""
    return connect(THING)


@pytest.fixture
def memory(tmp_path: Path) -> MemoryConnector:
    made = MemoryConnector("memory", {}, tmp_path)
    made.define(THING)
    made.connect()
    return made


@EXAMPLES
@given(rows=ROWS, queries=st.lists(QUERIES, min_size=3, max_size=8), changed=WHERES, removed=WHERES)
def test_same_as_memory(
    sql: SqlConnector,
    memory: MemoryConnector,
    rows: list[dict[str, Any]],
    queries: list[Query],
    changed: Where,
    removed: Where,
) -> None:
    for connector in (memory, sql):
        fill(connector, rows)
    for query in queries:
        assert sql.find("Thing", query) == memory.find("Thing", query)
        assert sql.count("Thing", query.where) == memory.count("Thing", query.where)
    change = {"n": 9, "maybe": None, "day": START}
    assert sql.update("Thing", changed, change) == memory.update("Thing", changed, change)
    assert sql.delete("Thing", removed) == memory.delete("Thing", removed)
    assert sql.find("Thing", Query()) == memory.find("Thing", Query())


@EXAMPLES
@given(
    rows=ROWS,
    where=WHERES | st.just(EVERYTHING),
    order=ORDERS,
    limit=st.integers(1, 3),
    skip=st.integers(0, 2),
)
def test_limit_for_each_parent(
    sql: SqlConnector,
    rows: list[dict[str, Any]],
    where: Where,
    order: tuple[Order, ...],
    limit: int,
    skip: int,
) -> None:
    """One statement gives what one query for each parent gives."""
    fill(sql, rows)
    together = sql.find("Thing", Query(where, order, limit, skip, per_parent=PerParent("n")))
    for parent in {row["n"] for row in rows}:
        alone = Group("and", (where, Compare("n", "eq", parent, THING.properties["n"])))
        expected = sql.find("Thing", Query(alone, order, limit, skip))
        assert [row for row in together if row["n"] == parent] == expected
