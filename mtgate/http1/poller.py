"""One epoll set for many sockets, and one task that waits for it.

In charge of: waiting, the clock of the last turn, the sweep that looks at deadlines, when other tasks get
their turn. Must not know: what is done with a socket (``stream``).

A trio task waits on a socket by arming epoll anew each time and, for a deadline, by a cancel scope:
together dearer than the rest of an exchange. Here each socket is registered once, edge-triggered, in one
private epoll set that one trio task (``Poller.run``) waits for; the others are rescheduled from there.
Deadlines are looked at by that task's sweep, so that they are late by at most ``SWEEP_SECONDS``; it rests
while there are none, so that an idle process sleeps. Everything else is trio as usual: cancellation,
nurseries.
"""

from __future__ import annotations

import os
import select
import socket
import time
from collections import deque
from typing import Protocol

import outcome
import trio

SWEEP_SECONDS = 0.25

#: Events taken at once.
_BATCH = 128
#: Tasks with large transfers that go on after a turn: each moves 64 KiB or more before it pauses again.
_STEPS = 4
#: A turn in which nothing is for a task may last so long: that is how long it can delay other tasks.
_TURN_SECONDS = 0.002

_EVENTS = select.EPOLLIN | select.EPOLLOUT | select.EPOLLRDHUP | select.EPOLLET


class Watched(Protocol):
    """What the poller must know of a stream."""

    socket: socket.socket

    @property
    def rests(self) -> bool:
        """Has it no deadline?"""

    def notice(self, events: int) -> None:
        """An edge."""

    def expire(self, now: float) -> None:
        """Ends waits whose deadline has passed."""

    def close(self) -> None:
        """Once or more."""


class Poller:
    """The epoll set, the clock of its last turn (``now``, monotonic seconds), and the sweep.

    What the callbacks of watched streams do needs no task, and waiting by way of trio costs as much as
    several exchanges: a turn goes on while there is nothing for a task (``yields``), and waits for what may
    come within ``linger_seconds``: for pollers whose callbacks do without tasks, or use ``wake``. In one turn
    it wakes about ``wakes`` tasks, for all of which the rest has to wait.
    """

    def __init__(self, linger_seconds: float = 0.0, wakes: int = 64) -> None:
        self.now = time.monotonic()
        self._linger_seconds = linger_seconds
        self._most_wakes = wakes
        #: Set when a task may go on, or waits for its turn: this turn ends, the next one looks only once.
        self.yields = False
        self._epoll = select.epoll()
        self._streams: dict[int, Watched] = {}
        #: Taken from the set and not yet handed out: edges come once.
        self._events: list[tuple[int, int]] = []
        self._wakes = 0
        self._steps = 0
        self._paused: deque[trio.lowlevel.Task] = deque()
        self._waits = False
        self._bell = os.eventfd(0, os.EFD_NONBLOCK)
        self.heed(self._bell)
        self.resting = True
        self._goes_on = trio.Event()

    def __len__(self) -> int:
        return len(self._streams)

    def register(self, stream: Watched) -> None:
        """Done by Stream itself."""
        fd = stream.socket.fileno()
        self._streams[fd] = stream
        self._epoll.register(fd, _EVENTS)
        if self.resting:
            self.go_on()

    def go_on(self) -> None:
        """Ends the sweep's rest, because there may be a deadline again."""
        self.resting = False
        self.now = time.monotonic()
        self._goes_on.set()

    def forget(self, stream: Watched) -> None:
        """Done by Stream.close. The kernel drops a closed descriptor from the set by itself."""
        fd = stream.socket.fileno()
        del self._streams[fd]
        self._epoll.unregister(fd)
        if self._events:
            self._events = [event for event in self._events if event[0] != fd]

    def heed(self, fd: int) -> None:
        """A task waits for that descriptor: no turn waits longer when something comes there."""
        self._epoll.register(fd, select.EPOLLIN | select.EPOLLET)

    def ignore(self, fd: int) -> None:
        """The end of ``heed``, before the descriptor is closed."""
        self._epoll.unregister(fd)

    def wake(self, task: trio.lowlevel.Task, value: outcome.Outcome[object] | None = None) -> None:
        """Lets a task go on, with that outcome of its wait."""
        self.yields = True
        self._wakes += 1
        if value is None:
            trio.lowlevel.reschedule(task)
        else:
            trio.lowlevel.reschedule(task, value)

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Until cancelled; then everything is closed."""
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._sweep)
                task_status.started()
                while True:
                    await self._wait()
                    self._turn()
        finally:
            for stream in list(self._streams.values()):
                stream.close()
            self._epoll.close()
            os.close(self._bell)
            while self._paused:
                trio.lowlevel.reschedule(self._paused.popleft())

    async def _wait(self) -> None:
        """For something to do in the next turn; those that pause go on, as many as may."""
        if not self._paused and not self._events:
            self._waits = True
            await trio.lowlevel.wait_readable(self._epoll.fileno())
        self._waits = False
        self._steps = 0
        while self._paused and self._steps < _STEPS:
            self._steps += 1
            trio.lowlevel.reschedule(self._paused.popleft())
        if self._steps or self._events:
            await trio.lowlevel.checkpoint()

    async def pause(self) -> None:
        """Lets everything else have its turn, for a task that moves much.

        A few go on after this pass of the scheduler, more than those after turns to come, in their order.
        """
        self.yields = True
        self._steps += 1
        if self._steps <= _STEPS or self._epoll.closed:
            await trio.lowlevel.checkpoint()
            return
        if self._waits:
            self._waits = False
            os.eventfd_write(self._bell, 1)
        task = trio.lowlevel.current_task()
        self._paused.append(task)

        def abort(_: object) -> trio.lowlevel.Abort:
            self._paused.remove(task)
            return trio.lowlevel.Abort.SUCCEEDED

        await trio.lowlevel.wait_task_rescheduled(abort)

    def _turn(self) -> None:
        hurried, self.yields, self._wakes = self.yields, False, 0
        wait, end = 0.0, time.monotonic() + _TURN_SECONDS
        while ready := self._events or self._epoll.poll(wait, _BATCH):
            self.now = now = time.monotonic()
            self._events = self._notice(ready)
            if hurried or self.yields or now > end:
                return
            wait = self._linger_seconds

    def _notice(self, ready: list[tuple[int, int]]) -> list[tuple[int, int]]:
        """Hands out events; those that are left when enough tasks were woken."""
        streams = self._streams
        for number, (fd, events) in enumerate(ready, 1):
            stream = streams.get(fd)
            if stream is None:
                self.yields = True
                continue
            stream.notice(events)
            if self._wakes >= self._most_wakes:
                return ready[number:]
        return []

    async def _sweep(self) -> None:
        while True:
            if self.resting:
                self._goes_on = trio.Event()
                await self._goes_on.wait()
            await trio.sleep(SWEEP_SECONDS)
            self.now = now = time.monotonic()
            for stream in list(self._streams.values()):
                stream.expire(now)
            self.resting = all(stream.rests for stream in self._streams.values())


_POLLER_OF_RUN: trio.lowlevel.RunVar[Poller] = trio.lowlevel.RunVar("mtgate.http1.poller")


def poller_of_run() -> Poller:
    """The one of this run of trio; it ends with the run.

    Whoever waits for sockets in a run had better share it: each poller that something happens to is a task
    woken and an epoll set armed anew.
    """
    try:
        return _POLLER_OF_RUN.get()
    except LookupError:
        poller = Poller()
        _POLLER_OF_RUN.set(poller)
        trio.lowlevel.spawn_system_task(poller.run)
        return poller
