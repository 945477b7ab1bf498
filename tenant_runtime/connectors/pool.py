"""A data source's own threads, and the hop into them.

In charge of: running a synchronous function in one of N long-lived threads and bringing its result back to
trio, several results in one wake-up. Must not know: connectors, models.

``trio.to_thread`` would do and costs three times as much (it starts a context, a worker lookup and a wake-up
for each call); this uses only trio's public low-level interface. Cancellation abandons: a job that has not
begun never runs, one that runs finishes in its thread and its result is dropped.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from queue import SimpleQueue
from typing import Any, TypeVar

import outcome
import trio

T = TypeVar("T")


class _Job:
    __slots__ = ("arguments", "function", "result", "task")

    def __init__(self, task: trio.lowlevel.Task, function: Callable[..., Any], arguments: tuple[Any, ...]):
        self.task: trio.lowlevel.Task | None = task  # None once abandoned
        self.function = function
        self.arguments = arguments
        self.result: outcome.Outcome[Any] | None = None


class ThreadPool:
    """See the module. Threads start when more jobs are under way than there are threads, and belong to the
    trio run that was current at the first.
    """

    def __init__(self, name: str, threads: int) -> None:
        self._name = name
        self._size = threads
        self._queue: SimpleQueue[_Job | None] = SimpleQueue()
        self._done: deque[_Job] = deque()
        self._wake_up_sent = False
        self._under_way = 0
        self._threads: list[threading.Thread] = []
        self._token: trio.lowlevel.TrioToken | None = None

    async def run(self, function: Callable[..., T], *arguments: Any) -> T:
        """``function(*arguments)`` in a thread; its result or its exception."""
        if self._token is None:
            self._token = trio.lowlevel.current_trio_token()
        self._under_way += 1
        if len(self._threads) < min(self._under_way, self._size):
            self._start_thread()
        job = _Job(trio.lowlevel.current_task(), function, arguments)
        self._queue.put(job)

        def abandon(_: Any) -> trio.lowlevel.Abort:
            job.task = None
            return trio.lowlevel.Abort.SUCCEEDED

        result: T = await trio.lowlevel.wait_task_rescheduled(abandon)
        return result

    def close(self) -> None:
        """Let the threads end after what is queued; returns at once."""
        for _ in self._threads:
            self._queue.put(None)
        self._threads.clear()
        self._token = None

    def _start_thread(self) -> None:
        name = f"{self._name}-{len(self._threads)}"
        thread = threading.Thread(target=self._work, name=name, daemon=True)
        thread.start()
        self._threads.append(thread)

    def _work(self) -> None:
        token = self._token
        while (job := self._queue.get()) is not None:
            if job.task is None:
                self._done.append(job)  # only to be counted
                continue
            job.result = outcome.capture(job.function, *job.arguments)
            self._done.append(job)
            if not self._wake_up_sent and token is not None:
                self._wake_up_sent = True
                try:
                    token.run_sync_soon(self._deliver)
                except trio.RunFinishedError:
                    return

    def _deliver(self) -> None:
        # first the flag: a job that finishes while the deque is drained asks for another wake-up
        self._wake_up_sent = False
        while self._done:
            job = self._done.popleft()
            self._under_way -= 1
            if job.task is not None and job.result is not None:
                trio.lowlevel.reschedule(job.task, job.result)
