"""Queries as SQL text and parameters, with no database."""

from __future__ import annotations

from typing import Any

import pytest

from tenant_runtime.connectors.sql.compile import CACHE_SIZE, Compiler
from tenant_runtime.connectors.sql.tables import Mapping, map_model
from tenant_runtime.filter.query import EVERYTHING, Compare, Group, Order, PerParent, Query
from tests.tenant_runtime.connectors.sql.conftest import model, prop

BOOK = model(
    "Book",
    prop("title"),
    prop("pages", "number", mysql={"columnName": "page%count"}),
    prop("info", "object", postgresql={"dataType": "jsonb"}),
)


def compiled(dialect: str, query: Query) -> tuple[str, tuple[Any, ...]]:
    statement, parameters = Compiler(dialect).select(map_model(dialect, BOOK), query)
    return " ".join(statement.sql.split()), parameters


def where(path: str, op: Any, value: Any, options: str | None = None) -> Compare:
    return Compare(path, op, value, BOOK.properties.get(path), options)


SELECTS: list[tuple[str, Query, str, tuple[Any, ...]]] = [
    ("mysql", Query(where("title", "eq", "x"), fields=("id",)),
     "SELECT `Book`.id FROM `Book` WHERE `Book`.title = %s ORDER BY `Book`.id", ("x",)),
    ("mysql", Query(where("pages", "gt", 5), fields=("id",), limit=20, skip=40),
     "SELECT `Book`.id FROM `Book` WHERE `Book`.`page%%count` > %s ORDER BY `Book`.id LIMIT %s, %s",
     (5, 40, 20)),
    ("mysql", Query(where("title", "regexp", "^a", "i"), fields=("id",)),
     "SELECT `Book`.id FROM `Book` WHERE `Book`.title REGEXP %s ORDER BY `Book`.id", ("(?i)^a",)),
    ("mysql", Query(where("title", "regexp", "/a/", ""), fields=("id",)),
     "SELECT `Book`.id FROM `Book` WHERE `Book`.title REGEXP %s ORDER BY `Book`.id", ("(?-i)/a/",)),
    ("postgresql", Query(where("title", "ilike", "x%"), fields=("id",)),
     ("SELECT public.book.id FROM public.book WHERE CAST(public.book.title AS TEXT) ILIKE %s::VARCHAR "
      "ORDER BY public.book.id"), ("x%",)),
    ("postgresql", Query(where("info.a.b", "eq", 5), order=(Order("info.a", True),), fields=("id",)),
     ("SELECT public.book.id FROM public.book WHERE ((public.book.info -> 'a') ->> 'b') = %s "
      "ORDER BY (public.book.info ->> 'a') DESC"), ("5",)),
    ("postgresql", Query(where("info.a'b%s", "eq", True), fields=("id",)),
     ("SELECT public.book.id FROM public.book WHERE (public.book.info ->> 'a''b%%s') = %s "
      "ORDER BY public.book.id"), ("true",)),
    ("mysql", Query(where("info.a.b", "eq", 5), fields=("id",)),
     "SELECT `Book`.id FROM `Book` ORDER BY `Book`.id", ()),
    ("sqlite3", Query(order=(Order("title", True), Order("nothing")), skip=3, fields=("title",)),
     "SELECT book.title FROM book ORDER BY book.title DESC, nothing LIMIT -1 OFFSET ?", (3,)),
    ("sqlite3", Query(limit=3, fields=("title",)),
     "SELECT book.title FROM book ORDER BY book.id LIMIT ? OFFSET 0", (3,)),
    ("sqlite3", Query(fields=("nothing",)), "SELECT 1 FROM book ORDER BY book.id", ()),
    ("sqlite3", Query(where("pages", "inq", (1, 2, 3)), fields=("id",)),
     "SELECT book.id FROM book WHERE book.pages IN (?, ?, ?, ?) ORDER BY book.id", (1, 2, 3, 3)),
    ("sqlite3", Query(Group("or", (where("title", "eq", None), where("pages", "between", (1, 2)))),
                      fields=("id",)),
     "SELECT book.id FROM book WHERE book.title IS NULL OR book.pages BETWEEN ? AND ? ORDER BY book.id",
     (1, 2)),
    ("sqlite3", Query(fields=("id",), limit=2, skip=1, per_parent=PerParent("pages")),
     ("SELECT ranked.id FROM (SELECT book.id AS id, book.pages AS row_parent, row_number() OVER "
      "(PARTITION BY book.pages ORDER BY book.id) AS row_rank FROM book) AS ranked WHERE ranked.row_rank > ? "
      "AND ranked.row_rank <= ? + ? ORDER BY ranked.row_parent, ranked.row_rank"), (1, 1, 2)),
]  # fmt: skip


