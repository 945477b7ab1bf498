"""What a relation without anything at its end is on the wire: the original tells undefined from null."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

BOOK = {
    "name": "Book",
    "properties": {"title": "string"},
    "relations": {
        "author": {"type": "belongsTo", "model": "Author"},
        "cover": {"type": "hasOne", "model": "Cover"},
        "label": {"type": "embedsOne", "model": "Label", "property": "tag"},
    },
}
EMPTY: list[tuple[dict[str, Any], str, int, Any]] = [
    ({}, "author", 200, {}),
    ({"authorId": 99}, "author", 200, None),
    ({}, "cover", 404, ...),
    ({}, "label", 204, ...),
    ({"tag": None}, "label", 404, ...),
]


@pytest.mark.parametrize(("data", "relation", "status", "answer"), EMPTY)
async def test_an_empty_to_one_relation(
    small_app: Callable[..., Any], data: dict[str, Any], relation: str, status: int, answer: Any
) -> None:
    names = ("Book", "Author", "Cover", "Label")
    files = {f"models/{name.lower()}.json": {"name": name} for name in names}
    call = await small_app(
        {
            **files,
            "models/book.json": BOOK,
            "model-config.json": {name: {"dataSource": "db"} for name in names},
        }
    )
    assert (await call("POST", "/api/Books", data)).status == 200
    reply = await call("GET", f"/api/Books/1/{relation}")
    assert reply.status == status
    if answer is not ...:
        assert reply.json == answer
    book = await call.app.models.Book.find_by_id(1)
    assert await book.relation(relation).get() is None
