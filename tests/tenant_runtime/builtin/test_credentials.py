"""Who a login request names."""

from __future__ import annotations

from typing import Any

import pytest

from tenant_runtime.builtin.credentials import user_query, wants_user
from tenant_runtime.errors import LoopbackError


@pytest.mark.parametrize(
    ("credentials", "settings", "query"),
    [
        ({"email": "a@b.c"}, {}, {"email": "a@b.c"}),
        ({"username": "ann"}, {}, {"username": "ann"}),
        ({"email": "a@b.c", "username": "ann", "realm": "r"}, {}, {"email": "a@b.c"}),
        ({"email": "", "username": "ann"}, {}, {"username": "ann"}),
        ({"realm": "r", "username": "ann"}, {"realmRequired": True}, {"realm": "r", "username": "ann"}),
        ({"username": "r:ann"}, {"realmDelimiter": ":"}, {"realm": "r", "username": "ann"}),
        ({"email": "r:a:b", "realm": "x"}, {"realmDelimiter": ":"}, {"realm": "r", "email": "a:b"}),
        ({"username": "ann", "realm": "x"}, {"realmDelimiter": ":"}, {"realm": "x", "username": "ann"}),
    ],
)
def test_query(credentials: Any, settings: dict[str, Any], query: dict[str, str]) -> None:
    assert user_query(credentials, settings) == query


@pytest.mark.parametrize(
    ("credentials", "settings", "code"),
    [
        (None, {}, "USERNAME_EMAIL_REQUIRED"),
        ({"password": "x"}, {}, "USERNAME_EMAIL_REQUIRED"),
        ({"email": {"neq": 1}}, {}, "INVALID_EMAIL"),
        ({"username": ["x"]}, {}, "INVALID_USERNAME"),
        ({"username": []}, {}, "INVALID_USERNAME"),
        ({"email": {}}, {}, "INVALID_EMAIL"),
        ({"email": 0, "username": ""}, {}, "USERNAME_EMAIL_REQUIRED"),
        ({"username": "ann"}, {"realmRequired": True}, "REALM_REQUIRED"),
        ({"username": "ann", "realm": {"gt": ""}}, {"realmRequired": True}, "INVALID_REALM"),
        ({"username": "r:"}, {"realmDelimiter": ":"}, "USERNAME_EMAIL_REQUIRED"),
    ],
)
def test_refusals(credentials: Any, settings: dict[str, Any], code: str) -> None:
    with pytest.raises(LoopbackError) as caught:
        user_query(credentials, settings)
    assert (caught.value.status, caught.value.code) == (400, code)


@pytest.mark.parametrize(
    ("include", "wanted"),
    [("user", True), ("USER", True), (["x", "User"], True), ("x", False), (None, False), ([], False)],
)
def test_include(include: Any, wanted: bool) -> None:
    assert wants_user(include) is wanted
