"""``new Date(text)``: a table recorded from node with TZ=UTC, and robustness."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tenant_runtime.model.dates import from_milliseconds, parse_date, to_date
from tenant_runtime.model.javascript import INVALID_DATE, InvalidDate, iso_text

RECORDED = json.loads((Path(__file__).parent / "dates_of_node.json").read_text("utf-8"))


@pytest.fixture(autouse=True)
def server_in_utc(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.parametrize(("text", "expected"), RECORDED)
def test_as_node_reads_it(text: str, expected: str | None) -> None:
    date = parse_date(text)
    assert (None if isinstance(date, InvalidDate) else iso_text(date)) == expected


def test_a_time_without_zone_is_local(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "Europe/Berlin")
    time.tzset()
    assert parse_date("2020-01-02T03:04:05") == datetime(2020, 1, 2, 2, 4, 5, tzinfo=UTC)
    assert parse_date("2020-01-02") == datetime(2020, 1, 2, tzinfo=UTC)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 1e18, {}, ["x"]])
def test_what_is_no_date(value: object) -> None:
    assert to_date(value) is INVALID_DATE


@given(st.integers(0, 4102444800000))
def test_milliseconds_and_iso_text_mean_the_same(milliseconds: int) -> None:
    date = from_milliseconds(milliseconds)
    assert isinstance(date, datetime)
    assert parse_date(iso_text(date)) == date


@given(st.text(alphabet="0123456789-:/ TZ+.,()JanFebpmGMT", max_size=30) | st.text(max_size=20))
def test_no_text_breaks_the_parser(text: str) -> None:
    date = parse_date(text)
    assert isinstance(date, datetime | InvalidDate)
