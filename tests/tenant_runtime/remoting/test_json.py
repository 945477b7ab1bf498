"""JSON as JavaScript reads and prints it."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from tenant_runtime.remoting.json import dumps, loads


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ({"a": 1, "b": None}, b'{"a":1,"b":null}'),
        (float("nan"), b"null"),
        (datetime(2020, 1, 2, 3, 4, 5, 678999, tzinfo=UTC), b'"2020-01-02T03:04:05.678Z"'),
        (Decimal("1.50"), b"1.5"),
        (Decimal("2"), b"2"),
        (2**70, b"1180591620717411303424"),
        ("\ud800", b'"\\ud800"'),
        ({1: "x"}, b'{"1":"x"}'),
        ((1, 2), b"[1,2]"),
    ],
)
def test_printing(value: Any, text: bytes) -> None:
    assert dumps(value) == text


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (b'{"a":1.0}', {"a": 1}),
        (b"1e2", 100),
        (b"[1.5]", [1.5]),
        (b'"\\ud800"', "\ud800"),
    ],
)
def test_reading(text: bytes, value: Any) -> None:
    result = loads(text)
    assert result == value
    assert type(result) is type(value)


@pytest.mark.parametrize("text", [b"{bad", b"", b"NaN", b"[1,]", b'{"a":Infinity}', b"\xff"])
def test_refusing(text: bytes) -> None:
    with pytest.raises(ValueError):
        loads(text)
