"""Values on their way to a column and back."""

from __future__ import annotations

import math
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tenant_runtime.connectors.sql import values
from tests.tenant_runtime.connectors.sql.conftest import prop

NOON = datetime(2020, 1, 2, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("kind", "stored", "read"),
    [
        ("number", Decimal("1235.000"), 1235),
        ("number", Decimal("1.50"), 1.5),
        ("number", 5.0, 5),
        ("number", b"\x01", 1),
        ("number", "12.5", 12.5),
        ("number", 9007199254740993, 9007199254740993),
        ("string", 12.5, "12.5"),
        ("string", Decimal("3.10"), "3.10"),
        ("string", b"ab", "ab"),
        ("boolean", 1, True),
        ("boolean", 0, False),
        ("boolean", b"\x01", True),
        ("boolean", b"\x00", False),
        ("boolean", "1", True),
        ("boolean", "N", False),
        ("date", datetime(2020, 1, 2, 12), NOON),
        ("date", date(2020, 1, 2), datetime(2020, 1, 2, tzinfo=UTC)),
        ("date", "0000-00-00 00:00:00", None),
        ("object", '{"a":[1,null]}', {"a": [1, None]}),
        ("object", "plain", "plain"),
        ("array", '["x"]', ["x"]),
        ("any", "5", 5),
        ("any", "z", "z"),
        ("text", "5", "5"),
        ("buffer", b"\x00\xff", b"\x00\xff"),
    ],
)
def test_mysql_reads(kind: Any, stored: Any, read: Any) -> None:
    found = values.codec("mysql", prop("p", kind)).decode(stored)
    assert found == read
    assert type(found) is type(read)


def test_text_that_is_no_number_is_nan() -> None:
    assert math.isnan(values.codec("mysql", prop("p", "number")).decode("abc"))


@pytest.mark.parametrize(
    ("kind", "value", "stored"),
    [
        ("number", 2.5, Decimal("2.5")),
        ("number", 3.0, 3),
        ("number", True, 1),
        ("number", "abc", "abc"),
        ("boolean", True, 1),
        ("string", 12.5, "12.5"),
        ("string", 12.0, "12"),
        ("string", True, "true"),
        ("string", ["a", {"x": 1}], "a,[object Object]"),
        ("date", NOON, datetime(2020, 1, 2, 12)),
        ("object", {"ü": [1.5, NOON]}, '{"ü":[1.5,"2020-01-02T12:00:00.000Z"]}'),
        ("object", "text", "text"),
        ("any", 5, "5"),
        ("buffer", "ab", b"ab"),
    ],
)
def test_mysql_writes(kind: Any, value: Any, stored: Any) -> None:
    assert values.codec("mysql", prop("p", kind)).encode(value) == stored


@pytest.mark.parametrize(
    ("dialect", "kind", "value", "asked"),
    [
        ("mysql", "object", "%a%", '"%a%"'),
        ("mysql", "array", "%a%", "%a%"),
        ("mysql", "number", "abc", "abc"),
        ("mysql", "number", [2.5], Decimal("2.5")),
        ("mysql", "number", [{"x": 1}], "[object Object]"),
        ("mysql", "string", ["a", None, 1], "a,,1"),
        ("postgresql", "string", [{"x": 1}], "[object Object]"),
        ("sqlite3", "string", [True], "true"),
        ("postgresql", "number", "abc", 0),
        ("postgresql", "number", " 12.5x", Decimal("12.5")),
        ("postgresql", "array", "%a%", "%a%"),
        ("sqlite3", "number", "12.5x", 12.5),
        ("sqlite3", "date", NOON, 1577966400000),
    ],
)
def test_where_values(dialect: str, kind: Any, value: Any, asked: Any) -> None:
    assert values.codec(dialect, prop("p", kind)).query(value) == asked


@pytest.mark.parametrize(
    ("setting", "expected"),
    [
        ("Z", UTC),
        ("local", None),
        ("+02:00", timezone(timedelta(hours=2))),
        ("-0330", timezone(-timedelta(hours=3, minutes=30))),
        ("nonsense", UTC),
    ],
)
def test_zone_of(setting: str, expected: Any) -> None:
    assert values.zone_of(setting) == expected


def test_mysql_dates_in_another_zone() -> None:
    codec = values.codec("mysql", prop("p", "date"), values.zone_of("+02:00"))
    assert codec.encode(NOON) == datetime(2020, 1, 2, 14)
    assert codec.decode(datetime(2020, 1, 2, 14)) == NOON


def test_postgresql_lists() -> None:
    """Also those that the original's driver wrote into text columns."""
    decode = values.codec("postgresql", prop("p", "array")).decode
    assert decode('["x"]') == ["x"]
    assert decode('{"x","y z",NULL}') == ["x", "y z", None]
    assert decode("{x,y}") == ["x", "y"]
    native = values.codec("postgresql", prop("p", "array", postgresql={"dataType": "text[]"}))
    assert native.encode(["x"]) == ["x"]


@pytest.mark.parametrize("dialect", ["mysql", "postgresql", "sqlite3"])
def test_null_where_the_column_takes_none(dialect: str) -> None:
    assert values.codec(dialect, prop("p", required=True)).null == "null"
    assert values.codec(dialect, prop("p", "number", required=True)).null == 0
    assert values.codec(dialect, prop("p")).null is None


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)


@settings(deadline=None)
@given(st.sampled_from(["mysql", "postgresql", "sqlite3"]), st.dictionaries(st.text(), JSON))
def test_objects_come_back(dialect: str, value: Any) -> None:
    codec = values.codec(dialect, prop("p", "object"))
    assert codec.decode(codec.encode(value)) == value


@settings(deadline=None)
@given(st.datetimes(min_value=datetime(1, 1, 2), max_value=datetime(9999, 12, 30)))
def test_sqlite_dates_come_back(moment: datetime) -> None:
    value = moment.replace(microsecond=moment.microsecond // 1000 * 1000, tzinfo=UTC)
    codec = values.codec("sqlite3", prop("p", "date"))
    assert codec.decode(codec.encode(value)) == value


@settings(deadline=None)
@given(st.floats(-180, 180), st.floats(-90, 90))
def test_points_come_back(lng: float, lat: float) -> None:
    for dialect in ("mysql", "postgresql", "sqlite3"):
        codec = values.codec(dialect, prop("p", "geopoint"))
        assert codec.decode(codec.encode({"lat": lat, "lng": lng})) == {"lat": lat, "lng": lng}
