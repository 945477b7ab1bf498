"""Looks after what serves: heartbeat, probe, idleness, changed files.

In charge of: the tasks that do so, and their end. Must not know: what follows; it tells the tenant, in a task
of the tenant's own, so that an end of the care never cuts what came of it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Protocol

import trio

from mtgate.supervisor import health
from mtgate.supervisor.restart import Reason
from mtgate.supervisor.watch import Signature, signature, wait_changed
from mtgate.supervisor.worker import Worker
from mtgate.tenantdir.schema import TenantConfig


class Cared(Protocol):
    """Who is told."""

    last_active: float

    @property
    def busy(self) -> str | None:
        """Why it must not be put to sleep."""
        ...

    def unwell(self, worker: Worker, reason: Reason) -> None:
        """A worker hangs or fails its probe."""
        ...

    async def sleep_if_idle(self, limit_seconds: float) -> None:
        """Nothing was asked for so long."""
        ...

    async def files_changed(self) -> None:
        """Source files have changed."""
        ...


class Caretaker:
    """The care of one tenant, from one generation's READY to its end."""

    __slots__ = ("_cared", "_directory", "_nursery", "_scopes", "_socket")

    def __init__(self, cared: Cared, nursery: trio.Nursery, socket: str, directory: Path) -> None:
        self._cared = cared
        self._nursery = nursery
        self._socket = socket
        self._directory = directory
        self._scopes: list[trio.CancelScope] = []

    def begin(self, workers: list[Worker], config: TenantConfig) -> None:
        """For these workers, and for the tenant anew. A worker's own care ends with it."""
        self.end()
        self._cared.last_active = trio.current_time()
        for worker in workers:
            if config.watchdog_seconds is not None:
                limit = config.watchdog_seconds
                self._nursery.start_soon(health.watch_heartbeat, worker, limit, self._cared.unwell)
            if config.probe is not None:
                args = (worker, config.probe, self._socket, self._cared.unwell)
                self._nursery.start_soon(health.watch_probe, *args)
        if config.watch:
            self._start(self._watch, signature(self._directory))
        if config.idle_timeout_seconds is not None:
            self._start(self._rest, config.idle_timeout_seconds)

    def end(self) -> None:
        """The tenant's care; that of workers ends with them."""
        for scope in self._scopes:
            scope.cancel()
        self._scopes = []

    def _start(self, task: Callable[..., Awaitable[None]], argument: object) -> None:
        scope = trio.CancelScope()
        self._scopes.append(scope)

        async def run() -> None:
            with scope:
                await task(argument)

        self._nursery.start_soon(run)

    async def _rest(self, limit_seconds: float) -> None:
        cared = self._cared
        while True:
            await health.watch_idle(lambda: cared.last_active, lambda: cared.busy is not None, limit_seconds)
            await self._tell(cared.sleep_if_idle, limit_seconds)
            await trio.sleep(limit_seconds)  # it did not: something was asked at the last moment

    async def _watch(self, seen: Signature) -> None:
        while True:
            seen = await wait_changed(self._directory, seen)
            await self._tell(self._cared.files_changed)

    async def _tell(self, what: Callable[..., Awaitable[None]], *arguments: object) -> None:
        done = trio.Event()

        async def run() -> None:
            try:
                await what(*arguments)
            finally:
                done.set()

        self._nursery.start_soon(run)
        await done.wait()
