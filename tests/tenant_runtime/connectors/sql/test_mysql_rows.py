"""Values of MySQL's text protocol: the same as PyMySQL makes of them."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any

import pytest
from pymysql.converters import convert_datetime

from tenant_runtime.connectors.sql.drivers import surrogates
from tenant_runtime.connectors.sql.drivers.mysql_rows import reader, values

LONG = {250: b"\xfa", 251: b"\xfc\xfb\x00", 70_000: b"\xfd\x70\x11\x01"}


@pytest.mark.parametrize("size", LONG)
def test_a_value_s_length_is_one_byte_or_up_to_eight_more(size: int) -> None:
    row = b"\x01a" + LONG[size] + b"x" * size + b"\xfb\x00\xfe" + (3).to_bytes(8, "little") + b"end"
    assert values(row, [bytes] * 5) == (b"a", b"x" * size, None, b"", b"end")


@pytest.mark.parametrize(
    ("encoding", "convert", "raw", "value"),
    [
        ("ascii", int, b"-12", -12),
        ("ascii", float, b"1.5", 1.5),
        ("ascii", Decimal, b"1.50", Decimal("1.50")),
        ("ascii", convert_datetime, b"2020-01-02 03:04:05", datetime(2020, 1, 2, 3, 4, 5)),
        ("ascii", convert_datetime, b"2020-01-02 03:04:05.120", datetime(2020, 1, 2, 3, 4, 5, 120_000)),
        ("ascii", convert_datetime, b"0000-00-00 00:00:00", "0000-00-00 00:00:00"),
        (None, None, b"\xff", b"\xff"),
        ("latin1", None, b"\xe9", "é"),
        (surrogates.ENCODING, None, "é😀".encode(), "é😀"),
        (surrogates.ENCODING, None, surrogates.split("a😀"), "a😀"),
    ],
)
def test_readers(encoding: str | None, convert: Any, raw: bytes, value: Any) -> None:
    found = reader(encoding, convert)(raw)
    assert found == value and type(found) is type(value)
