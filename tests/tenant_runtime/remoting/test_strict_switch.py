"""Each row of the strict switch's table (docs/compatibility.md) as a client sees it."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import pytest

Make = Callable[..., Any]

ITEM = {
    "name": "Item",
    "properties": {"n": "number", "at": "date", "place": "geopoint"},
    "relations": {
        "subs": {"type": "hasMany", "model": "Sub"},
        "more": {"type": "hasMany", "model": "Sub", "foreignKey": "moreId"},
    },
}


async def item_app(small_app: Make, strict: bool) -> Any:
    remoting = {"rest": {"handleErrors": False}}
    call = await small_app(
        {
            "config.json": {"restApiRoot": "/api", "remoting": remoting, "strict": strict},
            "model-config.json": {"Item": {"dataSource": "db"}, "Sub": {"dataSource": "db"}},
            "models/item.json": ITEM,
            "models/sub.json": {"name": "Sub"},
        }
    )
    for n in (1, 5, 9):
        body = {"n": n, "at": "2020-01-01", "place": {"lat": n, "lng": 1}}
        assert (await call("POST", "/api/Items", body)).status == 200
    return call


def filtered(filter: Any) -> str:
    return "/api/Items?filter=" + quote(json.dumps(filter))


def where(path: str, condition: Any) -> str:
    return f"/api/Items{path}?where=" + quote(json.dumps(condition))


MISTAKES: list[tuple[str, str, Any, str]] = [
    ("GET", filtered({"where": None}), None, 'The "where" of a filter must be an object'),
    ("GET", filtered({"include": "nope"}), None, 'Relation "nope" is not defined for Item model'),
    ("GET", "/api/Items/1?filter=" + quote('{"include": "nope"}'), None, 'Relation "nope" is not defined'),
    ("GET", filtered({"where": {"at": "nonsense"}}), None, "Invalid date: nonsense"),
    ("GET", filtered({"where": {"at": {"gt": "nonsense"}}}), None, "Invalid date: nonsense"),
    ("GET", filtered({"where": {"at": {"inq": ["nonsense"]}}}), None, "Invalid date: nonsense"),
    ("GET", filtered({"where": {"or": [{"at": "nonsense"}]}}), None, "Invalid date: nonsense"),
    ("GET", where("/count", {"at": "nonsense"}), None, "Invalid date: nonsense"),
    ("POST", where("/update", {"at": "nonsense"}), {"n": 2}, "Invalid date: nonsense"),
    ("GET", filtered({"where": {"place": {"near": "nowhere"}}}), None, "must provide a string"),
    ("GET", filtered({"where": {"place": {"near": {"lat": 91, "lng": 1}}}}), None, "lat"),
    ("GET", filtered({"where": {"place": {"near": {"lat": "x", "lng": 1}}}}), None, "lat"),
    ("POST", "/api/Items", {"place": "nowhere"}, "must provide a string"),
    ("PUT", "/api/Items/1", {"place": "nowhere"}, "must provide a string"),
    ("PATCH", "/api/Items/1", {"place": "nowhere"}, "must provide a string"),
    ("PATCH", "/api/Items", {"id": 1, "place": "nowhere"}, "must provide a string"),
    ("POST", where("/update", {"n": 1}), {"place": "nowhere"}, "must provide a string"),
    ("POST", "/api/Items/update", {"n": 2}, "The where argument must be an object"),
]


@pytest.mark.parametrize(("method", "target", "body", "message"), MISTAKES)
async def test_mistakes_of_the_client(
    small_app: Make, method: str, target: str, body: Any, message: str
) -> None:
    assert (await (await item_app(small_app, False))(method, target, body)).status == 500
    answer = await (await item_app(small_app, True))(method, target, body)
    assert answer.status == 400
    assert message in answer.json["error"]["message"]


@pytest.mark.parametrize("target", [filtered({"where": {"nope": 1}}), where("/count", {"nope": 1})])
async def test_an_undeclared_property(small_app: Make, target: str) -> None:
    assert (await (await item_app(small_app, False))("GET", target)).json in ([], {"count": 0})
    answer = await (await item_app(small_app, True))("GET", target)
    assert (answer.status, answer.json["error"]["code"]) == (400, "UNKNOWN_PROPERTY_IN_QUERY")


@pytest.mark.parametrize("given", ["null", "{}"])
async def test_an_update_of_everything(small_app: Make, given: str) -> None:
    """The original takes a null for a condition that everything meets; only a missing one is an error."""
    target = "/api/Items/update?where=" + quote(given)
    answer = await (await item_app(small_app, False))("POST", target, {"n": 2})
    assert (answer.status, answer.json) == (200, {"count": 3})
    answer = await (await item_app(small_app, True))("POST", target, {"n": 2})
    assert (answer.status, answer.json["error"]["message"]) == (
        400,
        "An update of all objects needs a condition",
    )


@pytest.mark.parametrize(("strict", "found"), [(False, [5, 9]), (True, [5])])
async def test_several_operators(small_app: Make, strict: bool, found: list[int]) -> None:
    answer = await (await item_app(small_app, strict))("GET", filtered({"where": {"n": {"gte": 2, "lt": 9}}}))
    assert [row["n"] for row in answer.json] == found


@pytest.mark.parametrize(("strict", "included"), [(False, {"subs"}), (True, {"subs", "more"})])
async def test_several_relations(small_app: Make, strict: bool, included: set[str]) -> None:
    filter = filtered({"include": {"subs": True, "more": True}})
    answer = await (await item_app(small_app, strict))("GET", filter)
    assert {"subs", "more"} & set(answer.json[0]) == included
