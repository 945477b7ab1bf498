"""A small HTTP/1.1 client: one exchange after the other on one trio stream.

In charge of: writing a request, reading its response. Must not know: where the stream goes. For callers in
the daemon and for tests; no connection pool, no redirects.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import h11
import trio

from mtgate.http1.message import Headers, render_fields

RECEIVE_BYTES = 64 * 1024


@dataclass(slots=True)
class Answer:
    """One response; the body is still to be read with ``Client.read`` or ``Client.pieces``."""

    status: int
    headers: Headers
    interim: list[int] = field(default_factory=list)

    def header(self, name: bytes) -> bytes | None:
        """The first value of that lower-case name."""
        return next((value for found, value in self.headers if found == name), None)


class Client:
    """Owns the stream. Cancellation in the middle of an exchange leaves it unusable: close it."""

    def __init__(self, stream: trio.abc.Stream, host: str = "localhost") -> None:
        self._stream = stream
        self._host = host.encode("ascii")
        self._parser = h11.Connection(h11.CLIENT)

    @property
    def reusable(self) -> bool:
        """Can another request follow? Not after an answer that closes the connection."""
        return self._parser.our_state in (h11.IDLE, h11.DONE)

    async def exchange(
        self,
        method: str,
        target: str,
        headers: Headers | None = None,
        body: bytes = b"",
        limit_bytes: float = math.inf,
    ) -> tuple[Answer, bytes]:
        """Sends a request and reads the whole response.

        Raises h11.RemoteProtocolError, trio.BrokenResourceError.
        """
        answer = await self.start(method, target, headers, body)
        return answer, await self.read(limit_bytes)

    async def start(
        self, method: str, target: str, headers: Headers | None = None, body: bytes = b""
    ) -> Answer:
        """Sends a request and reads the response's head."""
        if self._parser.our_state is h11.DONE:
            self._parser.start_next_cycle()
        fields = [(b"host", self._host), *(headers or [])]
        if body or method in ("POST", "PUT", "PATCH"):
            fields.append((b"content-length", b"%d" % len(body)))
        render_fields(fields)
        parser = self._parser
        data = parser.send(h11.Request(method=method, target=target, headers=fields))
        data = (data or b"") + ((parser.send(h11.Data(data=body)) or b"") if body else b"")
        await self._stream.send_all(data + (parser.send(h11.EndOfMessage()) or b""))
        interim: list[int] = []
        while True:
            event = await self._event()
            if isinstance(event, h11.Response):
                return Answer(event.status_code, list(event.headers), interim)
            if isinstance(event, h11.InformationalResponse):
                interim.append(event.status_code)

    async def piece(self) -> bytes:
        """The next piece of the body as it comes, ``b""`` at its end."""
        event = await self._event()
        return bytes(event.data) if isinstance(event, h11.Data) else b""

    async def read(self, limit_bytes: float = math.inf) -> bytes:
        """The whole body. Raises ValueError beyond the limit."""
        pieces, size = [], 0
        while piece := await self.piece():
            pieces.append(piece)
            size += len(piece)
            if size > limit_bytes:
                raise ValueError(f"response of more than {limit_bytes} bytes")
        return b"".join(pieces)

    async def aclose(self) -> None:
        """Closes the stream."""
        await self._stream.aclose()

    async def _event(self) -> object:
        while True:
            event = self._parser.next_event()
            if event is not h11.NEED_DATA:
                return event
            self._parser.receive_data(bytes(await self._stream.receive_some(RECEIVE_BYTES)))
