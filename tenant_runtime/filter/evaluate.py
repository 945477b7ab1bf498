"""A where tree and an order over plain dicts: what the memory connector answers.

In charge of: LoopBack's in-memory semantics to the letter (juggler ``connectors/memory.js``): JavaScript's
loose comparisons, conditions on arrays, paths through objects. Must not know: storage, models, clocks; the
matcher for patterns is handed in.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any

from tenant_runtime.errors import LoopbackError
from tenant_runtime.filter.patterns import like_pattern
from tenant_runtime.filter.query import Compare, Group, Order, Where
from tenant_runtime.model.javascript import (
    UNDEFINED,
    is_nullish,
    less_than,
    loosely_equal,
    to_number,
    to_text,
    truthy,
)

Row = dict[str, Any]
Test = Callable[[Any], bool]
Matcher = Callable[[str, str], Callable[[str], bool]]  # pattern, flags → test


def predicate(where: Where, matcher: Matcher) -> Callable[[Row], bool]:
    """Whether a row matches; compiled once for all rows of a query."""
    if isinstance(where, Group):
        return _group(where, matcher)
    test = value_test(where, matcher)
    if "." not in where.path:
        name = where.path

        def simple(row: Row) -> bool:
            value = row.get(name, UNDEFINED)
            return _any_element(value, where, test) if isinstance(value, list) else test(value)

        return simple
    return lambda row: _test_path(row, where.path, where, test)


def _group(group: Group, matcher: Matcher) -> Callable[[Row], bool]:
    tests = [predicate(child, matcher) for child in group.children]
    if group.kind == "and":
        return lambda row: all(test(row) for test in tests)
    if group.kind == "or":
        return lambda row: any(test(row) for test in tests)
    # the memory connector takes "nor" for a property that no row has
    return lambda row: False


def _any_element(values: list[Any], where: Compare, test: Test) -> bool:
    """A condition on an array holds when it holds for any element; neq also for an empty one."""
    if where.op == "eq" and where.value is None:
        raise LoopbackError("Cannot read properties of null (reading 'neq')", name="TypeError")
    if where.op == "neq" and not values:
        return True
    return any(_any_element(v, where, test) if isinstance(v, list) else test(v) for v in values)


def get_path(value: Any, path: str) -> Any:
    """``a.b.c`` through objects, and through arrays by index; null and undefined end it."""
    for step in path.split("."):
        if isinstance(value, dict):
            value = value.get(step, UNDEFINED)
        elif isinstance(value, list) and step.isdigit():
            value = value[int(step)] if int(step) < len(value) else UNDEFINED
        else:
            return UNDEFINED
        if value is None or value is UNDEFINED:
            return value
    return value


def _test_path(row: Any, path: str, where: Compare, test: Test) -> bool:
    """As MongoDB does: ``a.b`` also looks into the elements of an array ``a``."""
    value = get_path(row, path)
    if isinstance(value, list):
        return _any_element(value, where, test)
    if test(value):
        return True
    head, dot, rest = path.partition(".")
    if not dot or not isinstance(row, dict):
        return False
    inner = row.get(head)
    if isinstance(inner, list):
        return any(_test_path(element, rest, where, test) for element in inner)
    return isinstance(inner, dict) and _test_path(inner, rest, where, test)


def value_test(where: Compare, matcher: Matcher) -> Test:
    """The test of one value."""
    expected = where.value
    make = _TESTS.get(where.op)
    if make is not None:
        return make(expected)
    if where.op in ("like", "nlike", "ilike", "nilike"):
        return _like(where, matcher)
    if where.op == "regexp":
        return _regexp(where, matcher)
    if where.op == "near":
        return lambda value: True  # selected and sorted afterwards
    return lambda value: False  # exists, raw: not of this store


def _equal(expected: Any) -> Test:
    if isinstance(expected, str) or type(expected) is int:
        kind = type(expected)
        return lambda value: value == expected if type(value) is kind else loosely_equal(expected, value)
    return lambda value: loosely_equal(expected, value)


def _not_equal(expected: Any) -> Test:
    return lambda value: compare(expected, value) != 0


def _in(expected: Iterable[Any]) -> Test:
    # two Date objects are never the same to JavaScript's ==
    items = [item for item in expected if not isinstance(item, datetime)]
    try:
        exact = frozenset(
            item for item in items if isinstance(item, str | int) and not isinstance(item, bool)
        )
    except TypeError:
        exact = frozenset()
    return lambda value: (
        (type(value) in (str, int) and value in exact) or any(loosely_equal(item, value) for item in items)
    )


def _not_in(expected: Iterable[Any]) -> Test:
    inside = _in(expected)
    return lambda value: not inside(value)


def _between(expected: tuple[Any, Any] | None) -> Test:
    if expected is None:
        return _no_bounds
    low, high = expected
    return lambda value: compare(value, low) >= 0 and compare(value, high) <= 0


def _no_bounds(value: Any) -> bool:
    raise LoopbackError("Cannot read properties of null (reading '0')", name="TypeError")


# The usual case first: a number or date against one of its own type needs none of JavaScript's rules.


def _greater(expected: Any) -> Test:
    kind = _ordered_kind(expected)
    return lambda value: value > expected if type(value) is kind else compare(value, expected) > 0


def _greater_or_equal(expected: Any) -> Test:
    kind = _ordered_kind(expected)
    return lambda value: value >= expected if type(value) is kind else compare(value, expected) >= 0


def _less(expected: Any) -> Test:
    kind = _ordered_kind(expected)
    return lambda value: value < expected if type(value) is kind else compare(value, expected) < 0


def _less_or_equal(expected: Any) -> Test:
    kind = _ordered_kind(expected)
    return lambda value: value <= expected if type(value) is kind else compare(value, expected) <= 0


def _ordered_kind(expected: Any) -> type | None:
    return type(expected) if type(expected) in (int, float, datetime) else None


_TESTS: dict[str, Callable[[Any], Test]] = {
    "eq": _equal,
    "neq": _not_equal,
    "inq": _in,
    "nin": _not_in,
    "between": _between,
    "gt": _greater,
    "gte": _greater_or_equal,
    "lt": _less,
    "lte": _less_or_equal,
}


def _like(where: Compare, matcher: Matcher) -> Test:
    if not truthy(where.value):
        return lambda value: False  # an empty pattern is no operator at all there
    # on a number or boolean property the pattern was coerced like any value
    pattern = like_pattern(where.value) if isinstance(where.value, str) else to_text(where.value)
    test = matcher(pattern, "i" if where.op in ("ilike", "nilike") else "")
    negated = where.op in ("nlike", "nilike")
    return lambda value: test(to_text(value)) is not negated


def _regexp(where: Compare, matcher: Matcher) -> Test:
    test = matcher(str(where.value), where.options or "")

    def match(value: Any) -> bool:
        if not truthy(value):
            return False
        if not isinstance(value, str):
            raise LoopbackError("value.match is not a function", name="TypeError")
        return test(value)

    return match


def compare(left: Any, right: Any) -> float:
    """The memory connector's compare: NaN (every comparison false) where it does not know how."""
    kind = type(left)
    if kind is type(right) and (kind is int or kind is float):
        return left - right  # type: ignore[no-any-return]
    if is_nullish(left) or is_nullish(right):
        return 0 if is_nullish(left) and is_nullish(right) else math.nan
    if isinstance(left, int | float):
        return to_number(left) - to_number(right)
    if isinstance(left, str):
        if less_than(right, left):
            return 1
        if less_than(left, right):
            return -1
        return 0 if loosely_equal(left, right) else math.nan
    if isinstance(left, datetime):
        if isinstance(right, datetime):
            return (left - right).total_seconds()
        return to_number(left) - to_number(right)
    return 0 if loosely_equal(left, right) else math.nan


