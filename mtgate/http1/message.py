"""HTTP messages as values: what a handler is given and what it gives back.

In charge of: the shape of requests and responses, and how a head is written. Must not know: sockets, trio,
where the bytes came from. Grammar is not checked here but in ``heads`` (what came in); what goes out is
refused here when it could split a message in two.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from http import HTTPStatus

#: Names are lower-case.
Headers = list[tuple[bytes, bytes]]

REASONS = {status.value: status.phrase.encode("ascii") for status in HTTPStatus}
STATUS_LINES = {code: b"HTTP/1.1 %d %s\r\n" % (code, reason) for code, reason in REASONS.items()}

_UNSAFE = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")
_NAME = re.compile(rb"[-!#$%&'*+.^_`|~0-9a-zA-Z]+\Z")


#: Field lines that were sent before, by name and value, and what is too long or too changeable to be one.
_KNOWN_LINES: dict[tuple[bytes, bytes], bytes] = {}
_KNOWN_LINE_BYTES = 256
_MOST_KNOWN_LINES = 512
_TOLD_ONCE = frozenset((b"etag", b"date", b"set-cookie", b"content-length"))


class BodyTooLarge(Exception):
    """The body is longer than its reader allows. Status 413."""


class UnsafeField(ValueError):
    """A field to be sent holds bytes that would end it early (RFC 9110 section 5.5)."""


@dataclass(slots=True)
class Peer:
    """Who is at the other end of a Unix socket (SO_PEERCRED), as of the moment it connected."""

    pid: int
    uid: int
    gid: int


class Body:
    """A request's body, to be read once: whole with ``read``, or in pieces by ``async for``.

    ``receive`` gives the next piece and ``b""`` at the end. ``content_length`` is None when the sender did
    not say.
    """

    __slots__ = ("_receive", "content_length")

    def __init__(self, content_length: int | None, receive: Callable[[], Awaitable[bytes]]) -> None:
        self.content_length = content_length
        self._receive = receive

    async def read(self, limit_bytes: int) -> bytes:
        """The whole body. Raises BodyTooLarge, before reading anything when the length was announced."""
        if self.content_length is not None and self.content_length > limit_bytes:
            raise BodyTooLarge(f"body of {self.content_length} bytes, at most {limit_bytes} are accepted")
        pieces, size = [], 0
        while piece := await self._receive():
            pieces.append(piece)
            size += len(piece)
            if size > limit_bytes:
                raise BodyTooLarge(f"body of more than {limit_bytes} bytes")
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while piece := await self._receive():
            yield piece


async def _nothing() -> bytes:
    return b""


#: The body of a request that has none; it keeps no state, so that all may share it.
EMPTY_BODY = Body(0, _nothing)


@dataclass(slots=True)
class Request:
    """One request.

    ``target`` is in origin form (``/path?query``) or ``*``; ``client`` an address or ``unix``.
    """

    method: str
    target: str
    headers: Headers
    http_version: str
    body: Body
    peer: Peer | None
    client: str

    def header(self, name: bytes) -> bytes | None:
        """The first value of the field of that lower-case name."""
        for found, value in self.headers:
            if found == name:
                return value
        return None


@dataclass(slots=True)
class Response:
    """One response.

    Without a Content-Length a streamed body is sent in chunks; pieces are sent as they come.
    """

    status: int
    headers: Headers = field(default_factory=list)
    body: bytes | AsyncIterable[bytes] = b""


def status_line(status: int) -> bytes:
    """With the reason phrase of the registry, or an empty one."""
    return STATUS_LINES.get(status) or b"HTTP/1.1 %d \r\n" % status


def render_fields(headers: Headers) -> bytes:
    """Field lines, each ended by CRLF. Raises UnsafeField rather than let a value start a new line."""
    known = _KNOWN_LINES
    return b"".join([known.get(pair) or _field_line(*pair) for pair in headers])


def _field_line(name: bytes, value: bytes) -> bytes:
    """One line; remembered, because most fields of a response are those of the last one."""
    if _UNSAFE.search(value) or not _NAME.match(name):
        raise UnsafeField(f"field {name[:40]!r} cannot be sent: illegal bytes in its name or value")
    line = b"%s: %s\r\n" % (name, value)
    if name not in _TOLD_ONCE and len(line) <= _KNOWN_LINE_BYTES:
        if len(_KNOWN_LINES) >= _MOST_KNOWN_LINES:
            _KNOWN_LINES.clear()
        _KNOWN_LINES[name, value] = line
    return line
