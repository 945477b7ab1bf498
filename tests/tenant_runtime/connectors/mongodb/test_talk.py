"""MongoDB on the event loop: the same answers, errors and healing as by pymongo in threads."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import bson
import pytest
import trio

from tenant_runtime.connectors.base import ConnectorError, NeedsThread
from tenant_runtime.connectors.datasource import DataSource, create_data_source
from tenant_runtime.connectors.mongodb.client import MongodbConnector
from tenant_runtime.connectors.mongodb.commands import Command, ensure_ok
from tenant_runtime.connectors.mongodb.options import is_plain
from tenant_runtime.connectors.mongodb.talk import HEAD, Conversation, UnexpectedReply
from tenant_runtime.errors import LoopbackError
from tenant_runtime.filter.query import EVERYTHING, Compare, Order, Query
from tenant_runtime.model.definition import ModelDefinition, Property, PropertyType

PROPERTIES = {
    "id": Property("id", PropertyType("string"), id_order=1),
    "name": Property("name", PropertyType("string"), index={"unique": True}),
    "n": Property("n", PropertyType("number")),
}
BY_ID = PROPERTIES["id"]


@pytest.fixture
async def source(mongodb_database: dict[str, Any], tmp_path: Path) -> AsyncIterator[DataSource]:
    source = create_data_source("db", mongodb_database, tmp_path)
    source.define(ModelDefinition("Thing", "PersistedModel", PROPERTIES))
    await source.connect()
    yield source
    await source.disconnect()


async def test_operations(source: DataSource) -> None:
    first = Compare("id", "eq", "a", BY_ID)
    assert await source.run("create", "Thing", {"id": "a", "name": "A", "n": 1}, None) == "a"
    made = await source.run("create", "Thing", {"name": "B", "n": 2}, None)
    assert len(made) == 24
    assert await source.run("update", "Thing", first, {"n": 3}, None) == 1
    assert await source.run("update", "Thing", first, {}, None) == 1
    assert await source.run("replace", "Thing", "a", {"name": "C"}, None) == 1
    assert await source.run("replace", "Thing", "none", {"name": "D"}, None) == 0
    assert await source.run("count", "Thing", EVERYTHING, None) == 2
    assert await source.run("count", "Thing", first, None) == 1
    assert await source.run("count", "Thing", Compare("n", "eq", 77, PROPERTIES["n"]), None) == 0
    assert await source.run("find", "Thing", Query(order=(Order("name"),)), None) == [
        {"name": "B", "n": 2, "id": made},
        {"name": "C", "id": "a"},
    ]
    assert await source.run("delete", "Thing", first, None) == 1


async def test_a_result_of_several_replies(source: DataSource) -> None:
    def fill(database: Any) -> None:
        database["Thing"].insert_many({"_id": str(n), "name": str(n), "n": n} for n in range(2500))

    await source.execute(fill)
    rows = await source.run("find", "Thing", Query(order=(Order("n"),), skip=1), None)
    assert [row["n"] for row in rows] == list(range(1, 2500))
    assert len(await source.run("find", "Thing", Query(limit=1200), None)) == 1200


async def test_what_the_server_refuses_is_told_as_ever(source: DataSource) -> None:
    await source.autoupdate()
    await source.run("create", "Thing", {"name": "A"}, None)
    with pytest.raises(LoopbackError) as caught:
        await source.run("create", "Thing", {"name": "A"}, None)
    assert (caught.value.status, caught.value.code) == (500, "11000")
    assert "E11000 duplicate key error collection" in str(caught.value)


async def test_numbers_and_texts_that_bson_cannot_hold(source: DataSource) -> None:
    await source.run("create", "Thing", {"n": 2**80, "name": "\ud800"}, None)
    [row] = await source.run("find", "Thing", Query(), None)
    assert (row["n"], row["name"]) == (float(2**80), "\ufffd")


async def test_an_abandoned_command_is_done_all_the_same(source: DataSource) -> None:
    for number in range(1, 6):
        with trio.CancelScope() as scope:
            scope.cancel()
            await source.run("create", "Thing", {"name": str(number)}, None)
        while await source.run("count", "Thing", EVERYTHING, None) < number:
            await trio.sleep(0.01)


@pytest.mark.parametrize(
    ("uri", "keywords", "plain"),
    [
        ("mongodb://127.0.0.1:27017/test", {"serverSelectionTimeoutMS": 3000, "maxPoolSize": 4}, True),
        ("mongodb://127.0.0.1/test?replicaSet=rs", {}, False),
        ("mongodb://user:secret@127.0.0.1/test", {}, False),
        ("mongodb+srv://example.org/test", {}, False),
        ("mongodb://127.0.0.1/test", {"tls": True}, False),
        ("mongodb://127.0.0.1/test", {"readPreference": "secondary"}, False),
    ],
)
def test_which_connections_are_plain(uri: str, keywords: dict[str, Any], plain: bool) -> None:
    assert is_plain(uri, keywords) == plain


def test_others_stay_with_pymongo(tmp_path: Path) -> None:
    connector = MongodbConnector("db", {"url": "mongodb://u:p@127.0.0.1/test"}, tmp_path)
    assert connector.dial() is None


@pytest.mark.parametrize("reply", [{"ok": 0}, {"ok": 1, "writeErrors": [{}]}])
def test_replies_that_report_an_error(reply: dict[str, Any]) -> None:
    with pytest.raises(NeedsThread):
        ensure_ok(reply)


def test_a_write_that_only_was_not_confirmed_is_not_run_again() -> None:
    with pytest.raises(ConnectorError, match="shutting down") as caught:
        ensure_ok({"ok": 1, "n": 1, "writeConcernError": {"errmsg": "shutting down"}})
    assert not isinstance(caught.value, NeedsThread)


def test_what_would_count_twice_stays_with_pymongo(tmp_path: Path) -> None:
    settings = {"connector": "mongodb", "allowExtendedOperators": True}
    connector = MongodbConnector("db", settings, tmp_path)
    connector.define(ModelDefinition("Thing", "PersistedModel", PROPERTIES))
    with pytest.raises(NeedsThread):
        connector.question("update", ("Thing", EVERYTHING, {"$inc": {"n": 1}}, None))
    assert connector.question("update", ("Thing", EVERYTHING, {"n": 1}, None)) is not None


def message(document: dict[str, Any], *, opcode: int = 2013) -> bytes:
    body = bson.encode(document)
    return HEAD.pack(HEAD.size + len(body), 1, 1, opcode, 0, 0) + body


def ask(talk: Conversation) -> None:
    talk.ask(Command({"ping": 1, "$db": "admin"}, dict))


@pytest.fixture
def talk() -> Conversation:
    return Conversation(None)  # type: ignore[arg-type]


@pytest.mark.parametrize("size", [1, 5, 21, 1000])
def test_a_reply_comes_in_pieces_of_any_size(talk: Conversation, size: int) -> None:
    data = message({"ok": 1, "text": "x" * 50})
    for _ in range(2):
        ask(talk)
        ends = [talk.take(data[at : at + size]) for at in range(0, len(data), size)]
        assert ends == [False] * (len(ends) - 1) + [True]
        assert bson.decode(talk.answer()) == {"ok": 1, "text": "x" * 50}


@pytest.mark.parametrize("data", [message({"ok": 1}, opcode=1), message({}) * 2, bytes(21)])
def test_what_is_no_reply(talk: Conversation, data: bytes) -> None:
    ask(talk)
    with pytest.raises(UnexpectedReply):
        talk.take(data)


def test_a_command_that_may_be_too_long(talk: Conversation) -> None:
    with pytest.raises(NeedsThread):
        talk.ask(Command({"insert": "x" * 17_000_000}, dict))
