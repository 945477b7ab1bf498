"""JavaScript's conversions against a table taken from node, and some laws."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tenant_runtime.model.javascript import (
    INVALID_DATE,
    UNDEFINED,
    iso_text,
    less_than,
    loosely_equal,
    number_to_text,
    to_json_value,
    to_number,
    to_text,
    truthy,
)

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)


@pytest.mark.parametrize(
    ("value", "number"),
    [
        ("", 0),
        ("  12 ", 12),
        ("0x10", 16),
        ("0b11", 3),
        ("1e3", 1000),
        (".5", 0.5),
        ("5.", 5),
        ("-0", 0),
        ("+7", 7),
        ("Infinity", math.inf),
        (True, 1),
        (None, 0),
        ([], 0),
        ([1], 1),
        (["7"], 7),
        (2**53 + 1, 2**53),
        (1.0, 1),
        (datetime(2020, 1, 1, tzinfo=UTC), 1577836800000),
    ],
)
def test_to_number(value: Any, number: float) -> None:
    result = to_number(value)
    assert result == number
    assert isinstance(result, int) or not float(result).is_integer()


@pytest.mark.parametrize("value", ["abc", "1a", "0x", "1_000", "--1", [1, 2], {}, {"a": 1}, "١"])
def test_what_is_no_number(value: Any) -> None:
    assert math.isnan(to_number(value))


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1, "1"),
        (1.5, "1.5"),
        (1e21, "1e+21"),
        (1e20, "100000000000000000000"),
        (1.5e300, "1.5e+300"),
        (1e-7, "1e-7"),
        (1e-5, "0.00001"),
        (123456789012345680000, "123456789012345680000"),
        (-0.0, "0"),
        (math.nan, "NaN"),
        (-math.inf, "-Infinity"),
        (None, "null"),
        (UNDEFINED, "undefined"),
        (True, "true"),
        ([1, [2, None, 3], "x"], "1,2,,3,x"),
        ({"a": 1}, "[object Object]"),
        (INVALID_DATE, "Invalid Date"),
    ],
)
def test_to_text(value: Any, text: str) -> None:
    assert to_text(value) == text


@pytest.mark.parametrize(
    ("left", "right", "equal"),
    [
        (None, UNDEFINED, True),
        (None, 0, False),
        ("1", 1, True),
        ("", 0, True),
        (True, "1", True),
        (False, "", True),
        ([1], 1, True),
        ([1, 2], "1,2", True),
        ({"a": 1}, {"a": 1}, False),
        ({}, "[object Object]", True),
        (math.nan, math.nan, False),
    ],
)
def test_loose_equality(left: Any, right: Any, equal: bool) -> None:
    assert loosely_equal(left, right) is equal
    assert loosely_equal(right, left) is equal


@pytest.mark.parametrize(
    ("left", "right", "less"),
    [
        ("a", "b", True),
        ("10", "9", True),
        ("10", 9, False),
        (None, 1, True),
        (None, 0, False),
        (UNDEFINED, 1, False),
        ("a", 1, False),
        ("\U0001f600", "\uffff", True),
    ],
)
def test_less_than(left: Any, right: Any, less: bool) -> None:
    assert less_than(left, right) is less


@pytest.mark.parametrize("value", [[], {}, "0", " ", 1, -1, math.inf, datetime.now(UTC), INVALID_DATE])
def test_truth(value: Any) -> None:
    assert truthy(value)


@pytest.mark.parametrize("value", ["", 0, 0.0, math.nan, None, UNDEFINED, False])
def test_falsehood(value: Any) -> None:
    assert not truthy(value)


def test_dates_leave_with_milliseconds() -> None:
    assert iso_text(datetime(2020, 1, 2, 3, 4, 5, 6000, UTC)) == "2020-01-02T03:04:05.006Z"


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_the_text_of_a_number_is_that_number(value: float) -> None:
    assert to_number(number_to_text(value)) == value


@given(JSON)
def test_no_json_value_breaks_a_conversion(value: Any) -> None:
    assert isinstance(to_text(value), str)
    assert isinstance(to_number(value), int | float)
    assert isinstance(truthy(value), bool)
    to_json_value(value)


@given(JSON, JSON)
def test_equality_is_symmetric(left: Any, right: Any) -> None:
    assert loosely_equal(left, right) == loosely_equal(right, left)


@given(st.text(), st.text())
def test_texts_are_ordered_by_their_utf16_units(left: str, right: str) -> None:
    units = [text.encode("utf-16-be", "surrogatepass") for text in (left, right)]
    assert less_than(left, right) == (units[0] < units[1])
