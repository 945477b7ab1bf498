"""Sockets that wait on one epoll set.

In charge of: receiving and sending, deadlines of waits, noticing that the other end is gone. Must not know:
HTTP, how the epoll set is waited for (``poller``).
"""

from __future__ import annotations

import contextlib
import math
import select
import socket
import struct
from collections.abc import Callable
from typing import Protocol

import outcome
import trio

from mtgate.http1.message import Peer
from mtgate.http1.poller import Poller

RECEIVE_BYTES = 64 * 1024

#: A task lets others run after so many immediate successes in a row; each 8 KiB count as one more.
_FAIRNESS = 32
#: Who moves so much at once takes part in a large transfer: it goes on by steps.
_MUCH_BYTES = 32 * 1024

_READ = select.EPOLLIN | select.EPOLLRDHUP | select.EPOLLHUP | select.EPOLLERR
_WRITE = select.EPOLLOUT | select.EPOLLHUP | select.EPOLLERR
#: What most edges are: bytes came, and there is room to send.
_BYTES = select.EPOLLIN | select.EPOLLOUT
_ENDED = select.EPOLLRDHUP | select.EPOLLHUP | select.EPOLLERR
_GONE = select.EPOLLHUP | select.EPOLLERR


class StreamTimeout(Exception):
    """A wait reached its deadline."""


class StreamBroken(Exception):
    """The connection was reset, or the other end takes no more bytes."""


class ByteStream(Protocol):
    """What messages are read from and written to: a socket, or TLS over one."""

    async def receive(self, deadline: float, size: int = RECEIVE_BYTES) -> bytes:
        """See Stream."""

    async def send_all(self, data: bytes | memoryview, stall_seconds: float) -> None:
        """See Stream."""

    def send_end(self) -> None:
        """See Stream."""

    def close(self) -> None:
        """See Stream."""


class WatchedStream(ByteStream, Protocol):
    """One whose bytes can also be had, and sent, without waiting."""

    @property
    def readable(self) -> bool:
        """See Stream."""

    def receive_nowait(self, size: int = RECEIVE_BYTES) -> bytes | None:
        """See Stream."""

    def send_nowait(self, data: bytes) -> bytes | None:
        """See Stream."""

    def watch(self, on_stir: Callable[[], object] | None, deadline: float = math.inf) -> None:
        """See Stream."""


