"""Where a body ends.

In charge of: turning the bytes of a connection into the bytes of a body, and saying what is left over. Must
not know: sockets, timeouts. Each reader has ``feed(data) -> body bytes``, ``complete`` and, once complete,
``rest``: bytes that belong to whatever comes next.
"""

from __future__ import annotations

import h11

from mtgate.http1.strict import ChunkGate, Refusal


class LengthReader:
    """A body of a known length; passed on as it is."""

    __slots__ = ("_left", "complete", "rest")

    def __init__(self, length: int) -> None:
        self._left = length
        self.complete = length == 0
        self.rest = b""

    def feed(self, data: bytes) -> bytes:
        """The part of data that belongs to the body."""
        if len(data) > self._left:
            self.rest = data[self._left :]
            data = data[: self._left]
        self._left -= len(data)
        self.complete = self._left == 0
        return data

    def end_of_stream(self) -> None:
        """The sender has closed its side. Raises Refusal when the body is not whole."""
        if not self.complete:
            raise Refusal(400, "the body was cut off")


class ChunkedReader:
    """A chunked body: the gate looks first, then h11 decodes.

    They must agree where it ends. Trailers are dropped.
    """

    __slots__ = ("_gate", "_parser", "complete", "rest")

    #: Puts h11 into the state "a chunked body follows"; the grammar is the same in both directions.
    _HEAD = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"

    def __init__(self) -> None:
        self._gate = ChunkGate()
        self._parser = h11.Connection(h11.SERVER, max_incomplete_event_size=64 * 1024)
        self._parser.receive_data(self._HEAD)
        self._parser.next_event()
        self.complete = False
        self.rest = b""

    def feed(self, data: bytes) -> bytes:
        """The decoded bytes. Raises Refusal."""
        used = self._gate.feed(data)
        self.rest = data[used:]
        pieces = []
        try:
            self._parser.receive_data(data[:used])
            while isinstance(event := self._parser.next_event(), h11.Data):
                pieces.append(bytes(event.data))
        except h11.RemoteProtocolError as error:
            raise Refusal(400, str(error)) from error
        self.complete = isinstance(event, h11.EndOfMessage)
        left_over = self.complete and self._parser.trailing_data[0]
        if self.complete is not self._gate.complete or left_over:
            raise Refusal(400, "the end of the chunked body is not clear")
        return b"".join(pieces)

    def end_of_stream(self) -> None:
        """As LengthReader's: without the last chunk a body is not whole."""
        if not self.complete:
            raise Refusal(400, "the body was cut off")


class CloseReader:
    """A response body that ends with the connection (RFC 9112 6.3, 8)."""

    __slots__ = ("complete", "rest")

    def __init__(self) -> None:
        self.complete = False
        self.rest = b""

    def feed(self, data: bytes) -> bytes:
        """Everything."""
        return data

    def end_of_stream(self) -> None:
        """That is how this one ends."""
        self.complete = True


BodyReader = LengthReader | ChunkedReader | CloseReader


def request_reader(content_length: int | None, chunked: bool) -> BodyReader:
    """RFC 9112 6.3, 6 and 7: a request without either has no body."""
    return ChunkedReader() if chunked else LengthReader(content_length or 0)


def response_reader(method: bytes, status: int, content_length: int | None, chunked: bool) -> BodyReader:
    """RFC 9112 6.3, 1 to 8."""
    if method == b"HEAD" or status in (204, 304) or status < 200:
        return LengthReader(0)
    if chunked:
        return ChunkedReader()
    return CloseReader() if content_length is None else LengthReader(content_length)


def chunk(data: bytes) -> bytes:
    """One chunk of our own; data must not be empty."""
    return b"%x\r\n%b\r\n" % (len(data), data)


LAST_CHUNK = b"0\r\n\r\n"
