"""The pure decision against what LoopBack 3 answered (``record_acl_table.js``), and its corners."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tenant_runtime.access import acl

TABLE = json.loads((Path(__file__).parent / "acl_table.json").read_text("utf-8"))

#: Callers of the table: the principals that they are, the roles that they are in, their token's scopes.
CALLERS: dict[str, tuple[set[tuple[str, str]], set[str], list[str] | None]] = {
    "anonymous": (set(), {"$everyone", "$unauthenticated"}, None),
    "user": ({("USER", "1")}, {"$everyone", "$authenticated"}, None),
    "owner": ({("USER", "2")}, {"$everyone", "$authenticated", "$owner"}, None),
    "admin": ({("USER", "3")}, {"$everyone", "$authenticated", "admin"}, None),
    "scoped": ({("USER", "1")}, {"$everyone", "$authenticated"}, ["special"]),
    "app": ({("APP", "app1")}, {"$everyone", "$authenticated"}, None),
}


def answer(case: dict[str, Any], caller: str) -> str:
    principals, roles, scopes = CALLERS[caller]
    method = TABLE["methods"][case["method"]]
    if not acl.shares_scope(scopes, method.get("accessScopes")):
        return acl.DENY
    access_type = method["accessType"]
    names = (*method["aliases"], case["method"])
    request = acl.AccessRequest("Thing", case["method"], access_type, names)
    where = acl.dynamic_entries_where(request)
    rows = [row for row in case["rows"] if all(row.get(key) in where[key]["inq"] for key in where)]
    entries = [acl.make_entry(row) for row in rows]
    entries += acl.static_entries(case["acls"], "Thing", case["method"])
    decision = acl.decide(
        entries,
        request,
        principals=principals,
        roles=roles,
        default_permission=case.get("defaultPermission"),
    )
    return " ".join([decision.permission, *sorted(decision.authorized_roles)])


@pytest.mark.parametrize("caller", CALLERS)
def test_every_shape_answers_as_the_original(caller: str) -> None:
    wrong = [
        (case, expected)
        for case in TABLE["cases"]
        if (expected := case["answers"][caller]) != answer(case, caller)
    ]
    assert not wrong[:3]


def test_the_table_is_large_enough_to_mean_something() -> None:
    answers = [text.split()[0] for case in TABLE["cases"] for text in case["answers"].values()]
    assert len(answers) > 10_000
    assert set(answers) == {"ALLOW", "DENY", "AUDIT", "ALARM", "DENIED"}


@pytest.mark.parametrize(
    ("entry", "request_", "score"),
    [
        # exact model, property, access type; role $owner; DENY
        (("find", "READ", "DENY", "ROLE", "$owner"), ("find", "READ"), (((63 * 4 + 2) * 8 + 4) * 4) + 3),
        ((None, None, None, "ROLE", "$everyone"), ("find", "READ"), (((58 * 4 + 2) * 8 + 1) * 4) + 0),
        (("other", "READ", "ALLOW", "ROLE", "$everyone"), ("find", "READ"), -1),
        (("find", "WRITE", "ALLOW", "USER", "7"), ("find", "REPLICATE"), ((63 * 4 + 4) * 8) * 4),
    ],
)
def test_score(entry: tuple[Any, ...], request_: tuple[str, str], score: int) -> None:
    keys = ("property", "accessType", "permission", "principalType", "principalId")
    rule = acl.make_entry({"model": "Thing", **dict(zip(keys, entry, strict=True))})
    assert acl.score(rule, acl.AccessRequest("Thing", *request_)) == score


def test_wildcard_requests_take_an_exact_entry_or_the_strongest_permission() -> None:
    request = acl.AccessRequest("Thing", "*", "READ")
    allow = acl.make_entry({"model": "Thing", "property": "x", "accessType": "READ", "permission": "ALLOW"})
    deny = acl.make_entry({"model": "Thing", "property": "*", "accessType": "READ", "permission": "DENY"})
    assert acl.resolve([allow, deny], request) == "DENY"
    assert acl.resolve([allow], request, "DENY") == "ALLOW"
    assert acl.resolve([], request, "DENY") == "DENY"


def test_scopes() -> None:
    assert acl.shares_scope(None, None)
    assert acl.shares_scope(["a", "DEFAULT"], None)
    assert not acl.shares_scope(["a"], None)
    assert acl.shares_scope(["a"], ["a"])
    assert not acl.shares_scope(None, ["a"])
    assert not acl.shares_scope("DEFAULT", None)
