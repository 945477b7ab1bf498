"""Jobs that a tenant's code schedules: ``@app.every(60)``.

In charge of: running them for as long as the worker lives. A job that fails is logged and runs again next
time; a job that is still running is not started a second time.
"""

from __future__ import annotations

import logging
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import trio

from tenant_runtime.remoting.hooks import settle

logger = logging.getLogger("tenant_runtime")


@dataclass(frozen=True, slots=True)
class Job:
    seconds: float
    function: Callable[..., Any]
    name: str
    first_seconds: float
    keeps_awake: bool


class Jobs:
    """Truthy when there is a job that keeps the tenant awake: it must then not be put to sleep."""

    def __init__(self) -> None:
        self._jobs: list[Job] = []
        self._nursery: trio.Nursery | None = None

    def __bool__(self) -> bool:
        return any(job.keeps_awake for job in self._jobs)

    def add(
        self,
        seconds: float,
        function: Callable[..., Any],
        name: str = "",
        *,
        first_seconds: float | None = None,
        keeps_awake: bool = True,
    ) -> None:
        """Every ``seconds``, the first time after ``first_seconds`` (``seconds`` when None)."""
        if seconds <= 0:
            raise ValueError("a job's interval must be more than 0 seconds")
        first = seconds if first_seconds is None else first_seconds
        job = Job(seconds, function, name or getattr(function, "__name__", "job"), first, keeps_awake)
        self._jobs.append(job)
        if self._nursery is not None:
            self._nursery.start_soon(self._repeat, job)

    async def run(self) -> None:
        """Until cancelled."""
        async with trio.open_nursery() as nursery:
            self._nursery = nursery
            for job in self._jobs:
                nursery.start_soon(self._repeat, job)
            await trio.sleep_forever()

    async def _repeat(self, job: Job) -> None:
        await trio.sleep(job.first_seconds)
        while True:
            try:
                await settle(job.function())
            except Exception as error:
                text = "".join(traceback.format_exception(error)).rstrip()
                logger.error("job %s failed: %s", job.name, text)
            await trio.sleep(job.seconds)
