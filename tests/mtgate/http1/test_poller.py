"""Turns: nobody is forgotten, whoever moves much lets others go first."""

from __future__ import annotations

import math
import socket
from collections.abc import AsyncIterator

import pytest
import trio
import trio.testing

from mtgate.http1.poller import Poller
from mtgate.http1.stream import Stream


@pytest.fixture
async def poller() -> AsyncIterator[Poller]:
    poller = Poller()
    with trio.fail_after(30):
        async with trio.open_nursery() as nursery:
            await nursery.start(poller.run)
            yield poller
            nursery.cancel_scope.cancel()


async def test_all_that_pause_go_on(poller: Poller) -> None:
    steps = [0] * 50

    async def work(number: int) -> None:
        for _ in range(20):
            await poller.pause()
            steps[number] += 1

    async with trio.open_nursery() as nursery:
        for number in range(50):
            nursery.start_soon(work, number)
    assert steps == [20] * 50


async def test_those_that_are_cancelled_while_they_pause_are_forgotten(poller: Poller) -> None:
    async def work() -> None:
        while True:
            await poller.pause()

    async with trio.open_nursery() as nursery:
        for _ in range(30):
            nursery.start_soon(work)
        await poller.pause()
        nursery.cancel_scope.cancel()
    for _ in range(30):
        await poller.pause()


async def test_more_events_than_one_turn_hands_out(poller: Poller) -> None:
    pairs = [socket.socketpair() for _ in range(100)]
    streams = []
    for ours, theirs in pairs:
        ours.setblocking(False)
        streams.append(Stream(poller, ours))
        theirs.setblocking(False)
    got: list[bytes] = []

    async def read(stream: Stream) -> None:
        got.append(await stream.receive(math.inf))

    async with trio.open_nursery() as nursery:
        for stream in streams:
            nursery.start_soon(read, stream)
        await trio.testing.wait_all_tasks_blocked()
        for number, (_, theirs) in enumerate(pairs):
            theirs.send(b"%d" % number)
    assert sorted(map(int, got)) == list(range(100))
    for stream, (_, theirs) in zip(streams, pairs, strict=True):
        stream.close()
        theirs.close()


async def test_an_event_that_waits_does_not_reach_the_next_owner_of_its_descriptor(poller: Poller) -> None:
    left = []
    for _ in range(40):
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        stream = Stream(poller, ours)
        theirs.close()
        left.append(stream)
    for stream in left:
        stream.close()  # Their ends are known to the kernel, and may be to the poller.
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    new = Stream(poller, ours)
    gone: list[int] = []
    new.on_gone = lambda: gone.append(1)
    theirs.send(b"x")
    assert await new.receive(math.inf) == b"x"
    assert not gone
    new.close()
    theirs.close()
