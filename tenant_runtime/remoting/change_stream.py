"""The change stream of a model: what was created, updated and removed, as it happens in this worker.

In charge of: turning operation hooks into a stream of plain objects. Must not know: how it is sent.

Source: loopback ``PersistedModel.createChangeStream``. A reader that does not keep up loses the oldest
changes rather than holding up writers.
"""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator
from typing import Any

import trio

#: Changes kept for a reader that is behind.
BACKLOG = 1000


class ChangeStream:
    """One reader. Iterating waits for the next change; leaving the loop ends it."""

    def __init__(self, feed: ChangeFeed) -> None:
        self._feed = feed
        self._changes: deque[dict[str, Any]] = deque(maxlen=BACKLOG)
        self._arrived = trio.Event()
        self._ended = False

    def push(self, change: dict[str, Any]) -> None:
        self._changes.append(change)
        self._arrived.set()

    def end(self) -> None:
        """Let the reader have what has arrived, then no more."""
        self._ended = True
        self._arrived.set()

    async def __aiter__(self) -> AsyncIterator[dict[str, Any]]:
        self._feed.streams.add(self)
        try:
            while True:
                while self._changes:
                    yield self._changes.popleft()
                if self._ended:
                    return
                self._arrived = trio.Event()
                await self._arrived.wait()
        finally:
            self._feed.streams.discard(self)


class ChangeFeed:
    """Where a model's changes go: observes its operation hooks from the first reader on."""

    def __init__(self, model: Any) -> None:
        self.streams: set[ChangeStream] = set()
        self._id = model.definition.id_property.name if model.definition.id_property else "id"
        model.observe("after save", self._saved)
        model.observe("after delete", self._deleted)

    def open(self) -> ChangeStream:
        return ChangeStream(self)

    def end(self) -> None:
        """The worker stops: its readers come back to another one."""
        for stream in self.streams:
            stream.end()

    async def _saved(self, ctx: Any) -> None:
        if self.streams:
            self._push(ctx, None)

    async def _deleted(self, ctx: Any) -> None:
        if self.streams:
            self._push(ctx, "remove")

    def _push(self, ctx: Any, kind: str | None) -> None:
        instance, where = getattr(ctx, "instance", None), getattr(ctx, "where", None)
        data = instance.to_json() if instance is not None else getattr(ctx, "data", None)
        target = (data or {}).get(self._id)
        if target is None and isinstance(where, dict):
            target = where.get(self._id)
        if kind is None:
            is_new = getattr(ctx, "is_new_instance", None)
            kind = "create" if is_new or (is_new is None and target is None) else "update"
        change = {"type": kind, "target": target, "where": where, "data": data}
        change = {name: value for name, value in change.items() if value is not None}
        for stream in list(self.streams):
            stream.push(change)
