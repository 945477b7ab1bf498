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

import select
import socket
import time
from typing import Protocol

import outcome
import trio

SWEEP_SECONDS = 0.25

#: Events taken at once.
_BATCH = 128
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
    come within ``linger_seconds``: for pollers whose callbacks do without tasks, or use ``wake``.
    """

    def __init__(self, linger_seconds: float = 0.0) -> None:
        self.now = time.monotonic()
        self._linger_seconds = linger_seconds
        #: Set when a task may go on, or waits for its turn: this turn ends, the next one looks only once.
        self.yields = False
        self._epoll = select.epoll()
        self._streams: dict[int, Watched] = {}
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

    def heed(self, fd: int) -> None:
        """A task waits for that descriptor: no turn waits longer when something comes there."""
        self._epoll.register(fd, select.EPOLLIN | select.EPOLLET)

    def ignore(self, fd: int) -> None:
        """The end of ``heed``, before the descriptor is closed."""
        self._epoll.unregister(fd)

    def wake(self, task: trio.lowlevel.Task, value: outcome.Outcome[object] | None = None) -> None:
        """Lets a task go on, with that outcome of its wait."""
        self.yields = True
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
                    await trio.lowlevel.wait_readable(self._epoll.fileno())
                    self._turn()
        finally:
            for stream in list(self._streams.values()):
                stream.close()
            self._epoll.close()

    def _turn(self) -> None:
        streams, poll = self._streams, self._epoll.poll
        hurried, self.yields = self.yields, False
        wait, end = 0.0, time.monotonic() + _TURN_SECONDS
        while ready := poll(wait, _BATCH):
            self.now = now = time.monotonic()
            for fd, events in ready:
                stream = streams.get(fd)
                if stream is not None:
                    stream.notice(events)
                else:
                    self.yields = True
            if hurried or self.yields or now > end:
                return
            wait = self._linger_seconds

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
