"""Heads of messages: through the gate and h11, remembered by exact bytes.

In charge of: bytes of a head → value. Must not know: sockets, tenants. Parsing is a pure function of the
bytes, so remembering it cannot change a verdict; refusals are never remembered. A client's field block
repeats while path and id change, so that blocks are remembered (``fields``), and request lines of the
ordinary kind are admitted by one pattern of the gate's. h11 is asked by its event classes, which validate
what they are given, not by its state machine, which costs twice as much and is of use only where bodies are.
All memories are bounded in entries and in the size of what they keep, and ``forget`` bounds them in time:
heads hold cookies and tokens.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import h11

from mtgate.http1.fields import Fields, Line, Memo, request_blocks, response_blocks
from mtgate.http1.strict import (
    PLAIN_LINE,
    Framing,
    HeadLimits,
    Refusal,
    StartLine,
    StatusLine,
    check_request_line,
    check_status_line,
)

_IDS = re.compile(rb"\r\nX-Request-Id: ([0-9A-Za-z._-]{1,128})\r\nTraceparent: ([0-9a-f-]{1,64})\r\n\r\n\Z")
_IDS_BYTES = 256


class RequestHead:
    """One request's head. ``target`` in origin form; ``host`` is the authority in charge (RFC 9112 3.2.2).

    ``whole_bytes``: the size of the body when nothing about the request is out of the ordinary, else -1.
    """

    __slots__ = ("fields", "host", "http_version", "method", "target", "whole_bytes")

    def __init__(
        self,
        method: bytes,
        target: bytes,
        http_version: bytes,
        host: bytes | None,
        fields: Fields,
        whole_bytes: int,
    ) -> None:
        self.method = method
        self.target = target
        self.http_version = http_version
        self.host = host
        self.fields = fields
        self.whole_bytes = whole_bytes

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

    @property
    def expects_continue(self) -> bool:
        """Does the client wait for 100? HTTP/1.0 does not know it (RFC 9110 10.1.1)."""
        return self.fields.control.expects_continue and self.http_version == b"1.1"


@dataclass(slots=True, eq=False)
class ResponseHead:
    """One response's head; interim ones too. Compared by identity: shared.

    ``whole_bytes``: the size of a body whose length is known, after which the connection stays; else -1.
    """

    status: int
    reason: bytes
    http_version: bytes
    fields: Fields
    whole_bytes: int


class RequestHeads:
    """The reader of request heads of one process."""

    def __init__(self, limits: HeadLimits) -> None:
        self.limits = limits
        self._blocks = request_blocks(limits)

    def parse(self, head: bytes) -> RequestHead:
        """``head`` ends with CRLF CRLF. Raises Refusal."""
        authority = None
        plain = PLAIN_LINE.match(head)
        if plain is not None and plain.end() <= self.limits.line_bytes:
            method, target, version = plain.groups()
            block = head[plain.end() - 1 :]
        else:
            method, target, version, authority = self._ask_h11(head)
            block = head[head.find(b"\n") :]
        if len(head) > self.limits.head_bytes:
            raise Refusal(431, f"the head is longer than {self.limits.head_bytes} bytes")
        fields = self._blocks.get(block) or self._new_block(block)
        host, whole_bytes = fields.framing.host, fields.whole_bytes
        if version != b"1.1" or host is None or authority is not None or method == b"HEAD":
            _check_version(version, fields.framing)
            host, whole_bytes = authority or host, -1
        return RequestHead(method, target, version, host, fields, whole_bytes)

    def _ask_h11(self, head: bytes) -> StartLine:
        start = check_request_line(head[: head.find(b"\r\n")], self.limits)
        try:
            h11.Request(method=start.method, target=start.target, headers=[], http_version=b"1.0")
        except h11.LocalProtocolError as error:
            raise Refusal(400, str(error)) from error
        return start

    def _new_block(self, block: bytes) -> Fields:
        """One that ends with the ids that a gateway puts there is remembered without them.

        They differ in every request, so that no block would ever be seen twice. Their alphabet is a small
        part of what h11 takes for a value: its verdict on the block is the same with and without them.
        """
        at = block.rfind(b"\r\nX-Request-Id: ", -_IDS_BYTES)
        match = _IDS.match(block, at) if at >= 0 else None
        if match is None:
            return self._blocks.parse(block)
        fields = self._blocks.parse(block[:at] + b"\r\n\r\n")
        if len(fields.lines) + 2 > self.limits.fields:
            raise Refusal(431, f"more than {self.limits.fields} fields")
        ids = [_id_line(b"X-Request-Id", match[1]), _id_line(b"Traceparent", match[2])]
        return Fields([*fields.lines, *ids], fields.control)

    def check_line(self, line: bytes) -> None:
        """A request line without its CRLF, while the rest is still to come. Raises Refusal."""
        check_request_line(line, self.limits)

    def forget(self) -> None:
        """Call it now and then: what was not seen since the last time is dropped."""
        self._blocks.forget()


def _check_version(version: bytes, framing: Framing) -> None:
    """What the fields must and must not say in that version (RFC 9112 3.2, 6.1)."""
    if version == b"1.1" and framing.host is None:
        raise Refusal(400, "no Host")
    if version == b"1.0" and framing.chunked:
        raise Refusal(400, "Transfer-Encoding in an HTTP/1.0 request")


def _id_line(name: bytes, value: bytes) -> Line:
    return Line(name, value, frozenset())


class ResponseHeads:
    """The reader of response heads of one process.

    A Refusal here is the worker's fault: 502 for the client.
    """

    def __init__(self, limits: HeadLimits) -> None:
        self.limits = limits
        self._heads: Memo[ResponseHead] = Memo()
        self._blocks = response_blocks(limits)

    def parse(self, head: bytes) -> ResponseHead:
        """``head`` ends with CRLF CRLF. Raises Refusal."""
        known = self._heads.get(head)
        if known is not None:
            return known
        line_end = head.find(b"\r\n")
        status = check_status_line(head[:line_end])
        fields = self._blocks.parse(head[line_end + 1 :])
        if fields.framing.chunked and status.http_version == b"1.0":
            raise Refusal(502, "Transfer-Encoding in an HTTP/1.0 response")
        whole_bytes = _whole_response(status, fields)
        result = ResponseHead(status.code, status.reason, status.http_version, fields, whole_bytes)
        self._heads.put(head, result)
        return result

    def forget(self) -> None:
        """As RequestHeads."""
        self._heads.age()
        self._blocks.forget()


def _whole_response(status: StatusLine, fields: Fields) -> int:
    bodiless = status.code < 200 or status.code in (204, 304)
    if bodiless or fields.framing.content_length is None or status.http_version != b"1.1":
        return -1
    return fields.whole_bytes