@pytest.mark.parametrize(("dialect", "query", "sql", "parameters"), SELECTS)
def test_select(dialect: str, query: Query, sql: str, parameters: tuple[Any, ...]) -> None:
    assert compiled(dialect, query) == (sql, parameters)


@pytest.fixture
def book() -> Mapping:
    return map_model("mysql", BOOK)


def test_writes(book: Mapping) -> None:
    compiler = Compiler("mysql")
    found = compiler.update(book, where("title", "eq", "x"), {"pages": 2.5, "id": 9, "stray": 1})
    assert found is not None
    assert found[0].sql == "UPDATE `Book` SET `page%%count`=%s WHERE `Book`.title = %s"
    assert [str(value) for value in found[1]] == ["2.5", "x"]
    assert compiler.update(book, EVERYTHING, {"id": 9, "stray": 1}) is None
    statement, parameters = compiler.insert(book, {"title": "x", "id": None, "stray": 1})
    assert (statement.sql, parameters) == ("INSERT INTO `Book` (title) VALUES (%s)", ("x",))
    assert compiler.insert(book, {})[0].sql == "INSERT INTO `Book` () VALUES ()"
    statement, parameters = compiler.delete(book, where("pages", "nin", (1,)))
    assert statement.sql == "DELETE FROM `Book` WHERE (`Book`.`page%%count` NOT IN (%s))"
    counted, _ = compiler.count(book, EVERYTHING)
    assert " ".join(counted.sql.split()) == "SELECT count(*) AS count_1 FROM `Book`"


def test_a_shape_is_compiled_once(book: Mapping) -> None:
    compiler = Compiler("mysql")
    first, _ = compiler.select(book, Query(where("title", "eq", "x"), limit=1))
    again, parameters = compiler.select(book, Query(where("title", "eq", "y"), limit=20))
    other, _ = compiler.select(book, Query(where("title", "eq", None), limit=20))
    assert first is again
    assert first is not other
    assert parameters == ("y", 20)


def test_the_cache_is_bounded(book: Mapping) -> None:
    compiler = Compiler("mysql")
    for number in range(CACHE_SIZE + 5):
        compiler.select(book, Query(order=(Order(f"name{number}"),)))
    assert len(compiler._cache) <= CACHE_SIZE


def test_conditions_that_the_original_drops(book: Mapping) -> None:
    everything, _ = Compiler("mysql").select(book, Query())
    compiler = Compiler("mysql")
    for dropped in (
        where("stray", "eq", 1),
        where("title", "nin", ()),
        Group("and", ()),
        Group("or", (Group("and", ()), where("stray", "gt", 1))),
        Group("nor", (where("title", "eq", "x"),)),
    ):
        statement, parameters = compiler.select(book, Query(dropped))
        assert (statement.sql, parameters) == (everything.sql, ())


def test_names_are_quoted() -> None:
    evil = model("Evil", prop("a`b\"c'd--", mysql={"columnName": 'x`y"z'}))
    for dialect, expected in (("mysql", '`x``y"z`'), ("sqlite3", '"a`b""c\'d--"')):
        statement, _ = Compiler(dialect).select(map_model(dialect, evil), Query())
        assert expected in statement.sql
