"""For generated rows and filters, every store finds what the memory connector finds.

Left out is what the original's stores are known to differ in: conditions other than equality on null, texts
that differ in case only (MySQL's collation), wildcards, ``nin: []`` (SQL drops the condition), and dates in
``inq`` and ``nin`` (memory compares Date objects, which are never the same).
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tenant_runtime.connectors.base import Connector
from tenant_runtime.connectors.memory import MemoryConnector
from tenant_runtime.filter.query import EVERYTHING, Order, Query
from tenant_runtime.filter.where import WhereContext, build_where
from tests.servers.running import RunningServers
from tests.tenant_runtime.connectors.stores import CLASSES, model, open_store, prop

THING = model(
    "Thing",
    prop("number", "number"),
    prop("name", "string"),
    prop("flag", "boolean"),
    prop("at", "date"),
    prop("maybe", "number"),
    prop("row", "number"),
)
DAY = datetime(2024, 2, 28, 23, 59, 59, tzinfo=UTC)

numbers = st.integers(-3, 3)
names = st.sampled_from(["", "a", "b", "ab", "ü", "日本", "o'x", "50%", "a_b", "\\\\"])
dates = st.integers(0, 3).map(lambda days: DAY + timedelta(days=days))
values = {"number": numbers, "name": names, "flag": st.booleans(), "at": dates, "maybe": numbers}

rows = st.lists(st.fixed_dictionaries({**values, "maybe": st.none() | numbers}), min_size=1, max_size=8)


def conditions(name: str) -> st.SearchStrategy[dict[str, Any]]:
    value = values[name].map(lambda given: given.isoformat() if isinstance(given, datetime) else given)
    kinds = [(value | st.none() if name == "maybe" else value).map(lambda given: {name: given})]
    if name not in ("maybe", "flag"):
        kinds.append(value.map(lambda given: {name: {"neq": given}}))
    if name in ("number", "name"):
        kinds.append(st.lists(value, max_size=3).map(lambda given: {name: {"inq": given}}))
        kinds.append(st.lists(value, min_size=1, max_size=3).map(lambda given: {name: {"nin": given}}))
    if name in ("number", "at"):
        comparison = st.sampled_from(["gt", "gte", "lt", "lte"])
        kinds.append(st.tuples(comparison, value).map(lambda given: {name: {given[0]: given[1]}}))
        kinds.append(st.tuples(value, value).map(lambda given: {name: {"between": list(given)}}))
    return st.one_of(kinds)


wheres = st.recursive(
    st.one_of(*map(conditions, values)),
    lambda inner: st.tuples(st.sampled_from(["and", "or"]), st.lists(inner, min_size=1, max_size=3)).map(
        lambda group: {group[0]: group[1]}
    ),
    max_leaves=5,
)
# No key twice: the original's sort for MongoDB is an object, in which the last one wins.
sort_keys = st.builds(Order, st.sampled_from(["number", "at", "flag"]), st.booleans())
orders = st.lists(sort_keys, max_size=2, unique_by=lambda key: key.path).map(
    lambda keys: (*keys, Order("row"))
)
windows = st.tuples(st.none() | st.integers(1, 4), st.integers(0, 3))


@pytest.fixture(scope="module", params=sorted(CLASSES.keys() - {"memory"}))
def store(
    request: pytest.FixtureRequest, servers: RunningServers, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Connector]:
    with open_store(request.param, servers, tmp_path_factory.mktemp("store"), THING) as connector:
        yield connector


def fill(connector: Connector, given_rows: list[dict[str, Any]]) -> None:
    connector.delete("Thing", EVERYTHING)
    for number, row in enumerate(given_rows):
        connector.create("Thing", {**row, "row": number})


def answer(connector: Connector, query: Query) -> list[dict[str, Any]]:
    return [
        {name: value for name, value in row.items() if name != "id"} for row in connector.find("Thing", query)
    ]


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(rows, st.lists(st.tuples(wheres, orders, windows), min_size=1, max_size=6))
def test_find_and_count(store: Connector, given_rows: list[dict[str, Any]], queries: list[Any]) -> None:
    memory = MemoryConnector("db", {}, Path())
    memory.define(THING)
    for connector in (memory, store):
        fill(connector, given_rows)
    for given_where, order, (limit, skip) in queries:
        where = build_where(given_where, WhereContext(THING))
        query = Query(where, order=order, limit=limit, skip=skip)
        assert answer(store, query) == answer(memory, query)
        assert store.count("Thing", where) == memory.count("Thing", where)


@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
@given(rows, wheres, st.fixed_dictionaries({}, optional=values))
def test_update_and_delete(
    store: Connector, given_rows: list[dict[str, Any]], given_where: Any, changes: dict[str, Any]
) -> None:
    memory = MemoryConnector("db", {}, Path())
    memory.define(THING)
    where = build_where(given_where, WhereContext(THING))
    everything = Query(order=(Order("row"),))
    for connector in (memory, store):
        fill(connector, given_rows)
    assert store.update("Thing", where, dict(changes)) == memory.update("Thing", where, dict(changes))
    assert answer(store, everything) == answer(memory, everything)
    assert store.delete("Thing", where) == memory.delete("Thing", where)
    assert answer(store, everything) == answer(memory, everything)