class Stream:
    """A connected socket, non-blocking; one task may receive while another sends.

    ``on_gone`` is called, from the poller, once the other end has left for good: reset, or both directions
    shut. A half-close is a departure only when ``leaves_by_half_close`` is set. ``watch`` is for whoever does
    not want a task to wait for bytes.
    """

    __slots__ = (
        "_ended",
        "_luck",
        "_on_stir",
        "_poller",
        "_read_deadline",
        "_reader",
        "_receives_much",
        "_sends_much",
        "_writable",
        "_write_deadline",
        "_writer",
        "leaves_by_half_close",
        "on_gone",
        "readable",
        "socket",
    )

    def __init__(self, poller: Poller, sock: socket.socket) -> None:
        self.socket = sock
        self.on_gone: Callable[[], object] | None = None
        self._on_stir: Callable[[], object] | None = None
        self.leaves_by_half_close = False
        self._poller = poller
        #: Is there, for all we know, something to receive, or the end?
        self.readable = True
        self._writable = True
        self._ended = False
        self._luck = 0
        #: Of the last bytes: were they part of a large transfer?
        self._receives_much = False
        self._sends_much = False
        self._reader: trio.lowlevel.Task | None = None
        self._writer: trio.lowlevel.Task | None = None
        self._read_deadline = math.inf
        self._write_deadline = math.inf
        poller.register(self)

    @property
    def closed(self) -> bool:
        """Has this end been closed, by ``close``?"""
        return self.socket.fileno() < 0

    async def receive(self, deadline: float, size: int = RECEIVE_BYTES) -> bytes:
        """Some bytes, ``b""`` at the end.

        ``deadline`` as ``Poller.now``. Raises StreamTimeout, StreamBroken.
        """
        while True:
            data = self.receive_nowait(size)
            if data is not None:
                begins, self._receives_much = not self._receives_much, len(data) >= _MUCH_BYTES
                await self._share(len(data), begins and self._receives_much)
                return data
            self._read_deadline = deadline
            await self._wait_readable()

    def has_pending_bytes(self) -> bool:
        """Is there anything to receive, by the kernel's word? The end of the stream does not count."""
        try:
            return bool(self.socket.recv(1, socket.MSG_PEEK))
        except OSError:
            return False

    def receive_nowait(self, size: int = RECEIVE_BYTES) -> bytes | None:
        """As ``receive``; None when nothing is there yet."""
        if not self.readable:
            return None
        try:
            data = self.socket.recv(size)
        except BlockingIOError:
            self.readable = False
            return None
        except OSError as error:
            raise StreamBroken(str(error)) from error
        if not data:
            self._ended = True
        elif len(data) < size and not self._ended:
            # A short read means that the socket is empty: the next bytes make a new edge.
            self.readable = False
        return data

    def send_nowait(self, data: bytes) -> bytes | None:
        """Sends what the kernel takes at once.

        None when that was all, else what has to be given to ``send_all``. Raises StreamBroken.
        """
        try:
            taken = self.socket.send(data)
        except BlockingIOError:
            return data
        except OSError as error:
            raise StreamBroken(str(error)) from error
        return None if taken == len(data) else data[taken:]

    def watch(self, on_stir: Callable[[], object] | None, deadline: float = math.inf) -> None:
        """Calls back, from the poller, when something can be read and no task waits for it, or at the
        deadline.
        """
        self._on_stir = on_stir
        self._receives_much = False
        self._read_deadline = deadline
        if self._poller.resting and not self.rests:
            self._poller.go_on()

    async def send_all(self, data: bytes | memoryview, stall_seconds: float) -> None:
        """Sends everything; each pause without progress may last ``stall_seconds``."""
        while True:
            try:
                sent = self.socket.send(data)
            except BlockingIOError:
                sent = 0
            except OSError as error:
                raise StreamBroken(str(error)) from error
            if sent == len(data):
                await self._share(sent)
                return
            data = memoryview(data)[sent:]
            self._sends_much = len(data) >= _MUCH_BYTES or sent >= _MUCH_BYTES
            self._writable = False
            self._write_deadline = self._poller.now + stall_seconds
            await self._wait_writable()

    def send_end(self) -> None:
        """Shuts the sending side; the other end reads to the end of it."""
        with contextlib.suppress(OSError):
            self.socket.shutdown(socket.SHUT_WR)

    def reset_on_close(self) -> None:
        """Makes the coming close a reset: how an HTTP/1.0 client learns that a body was cut off."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    def close(self) -> None:
        """Once or more; tasks that wait on it get StreamBroken."""
        if not self.closed:
            self._poller.forget(self)
            self.socket.close()
            self._fail(StreamBroken("closed at this end"))

    def abort_reading(self, error: Exception) -> None:
        """Lets the task that waits for bytes, if any, go on with that error."""
        if self._reader is not None:
            task, self._reader = self._reader, None
            self._poller.wake(task, outcome.Error(error))

    def limit_reading(self, deadline: float) -> None:
        """Sets a new deadline for the task that waits for bytes."""
        self._read_deadline = deadline

    async def _share(self, size: int, much_begins: bool = False) -> None:
        self._luck += 1 + (size >> 13)
        if much_begins or self._luck >= _FAIRNESS:
            self._luck = 0
            await self._poller.steps.pause()

    async def _wait_readable(self) -> None:
        def abort(_: object) -> trio.lowlevel.Abort:
            self._reader = None
            self._poller.forget_wake(task)
            return trio.lowlevel.Abort.SUCCEEDED

        if self._reader is not None:
            raise trio.BusyResourceError("another task is receiving from this stream")
        if self.closed:
            raise StreamBroken("closed at this end")
        self._luck = 0
        if self._poller.resting:
            self._poller.go_on()
        self._reader = task = trio.lowlevel.current_task()
        if await trio.lowlevel.wait_task_rescheduled(abort):
            self._poller.steps.begin()

    async def _wait_writable(self) -> None:
        def abort(_: object) -> trio.lowlevel.Abort:
            self._writer = None
            self._poller.forget_wake(task)
            return trio.lowlevel.Abort.SUCCEEDED

        if self.closed:
            raise StreamBroken("closed at this end")
        self._luck = 0
        if self._poller.resting:
            self._poller.go_on()
        self._writer = task = trio.lowlevel.current_task()
        if await trio.lowlevel.wait_task_rescheduled(abort):
            self._poller.steps.begin()

    def _fail(self, error: Exception) -> None:
        self.abort_reading(error)
        if self._writer is not None:
            task, self._writer = self._writer, None
            self._poller.wake(task, outcome.Error(error))

    # What follows is for the poller.

    @property
    def rests(self) -> bool:
        """Is it watched without a deadline, so that the sweep has nothing to do for it?"""
        waited_for = self._reader is not None or self._writer is not None
        return self._on_stir is not None and self._read_deadline == math.inf and not waited_for

    def notice(self, events: int) -> None:
        """An edge: wakes who waits for it."""
        if events == _BYTES and self._on_stir is not None and self._writer is None:
            self.readable = True
            self._on_stir()
            return
        self._poller.yields = True
        if events & _READ:
            self.readable = True
            if events & _ENDED:
                self._ended = True
            if self._reader is not None:
                task, self._reader = self._reader, None
                self._go_on(task, self._receives_much)
            elif self._on_stir is not None:
                self._on_stir()
        if events & _WRITE and self._writer is not None:
            task, self._writer = self._writer, None
            self._go_on(task, self._sends_much)
        gone = events & _GONE or (self.leaves_by_half_close and self._ended)
        if gone and self.on_gone is not None:
            self.on_gone()

    def _go_on(self, task: trio.lowlevel.Task, much: bool) -> None:
        if much:
            self._poller.steps.admit(task)
        else:
            self._poller.wake(task)

    def expire(self, now: float) -> None:
        """Ends waits whose deadline has passed."""
        if now > self._read_deadline:
            if self._reader is not None:
                self.abort_reading(StreamTimeout())
            elif self._on_stir is not None:
                self._on_stir()
        if self._writer is not None and now > self._write_deadline:
            self._fail(StreamTimeout())


def peer_of(sock: socket.socket) -> Peer | None:
    """SO_PEERCRED of a Unix socket, None for others (unix(7))."""
    if sock.family != socket.AF_UNIX:
        return None
    size = struct.calcsize("3i")
    return Peer(*struct.unpack("3i", sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, size)))


def client_of(sock: socket.socket, address: object) -> str:
    """The other end's IP address, or ``unix``."""
    if sock.family == socket.AF_UNIX or not isinstance(address, tuple):
        return "unix"
    host = str(address[0])
    return host.removeprefix("::ffff:") if "." in host else host
