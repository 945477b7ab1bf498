"""Who gets which connection to a worker.

In charge of: one tenant's idle and busy connections, by generation. Must not know: sockets; a connection is
anything that has ``generation``. Pure. The newest idle connection is used first, so that a pool shrinks by
itself.
"""

from __future__ import annotations

from typing import Generic, Protocol, TypeVar


class HasGeneration(Protocol):
    """What the pool must know of a connection."""

    @property
    def generation(self) -> int:
        """Of the workers that it leads to."""


C = TypeVar("C", bound=HasGeneration)


class Pool(Generic[C]):
    """``take`` and ``opened`` make a connection busy, ``put`` and ``closed`` end that."""

    __slots__ = ("_busy", "_idle", "_old", "generation", "max_idle")

    def __init__(self, generation: int, max_idle: int = 32) -> None:
        self.generation = generation
        self.max_idle = max_idle
        self._idle: list[C] = []
        self._busy = 0
        self._old: dict[int, int] = {}
        """Busy connections of generations that were replaced."""

    @property
    def idle(self) -> int:
        """Connections that nobody uses."""
        return len(self._idle)

    def take(self) -> C | None:
        """An idle connection of the current generation."""
        if not self._idle:
            return None
        self._busy += 1
        return self._idle.pop()

    def opened(self, connection: C) -> None:
        """A new connection, in use."""
        if connection.generation == self.generation:
            self._busy += 1
        else:
            self._old[connection.generation] = self._old.get(connection.generation, 0) + 1

    def put(self, connection: C) -> bool:
        """After use. False: close it, it is of an old generation or there are enough."""
        if connection.generation != self.generation or len(self._idle) >= self.max_idle:
            self.closed(connection)
            return False
        self._busy -= 1
        self._idle.append(connection)
        return True

    def closed(self, connection: C) -> None:
        """A connection in use was closed."""
        generation = connection.generation
        if generation == self.generation:
            self._busy -= 1
        elif self._old[generation] == 1:
            del self._old[generation]
        else:
            self._old[generation] -= 1

    def discard(self, connection: C) -> bool:
        """An idle connection is of no use any more. False when it is not idle."""
        if connection not in self._idle:
            return False
        self._idle.remove(connection)
        return True

    def switch(self, generation: int) -> list[C]:
        """From now on that generation; the idle connections to the old one are the caller's to close."""
        if generation == self.generation:
            return []
        if self._busy:
            self._old[self.generation] = self._busy
        self._busy = self._old.pop(generation, 0)
        self.generation = generation
        return self.empty()

    def empty(self) -> list[C]:
        """All idle connections; the caller's to close."""
        old, self._idle = self._idle, []
        return old

    def uses(self, generation: int) -> bool:
        """Is a connection to that generation still busy?"""
        return generation in self._old or (generation == self.generation and self._busy > 0)
