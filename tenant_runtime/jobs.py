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


class Jobs:
    """Truthy when there is a job: the tenant must then not be put to sleep."""

    def __init__(self) -> None:
        self._jobs: list[Job] = []
        self._nursery: trio.Nursery | None = None

    def __bool__(self) -> bool:
        return bool(self._jobs)

    def add(self, seconds: float, function: Callable[..., Any], name: str = "") -> None:
        if seconds <= 0:
            raise ValueError("a job's interval must be more than 0 seconds")
        job = Job(seconds, function, name or getattr(function, "__name__", "job"))
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
        while True:
            await trio.sleep(job.seconds)
            try:
                await settle(job.function())
            except Exception as error:
                text = "".join(traceback.format_exception(error)).rstrip()
                logger.error("job %s failed: %s", job.name, text)
