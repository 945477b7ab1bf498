"""The SQL of a tenant's own code."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest

from tenant_runtime.connectors.sql.raw import placeholders, plain_row


@pytest.mark.parametrize(
    ("dialect", "sql", "parameters", "expected"),
    [
        ("mysql", "a = ? AND b = ?", [1, 2], ("a = %s AND b = %s", (1, 2))),
        ("mysql", "a LIKE '5%?' AND b = ?", [1], ("a LIKE '5%%?' AND b = %s", (1,))),
        ("mysql", "a = 'it''s ?' -- why?\n AND b = ?", [1], ("a = 'it''s ?' -- why?\n AND b = %s", (1,))),
        ("mysql", "a % 2 = ?", [1], ("a %% 2 = %s", (1,))),
        ("mysql", "`odd?` = ? /* ? */", [1], ("`odd?` = %s /* ? */", (1,))),
        ("mysql", "a = $1", [], ("a = $1", ())),
        ("postgresql", "a = $2 AND b = $1 AND c = $2", [1, 2], ("a = %s AND b = %s AND c = %s", (2, 1, 2))),
        ("postgresql", "a ? 'key' AND b LIKE '%x'", [], ("a ? 'key' AND b LIKE '%%x'", ())),
        ("sqlite3", "a = ? AND b LIKE '%'", [1], ("a = ? AND b LIKE '%'", (1,))),
    ],
)
def test_placeholders(dialect: str, sql: str, parameters: list[Any], expected: Any) -> None:
    assert placeholders(dialect, sql, parameters) == expected


def test_rows_are_plain() -> None:
    row = plain_row("abcd", [Decimal("1.50"), datetime(2020, 1, 2), date(2020, 1, 2), memoryview(b"x")])
    assert row == {"a": 1.5, "b": datetime(2020, 1, 2, tzinfo=UTC), "c": "2020-01-02", "d": b"x"}
