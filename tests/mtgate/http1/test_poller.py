"""Turns: nobody is forgotten, whoever moves much lets others go first."""

from __future__ import annotations

import math
import socket
from collections.abc import AsyncIterator

import pytest
import trio
import trio.testing

from mtgate.http1.poller import Poller
from mtgate.http1.steps import PLACES
from mtgate.http1.stream import RECEIVE_BYTES, Stream


class Receiver:
    """A stream, and the socket that sends to it."""

    def __init__(self, poller: Poller) -> None:
        ours, self.sender = socket.socketpair()
        ours.setblocking(False)
        self.stream = Stream(poller, ours)

    def close(self) -> None:
        self.stream.close()
        self.sender.close()


class Passes(trio.abc.Instrument):
    """Counts those of trio's scheduler."""

    def __init__(self) -> None:
        self.count = 0

    def before_io_wait(self, timeout: float) -> None:
        self.count += 1


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
            await poller.steps.pause()
            steps[number] += 1

    async with trio.open_nursery() as nursery:
        for number in range(50):
            nursery.start_soon(work, number)
    assert steps == [20] * 50


async def test_those_that_are_cancelled_while_they_pause_are_forgotten(poller: Poller) -> None:
    async def work() -> None:
        while True:
            await poller.steps.pause()

    async with trio.open_nursery() as nursery:
        for _ in range(30):
            nursery.start_soon(work)
        await poller.steps.pause()
        nursery.cancel_scope.cancel()
    for _ in range(30):
        await poller.steps.pause()


async def test_in_one_pass_few_take_a_step_however_many_there_are(poller: Poller) -> None:
    passes = Passes()
    steps: dict[int, int] = {}

    async def work() -> None:
        for _ in range(5):
            await poller.steps.pause()
            steps[passes.count] = steps.get(passes.count, 0) + 1

    trio.lowlevel.add_instrument(passes)
    async with trio.open_nursery() as nursery:
        for _ in range(40):
            nursery.start_soon(work)
    trio.lowlevel.remove_instrument(passes)
    assert sum(steps.values()) == 200
    assert max(steps.values()) <= PLACES


async def test_large_transfers_that_can_all_go_on_do_so_by_steps(poller: Poller) -> None:
    """Whatever is small passes by those that wait for their turn."""
    much = [Receiver(poller) for _ in range(20)]
    small = Receiver(poller)
    order: list[Receiver] = []

    async def receive(receiver: Receiver) -> None:
        await receiver.stream.receive(math.inf)
        order.append(receiver)

    for receiver in much:
        receiver.sender.send(bytes(RECEIVE_BYTES))
        assert len(await receiver.stream.receive(math.inf)) == RECEIVE_BYTES
        assert receiver.stream.receive_nowait() is None
    async with trio.open_nursery() as nursery:
        for receiver in [*much, small]:
            nursery.start_soon(receive, receiver)
        await trio.testing.wait_all_tasks_blocked()
        for receiver in [*much, small]:
            receiver.sender.send(b"x")
    assert len(order) == len(much) + 1
    assert order.index(small) <= PLACES
    for receiver in [*much, small]:
        receiver.close()


async def test_large_transfers_begin_by_steps(poller: Poller) -> None:
    much = [Receiver(poller) for _ in range(20)]
    passes = Passes()
    received: dict[int, int] = {}

    async def receive(receiver: Receiver) -> None:
        await receiver.stream.receive(math.inf)
        received[passes.count] = received.get(passes.count, 0) + 1

    for receiver in much:
        receiver.sender.send(bytes(RECEIVE_BYTES))
    trio.lowlevel.add_instrument(passes)
    async with trio.open_nursery() as nursery:
        for receiver in much:
            nursery.start_soon(receive, receiver)
    trio.lowlevel.remove_instrument(passes)
    assert sum(received.values()) == len(much)
    assert max(received.values()) <= PLACES
    for receiver in much:
        receiver.close()


async def test_a_callback_does_not_wait_for_tasks_to_be_woken(poller: Poller) -> None:
    receivers = [Receiver(poller) for _ in range(100)]
    watched = Receiver(poller)
    assert watched.stream.receive_nowait() is None
    done: list[Receiver] = []
    done_before: list[int] = []

    async def receive(receiver: Receiver) -> None:
        await receiver.stream.receive(math.inf)
        done.append(receiver)

    async with trio.open_nursery() as nursery:
        for receiver in receivers:
            nursery.start_soon(receive, receiver)
        await trio.testing.wait_all_tasks_blocked()
        watched.stream.watch(lambda: done_before.append(len(done)))
        for receiver in [*receivers, watched]:
            receiver.sender.send(b"x")
    assert len(done) == len(receivers)
    assert done_before == [0]
    for receiver in [*receivers, watched]:
        receiver.close()


async def receive_while_half_are_cancelled(receivers: list[Receiver]) -> list[Receiver]:
    """All wait for a byte that all get; each that has it cancels every other wait. Those that got theirs."""
    scopes: list[trio.CancelScope] = []
    done: list[Receiver] = []

    async def receive(receiver: Receiver) -> None:
        with trio.CancelScope() as scope:
            scopes.append(scope)
            assert await receiver.stream.receive(math.inf) == b"x"
            done.append(receiver)
            for other in scopes[::2]:
                other.cancel()

    async with trio.open_nursery() as nursery:
        for receiver in receivers:
            nursery.start_soon(receive, receiver)
        await trio.testing.wait_all_tasks_blocked()
        for receiver in receivers:
            receiver.sender.send(b"x")
    for receiver in receivers:
        receiver.close()
    return done


async def test_a_task_whose_turn_has_not_come_can_be_cancelled(poller: Poller) -> None:
    much = [Receiver(poller) for _ in range(20)]
    for receiver in much:
        receiver.sender.send(bytes(RECEIVE_BYTES))
        await receiver.stream.receive(math.inf)
        assert receiver.stream.receive_nowait() is None
    assert len(await receive_while_half_are_cancelled(much)) >= 10
    assert not poller.steps


async def test_tasks_that_are_woken_late_can_be_cancelled(poller: Poller) -> None:
    receivers = [Receiver(poller) for _ in range(200)]
    assert len(await receive_while_half_are_cancelled(receivers)) >= 100


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
