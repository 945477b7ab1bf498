"""Where a request carries its token, and how long a token lives."""

from __future__ import annotations

import base64
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tenant_runtime.access.token import TokenOptions, create_id, find_id, is_live, rewrite_user_literal
from tenant_runtime.errors import LoopbackError

NOW = datetime(2026, 1, 2, tzinfo=UTC)


def b64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def find(
    params: dict[str, Any] | None = None, headers: dict[str, str] | None = None, **parts: Any
) -> str | None:
    lower = {name.lower(): value for name, value in (headers or {}).items()}
    query = parts.pop("query", {})
    options = TokenOptions.parse(params or {})
    return find_id(options, header=lambda name: lower.get(name.lower()), query=query, **parts)


@pytest.mark.parametrize(
    ("header", "id"),
    [
        ("abc", "abc"),
        ("Bearer " + b64("abc"), "abc"),
        ("Bearer " + b64("abc").rstrip("="), "abc"),
        ("bearer " + b64("abc"), "bearer " + b64("abc")),
        ("Basic " + b64("abc"), "abc"),
        ("basic " + b64("abc:"), "abc"),
        ("BASIC " + b64(":abc"), "abc"),
        ("Basic " + b64("token:abcdef"), "abcdef"),
        ("Basic " + b64("abcdef:x:y"), "abcdef"),
        ("Basic " + b64("ab:cd"), "ab"),
        ("Bearer !!" + b64("abc") + "-", "abc\x0f"[:3]),
    ],
)
def test_authorization_header(header: str, id: str) -> None:
    assert find(headers={"Authorization": header}) == id


def test_order_of_places() -> None:
    everything: dict[str, Any] = {
        "body": {"access_token": "body"},
        "query": {"access_token": "query"},
        "headers": {"X-Access-Token": "x", "Authorization": "auth"},
        "signed_cookies": {"access_token": "cookie", "authorization": "cookie2"},
    }
    found = []
    for leave_out in ("body", "query", "headers", "signed_cookies"):
        found.append(find(**everything))
        del everything[leave_out]
    assert [*found, find(**everything)] == ["body", "query", "x", "cookie", None]


def test_own_names_come_first_and_may_replace_the_default_ones() -> None:
    query = {"access_token": "default", "t": "own"}
    assert find({"params": ["t"]}, query=query) == "own"
    assert find({"searchDefaultTokenKeys": False}, query=query) is None
    assert find({"headers": ["X-My"]}, headers={"x-my": "1", "Authorization": "2"}) == "1"
    assert find({"cookies": ["c"]}, signed_cookies={"c": "1"}) == "1"


def test_values_that_are_no_text_are_passed_over() -> None:
    assert find(query={"access_token": ["a", "b"]}, headers={"Authorization": "h"}) == "h"
    assert find(signed_cookies={"access_token": False}) is None
    assert find(headers={"X-Access-Token": "", "Authorization": "h"}) == "h"


def test_raw_bearer() -> None:
    assert find({"bearerTokenBase64Encoded": False}, headers={"Authorization": "Bearer abc"}) == "abc"


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        ("/api/users/me", "/api/users/7"),
        ("/api/users/me/orders", "/api/users/7/orders"),
        ("/api/users/me?x=1", "/api/users/7?x=1"),
        ("/api/users/mean", "/api/users/mean"),
        ("/me/me", "/7/me"),
    ],
)
def test_me(target: str, expected: str) -> None:
    assert rewrite_user_literal(target, "me", {"userId": 7}) == expected


def test_me_without_a_token_is_refused() -> None:
    with pytest.raises(LoopbackError) as caught:
        rewrite_user_literal("/api/users/me", "me", None)
    assert (caught.value.status, caught.value.code) == (401, "AUTHORIZATION_REQUIRED")
    assert rewrite_user_literal("/api/users/1", "me", None) == "/api/users/1"
    assert rewrite_user_literal("/api/users/me", None, None) == "/api/users/me"


@pytest.mark.parametrize(
    ("age_seconds", "ttl", "eternal_allowed", "live"),
    [(9, 10, False, True), (10, 10, False, False), (10**9, -1, True, True), (1, -1, False, False)],
)
def test_is_live(age_seconds: int, ttl: int, eternal_allowed: bool, live: bool) -> None:
    created = NOW - timedelta(seconds=age_seconds)
    assert is_live(created, ttl, eternal_allowed=eternal_allowed, now=NOW) is live


@pytest.mark.parametrize(("created", "ttl"), [(None, 10), (NOW, 0), (NOW, None), (NOW, -2)])
def test_rows_that_are_no_tokens(created: Any, ttl: Any) -> None:
    with pytest.raises(LoopbackError, match="token"):
        is_live(created, ttl, eternal_allowed=False, now=NOW)


def test_ids_are_long_random_and_need_no_encoding() -> None:
    ids = {create_id() for _ in range(100)}
    assert len(ids) == 100
    assert all(len(id) == 64 and id.isalnum() for id in ids)
