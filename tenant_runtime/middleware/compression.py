"""``compression``: gzip, deflate and, where the package is there, Brotli (npm package ``compression``).

In charge of: choosing the coding and compressing whole and streamed bodies. Small bodies, bodies with a
coding of their own, ``Cache-Control: no-transform`` and types that do not compress are left as they are.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import AsyncIterable, AsyncIterator, Mapping
from typing import Any, Final, Protocol

from tenant_runtime.remoting.body import size_bytes
from tenant_runtime.web import Next, WebRequest, WebResponse

COMPRESSIBLE: Final = re.compile(
    rb"\s*(?:text/(?!event-stream)|image/svg\+xml|font/(?:ttf|otf)|"
    rb"application/(?:json|javascript|xml|ecmascript|rtf|wasm|x-ndjson|manifest\+json|[^;\s]+\+(?:json|xml|text)))",
    re.IGNORECASE,
)
DEFAULT_THRESHOLD_BYTES: Final = 1024


class Compressor(Protocol):
    def compress(self, data: bytes) -> bytes: ...

    def flush(self, mode: int = ...) -> bytes: ...


def wanted_coding(accept: str | None) -> str | None:
    """gzip before deflate where the client likes both the same; None for neither."""
    qualities: dict[str, float] = {}
    for part in (accept or "").split(","):
        name, _, parameters = part.partition(";")
        quality = re.search(r"q=([0-9.]+)", parameters)
        try:
            qualities[name.strip().lower()] = float(quality[1]) if quality else 1.0
        except ValueError:
            qualities[name.strip().lower()] = 0.0
    best = max(("gzip", "deflate"), key=lambda name: qualities.get(name, qualities.get("*", 0.0)))
    return best if qualities.get(best, qualities.get("*", 0.0)) > 0 else None


class Compression:
    """``params``: threshold (bytes, or text such as "1kb"), level."""

    def __init__(self, params: Mapping[str, Any] | None = None) -> None:
        params = params or {}
        self.threshold = size_bytes(params.get("threshold"), DEFAULT_THRESHOLD_BYTES)
        level = params.get("level")
        self.level = level if isinstance(level, int) and -1 <= level <= 9 else -1

    def compressor(self, coding: str) -> Compressor:
        return zlib.compressobj(self.level, zlib.DEFLATED, 31 if coding == "gzip" else 15)

    async def __call__(self, request: WebRequest, next: Next) -> WebResponse:
        response = await next(request)
        if not compressible(response):
            return response
        response.vary("Accept-Encoding")
        whole = response.body if isinstance(response.body, bytes) else None
        if response.status == 204 or (whole is not None and len(whole) < self.threshold):
            return response
        coding = wanted_coding(request.header("accept-encoding"))
        if coding is None or request.method == "HEAD":
            return response
        compressor = self.compressor(coding)
        if whole is not None:
            response.body = compressor.compress(whole) + compressor.flush()
        else:
            assert not isinstance(response.body, bytes)
            response.body = compressed(response.body, compressor)
        response.headers = [pair for pair in response.headers if pair[0] != b"content-length"]
        response.headers.append((b"content-encoding", coding.encode()))
        return response


def compressible(response: WebResponse) -> bool:
    kind = None
    for name, value in response.headers:
        if name == b"content-type":
            kind = value
        elif name == b"content-encoding" or (name == b"cache-control" and b"no-transform" in value.lower()):
            return False
    return kind is not None and response.status != 304 and COMPRESSIBLE.match(kind) is not None


async def compressed(body: AsyncIterable[bytes], compressor: Compressor) -> AsyncIterator[bytes]:
    """Piece by piece, so that a slow stream arrives as it is made."""
    async for piece in body:
        data = compressor.compress(piece) + compressor.flush(zlib.Z_SYNC_FLUSH)
        if data:
            yield data
    yield compressor.flush(zlib.Z_FINISH)
