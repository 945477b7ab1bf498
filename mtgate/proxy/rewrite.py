"""Heads as they are sent on: to the worker, and back to the client.

In charge of: which fields pass, which are ours, how the body is framed on the next leg. Must not know:
sockets. Nothing is forwarded as it came: hop-by-hop fields go (RFC 9110 7.6.1), so do claims about who
asked unless they come from a trusted proxy; bodies are framed anew. Pure; what depends on a block alone is
computed once for that block.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache

from mtgate.http1.fields import Fields
from mtgate.http1.heads import RequestHead, ResponseHead
from mtgate.http1.message import status_line

#: Named in Connection or not, these pass: a client cannot make us drop them.
_PROTECTED = {b"host", b"content-length", b"content-type", b"cookie", b"authorization"}
_HOP_BY_HOP = {
    b"connection",
    b"keep-alive",
    b"proxy-connection",
    b"te",
    b"trailer",
    b"transfer-encoding",
    b"upgrade",
    b"content-length",
    b"http2-settings",
}
_OURS_IN_RESPONSES = _HOP_BY_HOP | {b"x-request-id"}
#: Claims about who asked; compared with ``_`` read as ``-``, as CGI-like servers do.
_CLAIMS = {b"forwarded", b"x-real-ip", b"x-original-url", b"x-rewrite-url", b"proxy"}
_CLAIMS |= {b"x-request-id", b"traceparent", b"tracestate"}
_OURS_IN_REQUESTS = _HOP_BY_HOP | {b"host", b"expect"} | _CLAIMS
#: Upgrades that would hide requests from the gate; others are passed through.
_FORBIDDEN_UPGRADES = {b"h2c", b"h2", b"h3", b"http", b"tls"}
#: One protocol, its version if any (RFC 9110 7.8).
_PROTOCOL = re.compile(rb"([-!#$%&'*+.^_`|~0-9a-z]+)(?:/[-!#$%&'*+.^_`|~0-9a-z]+)?\Z")

CHUNKED = -1


@dataclass(frozen=True, slots=True)
class Asker:
    """Who asked, for one client connection: address, scheme, and whether its own claims are believed.

    ``known`` keeps what ``forwarding_fields`` made for a host and prefix: a client asks the same ones again.
    """

    address: bytes
    scheme: bytes
    trusted: bool
    known: dict[tuple[bytes | None, bytes], bytes] = field(default_factory=dict)


_KNOWN = 32


@dataclass(slots=True)
class Trace:
    """The ids of one request: ours, or a trusted proxy's."""

    request_id: bytes
    traceparent: bytes


@lru_cache(maxsize=1024)
def _passes_to_worker(name: bytes) -> bool:
    spelt = name.replace(b"_", b"-")
    claim = spelt in _CLAIMS or spelt.startswith(b"x-forwarded-")
    return not claim and name not in _OURS_IN_REQUESTS


@lru_cache(maxsize=1024)
def _passes_to_client(name: bytes) -> bool:
    return name not in _OURS_IN_RESPONSES


def _passing(fields: Fields, passes: Callable[[bytes], bool]) -> bytes:
    """The field lines that pass on their own merit, but for those that Connection names."""
    named = fields.connection and fields.connection - _PROTECTED
    if named:
        return b"".join([line.text for line in fields.lines if passes(line.name) and line.name not in named])
    return b"".join([line.text for line in fields.lines if passes(line.name)])


@lru_cache(maxsize=4096)
def response_fields(fields: Fields) -> bytes:
    """The field lines of a response that pass. Cached by the identity of the block."""
    return _passing(fields, _passes_to_client)


@lru_cache(maxsize=4096)
def has_date(fields: Fields) -> bool:
    """Does the worker date its responses? If not, the gateway does (RFC 9110 6.6.1)."""
    return any(line.name == b"date" for line in fields.lines)


def forget() -> None:
    """Drops what is cached: field lines hold cookies and tokens, they are not kept for ever."""
    response_fields.cache_clear()
    whole_response_head.cache_clear()
    has_date.cache_clear()


def quoted(address: bytes) -> bytes:
    """A node of Forwarded (RFC 7239 section 6): IPv6 in brackets and quotes."""
    return b'"[%b]"' % address if b":" in address else address


def forwarding_fields(head: RequestHead, asker: Asker, prefix: bytes) -> bytes:
    """``X-Forwarded-*`` and ``Forwarded``: ours, appended to a trusted proxy's."""
    if asker.trusted:
        return _forwarding(head, asker, prefix, head.fields)
    key = (head.host, prefix)
    lines = asker.known.get(key)
    if lines is None:
        if len(asker.known) >= _KNOWN:
            asker.known.clear()
        lines = asker.known[key] = _forwarding(head, asker, prefix, None)
    return lines


