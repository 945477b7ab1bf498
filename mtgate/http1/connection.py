"""HTTP/1.1 messages on a stream: heads and bodies come in, within limits and in time.

In charge of: cutting a stream of bytes into messages, timeouts of heads and bodies, and how a connection
ends after a refusal. Must not know: what a request is for. Both ends use it: a server reads requests, a
client responses.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable
from dataclasses import dataclass, field

from mtgate.http1.framing import BodyReader
from mtgate.http1.poller import Poller
from mtgate.http1.stream import RECEIVE_BYTES, ByteStream, StreamBroken, StreamTimeout
from mtgate.http1.strict import HeadLimits, Refusal, stray_byte

LINGER_SECONDS = 1.0
LINGER_BYTES = 16 * 1024 * 1024
BODY_RECEIVE_BYTES = 128 * 1024


@dataclass(frozen=True, slots=True)
class Limits:
    """Of one connection. Where the figures come from: docs/gateway.md."""

    head: HeadLimits = field(default_factory=HeadLimits)
    header_timeout_seconds: float = 10.0
    body_timeout_seconds: float = 30.0
    idle_timeout_seconds: float = 60.0
    write_timeout_seconds: float = 30.0
    requests_per_connection: int = 10_000
    connections: int = 2_000
    spare_descriptors: int = 0
    """Kept for accepting, and for what the handler opens, when the process has none left."""
    slowest_bytes_per_second: int = 1024
    """After ``body_timeout_seconds`` a body has to have come at this rate in the mean; 0: no such rule."""


class CutOff(Exception):
    """The other end closed, or broke, the connection within a message."""


class Incoming:
    """The receiving side of one connection.

    ``buffer`` holds what was received and not yet used; ``check_line`` is asked about a first line that
    comes before the rest. ``limits_pauses`` can be taken back for a body that may rest for ever.
    """

    __slots__ = (
        "_body",
        "_body_began",
        "_body_bytes",
        "_check_line",
        "_limits",
        "_poller",
        "buffer",
        "limits_pauses",
        "stream",
    )

    def __init__(
        self,
        poller: Poller,
        stream: ByteStream,
        limits: Limits,
        check_line: Callable[[bytes], object] | None = None,
    ) -> None:
        self.stream = stream
        self.buffer = b""
        self.limits_pauses = True
        self._poller = poller
        self._limits = limits
        self._check_line = check_line
        self._body: BodyReader | None = None
        self._body_began = 0.0
        self._body_bytes = 0

    async def begin(self, deadline: float) -> bool:
        """Waits for the first byte of a message; False at the end of the stream.

        Raises StreamTimeout, StreamBroken.
        """
        if not self.buffer:
            self.buffer = await self.stream.receive(deadline)
        return bool(self.buffer)

    async def head(self) -> bytes:
        """The head that has begun, with its CRLF CRLF.

        Its deadline counts from now. Raises Refusal, StreamTimeout, CutOff.
        """
        buffer = self.buffer
        end = buffer.find(b"\r\n\r\n")
        if end < 0:
            buffer = await self._rest_of_head(buffer)
            end = buffer.find(b"\r\n\r\n")
        self.buffer = buffer[end + 4 :]
        return buffer[: end + 4]

    def skip_empty_line(self) -> None:
        """RFC 9112 2.2: a server ignores an empty line before a request line."""
        if self.buffer[:1] == b"\r":
            self.buffer = self.buffer.removeprefix(b"\r\n")

    async def _rest_of_head(self, first: bytes) -> bytes:
        deadline = self._poller.now + self._limits.header_timeout_seconds
        buffer, looked = bytearray(first), 0
        while True:
            if buffer.find(b"\r\n\r\n", max(looked - 3, 0)) >= 0:
                return bytes(buffer)
            if stray_byte(buffer, looked):
                raise Refusal(400, "control character, bare CR or bare LF in the head")
            line_end = buffer.find(b"\r\n")
            if line_end < 0 and len(buffer) > self._limits.head.line_bytes:
                raise Refusal(414, f"the first line is longer than {self._limits.head.line_bytes} bytes")
            if line_end >= looked - 1 and line_end > 0 and self._check_line is not None:
                self._check_line(bytes(buffer[:line_end]))
            if len(buffer) > self._limits.head.head_bytes:
                raise Refusal(431, f"the head is longer than {self._limits.head.head_bytes} bytes")
            looked = len(buffer)
            more = await self._receive(deadline)
            if not more:
                raise CutOff("the connection ended within a head")
            buffer += more

    def begin_body(self, reader: BodyReader) -> None:
        """Of the message whose head was just read."""
        self._body = reader
        self._body_began = self._poller.now
        self._body_bytes = 0

    @property
    def body_complete(self) -> bool:
        """Has the message ended?"""
        return self._body is None or self._body.complete

    def buffered_body(self) -> bytes:
        """What has already come of the body, without waiting; ``b""`` says nothing. Raises Refusal."""
        body = self._body
        if body is None or body.complete or not self.buffer:
            return b""
        data, self.buffer = self.buffer, b""
        piece = body.feed(data)
        if body.complete:
            self.buffer = body.rest
        self._body_bytes += len(data)
        return piece

    async def body(self) -> bytes:
        """The next piece of the body; ``b""`` once, at its end. Raises Refusal, StreamTimeout, CutOff."""
        body = self._body
        while body is not None and not body.complete:
            if not self.buffer:
                self.buffer = await self._receive(self._body_deadline(), BODY_RECEIVE_BYTES)
                if not self.buffer:
                    self._end_of_stream(body)
                    return b""
            if piece := self.buffered_body():
                return piece
        return b""

    def _body_deadline(self) -> float:
        """Between bytes; and once that time has passed, at the lowest rate in the mean."""
        if not self.limits_pauses:
            return math.inf
        now, pause = self._poller.now, self._limits.body_timeout_seconds
        slowest = self._limits.slowest_bytes_per_second
        if now - self._body_began < pause or not slowest:
            return now + pause
        return min(now + pause, self._body_began + pause + self._body_bytes / slowest)

    def _end_of_stream(self, reader: BodyReader) -> None:
        try:
            reader.end_of_stream()
        except Refusal as refusal:
            raise CutOff(refusal.reason) from refusal

    async def _receive(self, deadline: float, size: int = RECEIVE_BYTES) -> bytes:
        try:
            return await self.stream.receive(deadline, size)
        except StreamBroken as error:
            raise CutOff(str(error)) from error

    async def linger(self) -> None:
        """Ends a connection so that the other end sees the last answer and not a reset (RFC 9112 9.6).

        Shuts the sending side, swallows for a while, closes.
        """
        self.stream.send_end()
        deadline, swallowed = self._poller.now + LINGER_SECONDS, len(self.buffer)
        with contextlib.suppress(StreamTimeout, StreamBroken):
            while swallowed < LINGER_BYTES and self._poller.now < deadline:
                data = await self.stream.receive(deadline)
                if not data:
                    break
                swallowed += len(data)
        self.stream.close()
