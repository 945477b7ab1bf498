"""Accept against supported types, in the precedence of the npm package negotiator."""

from __future__ import annotations

import pytest

from tenant_runtime.remoting.errors import ERROR_TYPES
from tenant_runtime.remoting.negotiate import (
    RESULT_TYPES,
    RESULT_TYPES_WITHOUT_XML,
    accepted_type,
    charset,
    is_fresh,
    media_type,
)

RESULTS = [
    (None, "application/json"),
    ("*/*", "*/*"),
    ("application/json", "application/json"),
    ("application/json, text/plain, */*", "application/json"),
    ("text/html", None),
    ("text/html,application/xhtml+xml", None),
    ("application/xml", None),
    ("text/plain;q=0.5, application/json;q=0.1", "application/json"),
    ("application/javascript", "application/javascript"),
    ("application/json;q=0", None),
    ("text/*", "text/javascript"),
    ("nonsense", None),
    ("", None),
]


@pytest.mark.parametrize(("accept", "expected"), RESULTS)
def test_results(accept: str | None, expected: str | None) -> None:
    assert accepted_type(accept, RESULT_TYPES_WITHOUT_XML) == expected


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        ("application/xml", "application/xml"),
        ("text/xml;q=0.9, application/json;q=0.8", "text/xml"),
        ("application/xml;q=0.9,application/json", "application/json"),
    ],
)
def test_results_with_xml(accept: str, expected: str) -> None:
    assert accepted_type(accept, RESULT_TYPES) == expected


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        ("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", "text/html"),
        ("application/xml", "xml"),
        ("text/plain", None),
        ("*/*", "application/json"),
        ("text/html, */*, application/json", "text/html"),
    ],
)
def test_errors(accept: str, expected: str | None) -> None:
    assert accepted_type(accept, ERROR_TYPES) == expected


def test_content_types() -> None:
    assert media_type("Application/JSON; charset=UTF-8") == "application/json"
    assert charset('application/json; Charset="UTF-8"') == "utf-8"
    assert media_type(None) == charset(None) == ""


@pytest.mark.parametrize(
    ("condition", "cache", "etag", "fresh"),
    [
        (None, None, 'W/"a"', False),
        ('W/"a"', None, 'W/"a"', True),
        ('"a"', None, 'W/"a"', True),
        ('"b", W/"a"', None, 'W/"a"', True),
        ('"b"', None, 'W/"a"', False),
        ("*", None, 'W/"a"', True),
        ('W/"a"', "no-cache", 'W/"a"', False),
    ],
)
def test_freshness(condition: str | None, cache: str | None, etag: str, fresh: bool) -> None:
    assert is_fresh(condition, cache, etag) is fresh
