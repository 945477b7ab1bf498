"""What h11 says of a head, remembered by exact bytes.

In charge of: bytes of a head → value, through the gate and h11. Must not know: sockets, tenants. Parsing is
a pure function of the bytes, so remembering it cannot change a verdict; refusals are never remembered. Two
memories: of whole heads, and of field blocks, because a client's block repeats while path and id change; a
new request line over a known block is validated by ``h11.Request`` with h11's own headers. h11 is asked by
its event classes, which validate what they are given, not by its state machine, which costs twice as much
and is of use only where bodies are. Both are bounded in entries and in the size of what they keep, and
``forget`` bounds them in time: heads hold cookies and tokens.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import h11

from mtgate.http1.message import Headers
from mtgate.http1.strict import (
    Framing,
    HeadLimits,
    Refusal,
    StartLine,
    StatusLine,
    check_bytes,
    check_fields,
    check_request_line,
    check_status_line,
)

V = TypeVar("V")

_IDS = re.compile(rb"\r\nX-Request-Id: ([0-9A-Za-z._-]{1,128})\r\nTraceparent: ([0-9a-f-]{1,64})\r\n\r\n\Z")
_IDS_BYTES = 256


class Memo(Generic[V]):
    """Bytes → value with two generations: when the younger is full, the older is dropped."""

    __slots__ = ("_entries", "_key_bytes", "_old", "_young")

    def __init__(self, entries: int = 2048, key_bytes: int = 4096) -> None:
        self._entries = entries
        self._key_bytes = key_bytes
        self._young: dict[bytes, V] = {}
        self._old: dict[bytes, V] = {}

    def get(self, key: bytes) -> V | None:
        """The value, or None."""
        value = self._young.get(key)
        if value is None and (value := self._old.get(key)) is not None:
            self.put(key, value)
        return value

    def put(self, key: bytes, value: V) -> None:
        """Keeps it, unless the key is too long."""
        if len(key) <= self._key_bytes:
            if len(self._young) >= self._entries:
                self.age()
            self._young[key] = value

    def age(self) -> None:
        """Drops what was not asked for since the last time; calling it twice forgets everything."""
        self._old = self._young
        self._young = {}


@dataclass(slots=True, eq=False)
class Fields:
    """One field block.

    ``raw`` has the names as they were sent, ``headers`` in lower case. ``connection`` are the lower-case
    options of Connection. ``ordinary``: the body, if any, has a length, and the connection is neither to be
    closed nor changed. ``parsed`` is h11's own. Compared by identity: shared.
    """

    parsed: Any
    raw: Headers
    headers: Headers
    framing: Framing
    connection: frozenset[bytes]
    expects_continue: bool
    upgrade: bytes | None
    ordinary: bool


@dataclass(slots=True, eq=False)
class RequestHead:
    """One request's head. ``target`` in origin form; ``host`` is the authority in charge (RFC 9112 3.2.2)."""

    method: bytes
    target: bytes
    http_version: bytes
    host: bytes | None
    fields: Fields

    @property
    def keep_alive(self) -> bool:
        """RFC 9112 9.3."""
        options = self.fields.connection
        if self.http_version == b"1.0":
            return b"keep-alive" in options and b"close" not in options
        return b"close" not in options

    def connection_field(self, keep: bool) -> bytes:
        """The response's Connection: 1.1 keeps alive unless told otherwise, 1.0 the other way round."""
        if not keep:
            return b"Connection: close\r\n"
        return b"Connection: keep-alive\r\n" if self.http_version == b"1.0" else b""

    @property
    def has_body(self) -> bool:
        """Are there body bytes to come?"""
        return self.fields.framing.chunked or bool(self.fields.framing.content_length)


@dataclass(slots=True, eq=False)
class ResponseHead:
    """One response's head; interim ones too."""

    status: int
    reason: bytes
    http_version: bytes
    fields: Fields


class RequestHeads:
    """The reader of request heads of one process."""

    def __init__(self, limits: HeadLimits) -> None:
        self.limits = limits
        self._heads: Memo[RequestHead] = Memo()
        self._blocks: Memo[Fields] = Memo()

    def parse(self, head: bytes) -> RequestHead:
        """``head`` ends with CRLF CRLF. Raises Refusal."""
        known = self._heads.get(head)
        if known is not None:
            return known
        line_end = head.find(b"\r\n")
        start = check_request_line(head[:line_end], self.limits)
        tail = _ids_at_the_end(head)
        if tail is None:
            result = self._with_block(start, head, head[line_end + 1 :])
            self._heads.put(head, result)
            return result
        at, ids = tail
        result = self._with_block(start, head, head[line_end + 1 : at] + b"\r\n\r\n")
        result.fields = _with_more(result.fields, ids)
        return result

    def _with_block(self, start: StartLine, head: bytes, block: bytes) -> RequestHead:
        if len(head) > self.limits.head_bytes:
            raise Refusal(431, f"the head is longer than {self.limits.head_bytes} bytes")
        if start.http_version == b"1.1" and start.authority is None:
            fields = self._blocks.get(block)
            if fields is not None:
                event = _request(start, fields.parsed)
                return RequestHead(event.method, event.target, b"1.1", fields.framing.host, fields)
        result = self._parse(start, block)
        if start.http_version == b"1.1":
            self._blocks.put(block, result.fields)
        return result

    def check_line(self, line: bytes) -> None:
        """A request line without its CRLF, while the rest is still to come. Raises Refusal."""
        check_request_line(line, self.limits)

    def forget(self) -> None:
        """Call it now and then: what was not seen since the last time is dropped."""
        self._heads.age()
        self._blocks.age()

    def _parse(self, start: StartLine, block: bytes) -> RequestHead:
        check_bytes(block, self.limits)
        framing = check_fields(block)
        if start.http_version == b"1.1" and framing.host is None:
            raise Refusal(400, "no Host")
        if start.http_version == b"1.0" and framing.chunked:
            raise Refusal(400, "Transfer-Encoding in an HTTP/1.0 request")
        event = _request(start, _split_fields(block))
        host = start.authority or framing.host
        return RequestHead(start.method, start.target, start.http_version, host, _fields(event, framing))


