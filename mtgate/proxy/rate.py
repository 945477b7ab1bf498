"""How often one may ask.

In charge of: token buckets, for a tenant and for each of its clients. Must not know: who asks. Pure: the
time is a parameter. A bucket holds one second's worth of requests, at least one.
"""

from __future__ import annotations

from collections import OrderedDict


class Bucket:
    """Tokens come back at ``rate`` per second."""

    __slots__ = ("_rate", "_size", "_tokens", "_when")

    def __init__(self, rate: float, now: float) -> None:
        self._rate = rate
        self._size = max(rate, 1.0)
        self._tokens = self._size
        self._when = now

    def take(self, now: float) -> float:
        """0.0 when the request may pass, else seconds until the next one may."""
        self._tokens = min(self._size, self._tokens + (now - self._when) * self._rate)
        self._when = now
        if self._tokens < 1.0:
            return (1.0 - self._tokens) / self._rate
        self._tokens -= 1.0
        return 0.0


class RateLimit:
    """A tenant's bucket and its clients'; the clients seen longest ago are forgotten first."""

    CLIENTS = 4096

    def __init__(self, rate: float | None, client_rate: float | None, now: float) -> None:
        self._all = Bucket(rate, now) if rate else None
        self._client_rate = client_rate
        self._clients: OrderedDict[bytes, Bucket] = OrderedDict()

    @property
    def limited(self) -> bool:
        """Is there anything to count?"""
        return self._all is not None or self._client_rate is not None

    def take(self, client: bytes, now: float) -> float:
        """As Bucket.take; a client over its own rate does not use up the tenant's."""
        if self._client_rate:
            bucket = self._clients.get(client)
            if bucket is None:
                bucket = self._clients[client] = Bucket(self._client_rate, now)
                if len(self._clients) > self.CLIENTS:
                    self._clients.popitem(last=False)
            else:
                self._clients.move_to_end(client)
            if wait := bucket.take(now):
                return wait
        return self._all.take(now) if self._all else 0.0
