"""The gate in front of h11: what h11 admits and we refuse.

In charge of: bytes of heads that another reader could take in two ways, and the limits of a head. Must not
know: sockets, tenants, routing. h11 stays the grammar: what passes here is still parsed, and may still be
refused, by it. Each rule is a refusal with the status and the sentence that the sender gets. Measured
against h11 0.16.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple


class Refusal(Exception):
    """A message that is not served.

    ``status`` for a request; a refused response is a 502, whatever it says.
    """

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason


@dataclass(frozen=True, slots=True)
class HeadLimits:
    """Of one head, in bytes and fields. Defaults: docs/gateway.md."""

    head_bytes: int = 32 * 1024
    line_bytes: int = 8 * 1024
    fields: int = 100


class StartLine(NamedTuple):
    """A request line in origin form; ``authority`` is set when it came in absolute form (RFC 9112 3.2.2)."""

    method: bytes
    target: bytes
    http_version: bytes
    authority: bytes | None


class StatusLine(NamedTuple):
    """Of a response."""

    http_version: bytes
    code: int
    reason: bytes


class Framing(NamedTuple):
    """What the fields say about the body, and the Host.

    ``content_length`` None and not chunked: not announced.
    """

    host: bytes | None
    content_length: int | None
    chunked: bool


METHOD_BYTES = 64
_NOT_SERVED = (b"CONNECT", b"TRACE")
LENGTH_DIGITS = 15

_CONTROL = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")
_STRAY_UNFINISHED = re.compile(rb"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]|\r[^\n]|(?<!\r)\n")
_REQUEST_LINE = re.compile(rb"([-!#$%&'*+.^_`|~0-9A-Za-z]+) ([\x21-\x7e]+) HTTP/([0-9])\.([0-9])\Z")
#: What most request lines are: origin form, a path without percent-encoding and dot segments, any query. Its
#: groups are method, target and version. h11 admits all of these, and so does ``check_request_line`` below
#: (tests/mtgate/http1/test_agreement.py).
PLAIN_LINE = re.compile(
    rb"(?!CONNECT |TRACE )([-!#$%&'*+.^_`|~0-9A-Za-z]{1,64}) "
    rb"((?:/(?!\.)[\x21\x22\x24\x26-\x2e\x30-\x3e\x40-\x5b\x5d-\x7e]*)+(?:\?[\x21\x22\x24-\x7e]*)?) "
    rb"HTTP/(1\.[01])\r\n"
)
_ABSOLUTE = re.compile(rb"[Hh][Tt][Tt][Pp][Ss]?://([^/?]*)(.*)\Z", re.DOTALL)
_STATUS_LINE = re.compile(rb"HTTP/(1\.[01]) ([1-5][0-9][0-9])(?: ([\t\x20-\x7e\x80-\xff]*))?\Z")
_HOST = re.compile(rb"(?:[A-Za-z0-9._~!$&'()*+;=%-]+|\[[0-9A-Fa-f:.]+\])(?::([0-9]{0,5}))?\Z")
_BAD_PATH = re.compile(rb"\\|%(?![0-9A-Fa-f]{2})|%(?:0[0aAdD]|5[cC])")
_DOT_SEGMENT = re.compile(rb"(?:/|%2[fF])(?:\.|%2[eE]){1,2}(?:;[^/]*)?(?=/|%2[fF]|\Z)")
_DIGITS = re.compile(rb"[0-9]{1,%d}\Z" % LENGTH_DIGITS)


def stray_byte(unfinished_head: bytes | bytearray, start: int) -> bool:
    """Does a head that is still coming in hold a byte that no rest can make good? Looks from ``start`` on."""
    return _STRAY_UNFINISHED.search(unfinished_head, max(start - 1, 0)) is not None


def check_request_line(line: bytes, limits: HeadLimits) -> StartLine:
    """The line without its CRLF.

    Versions 1.0 and 1.1 only; CONNECT and TRACE have no place behind a prefix.
    """
    if len(line) > limits.line_bytes:
        raise Refusal(414, f"the request line is longer than {limits.line_bytes} bytes")
    match = _REQUEST_LINE.match(line)
    if match is None:
        raise Refusal(400, "malformed request line")
    method, target, major, minor = match.groups()
    if major != b"1" or minor not in b"01":
        raise Refusal(505, "only HTTP/1.1 and HTTP/1.0 are spoken here")
    if len(method) > METHOD_BYTES:
        raise Refusal(400, f"method longer than {METHOD_BYTES} bytes")
    if method in _NOT_SERVED:
        raise Refusal(405, f"{method.decode()} is not served")
    authority = None
    if target[0] != 0x2F and not (target == b"*" and method == b"OPTIONS"):
        target, authority = _from_absolute(target)
    _check_target(target)
    return StartLine(method, target, b"1." + minor, authority)


def _from_absolute(target: bytes) -> tuple[bytes, bytes]:
    match = _ABSOLUTE.match(target)
    if match is None:
        raise Refusal(400, "the target is neither a path nor an http URL")
    authority, rest = match.groups()
    if not _HOST.match(authority):
        raise Refusal(400, "malformed authority in the target")
    return (rest if rest[:1] == b"/" else b"/" + rest), authority


def _check_target(target: bytes) -> None:
    """Refusing is simpler and safer than normalising; well-made clients normalise before sending."""
    if b"#" in target:
        raise Refusal(400, "fragment in the target")
    path = target.partition(b"?")[0]
    if (b"%" in path or b"\\" in path) and _BAD_PATH.search(path):
        raise Refusal(400, "backslash, control character or broken percent-encoding in the path")
    if (b"/." in path or b"%" in path) and _DOT_SEGMENT.search(path):
        raise Refusal(400, "dot segment in the path")


def check_host(value: bytes) -> None:
    """Host grammar of RFC 9110 7.2 without the list separator; a port is at most 65535."""
    match = _HOST.match(value)
    if match is None or int(match[1] or b"0") > 65535:
        raise Refusal(400, "malformed Host")


def cut_field(line: bytes) -> tuple[bytes, bytes]:
    """One field line without its CRLF → name and value: cut at the first colon, the value without the white
    space around it (RFC 9112 5.1).

    No control characters, so that there is no bare CR, LF or NUL either, and no folding: that is all there is
    to cutting it up. Whether name and value are good says h11.
    """
    if _CONTROL.search(line):
        raise Refusal(400, "control character, bare CR or bare LF in the head")
    if line[:1] in (b" ", b"\t"):
        raise Refusal(400, "folded line in the head")
    name, colon, value = line.partition(b":")
    if not colon:
        raise Refusal(400, "field without a colon")
    return name, value.strip(b" \t")


def check_framing(fields: Iterable[tuple[bytes, bytes]]) -> Framing:
    """Of all fields of a block that concern it, names in lower case.

    One Host; one Content-Length of 1 to 15 digits; one Transfer-Encoding, exactly ``chunked``; never the
    last two together (RFC 9112 6.1 allows to repair such a message; we refuse it).
    """
    host: bytes | None = None
    length: int | None = None
    chunked = False
    for name, value in fields:
        if name == b"host":
            if host is not None:
                raise Refusal(400, "more than one Host")
            check_host(value)
            host = value
        elif name == b"content-length":
            if length is not None or not _DIGITS.match(value):
                raise Refusal(400, "more than one Content-Length, or not a number of at most 15 digits")
            length = int(value)
        elif name == b"transfer-encoding":
            if chunked or value.lower() != b"chunked":
                raise Refusal(400, "only one Transfer-Encoding, chunked, is understood")
            chunked = True
    if chunked and length is not None:
        raise Refusal(400, "Content-Length together with Transfer-Encoding")
    return Framing(host, length, chunked)


def check_status_line(line: bytes) -> StatusLine:
    """The line without its CRLF; statuses 100 to 599."""
    match = _STATUS_LINE.match(line)
    if match is None:
        raise Refusal(502, "malformed status line")
    return StatusLine(match[1], int(match[2]), match[3] or b"")


_CHUNK_LINE_BYTES = 4 * 1024
_TRAILER_BYTES = 8 * 1024
_CHUNK_SIZE = re.compile(rb"([0-9A-Fa-f]{1,15})(?:;[\t\x20-\x7e\x80-\xff]*)?\Z")
_TRAILER = re.compile(rb"[-!#$%&'*+.^_`|~0-9A-Za-z]+:[\t\x20-\x7e\x80-\xff]*\Z")


class ChunkGate:
    """A small automaton over the bytes of a chunked body (RFC 9112 7.1), run before h11 sees them.

    1 to 15 hexadecimal digits, extensions of visible characters, CRLF only, a line at most 4 KiB; trailers
    are field lines, at most 8 KiB in all. It also finds the end, so that h11's opinion of it can be
    compared.
    """

    __slots__ = ("_data_left", "_line", "_state", "_trailer_bytes", "complete")

    def __init__(self) -> None:
        self.complete = False
        self._state = "size"
        self._data_left = 0
        self._trailer_bytes = 0
        self._line = bytearray()

    def feed(self, data: bytes) -> int:
        """How many of these bytes belong to the body. Raises Refusal."""
        at, end = 0, len(data)
        while at < end and not self.complete:
            if self._data_left:
                step = min(self._data_left, end - at)
                self._data_left -= step
                at += step
                continue
            newline = data.find(b"\n", at)
            stop = end if newline < 0 else newline + 1
            self._line += data[at:stop]
            at = stop
            if len(self._line) > _CHUNK_LINE_BYTES:
                raise Refusal(400, "chunk line too long")
            if newline >= 0:
                self._end_line()
        return at

    def _end_line(self) -> None:
        if self._line[-2:] != b"\r\n":
            raise Refusal(400, "bare LF in a chunked body")
        line = bytes(self._line[:-2])
        self._line.clear()
        if self._state == "size":
            match = _CHUNK_SIZE.match(line)
            if match is None:
                raise Refusal(400, "malformed chunk size")
            self._data_left = int(match[1], 16)
            self._state = "after data" if self._data_left else "trailer"
        elif self._state == "after data":
            if line:
                raise Refusal(400, "a chunk is longer than it says")
            self._state = "size"
        elif line:
            self._trailer_bytes += len(line)
            if not _TRAILER.match(line) or self._trailer_bytes > _TRAILER_BYTES:
                raise Refusal(400, "malformed or too many trailers")
        else:
            self.complete = True