class ResponseHeads:
    """The reader of response heads of one process.

    A Refusal here is the worker's fault: 502 for the client.
    """

    def __init__(self, limits: HeadLimits) -> None:
        self.limits = limits
        self._heads: Memo[ResponseHead] = Memo()

    def parse(self, head: bytes) -> ResponseHead:
        """``head`` ends with CRLF CRLF. Raises Refusal."""
        known = self._heads.get(head)
        if known is not None:
            return known
        line_end = head.find(b"\r\n")
        status = check_status_line(head[:line_end])
        block = head[line_end + 1 :]
        check_bytes(block, self.limits)
        framing = check_fields(block)
        if framing.chunked and status.http_version == b"1.0":
            raise Refusal(502, "Transfer-Encoding in an HTTP/1.0 response")
        event = _response(status, _split_fields(block))
        result = ResponseHead(event.status_code, event.reason, event.http_version, _fields(event, framing))
        self._heads.put(head, result)
        return result

    def forget(self) -> None:
        """As RequestHeads."""
        self._heads.age()


def _split_fields(block: bytes) -> Headers:
    """Lines at CRLF, names at the first colon, values without the white space around them (RFC 9112 5.1).

    The gate has seen the block: it holds no bare CR or LF and no folded line, so that this is all there is to
    cutting it up. Whether names and values are good says h11.
    """
    fields = []
    for line in block[1:-4].split(b"\r\n"):
        name, colon, value = line.partition(b":")
        if colon:
            fields.append((name, value.strip(b" \t")))
        elif line:
            raise Refusal(400, "field without a colon")
    return fields


def _ids_at_the_end(head: bytes) -> tuple[int, Headers] | None:
    """Where a head's last two lines begin, when they are the ids that a gateway puts there, and those fields.

    They differ in every request, so that no block would ever be seen twice. Their alphabet is a small part of
    what h11 takes for a value: its verdict on the block is the same with and without them.
    """
    at = head.rfind(b"\r\nX-Request-Id: ", -_IDS_BYTES)
    match = _IDS.match(head, at) if at >= 0 else None
    if match is None:
        return None
    return at, [(b"X-Request-Id", match[1]), (b"Traceparent", match[2])]


def _with_more(fields: Fields, more: Headers) -> Fields:
    lower = [(name.lower(), value) for name, value in more]
    return Fields(
        fields.parsed,
        fields.raw + more,
        fields.headers + lower,
        fields.framing,
        fields.connection,
        fields.expects_continue,
        fields.upgrade,
        fields.ordinary,
    )


def _request(start: StartLine, headers: Any) -> h11.Request:
    """h11's verdict on a request; ``headers`` are pairs, or h11's own of an earlier verdict."""
    try:
        return h11.Request(
            method=start.method, target=start.target, headers=headers, http_version=start.http_version
        )
    except h11.LocalProtocolError as error:
        raise Refusal(400, str(error)) from error


def _response(status: StatusLine, headers: Headers) -> h11.Response | h11.InformationalResponse:
    """h11's verdict on a response."""
    kind = h11.Response if status.code >= 200 else h11.InformationalResponse
    try:
        return kind(
            status_code=status.code, headers=headers, http_version=status.http_version, reason=status.reason
        )
    except h11.LocalProtocolError as error:
        raise Refusal(502, str(error)) from error


def _fields(event: h11.Request | h11.Response | h11.InformationalResponse, framing: Framing) -> Fields:
    raw = event.headers.raw_items()
    headers = [(name.lower(), value) for name, value in raw]
    options: set[bytes] = set()
    expects, upgrade = False, None
    for name, value in headers:
        if name == b"connection":
            options.update(option.strip().lower() for option in value.split(b","))
        elif name == b"expect" and isinstance(event, h11.Request):
            if value.lower() != b"100-continue":
                raise Refusal(417, "only 100-continue can be expected")
            expects = event.http_version == b"1.1"
        elif name == b"upgrade":
            upgrade = value.lower()
    options.discard(b"")
    if b"upgrade" not in options:
        upgrade = None
    ordinary = not (framing.chunked or expects or upgrade or b"close" in options)
    return Fields(event.headers, raw, headers, framing, frozenset(options), expects, upgrade, ordinary)
