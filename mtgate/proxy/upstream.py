"""A tenant as one proxy process sees it: its route, its connections, who waits for it.

In charge of: connecting to the tenant's socket, the pool, admission (requests in flight, the bounded queue,
waiting for a tenant that starts). Must not know: clients, heads. One object for each tenant that was asked
for.
"""

from __future__ import annotations

import errno
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial

import trio

from mtgate.http1.connection import Incoming, Limits
from mtgate.http1.poller import Poller
from mtgate.http1.stream import Stream
from mtgate.proxy.config import ProxySettings
from mtgate.proxy.pool import Pool
from mtgate.proxy.rate import RateLimit
from mtgate.proxy.routing import ASLEEP, Route

#: A Unix socket whose backlog is full gives no event when there is room again.
_BACKLOG_PAUSE_SECONDS = 0.01
#: A pool that was not used for so long is emptied.
IDLE_POOL_SECONDS = 30.0
#: Of a large body the kernel takes so much (twice, by its count) before the worker has read it; it says that
#: there is room again only when three quarters are read.
SEND_BUFFER_BYTES = 512 * 1024


class Unavailable(Exception):
    """The tenant cannot serve this request now.

    ``status`` 503 or 429, ``code`` stable, ``retry_after_seconds``.
    """

    def __init__(self, status: int, code: str, detail: str, retry_after_seconds: float = 1.0) -> None:
        super().__init__(detail)
        self.status = status
        self.code = code
        self.detail = detail
        self.retry_after_seconds = retry_after_seconds


class ConnectFailed(Exception):
    """The tenant's socket is not there, or nobody takes from its backlog in time."""


class Upstream:
    """One connection to a worker; ``reused`` when it has already served a request."""

    __slots__ = ("generation", "incoming", "on_stir", "reused", "stream")

    def __init__(
        self,
        poller: Poller,
        sock: socket.socket,
        generation: int,
        limits: Limits,
        discard: Callable[[Upstream], None],
    ) -> None:
        self.stream = Stream(poller, sock)
        self.on_stir = partial(discard, self)
        self.incoming = Incoming(poller, self.stream, limits)
        self.generation = generation
        self.reused = False


@dataclass(slots=True)
class Counters:
    """What happened since the last report; sizes are of bodies."""

    received_bytes: int = 0
    sent_bytes: int = 0
    retries: int = 0
    refused: int = 0
    upstream_seconds: float = 0.0
    statuses: dict[int, int] = field(default_factory=dict)

    @property
    def requests(self) -> int:
        """That are over."""
        return sum(self.statuses.values())

    def count(self, status: int, received_bytes: int, sent_bytes: int, upstream_seconds: float) -> None:
        """One request that is over."""
        self.statuses[status] = self.statuses.get(status, 0) + 1
        self.sent_bytes += sent_bytes
        self.upstream_seconds += upstream_seconds
        if received_bytes:
            self.received_bytes += received_bytes


