"""Slows down whoever guesses passwords.

In charge of: how long a failed login must wait, as a function of the failures before it. Must not know:
clocks (the time is a parameter), users, requests. Nothing is refused and no answer changes: LoopBack's
clients see the same 401, later.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable

FREE_FAILURES = 5
FIRST_DELAY_SECONDS = 0.25
MAX_DELAY_SECONDS = 8.0
FORGET_AFTER_SECONDS = 900.0
MAX_KEYS = 10_000


class Throttle:
    """Counts failures by key (who is guessed at, and from where). Bounded: the oldest keys are forgotten."""

    def __init__(self) -> None:
        self._failures: OrderedDict[Hashable, tuple[int, float]] = OrderedDict()

    def failed(self, key: Hashable, now: float) -> float:
        """Counts a failure; returns the seconds to wait before it is answered."""
        count = self._count(key, now) + 1
        self._failures[key] = (count, now)
        self._failures.move_to_end(key)
        if len(self._failures) > MAX_KEYS:
            self._failures.popitem(last=False)
        if count <= FREE_FAILURES:
            return 0.0
        # The exponent is bounded before it is used: a counter that grows for days must not overflow.
        doublings = min(count - FREE_FAILURES - 1, 16)
        return min(FIRST_DELAY_SECONDS * (1 << doublings), MAX_DELAY_SECONDS)

    def succeeded(self, key: Hashable) -> None:
        self._failures.pop(key, None)

    def _count(self, key: Hashable, now: float) -> int:
        count, last = self._failures.get(key, (0, now))
        return count if now - last < FORGET_AFTER_SECONDS else 0
