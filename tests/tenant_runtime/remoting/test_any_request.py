"""Requests of any shape: whatever they say, the answer is LoopBack's, never an error of ours."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import pytest

from mtgate.http1.message import EMPTY_BODY
from tenant_runtime.errors import LoopbackError
from tenant_runtime.web import WebRequest, WebResponse
from tests.tenant_runtime.apps import body_of

REQUESTS_PER_SEED = 60
THING = {
    "name": "Thing",
    "properties": {
        "s": "string",
        "n": "number",
        "b": "boolean",
        "d": "date",
        "o": "object",
        "a": ["string"],
        "any": "any",
        "g": "geopoint",
        "nested": {"x": "number"},
    },
    "relations": {
        "parts": {"type": "hasMany", "model": "Part"},
        "tags": {"type": "hasAndBelongsToMany", "model": "Part"},
        "boxes": {"type": "embedsMany", "model": "Box"},
    },
    "scopes": {"some": {"where": {"b": True}}},
}
FILES = {
    "models/thing.json": THING,
    "models/part.json": {"name": "Part", "relations": {"thing": {"type": "belongsTo", "model": "Thing"}}},
    "models/box.json": {"name": "Box", "properties": {"w": "number"}},
    "datasources.json": {"db": {"connector": "memory"}, "t": {"connector": "transient"}},
    "model-config.json": {
        "Thing": {"dataSource": "db"},
        "Part": {"dataSource": "db"},
        "Box": {"dataSource": "t"},
    },
}
VALUES: list[Any] = [
    "",
    "a",
    "0",
    "1",
    "null",
    "true",
    "%",
    "(",
    "é😀",
    '{"a":1}',
    "[1]",
    "1,2",
    "2020-01-02",
    0,
    1,
    -1,
]
VALUES += [
    1.5,
    1e21,
    2**53 + 1,
    True,
    None,
    [],
    {},
    [1, "a"],
    [None],
    {"a": 1},
    {"lat": 1, "lng": 2},
    {"x": "y"},
    [[1]],
]
NAMES = ["id", *THING["properties"], "nope", "nested.x", "a.0"]  # type: ignore[misc]
OPERATORS = [
    "eq",
    "neq",
    "gt",
    "gte",
    "lt",
    "lte",
    "between",
    "inq",
    "nin",
    "like",
    "nlike",
    "ilike",
    "regexp",
    "near",
    "exists",
    "nope",
    "$gt",
    "and",
    "or",
    "nor",
]
INCLUDES: list[Any] = [
    "parts",
    ["tags"],
    {"parts": "thing"},
    {"relation": "parts", "scope": {"limit": 1}},
    "x",
    5,
]
IDS = ["1", "2", "99", "x", "null", "{}", "[1]", "%20", "1.0", "01", "-1", "true", "a%2Fb", "%00"]
PATHS = ["", "/{id}", "/count", "/findOne", "/{id}/exists", "/{id}/replace", "/update", "/upsertWithWhere"]
PATHS += [
    "/some",
    "/some/count",
    "/{id}/parts",
    "/{id}/parts/{id}",
    "/{id}/parts/count",
    "/{id}/tags/rel/{id}",
]
PATHS += ["/{id}/boxes", "/{id}/boxes/{id}", "/{id}/thing", "/replaceOrCreate", "/{id}/nope", "//", "/{id}//"]


class Chance(random.Random):
    def value(self, depth: int = 0) -> Any:
        if depth < 3 and self.random() < 0.2:
            return {self.choice([*NAMES, *OPERATORS]): self.value(depth + 1)}
        return self.choice(VALUES)

    def where(self) -> Any:
        return {
            self.choice([*NAMES, "and", "or"]): (
                {self.choice(OPERATORS): self.value()}
                if self.random() < 0.6
                else [self.value(), self.value()]
                if self.random() < 0.3
                else self.value()
            )
            for _ in range(self.randint(0, 2))
        }

    def filter(self) -> Any:
        parts = {
            "where": self.where(),
            "order": self.choice(["id DESC", ["s", "n ASC"], "x UP", 5, None]),
            "limit": self.choice([0, 1, "2", -1, "x", None]),
            "skip": self.choice([0, "1", -1]),
            "fields": self.choice([["id"], {"s": True}, "n", {}, 5]),
            "include": self.choice(INCLUDES),
        }
        return {name: part for name, part in parts.items() if self.random() < 0.4}

    def target(self) -> str:
        path = self.choice(PATHS)
        while "{id}" in path:
            path = path.replace("{id}", self.choice(IDS), 1)
        name, value = self.choice([("filter", self.filter()), ("where", self.where()), ("x", self.value())])
        text = json.dumps(value) if self.random() < 0.9 else str(self.value())
        query = f"?{name}={quote(text)}"
        if self.random() < 0.3:
            query = f"?{name}[{self.choice(NAMES)}][{self.choice(OPERATORS)}]={quote(str(self.value()))}"
        return f"/{self.choice(['Things', 'Parts'])}{path}{query if self.random() < 0.8 else ''}"

    def body(self) -> Any:
        data = {name: self.value() for name in NAMES if self.random() < 0.4 and name != "id"}
        return self.choice([data, data, data, [data, data], self.value()])


async def unreached(request: WebRequest) -> WebResponse:
    raise AssertionError("the REST layer passed a request on")


@pytest.mark.parametrize("seed", range(8))
async def test_any_request(small_app: Callable[..., Any], seed: int) -> None:
    app = (await small_app(FILES)).app
    chance = Chance(seed)
    for _ in range(REQUESTS_PER_SEED):
        method = chance.choice(["GET", "GET", "GET", "POST", "POST", "PUT", "PATCH", "DELETE", "HEAD"])
        target, body, headers = chance.target(), EMPTY_BODY, []
        if method in ("POST", "PUT", "PATCH"):
            data = json.dumps(chance.body()).encode()
            data = data if chance.random() < 0.95 else data[:-1]
            body = body_of(data)
            headers = [(b"content-type", b"application/json"), (b"content-length", str(len(data)).encode())]
        request = WebRequest(app, method, target, headers, body)
        try:
            response = await app.adapter(request, unreached)
            assert response.status < 500
        except Exception as error:
            ours = not isinstance(error, LoopbackError) and getattr(error, "errors", None) is None
            assert not ours, f"{method} {target} raised {error!r}"