def _forwarding(head: RequestHead, asker: Asker, prefix: bytes, claims: Fields | None) -> bytes:
    host = head.host or b"localhost"
    chain, scheme, earlier = asker.address, asker.scheme, b""
    if claims is not None:
        before = claims.value(b"x-forwarded-for")
        chain = before + b", " + chain if before else chain
        scheme = claims.value(b"x-forwarded-proto") or scheme
        host = claims.value(b"x-forwarded-host") or host
        prefix = (claims.value(b"x-forwarded-prefix") or b"") + prefix
        forwarded = claims.value(b"forwarded")
        earlier = forwarded + b", " if forwarded else b""
    lines = b"X-Forwarded-For: %b\r\nX-Forwarded-Proto: %b\r\nX-Forwarded-Host: %b\r\n" % (
        chain,
        scheme,
        host,
    )
    if prefix:
        lines += b"X-Forwarded-Prefix: %b\r\n" % prefix
    node = quoted(asker.address)
    return lines + b'Forwarded: %bfor=%b;host="%b";proto=%b\r\n' % (earlier, node, host, scheme)


def request_lines(head: RequestHead, forwarding: bytes, length: int | None) -> bytes:
    """Of the head for the worker, what lies between the target and the ids.

    It is the same for one block, client and prefix.

    ``length``: of the body, CHUNKED, or None when there is none.
    """
    fields = head.fields
    framing = framing_field(length)
    if fields.upgrade is not None and upgrades(head):
        framing += b"Connection: upgrade\r\nUpgrade: %b\r\n" % fields.upgrade
    own = _passing(fields, _passes_to_worker)
    return b" HTTP/1.1\r\nHost: %b\r\n%b%b%b" % (head.host or b"localhost", own, framing, forwarding)


def request_head(method: bytes, target: bytes, lines: bytes, trace: Trace) -> bytes:
    """The head for the worker; ``lines`` are ``request_lines``."""
    ids = b"X-Request-Id: ", trace.request_id, b"\r\nTraceparent: ", trace.traceparent, b"\r\n\r\n"
    return b"".join((method, b" ", target, lines, *ids))


def upgrades(head: RequestHead) -> bool:
    """Does the request propose an upgrade that is passed on? (RFC 9110 7.8.

    Never from HTTP/1.0, or with a body)
    """
    upgrade = head.fields.upgrade
    if upgrade is None or head.http_version != b"1.1" or head.has_body:
        return False
    match = _PROTOCOL.match(upgrade)
    return match is not None and match[1] not in _FORBIDDEN_UPGRADES


def response_head(head: ResponseHead, length: int | None, extra: bytes) -> bytes:
    """The head for the client. ``length``: of the body, CHUNKED, or None when nothing is said about it."""
    return b"%b%b%b%b\r\n" % (_line(head), response_fields(head.fields), framing_field(length), extra)


@lru_cache(maxsize=4096)
def whole_response_head(head: ResponseHead) -> bytes:
    """What ``response_head`` begins with when the body has the length that the worker said."""
    length = head.fields.framing.content_length
    return _line(head) + response_fields(head.fields) + framing_field(length)


def framing_field(length: int | None) -> bytes:
    """The field that frames a body: its length, CHUNKED, or None for nothing."""
    if length is None:
        return b""
    return b"Content-Length: %d\r\n" % length if length >= 0 else b"Transfer-Encoding: chunked\r\n"


def _line(head: ResponseHead) -> bytes:
    """The worker's reason phrase is kept: clients show it."""
    if head.reason:
        return b"HTTP/1.1 %d %b\r\n" % (head.status, head.reason)
    return status_line(head.status)


def switching_head(head: ResponseHead, extra: bytes) -> bytes:
    """The 101 for the client."""
    return b"%b%bConnection: upgrade\r\nUpgrade: %b\r\n%b\r\n" % (
        _line(head),
        response_fields(head.fields),
        head.fields.upgrade or b"",
        extra,
    )


def response_length(method: bytes, head: ResponseHead, chunks_allowed: bool) -> tuple[int | None, bool]:
    """How a response is framed for the client: the length as for ``response_head``, and must it end with a
    close?

    A HEAD or 304 answer keeps the length it announces; RFC 9112 6.3 for the rest.
    """
    framing = head.fields.framing
    if method == b"HEAD" or head.status == 304:
        return framing.content_length, False
    if head.status == 204 or head.status < 200:
        return None, False
    if framing.content_length is not None:
        return framing.content_length, False
    return (CHUNKED, False) if chunks_allowed else (None, True)
