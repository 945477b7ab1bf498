"""Questions on the event loop: a store that answers lines, over real sockets."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from typing import Any

import pytest
import trio
import trio.testing

from tenant_runtime.connectors.wire import Wire

Serve = Callable[[trio.SocketStream], Any]


class Lost(Exception):
    """What ``lost`` makes here."""


class LineTalk:
    """A question is a text; its answer comes as one line."""

    def __init__(self, sock: socket.socket) -> None:
        self.socket = sock
        sock.setblocking(False)
        self.line = b""

    def ask(self, question: str) -> bytes:
        self.line = b""
        if question == "unspeakable":
            raise ValueError(question)
        return question.encode() + b"\n"

    def take(self, data: bytes) -> bool:
        self.line += data
        if self.line.startswith(b"!"):
            raise ValueError("no answer")
        return self.line.endswith(b"\n")

    def answer(self) -> str:
        return self.line.decode().strip()

    def close(self) -> None:
        self.socket.close()


class Store:
    """A server at the other end of the wire; ``dialled`` are the connections made so far."""

    def __init__(self, size: int, answer_seconds: float) -> None:
        self.wire = Wire(self.dial, size, answer_seconds, Lost)
        self.dialled: list[trio.SocketStream] = []
        self.away = False
        self.hold: trio.Event | None = None

    async def dial(self) -> LineTalk:
        if self.away:
            raise Lost("cannot connect")
        ours, theirs = socket.socketpair()
        stream = trio.SocketStream(trio.socket.from_stdlib_socket(theirs))
        self.dialled.append(stream)
        self.nursery.start_soon(self.serve, stream)
        return LineTalk(ours)

    async def serve(self, stream: trio.SocketStream) -> None:
        with suppress(trio.BrokenResourceError, trio.ClosedResourceError):
            async with stream:
                await self.reply_to_all(stream)

    async def reply_to_all(self, stream: trio.SocketStream) -> None:
        rest = b""
        while data := await stream.receive_some():
            rest += data
            while b"\n" in rest:
                line, _, rest = rest.partition(b"\n")
                await self.reply(stream, line)

    async def reply(self, stream: trio.SocketStream, line: bytes) -> None:
        if line == b"die":
            await stream.aclose()
        elif line == b"nonsense":
            await stream.send_all(b"!")
        elif line != b"silence":
            if self.hold is not None:
                await self.hold.wait()
            await stream.send_all(b"re: ")
            await trio.lowlevel.checkpoint()
            await stream.send_all(str(len(line)).encode() + b"\n" if len(line) > 100 else line + b"\n")

    nursery: trio.Nursery


@pytest.fixture
async def make() -> AsyncIterator[Callable[..., Store]]:
    stores: list[Store] = []
    async with trio.open_nursery() as nursery:

        def opened(size: int = 2, answer_seconds: float = 60) -> Store:
            store = Store(size, answer_seconds)
            store.nursery = nursery
            stores.append(store)
            return store

        yield opened
        for store in stores:
            store.wire.close()
        nursery.cancel_scope.cancel()


async def test_answers_come_to_who_asked(make: Callable[..., Store]) -> None:
    store = make(size=3)
    answers: dict[int, str] = {}

    async def ask(number: int) -> None:
        answers[number] = await store.wire.ask(str(number))

    async with trio.open_nursery() as nursery:
        for number in range(200):
            nursery.start_soon(ask, number)
    assert answers == {number: f"re: {number}" for number in range(200)}
    assert len(store.dialled) == 3


async def test_a_question_longer_than_the_socket_takes(make: Callable[..., Store]) -> None:
    store = make()
    assert await store.wire.ask("x" * 5_000_000) == "re: 5000000"
    assert await store.wire.ask("a") == "re: a"


async def test_a_question_that_cannot_be_sent_leaves_its_link_free(make: Callable[..., Store]) -> None:
    store = make(size=1)
    with pytest.raises(ValueError, match="unspeakable"):
        await store.wire.ask("unspeakable")
    assert await store.wire.ask("a") == "re: a"
    assert len(store.dialled) == 1


@pytest.mark.parametrize("question", ["die", "nonsense"])
async def test_a_connection_that_breaks(make: Callable[..., Store], question: str) -> None:
    store = make(size=1)
    with pytest.raises(Lost, match="the connection was lost"):
        await store.wire.ask(question)
    assert await store.wire.ask("a") == "re: a"
    assert len(store.dialled) == 2


async def test_an_answer_that_does_not_come(make: Callable[..., Store]) -> None:
    store = make(size=1, answer_seconds=0.01)
    with pytest.raises(Lost, match="timed out"):
        await store.wire.ask("silence")


async def test_a_connection_that_ended_while_idle_is_not_used(make: Callable[..., Store]) -> None:
    store = make(size=1)
    await store.wire.ask("a")
    await store.dialled[0].aclose()
    assert await store.wire.ask("b") == "re: b"


async def test_who_waits_learns_that_nobody_can_connect(make: Callable[..., Store]) -> None:
    store = make(size=1)
    store.hold = trio.Event()
    errors: list[str] = []

    async def ask(question: str) -> None:
        try:
            await store.wire.ask(question)
        except Lost as error:
            errors.append(str(error))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(ask, "a")
        await trio.testing.wait_all_tasks_blocked()
        for _ in range(3):
            nursery.start_soon(ask, "b")
        await trio.testing.wait_all_tasks_blocked()
        store.away = True
        await store.dialled[0].aclose()
    assert sorted(errors) == ["cannot connect"] * 3 + ["the connection was lost"]


async def test_the_answer_of_one_who_left_is_dropped(make: Callable[..., Store]) -> None:
    store = make(size=1)
    store.hold = trio.Event()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(store.wire.ask, "late")
        await trio.testing.wait_all_tasks_blocked()
        nursery.cancel_scope.cancel()
    store.hold.set()
    assert await store.wire.ask("next") == "re: next"
    assert len(store.dialled) == 1


async def test_who_leaves_the_queue_is_passed_over(make: Callable[..., Store]) -> None:
    store = make(size=1)
    store.hold = trio.Event()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(store.wire.ask, "first")
        await trio.testing.wait_all_tasks_blocked()
        with trio.CancelScope() as scope:
            scope.cancel()
            await store.wire.ask("second")
        store.hold.set()
    assert await store.wire.ask("third") == "re: third"
