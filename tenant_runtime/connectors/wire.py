"""Connections to a database on the event loop: a question is sent, and the answer is read as it comes.

In charge of: which connection asks next, waiting for answers, deadlines, connections that break. Must not
know: what is asked and answered (``base.Talk`` is the driver's), models.

A hop into a thread and back, and the threads' fight for the interpreter's lock, cost more than all else of a
small query (docs/performance.md). Where a driver can say what to send and when an answer is complete, nothing
has to block: an answer is taken in by a call-back from the poller. Connections are opened in a thread, once
each. Cancellation abandons: the answer is still read, so that the connection stays of use, and dropped.
"""

from __future__ import annotations

import math
import socket
from collections import deque
from collections.abc import Awaitable, Callable
from enum import Enum, auto
from typing import Any

import outcome
import trio

from mtgate.http1.poller import poller_of_run
from mtgate.http1.stream import Stream, StreamBroken, StreamTimeout
from tenant_runtime.connectors.base import Talk


class State(Enum):
    """How far a link is with its question."""

    FREE = auto()
    SENDING = auto()  # what is received has to wait
    ASKED = auto()


class Link:
    """One connection. It has at most one question under way, whose task may have gone."""

    def __init__(self, wire: Wire, talk: Talk) -> None:
        self._wire = wire
        self._talk = talk
        self._task: trio.lowlevel.Task | None = None
        self._state = State.FREE
        self._deadline = math.inf
        self._poller = poller_of_run()
        self.stream = Stream(self._poller, talk.socket)
        self.stream.watch(self._stir)

    @property
    def alive(self) -> bool:
        """Whether the server has not ended it: between two questions there is nothing to read."""
        try:
            self.stream.socket.recv(1, socket.MSG_PEEK)
        except BlockingIOError:
            return True
        except OSError:
            pass
        return False

    async def ask(self, question: Any) -> Any:
        """The answer; the link is free again when it has come, also when nobody waits for it any more."""
        try:
            data = self._talk.ask(question)
        except BaseException:
            self._wire.release(self)
            raise
        try:
            await self._send(data)
        except BaseException as error:  # how much of it the server got is unknown
            self._end(None)
            if isinstance(error, StreamBroken | StreamTimeout):
                raise self._wire.lost("the connection was lost") from error
            raise
        self._deadline = self._poller.now + self._wire.answer_seconds
        self.stream.watch(self._stir, self._deadline)
        self._task = trio.lowlevel.current_task()
        return await trio.lowlevel.wait_task_rescheduled(self._abandon)

    def _abandon(self, _: object) -> trio.lowlevel.Abort:
        self._task = None
        return trio.lowlevel.Abort.SUCCEEDED

    async def _send(self, data: bytes) -> None:
        rest = self.stream.send_nowait(data)
        self._state = State.ASKED
        if rest is not None:
            self._state = State.SENDING
            await self.stream.send_all(rest, self._wire.answer_seconds)
            self._state = State.ASKED
            # an answer that came in the meantime makes no new edge
            trio.lowlevel.current_trio_token().run_sync_soon(self._stir)

    def close(self) -> None:
        self._end(self._wire.lost("it was disconnected"))

    def _stir(self) -> None:
        """From the poller: bytes, the end of the connection, or the deadline."""
        if self._state is State.SENDING:
            return
        try:
            while (data := self.stream.receive_nowait()) is not None:
                if not data or self._state is State.FREE:
                    self._end(self._wire.lost("the connection was lost"))
                    return
                if self._talk.take(data):
                    self._complete()
                    return
        except StreamBroken:
            self._end(self._wire.lost("the connection was lost"))
        except Exception as error:  # the poller is a system task: nothing may leave
            lost = self._wire.lost("the connection was lost")
            lost.__cause__ = error
            self._end(lost)
        else:
            if self._poller.now > self._deadline:
                self._end(self._wire.lost("timed out"))

    def _complete(self) -> None:
        self._state = State.FREE
        self._deadline = math.inf
        self.stream.watch(self._stir)
        task, self._task = self._task, None
        if task is not None:
            self._poller.wake(task, outcome.Value(self._talk.answer()))
        self._wire.release(self)

    def _end(self, error: Exception | None) -> None:
        if self.stream.closed:
            return
        self.stream.close()
        self._talk.close()
        task, self._task = self._task, None
        if task is not None and error is not None:
            self._poller.wake(task, outcome.Error(error))
        self._wire.forget(self)


class Wire:
    """Up to ``size`` links; who finds none free waits in turn.

    ``dial`` opens a connection, wherever blocking is allowed; its errors are the asker's. ``lost`` makes the
    error of a connection that broke, with the reason in words.
    """

    def __init__(
        self,
        dial: Callable[[], Awaitable[Talk]],
        size: int,
        answer_seconds: float,
        lost: Callable[[str], Exception],
    ) -> None:
        self.answer_seconds = answer_seconds
        self.lost = lost
        self._dial = dial
        self._size = size
        self._count = 0  # with those that are being opened
        self._links: set[Link] = set()
        self._free: list[Link] = []
        self._waiting: deque[trio.lowlevel.Task] = deque()

    async def ask(self, question: Any) -> Any:
        """Asks on the next free link; what its ``Talk`` answers."""
        while self._free:
            link = self._free.pop()
            if link.alive:
                return await link.ask(question)
            link.close()
        return await (await self._next()).ask(question)

    def close(self) -> None:
        """Ends all links; the next question opens one anew."""
        for link in list(self._links):
            link.close()

    def release(self, link: Link) -> None:
        """A link is free: the first in the queue gets it."""
        if self._waiting:
            poller_of_run().wake(self._waiting.popleft(), outcome.Value(link))
        else:
            self._free.append(link)

    def forget(self, link: Link) -> None:
        """A link is closed: the first in the queue may open another."""
        self._links.discard(link)
        if link in self._free:
            self._free.remove(link)
        self._make_room()

    def _make_room(self) -> None:
        self._count -= 1
        if self._waiting:
            poller_of_run().wake(self._waiting.popleft(), outcome.Value(None))

    async def _next(self) -> Link:
        while self._count >= self._size:
            link = await self._wait()
            if link is not None:
                return link
        self._count += 1
        try:
            with trio.CancelScope(shield=True):  # else nobody would close what has been opened
                talk = await self._dial()
        except BaseException:
            self._make_room()
            raise
        link = Link(self, talk)
        self._links.add(link)
        return link

    async def _wait(self) -> Link | None:
        task = trio.lowlevel.current_task()
        self._waiting.append(task)

        def leave(_: object) -> trio.lowlevel.Abort:
            self._waiting.remove(task)
            return trio.lowlevel.Abort.SUCCEEDED

        found: Link | None = await trio.lowlevel.wait_task_rescheduled(leave)
        return found
