"""The grammar of the npm package qs; expectations were printed by the original parser."""

from __future__ import annotations

import time
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from tenant_runtime.errors import LoopbackError
from tenant_runtime.querystring import parse_form, parse_odd, parse_query

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
    ("a[b][c][d][e][f][g][h]=1", {"a": {"b": {"c": {"d": {"e": {"f": {"[g][h]": "1"}}}}}}}),
    (
        "f[w][n][b][0][0][x]=1&f[w][n][b][1][0]=1&f[w][n][b][1][1]=",
        {"f": {"w": {"n": {"b": [[{"[x]": "1"}], ["1", ""]]}}}},
    ),
    (
        "filter[where][a][inq][]=1&filter[where][a][inq][]=2",
        {"filter": {"where": {"a": {"inq": ["1", "2"]}}}},
    ),
    (
        "filter[where][and][0][a]=1&filter[where][and][1][b]=2",
        {"filter": {"where": {"and": [{"a": "1"}, {"b": "2"}]}}},
    ),
    ("filter%5Blimit%5D=5", {"filter": {"limit": "5"}}),
    ("a[0][0]=&a[0][1]=x", {"a": [["", "x"]]}),
    ("a[0][0]=1&a[0][1]=2&a[1]=3", {"a": [["1", "2"], "3"]}),
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


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["a", "b"]),
            st.lists(st.sampled_from(["", "0", "1", "19", "20", "x", "y", "01"]), max_size=3),
            st.sampled_from(["", "1", "2"]),
        ),
        max_size=8,
    )
)
def test_regular_names_are_read_as_the_port_reads_them(parts: list[tuple[str, list[str], str]]) -> None:
    """Lists in lists apart: the port takes them asunder, the original (see CASES) does not."""
    indexes = {"", "0", "1", "19", "20"}
    assume(not any(indexes >= {one, next_one} for _, path, _ in parts for one, next_one in pairwise(path)))
    text = "&".join(name + "".join(f"[{one}]" for one in path) + "=" + value for name, path, value in parts)
    assert parse_query(text) == parse_odd(text, 0, 5, 20)


def test_many_parameters_take_no_time_and_odd_ones_are_refused() -> None:
    begin = time.perf_counter()
    assert len(parse_query("&".join(["a[]=1"] * 1000))["a"]) == 1000
    assert len(parse_form("&".join(f"a[{index}]=1" for index in range(1000)))["a"]) == 1000
    assert time.perf_counter() - begin < 0.5
    with pytest.raises(LoopbackError, match="too many parameters"):
        parse_query("&".join(["a[=1"] * 300))