class Tenant:
    """Its owner is the Gateway; ``on_wake`` is called when a request waits for a tenant that sleeps."""

    def __init__(
        self, route: Route, poller: Poller, settings: ProxySettings, on_wake: Callable[[str], None]
    ) -> None:
        self.route = route
        #: Requests whose answer has not begun; these are limited.
        self.in_flight = 0
        #: Answers that go on after their beginning: downloads, events, tunnels. A slow reader occupies no
        #: place.
        self.streaming = 0
        self.counters = Counters()
        self.pool: Pool[Upstream] = Pool(route.generation)
        self._poller = poller
        self._settings = settings
        self._on_wake = on_wake
        self._serves = route.serves
        self._waiting = trio.lowlevel.ParkingLot()
        #: Those that wait, and those that were woken and have not gone on yet.
        self._queueing = 0
        self._awaited: set[Upstream] = set()
        self._woken = False
        self._last_used = poller.now
        self._configure(route)

    def _configure(self, route: Route) -> None:
        limits, settings = route.limits, self._settings
        # A tenant's rate is shared out; a client mostly stays with one process.
        rate = limits.requests_per_second and limits.requests_per_second / settings.processes
        self.rate = RateLimit(rate, limits.client_requests_per_second, self._poller.now)
        self._rated = self.rate.limited
        self.upstream_timeout_seconds = limits.upstream_timeout_seconds or settings.upstream_timeout_seconds
        self.max_body_bytes = limits.max_body_bytes or settings.max_body_bytes
        self._max_in_flight = max(1, -(-limits.max_in_flight // settings.processes))
        self.pool.max_idle = self._max_in_flight
        self._limits = Limits(
            settings.head_limits,
            self.upstream_timeout_seconds,
            self.upstream_timeout_seconds,
            slowest_bytes_per_second=0,
        )

    def update(self, route: Route) -> None:
        """A new state, generation or configuration."""
        if route.limits != self.route.limits:
            self._configure(route)
        self.route = route
        self._serves = route.serves
        self._woken = False
        for upstream in self.pool.switch(route.generation):
            self._close_idle(upstream)
        if not route.serves:
            self.close_idle()
        self._waiting.unpark_all()
        if route.ended:
            for upstream in self._awaited:
                if not upstream.stream.has_pending_bytes():
                    upstream.stream.abort_reading(self._unavailable())

    # -- admission

    def check_rate(self, client: bytes) -> None:
        """Raises Unavailable (429)."""
        wait = self.rate.take(client, self._poller.now)
        if wait:
            raise Unavailable(429, "too-many-requests", "too many requests", wait)

    def check_state(self) -> None:
        """Raises Unavailable (503) when waiting would be of no use."""
        if not self.route.serves and not self.route.pending:
            raise self._unavailable()

    def _unavailable(self) -> Unavailable:
        # Why is for the operator (`mtctl status`), not for whoever asks.
        state = "stopped" if self.route.state == "inactive" else self.route.state
        return Unavailable(503, f"tenant-{state}", f'tenant "{self.route.id}" is {state}', 10.0)

    async def admit(self) -> None:
        """A place among the requests in flight; ``leave`` gives it back. Raises Unavailable."""
        if not self.admit_nowait():
            await self._queue()
            self.in_flight += 1
            self._last_used = self._poller.now

    def admit_nowait(self) -> bool:
        """A place, if that needs no waiting."""
        if not self._serves or self.in_flight >= self._max_in_flight or self._waiting:
            return False
        self.in_flight += 1
        self._last_used = self._poller.now
        return True

    def begin_nowait(self) -> Upstream | None:
        """A place and an idle connection, if that needs no waiting and nothing has to be counted."""
        if self._rated or not self._serves or self.in_flight >= self._max_in_flight or self._queueing:
            return None
        upstream = self.pool.take()
        if upstream is not None:
            self.in_flight += 1
            self._last_used = self._poller.now
            upstream.reused = True
        return upstream

    def leave(self) -> None:
        """The request is over, or its answer has begun; the one that waits longest is next."""
        self.in_flight -= 1
        if self._queueing:
            self._waiting.unpark()

    async def _queue(self) -> None:
        limits = self.route.limits
        self.check_state()
        if len(self._waiting) >= limits.max_queue:
            raise Unavailable(503, "queue-full", f'too many requests wait for tenant "{self.route.id}"')
        deadline = trio.current_time() + limits.queue_timeout_seconds
        self._queueing += 1
        try:
            with trio.move_on_at(deadline):
                await self._wait_for_place()
                return
        finally:
            self._queueing -= 1
        busy = "is busy" if self.route.serves else f"is {self.route.state}"
        detail = f'tenant "{self.route.id}" {busy}: no place within {limits.queue_timeout_seconds:g} s'
        raise Unavailable(503, "queue-timeout", detail)

    async def _wait_for_place(self) -> None:
        while True:
            if self.route.state == ASLEEP and not self._woken:
                self._woken = True
                self._on_wake(self.route.id)
            await self._waiting.park()
            self.check_state()
            if self._serves and self.in_flight < self._max_in_flight:
                return

    # -- connections

    @contextmanager
    def awaiting(self, upstream: Upstream) -> Iterator[None]:
        """While an answer is waited for: when nobody is left to give it, the wait ends with Unavailable.

        A connection in the backlog of a socket that nobody accepts from would only end with its timeout.
        """
        if self.route.ended and not upstream.stream.has_pending_bytes():
            raise self._unavailable()
        self._awaited.add(upstream)
        try:
            yield
        finally:
            self._awaited.discard(upstream)

    async def connect(self, *, fresh: bool) -> Upstream:
        """A connection in use: an idle one, or a new one, always if ``fresh``. Raises ConnectFailed."""
        upstream = None if fresh else self.pool.take()
        if upstream is not None:
            upstream.stream.watch(None)
            upstream.reused = True
            return upstream
        route = self.route
        sock = await self._open(route.socket)
        upstream = Upstream(self._poller, sock, route.generation, self._limits, self._stirred)
        self.pool.opened(upstream)
        return upstream

    async def _open(self, path: str) -> socket.socket:
        deadline = trio.current_time() + self._settings.connect_timeout_seconds
        while True:
            sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)
            try:
                sock.connect(path)
            except OSError as error:
                sock.close()
                if error.errno != errno.EAGAIN or trio.current_time() > deadline:
                    raise ConnectFailed(error.strerror) from error
                await trio.sleep(_BACKLOG_PAUSE_SECONDS)
            else:
                return sock

    def keep(self, upstream: Upstream) -> None:
        """After a whole exchange: for the next one. Anything that comes before it makes it useless."""
        if upstream.stream.readable:
            self.drop(upstream)
        elif self.pool.put(upstream):
            upstream.stream.watch(upstream.on_stir)
        else:
            upstream.stream.close()

    def drop(self, upstream: Upstream) -> None:
        """After a broken exchange, or one that leaves the connection in doubt."""
        self.pool.closed(upstream)
        upstream.stream.close()

    def _stirred(self, upstream: Upstream) -> None:
        if self.pool.discard(upstream):
            self._close_idle(upstream)

    @staticmethod
    def _close_idle(upstream: Upstream) -> None:
        upstream.stream.watch(None)
        upstream.stream.close()

    def close_idle(self) -> None:
        """All connections that nobody uses."""
        for upstream in self.pool.empty():
            self._close_idle(upstream)

    def trim(self) -> None:
        """Closes the pool of a tenant that nobody asked for some time."""
        if self.pool.idle and self._poller.now - self._last_used > IDLE_POOL_SECONDS:
            self.close_idle()
