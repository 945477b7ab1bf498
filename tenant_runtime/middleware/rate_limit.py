"""``express-rate-limit``: so many requests of one client in a window of time.

In charge of: counting by client address, in this worker's memory. The gateway's own limits (``tenant.json``)
count for all workers together and cost less.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from tenant_runtime.web import Next, WebRequest, WebResponse

#: Clients that are remembered at once; the whole table is dropped beyond, rather than grow.
MAX_CLIENTS = 100_000


class RateLimit:
    """``params``: windowMs, max, message, statusCode, headers, skipFailedRequests."""

    def __init__(self, params: Mapping[str, Any] | None = None) -> None:
        params = params or {}
        self.window_seconds = float(params.get("windowMs") or 60_000) / 1000
        self.max = int(params.get("max", params.get("limit", 5)))
        self.message = str(params.get("message") or "Too many requests, please try again later.")
        self.status = int(params.get("statusCode") or 429)
        self.headers = params.get("headers") is not False
        self._counts: dict[str, int] = {}
        self._until = 0.0

    def hit(self, client: str, now: float) -> int:
        """Requests of the client in this window, this one included."""
        if now >= self._until or len(self._counts) > MAX_CLIENTS:
            self._counts.clear()
            self._until = now + self.window_seconds
        count = self._counts[client] = self._counts.get(client, 0) + 1
        return count

    async def __call__(self, request: WebRequest, next: Next) -> WebResponse:
        now = time.monotonic()
        count = self.hit(request.ip, now)
        if self.max and count > self.max:
            response = WebResponse(
                self.status, [(b"content-type", b"text/html; charset=utf-8")], self.message.encode()
            )
            response.add_header("retry-after", str(max(1, round(self._until - now))))
        else:
            response = await next(request)
        if self.headers:
            response.add_header("x-ratelimit-limit", str(self.max))
            response.add_header("x-ratelimit-remaining", str(max(0, self.max - count)))
        return response
