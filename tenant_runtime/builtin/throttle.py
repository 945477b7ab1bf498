"""Slows down whoever guesses passwords.

In charge of: how long an attempt to log in must wait, as a function of the failures before it. Must not know:
clocks (the time is a parameter), users, requests. Nothing is refused and no answer changes: LoopBack's
clients see the same 401, later. Attempts made at once queue up behind each other, so that doing it in
parallel is no way around.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import dataclass

FREE_FAILURES = 5
FIRST_DELAY_SECONDS = 0.25
MAX_DELAY_SECONDS = 8.0
#: Nobody waits longer than this, however many attempts queue before.
MAX_WAIT_SECONDS = 60.0
FORGET_AFTER_SECONDS = 900.0
MAX_KEYS = 10_000


@dataclass(slots=True)
class _Guesses:
    failures: int = 0
    last: float = 0.0
    next_turn: float = 0.0


class Throttle:
    """Counts failures by key (who is guessed at, and from where). Bounded: the oldest keys are forgotten."""

    def __init__(self) -> None:
        self._keys: OrderedDict[Hashable, _Guesses] = OrderedDict()

    def wait_seconds(self, key: Hashable, now: float) -> float:
        """How long an attempt that comes ``now`` must wait before it is looked at; takes its turn."""
        known = self._keys.get(key)
        if known is None or known.failures < FREE_FAILURES:
            return 0.0
        if now - known.last >= FORGET_AFTER_SECONDS:
            del self._keys[key]
            return 0.0
        # The exponent is bounded before it is used: a counter that grows for days must not overflow.
        doublings = min(known.failures - FREE_FAILURES, 16)
        delay = min(FIRST_DELAY_SECONDS * (1 << doublings), MAX_DELAY_SECONDS)
        known.next_turn = min(max(known.next_turn, now) + delay, now + MAX_WAIT_SECONDS)
        return known.next_turn - now

    def failed(self, key: Hashable, now: float) -> None:
        known = self._keys.setdefault(key, _Guesses())
        known.failures += 1
        known.last = now
        self._keys.move_to_end(key)
        if len(self._keys) > MAX_KEYS:
            self._keys.popitem(last=False)

    def succeeded(self, key: Hashable) -> None:
        self._keys.pop(key, None)
