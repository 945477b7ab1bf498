"""What every connector does; where stores differ, a capability says so."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tenant_runtime.connectors.base import Connector, ConnectorError, DuplicateKey
from tenant_runtime.filter.query import EVERYTHING, Compare, Group, Order, PerParent, Query
from tests.servers.running import RunningServers
from tests.tenant_runtime.connectors.stores import CLASSES, model, open_store, prop

BOOK = model(
    "Book",
    prop("title", "string"),
    prop("pages", "number"),
    prop("price", "number", mysql={"dataType": "double"}, postgresql={"dataType": "double precision"}),
    prop("sold", "boolean"),
    prop("at", "date"),
    prop("meta", "object"),
    prop("shelf", "number"),
)
KEYED = model("Keyed", prop("code", "string", id_order=1), prop("n", "number"))
NUMBERED = model("Numbered", prop("id", "number", id_order=1), prop("n", "number"))
NOW = datetime(2026, 3, 1, 12, 30, 15, tzinfo=UTC)


@pytest.fixture(scope="module", params=sorted(CLASSES))
def opened(
    request: pytest.FixtureRequest, servers: RunningServers, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Connector]:
    folder = tmp_path_factory.mktemp("store")
    with open_store(request.param, servers, folder, BOOK, KEYED, NUMBERED) as connector:
        yield connector


@pytest.fixture
def store(opened: Connector) -> Connector:
    for name in ("Book", "Keyed", "Numbered"):
        opened.delete(name, EVERYTHING)
    return opened


def compare(path: str, op: Any, value: Any, options: str | None = None) -> Compare:
    return Compare(path, op, value, BOOK.properties.get(path) or KEYED.properties.get(path), options)


@pytest.fixture
def books(store: Connector) -> Connector:
    for title, pages, sold in (
        ("Dune", 600, True),
        ("Emma", 400, False),
        ("Ubik", 200, True),
        ("dune messiah", 300, None),
    ):
        store.create("Book", {"title": title, "pages": pages, "sold": sold, "shelf": pages // 300})
    return store


def titles(store: Connector, where: Any = EVERYTHING, **query: Any) -> list[str]:
    return [row["title"] for row in store.find("Book", Query(where, **query))]


# -- writing ------------------------------------------------------------------------------------------------


def test_the_store_makes_ids_that_find_the_row(store: Connector) -> None:
    ids = [store.create("Book", {"title": title}) for title in ("a", "b")]
    assert ids[0] != ids[1]
    for identity, title in zip(ids, ("a", "b"), strict=True):
        [row] = store.find("Book", Query(compare("id", "eq", identity)))
        assert (row["id"], row["title"]) == (identity, title)
    kinds = {"number": int, "objectid": str, "string": str}
    assert isinstance(ids[0], kinds[store.capabilities.generated_id])


def test_given_ids_are_kept_and_unique(store: Connector) -> None:
    assert store.create("Keyed", {"code": "é/1", "n": 1}) == "é/1"
    with pytest.raises(DuplicateKey):
        store.create("Keyed", {"code": "é/1", "n": 2})
    assert [row["n"] for row in store.find("Keyed", Query())] == [1]


def test_values_come_back_as_they_went_in(store: Connector) -> None:
    row = {
        "title": '日本 😀 "quoted" \'; --',
        "pages": 7,
        "price": 12.75,
        "sold": False,
        "at": NOW,
        "meta": {"a": [1, {"b": None}], "c": "x"},
    }
    identity = store.create("Book", dict(row))
    [found] = store.find("Book", Query(compare("id", "eq", identity)))
    assert {key: found[key] for key in row} == row
    assert found["at"].utcoffset() == timedelta(0)
    assert type(found["sold"]) is bool


def test_null_and_missing(store: Connector) -> None:
    store.create("Book", {"title": None, "pages": 1})
    [row] = store.find("Book", Query())
    assert row["title"] is None
    assert ("sold" in row) is store.capabilities.null_is_missing


def test_undeclared_properties(store: Connector) -> None:
    store.create("Book", {"title": "a", "loose": {"x": 1}})
    [row] = store.find("Book", Query())
    if store.capabilities.dynamic_properties:
        assert row["loose"] == {"x": 1}
    else:
        assert "loose" not in row


def test_update_changes_only_what_it_says(books: Connector) -> None:
    assert books.update("Book", compare("pages", "gt", 300), {"sold": None, "shelf": 9}) == 2
    rows = books.find("Book", Query(compare("shelf", "eq", 9)))
    assert [(row["title"], row["sold"], row["pages"]) for row in rows] == [
        ("Dune", None, 600),
        ("Emma", None, 400),
    ]
    assert books.update("Book", compare("title", "eq", "none"), {"pages": 0}) == 0


def test_update_counts_matches_not_changes(books: Connector) -> None:
    assert books.update("Book", compare("pages", "eq", 600), {"pages": 600}) == 1


def test_replace_leaves_nothing_of_the_old_row(books: Connector) -> None:
    [row] = books.find("Book", Query(compare("title", "eq", "Emma")))
    assert books.replace("Book", row["id"], {"title": "Persuasion"}) == 1
    [replaced] = books.find("Book", Query(compare("id", "eq", row["id"])))
    assert replaced["title"] == "Persuasion"
    assert replaced.get("pages") is None
    assert books.count("Book", EVERYTHING) == 4


def test_replace_of_nothing(store: Connector) -> None:
    assert store.replace("Keyed", "none", {"n": 1}) == 0
    assert store.count("Keyed", EVERYTHING) == 0


def test_delete(books: Connector) -> None:
    assert books.delete("Book", compare("pages", "lt", 400)) == 2
    assert titles(books) == ["Dune", "Emma"]
    assert books.delete("Book", EVERYTHING) == 2
    assert books.count("Book", EVERYTHING) == 0


# -- reading ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        (compare("title", "eq", "Dune"), ["Dune"]),
        (compare("pages", "neq", 600), ["Emma", "Ubik", "dune messiah"]),
        (compare("pages", "gt", 300), ["Dune", "Emma"]),
        (compare("pages", "gte", 300), ["Dune", "Emma", "dune messiah"]),
        (compare("pages", "lt", 300), ["Ubik"]),
        (compare("pages", "lte", 300), ["Ubik", "dune messiah"]),
        (compare("pages", "between", (200, 400)), ["Emma", "Ubik", "dune messiah"]),
        (compare("pages", "inq", (200, 400, 5)), ["Emma", "Ubik"]),
        (compare("pages", "inq", ()), []),
        (compare("pages", "nin", (200, 400)), ["Dune", "dune messiah"]),
        (compare("sold", "eq", True), ["Dune", "Ubik"]),
        (compare("sold", "eq", False), ["Emma"]),
        (compare("sold", "eq", None), ["dune messiah"]),
        (compare("sold", "neq", None), ["Dune", "Emma", "Ubik"]),
        (Group("and", (compare("pages", "gt", 200), compare("sold", "eq", True))), ["Dune"]),
        (Group("and", (compare("pages", "gt", 200), compare("pages", "lt", 400))), ["dune messiah"]),
        (Group("or", (compare("title", "eq", "Emma"), compare("pages", "lt", 300))), ["Emma", "Ubik"]),
        (
            Group(
                "and",
                (
                    Group("or", (compare("title", "eq", "Dune"), compare("title", "eq", "Ubik"))),
                    Group("or", (compare("pages", "eq", 200), compare("pages", "eq", 5))),
                ),
            ),
            ["Ubik"],
        ),
        (EVERYTHING, ["Dune", "Emma", "Ubik", "dune messiah"]),
    ],
)
def test_conditions(books: Connector, where: Any, expected: list[str]) -> None:
    assert titles(books, where) == expected
    assert books.count("Book", where) == len(expected)


def test_conditions_on_dates(store: Connector) -> None:
    for days in (0, 1, 2):
        store.create("Book", {"title": str(days), "at": NOW + timedelta(days=days)})
    assert titles(store, compare("at", "gte", NOW + timedelta(days=1))) == ["1", "2"]
    assert titles(store, compare("at", "eq", NOW)) == ["0"]
    assert titles(store, compare("at", "between", (NOW, NOW + timedelta(days=1)))) == ["0", "1"]


def test_regular_expressions(books: Connector) -> None:
    assert titles(books, compare("title", "regexp", "^[DE]", "i"))[:2] == ["Dune", "Emma"]


def test_without_order_rows_come_by_id(store: Connector) -> None:
    for code in ("b", "c", "a"):
        store.create("Keyed", {"code": code})
    assert [row["code"] for row in store.find("Keyed", Query())] == ["a", "b", "c"]


def test_without_order_a_limit_takes_the_first_by_id(store: Connector) -> None:
    for number in (5, 10, 2, 30):
        store.create("Numbered", {"id": number, "n": number % 3})
    rows = store.find("Numbered", Query(limit=2, skip=1))
    assert [row["id"] for row in rows] == [5, 10]
    where = Compare("n", "eq", 2, NUMBERED.properties["n"])
    assert [row["id"] for row in store.find("Numbered", Query(where, limit=5))] == [2, 5]
    assert [row["id"] for row in store.find("Numbered", Query(where, skip=1))] == [5]


def test_order_limit_and_skip(books: Connector) -> None:
    by_pages = (Order("pages", descending=True),)
    assert titles(books, order=by_pages) == ["Dune", "Emma", "dune messiah", "Ubik"]
    assert titles(books, order=by_pages, limit=2) == ["Dune", "Emma"]
    assert titles(books, order=by_pages, limit=2, skip=1) == ["Emma", "dune messiah"]
    assert titles(books, order=by_pages, skip=3) == ["Ubik"]
    assert titles(books, order=(Order("shelf"), Order("pages"))) == ["Ubik", "dune messiah", "Emma", "Dune"]


def test_fields(books: Connector) -> None:
    rows = books.find("Book", Query(compare("title", "eq", "Dune"), fields=("pages", "title")))
    assert rows == [{"pages": 600, "title": "Dune"}]
    [row] = books.find("Book", Query(compare("title", "eq", "Dune"), fields=("id",)))
    assert list(row) == ["id"]


def test_nested_paths(store: Connector) -> None:
    if not store.capabilities.nested_queries:
        pytest.skip("the store sees objects as texts")
    for number in (1, 2):
        store.create("Book", {"title": str(number), "meta": {"a": {"n": number}, "tags": ["x", str(number)]}})
    assert titles(store, compare("meta.a.n", "gt", 1)) == ["2"]
    assert titles(store, compare("meta.tags", "eq", "1")) == ["1"]
    assert titles(store, order=(Order("meta.a.n", descending=True),)) == ["2", "1"]


def test_a_limit_for_each_parent(books: Connector) -> None:
    if not books.capabilities.per_parent_limit:
        pytest.skip("the store is asked once for each parent")
    query = Query(order=(Order("pages"),), limit=1, per_parent=PerParent("shelf"))
    found = {row["shelf"]: row["title"] for row in books.find("Book", query)}
    assert found == {0: "Ubik", 1: "dune messiah", 2: "Dune"}


# -- the rest -----------------------------------------------------------------------------------------------


def test_transactions(store: Connector) -> None:
    if not store.capabilities.transactions:
        with pytest.raises(ConnectorError):
            store.begin()
        return
    for keep in (False, True):
        tx = store.begin()
        store.create("Book", {"title": "tx"}, tx)
        assert store.count("Book", EVERYTHING, tx) == 1
        tx.commit() if keep else tx.rollback()
        assert store.count("Book", EVERYTHING) == int(keep)


def test_ping(store: Connector) -> None:
    store.ping()


def test_schema_is_brought_up_to_date(store: Connector) -> None:
    if not hasattr(store, "plan"):
        pytest.skip("the store has no schema")
    assert store.plan() == []
    store.define(model("Later", prop("name", "string", index={"unique": True})))
    assert store.plan()
    store.apply()
    assert store.plan() == []
    store.create("Later", {"name": "a"})
    with pytest.raises(DuplicateKey):
        store.create("Later", {"name": "a"})
