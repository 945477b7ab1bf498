"""How far one exchange got, and what follows from it.

In charge of: may it be tried again, and what the client is told when it may not. Must not know: sockets.
Pure. RFC 9110 9.2.2: a client, and so a proxy, repeats by itself only what is idempotent, unless it knows
that nothing of the request was acted on.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass

IDEMPOTENT = frozenset({b"GET", b"HEAD", b"OPTIONS", b"PUT", b"DELETE"})
#: Tries of one request. A worker killed under load costs each request at most one of them, or two when it
#: took the second's connection while it died. Not more, since a request may be what kills the worker: one
#: alone must not use up the start limit of its tenant.
MAX_TRIES = 3


class Failure(enum.Enum):
    """What went wrong on the worker's side."""

    NOT_SENT = "the worker's connection was closed before the request was sent"
    CLOSED = "the worker closed the connection without an answer"
    MALFORMED = "the worker's answer is not HTTP"
    TIMEOUT = "the worker did not answer in time"
    CUT = "the worker's answer was cut off"
    CONNECT = "the worker does not take connections"


class Step(enum.Enum):
    """What to do about it."""

    RETRY = "retry"
    ANSWER = "answer"
    CUT = "cut"


@dataclass(slots=True)
class Progress:
    """Of one request: tries so far, and how far the current one got."""

    method: bytes
    tries: int = 0
    sent: bool = False
    received: bool = False
    answering: bool = False
    replayable: bool = True

    @property
    def wants_fresh_connection(self) -> bool:
        """May a connection from the pool have died already, where that would cost too much?

        A worker's end closes all of its connections at once, and that of those in the pool may not have been
        heard of yet: a second try on one of them is wasted. What cannot be sent twice takes no risk.
        """
        return self.tries > 1 or not self.replayable


def after(failure: Failure, progress: Progress) -> Step:
    """Retry, answer with ``STATUSES[failure]``, or cut the client's connection."""
    if progress.answering:
        return Step.CUT
    if not progress.replayable or progress.tries >= MAX_TRIES:
        return Step.ANSWER
    if failure is Failure.NOT_SENT and not progress.sent:
        return Step.RETRY
    if failure is Failure.CLOSED and not progress.received and progress.method in IDEMPOTENT:
        return Step.RETRY
    return Step.ANSWER


STATUSES = {
    Failure.NOT_SENT: 502,
    Failure.CLOSED: 502,
    Failure.MALFORMED: 502,
    Failure.CUT: 502,
    Failure.TIMEOUT: 504,
    Failure.CONNECT: 503,
}
