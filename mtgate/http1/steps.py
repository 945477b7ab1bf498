"""Whose turn it is among tasks that move much.

In charge of: places, and the queue for them. Must not know: sockets, what is moved.

All large transfers of a process share a few places in each pass of trio's scheduler, however many they are,
and whatever is small has its turn between two passes. How much one step moves is the stream's to say: about
what takes a tenth of a millisecond.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Final

import outcome
import trio

#: Steps in one pass of the scheduler.
PLACES: Final = 2


class Steps:
    """Places are taken before a step and handed on at its beginning, to the task that waits longest.

    So it needs nobody to look after it: while a task waits all places are taken, and each of those that have
    one is about to go on.
    """

    def __init__(self) -> None:
        self._taken = 0
        self._waiting: OrderedDict[trio.lowlevel.Task, None] = OrderedDict()

    def __bool__(self) -> bool:
        """Is a task about to go on?"""
        return self._taken > 0

    async def pause(self) -> None:
        """Between two steps of the calling task: everything else has its turn."""
        if self._taken < PLACES:
            self._taken += 1
            try:
                await trio.lowlevel.checkpoint()
            finally:
                self.begin()
            return
        task = trio.lowlevel.current_task()
        self._waiting[task] = None

        def abort(_: object) -> trio.lowlevel.Abort:
            self.forget(task)
            return trio.lowlevel.Abort.SUCCEEDED

        await trio.lowlevel.wait_task_rescheduled(abort)
        self.begin()

    def admit(self, task: trio.lowlevel.Task) -> None:
        """Lets a task that waits go on when it is its turn.

        Its wait ends with True, and it calls ``begin``. Should its wait be aborted: ``forget``.
        """
        if self._taken < PLACES:
            self._taken += 1
            trio.lowlevel.reschedule(task, outcome.Value(True))
        else:
            self._waiting[task] = None

    def begin(self) -> None:
        """A step begins: its place is that of the next."""
        if self._waiting:
            task, _ = self._waiting.popitem(last=False)
            trio.lowlevel.reschedule(task, outcome.Value(True))
        else:
            self._taken -= 1

    def forget(self, task: trio.lowlevel.Task) -> None:
        """The wait of a task is aborted that may have been given to ``admit``."""
        self._waiting.pop(task, None)
