"""The replayer itself: what counts as the recorded answer."""

from __future__ import annotations

from typing import Any

import pytest

from tests.conformance.exchange import headers_and_body, path_of
from tests.conformance.matching import Comparison
from tests.conformance.replay import at_pointer
from tests.conformance.variables import Variables

OBJECT_ID = "5f0000000000000000000001"


def differences(
    expected: Any, actual: Any, step: dict[str, Any] | None = None, **variables: Any
) -> list[str]:
    comparison = Comparison(step or {}, Variables(variables), "/foo")
    comparison.compare(expected, actual)
    return [difference.at for difference in comparison.differences]


@pytest.mark.parametrize(
    ("expected", "actual", "step", "at"),
    [
        ({"a": 1, "b": 2}, {"b": 2.0, "a": 1}, None, []),
        ({"a": 1}, {"a": True}, None, ["/a"]),
        ({"a": None}, {}, None, ["/a"]),
        ({}, {"a~/b": 1}, None, ["/a~0~1b"]),
        ([1, 2], [2, 1], None, ["/0", "/1"]),
        ([1, 2], [2, 1], {"unordered": True}, []),
        ({"x": [1, 2]}, {"x": [2, 1]}, {"unordered": ["/x"]}, []),
        ([1, 1], [1, 2], {"unordered": True}, ["/1"]),
        ([1], [1, 2], None, [""]),
        ({"description": "a"}, {"description": "b"}, {"ignore": ["description"]}, []),
        (
            {"description": {"a": 1}},
            {"description": {"a": 2}},
            {"ignore": ["description"]},
            ["/description/a"],
        ),
        ({"$match": "objectid"}, OBJECT_ID, None, []),
        ({"$match": "objectid"}, OBJECT_ID + "\n", None, [""]),
        ({"$match": "any-number"}, True, None, [""]),
        ({"$match": "contains", "parts": ["b", "${v}"]}, "abc", None, []),
        ({"a": {"$match": "token", "as": "t"}, "b": "${t}"}, {"a": "x" * 64, "b": "x" * 64}, None, []),
        ({"a": {"$match": "token", "as": "t"}, "b": "${t}"}, {"a": "x" * 64, "b": "y" * 64}, None, ["/b"]),
        ("/explorer", "/foo/explorer", None, []),
    ],
)
def test_bodies(expected: Any, actual: Any, step: Any, at: list[str]) -> None:
    assert differences(expected, actual, step, v="c") == at


@pytest.mark.parametrize(
    ("expected", "actual", "at"),
    [
        ({"content-type": "text/html; charset=utf-8"}, {"content-type": "text/html;charset=UTF-8"}, []),
        ({"vary": "Origin, Accept"}, {"vary": "accept, origin"}, []),
        ({"x": None}, {"x": "1"}, ["header:x"]),
        ({"x": "1"}, {}, ["header:x"]),
        ({"location": "/explorer/"}, {"location": "http://127.0.0.1:9000/foo/explorer/"}, []),
    ],
)
def test_headers(expected: dict[str, Any], actual: dict[str, str], at: list[str]) -> None:
    comparison = Comparison({}, Variables(), "/foo")
    comparison.compare_headers(expected, actual)
    assert [difference.at for difference in comparison.differences] == at


def test_variables_keep_their_type_and_fill_texts() -> None:
    variables = Variables(id=5, token="abc")
    assert variables.fill(
        {"a": "${id}", "b": ["x${id}"], "c": "${none}", "d": "Basic ${b64(u:${token})}"}
    ) == {
        "a": 5,
        "b": ["x5"],
        "c": "${none}",
        "d": "Basic dTphYmM=",
    }


def test_requests() -> None:
    variables = Variables(id="a/b")
    step = {"method": "PUT", "path": "/api/X/${id}", "query": {"filter": {"where": {"a": "ä"}}, "q": "x y"}}
    assert (
        path_of(step, variables)
        == "/api/X/a%2Fb?filter=%7B%22where%22%3A%7B%22a%22%3A%22%C3%A4%22%7D%7D&q=x%20y"
    )
    headers, body = headers_and_body({**step, "headers": {"Accept": None, "X": 1}}, variables)
    assert headers == {"accept-encoding": "identity", "x": "1", "content-length": "0"}
    assert body is None


def test_pointers() -> None:
    assert at_pointer({"a": [{"b~/": 1}]}, "/a/0/b~0~1") == 1
    assert at_pointer([1], "") == [1]
