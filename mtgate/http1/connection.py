"""HTTP/1.1 messages on a stream: heads and bodies come in, within limits and in time.

In charge of: cutting a stream of bytes into messages, timeouts of heads and bodies, and how a connection
ends after a refusal. Must not know: what a request is for. Both ends use it: a server reads requests, a
client responses.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, field

from mtgate.http1.framing import BodyReader
from mtgate.http1.stream import Poller, Stream, StreamBroken, StreamTimeout
from mtgate.http1.strict import HeadLimits, Refusal, stray_byte

LINGER_SECONDS = 1.0
LINGER_BYTES = 16 * 1024 * 1024
#: After ``body_timeout_seconds`` a body has to have come at this rate.
SLOWEST_BYTES_PER_SECOND = 1024


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


class CutOff(Exception):
    """The other end closed, or broke, the connection within a message."""


class Incoming:
    """The receiving side of one connection. ``buffer`` holds what was received and not yet used."""

    __slots__ = ("_body", "_body_began", "_body_bytes", "_limits", "_poller", "buffer", "stream")

    def __init__(self, poller: Poller, stream: Stream, limits: Limits) -> None:
        self.stream = stream
        self.buffer = b""
        self._poller = poller
        self._limits = limits
        self._body: BodyReader | None = None
        self._body_began = 0.0
        self._body_bytes = 0

    async def head(self, first_byte_deadline: float) -> bytes | None:
        """The next head with its CRLF CRLF; None when the stream ended, or nothing came, before its first
        byte.

        The deadline for the whole head counts from its first byte. Raises Refusal, StreamTimeout, CutOff.
        """
        buffer = self.buffer
        if not buffer:
            try:
                buffer = await self.stream.receive(first_byte_deadline)
            except (StreamTimeout, StreamBroken):
                return None
            if not buffer:
                return None
        if buffer[:1] == b"\r":
            # RFC 9112 2.2: an empty line before a request line is ignored.
            buffer = buffer.removeprefix(b"\r\n")
        end = buffer.find(b"\r\n\r\n")
        if end < 0:
            buffer = await self._rest_of_head(buffer)
            end = buffer.find(b"\r\n\r\n")
        self.buffer = buffer[end + 4 :]
        return buffer[: end + 4]

    async def _rest_of_head(self, first: bytes) -> bytes:
        deadline = self._poller.now + self._limits.header_timeout_seconds
        buffer, looked = bytearray(first), 0
        while True:
            if buffer.find(b"\r\n\r\n", max(looked - 3, 0)) >= 0:
                return bytes(buffer)
            if stray_byte(buffer, looked):
                raise Refusal(400, "control character, bare CR or bare LF in the head")
            if len(buffer) > self._limits.head.line_bytes and b"\r\n" not in buffer:
                raise Refusal(414, f"the first line is longer than {self._limits.head.line_bytes} bytes")
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

    async def body(self) -> bytes:
        """The next piece of the body; ``b""`` once, at its end. Raises Refusal, StreamTimeout, CutOff."""
        while self._body is not None and not self._body.complete:
            data = self.buffer
            if data:
                self.buffer = b""
            else:
                data = await self._receive(self._body_deadline())
                if not data:
                    self._end_of_stream(self._body)
                    return b""
            piece = self._body.feed(data)
            if self._body.complete:
                self.buffer = self._body.rest
            self._body_bytes += len(data)
            if piece:
                return piece
        return b""

    def _body_deadline(self) -> float:
        """Between bytes; and once that time has passed, at the lowest rate in the mean."""
        now, pause = self._poller.now, self._limits.body_timeout_seconds
        if now - self._body_began < pause:
            return now + pause
        return min(now + pause, self._body_began + pause + self._body_bytes / SLOWEST_BYTES_PER_SECOND)

    def _end_of_stream(self, reader: BodyReader) -> None:
        try:
            reader.end_of_stream()
        except Refusal as refusal:
            raise CutOff(refusal.reason) from refusal

    async def _receive(self, deadline: float) -> bytes:
        try:
            return await self.stream.receive(deadline)
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
