"""The grammar of the npm package qs; expectations were printed by the original parser."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tenant_runtime.querystring import parse_form, parse_query

CASES: list[tuple[str, dict[str, Any]]] = [
    ("", {}),
    ("a=1&b=2", {"a": "1", "b": "2"}),
    ("a", {"a": ""}),
    ("a=1&a=2", {"a": ["1", "2"]}),
    ("a==", {"a": "="}),
    ("&&a=x+y%20z", {"a": "x y z"}),
    ("=1", {}),
    ("a=%zz", {"a": "%zz"}),
    ("a[]=1", {"a": ["1"]}),
    ("a[b]=1&a=2", {"a": [{"b": "1"}, "2"]}),
    ("a[0]=x&a[25]=y", {"a": {"0": "x", "25": "y"}}),
    ("a[b][c][d][e][f][g]=1", {"a": {"b": {"c": {"d": {"e": {"f": {"[g]": "1"}}}}}}}),
    (
        "filter[where][a][inq][]=1&filter[where][a][inq][]=2",
        {"filter": {"where": {"a": {"inq": ["1", "2"]}}}},
    ),
    (
        "filter[where][and][0][a]=1&filter[where][and][1][b]=2",
        {"filter": {"where": {"and": [{"a": "1"}, {"b": "2"}]}}},
    ),
    ("filter%5Blimit%5D=5", {"filter": {"limit": "5"}}),
]


@pytest.mark.parametrize(("text", "expected"), CASES)
def test_cases(text: str, expected: dict[str, Any]) -> None:
    assert parse_query(text) == expected


def test_forms_may_be_longer_and_deeper() -> None:
    assert parse_form("&".join(f"a[{index}]=x" for index in range(60)))["a"] == ["x"] * 60


@given(st.text(alphabet="ab[]=&%+0125.é\x00\ud800", max_size=60))
def test_no_text_breaks_it(text: str) -> None:
    assert isinstance(parse_query(text), dict)
    assert isinstance(parse_form(text), dict)