def sort_rows(rows: list[Row], order: tuple[Order, ...]) -> list[Row]:
    """Stable, missing values first; a descending key reverses that."""
    if not order:
        return rows
    if len(order) == 1 and "." not in order[0].path:
        quick = _sort_by_plain_key(rows, order[0])
        if quick is not None:
            return quick
    return sorted(rows, key=functools.cmp_to_key(functools.partial(_compare_rows, order)))


def _sort_by_plain_key(rows: list[Row], order: Order) -> list[Row] | None:
    """The usual case: every row has a value, all of one sortable type."""
    name = order.path
    keys = [row.get(name) for row in rows]
    kinds = {type(key) for key in keys}
    if len(kinds) != 1 or not kinds <= {int, str, datetime} or (kinds == {str} and not _ascii(keys)):
        return None
    return sorted(rows, key=lambda row: row[name], reverse=order.descending)


def _ascii(keys: list[Any]) -> bool:
    return all(key.isascii() for key in keys)


def _compare_rows(order: tuple[Order, ...], left: Row, right: Row) -> int:
    for term in order:
        one, other = get_path(left, term.path), get_path(right, term.path)
        missing_one = one is UNDEFINED and other is not UNDEFINED
        missing_other = other is UNDEFINED and one is not UNDEFINED
        sign = -1 if term.descending else 1
        if missing_other or less_than(other, one):
            return sign
        if missing_one or less_than(one, other):
            return -sign
    return 0
