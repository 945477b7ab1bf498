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
from collections import OrderedDict
from typing import Protocol

import outcome
import trio

from mtgate.http1.steps import Steps

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
    come within ``linger_seconds``: for pollers whose callbacks do without tasks, or use ``wake``. One turn
    wakes no more than ``wakes`` tasks: callbacks do not wait for all the tasks that there is something for.
    """

    def __init__(self, linger_seconds: float = 0.0, wakes: int = 64) -> None:
        self.now = time.monotonic()
        self._linger_seconds = linger_seconds
        self._most_wakes = wakes
        #: Set when a task may go on: this turn ends, the next one looks only once.
        self.yields = False
        #: Is it in one of its turns?
        self._turns = False
        self._epoll = select.epoll()
        self._streams: dict[int, Watched] = {}
        self._wakes = 0
        #: Those that are woken in turns to come.
        self._late: OrderedDict[trio.lowlevel.Task, outcome.Outcome[object] | None] = OrderedDict()
        #: For tasks that move much.
        self.steps = Steps()
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
        """Lets a task go on, with that outcome of its wait, in this turn or one of the next.

        Should its wait be aborted: ``forget_wake``.
        """
        self.yields = True
        self._wakes += 1
        if self._turns and self._wakes > self._most_wakes:
            self._late[task] = value
        else:
            _reschedule(task, value)

    def forget_wake(self, task: trio.lowlevel.Task) -> None:
        """The wait of a task is aborted that may have been given to ``wake``, or to ``steps``."""
        self._late.pop(task, None)
        self.steps.forget(task)

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
            while self._late:
                _reschedule(*self._late.popitem(last=False))

    async def _wait(self) -> None:
        """For something to do in the next turn."""
        if self._late:
            await trio.lowlevel.checkpoint()
        else:
            await trio.lowlevel.wait_readable(self._epoll.fileno())

    def _turn(self) -> None:
        hurried, self.yields = self.yields or bool(self.steps), False
        self._wakes = 0
        self._wake_late()
        wait, end = 0.0, time.monotonic() + _TURN_SECONDS
        self._turns = True
        while ready := self._epoll.poll(wait, _BATCH):
            self.now = now = time.monotonic()
            self._notice(ready)
            if hurried or self.yields or now > end:
                break
            wait = self._linger_seconds
        self._turns = False

    def _wake_late(self) -> None:
        while self._late and self._wakes < self._most_wakes:
            self._wakes += 1
            self.yields = True
            _reschedule(*self._late.popitem(last=False))

    def _notice(self, ready: list[tuple[int, int]]) -> None:
        """Hands out events."""
        streams = self._streams
        for fd, events in ready:
            stream = streams.get(fd)
            if stream is None:
                self.yields = True
            else:
                stream.notice(events)

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


def _reschedule(task: trio.lowlevel.Task, value: outcome.Outcome[object] | None) -> None:
    if value is None:
        trio.lowlevel.reschedule(task)
    else:
        trio.lowlevel.reschedule(task, value)


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
