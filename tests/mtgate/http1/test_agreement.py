"""Gate and h11 agree, or the gate refuses: what was admitted can be read in one way only."""

from __future__ import annotations

import re

import h11
from hypothesis import example, given, settings
from hypothesis import strategies as st

from mtgate.http1.framing import request_reader
from mtgate.http1.heads import RequestHead, RequestHeads
from mtgate.http1.strict import PLAIN_LINE, HeadLimits, Refusal, check_request_line

SEEDS = [
    b"GET /foo/x?a=b HTTP/1.1\r\nHost: a\r\n\r\n",
    b"POST /foo HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhelloGET / HTTP/1.1\r\nHost: a\r\n\r\n",
    b"POST /foo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5;x=y\r\nhello\r\n0\r\nT: u\r\n\r\n",
    b"GET /x HTTP/1.1\r\nHost: a\r\nX: y\r\nX-Request-Id: 0a-b\r\nTraceparent: 00-ab-cd-01\r\n\r\n",
    b"PUT http://b/foo HTTP/1.1\r\nHost: a\r\nConnection: close, X\r\nX: 1\r\nContent-Length: 0\r\n\r\n",
    b"GET /a?%7b HTTP/1.0\r\nAccept: */*\r\nCookie:  a=b; c \r\nAuthorization:x\r\nX-Y:\r\n\r\n",
]
#: Pieces that parsers have disagreed about.
SPICE = [
    b"\r\n", b"\n", b"\r", b"\0", b" ", b"\t", b":", b",", b";", b"\x0b", b"\x85", b"Content-Length: 3\r\n",
    b"Transfer-Encoding: chunked\r\n", b"Transfer-Encoding:\x0bchunked\r\n", b"Content-Length : 3\r\n",
    b"0\r\n\r\n",
    b"HTTP/1.0", b"Host: b\r\n", b"\r\n\r\n", b"\n\n", b"+5", b"0x5", b"ffffffffffffffff", b"X: y\r\n z\r\n",
]  # fmt: skip


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    data = bytearray(draw(st.sampled_from(SEEDS)))
    for _ in range(draw(st.integers(0, 4))):
        at = draw(st.integers(0, len(data)))
        kind = draw(st.integers(0, 2))
        if kind == 0:
            data[at:at] = draw(st.sampled_from(SPICE))
        elif kind == 1:
            del data[at : at + draw(st.integers(1, 6))]
        else:
            data[at : at + 1] = bytes([draw(st.integers(0, 255))])
    return bytes(data)


def admitted(data: bytes) -> tuple[RequestHead, bytes, bytes] | None:
    """Head, body and what is left, as the gate sees them; None when refused or not complete."""
    end = data.find(b"\r\n\r\n")
    if end < 0:
        return None
    try:
        head = RequestHeads(HeadLimits()).parse(data[: end + 4])
        framing = head.fields.framing
        reader = request_reader(framing.content_length, framing.chunked)
        rest = data[end + 4 :]
        if reader.complete:
            return head, b"", rest
        body = reader.feed(rest) if rest else b""
    except Refusal:
        return None
    return (head, body, reader.rest) if reader.complete else None


def by_h11(data: bytes) -> tuple[h11.Request, bytes, bytes]:
    """The same by h11 alone, in one go over the whole of the bytes."""
    connection = h11.Connection(h11.SERVER)
    connection.receive_data(data)
    request = connection.next_event()
    assert isinstance(request, h11.Request)
    body = b""
    while isinstance(event := connection.next_event(), h11.Data):
        body += bytes(event.data)
    assert isinstance(event, h11.EndOfMessage)
    return request, body, connection.trailing_data[0]


def strictly_framed(data: bytes) -> bool:
    """An independent, crude reading: one way to find the end of the head, one framing field, plain digits."""
    head = data.partition(b"\r\n\r\n")[0]
    names = [line.partition(b":")[0].lower() for line in head.split(b"\r\n")[1:]]
    framing = [name for name in names if name in (b"content-length", b"transfer-encoding")]
    stray = re.search(rb"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]|\r[^\n]|[^\r]\n|\n[ \t]", head)
    return len(framing) <= 1 and names.count(b"host") <= 1 and stray is None


@settings(max_examples=400, deadline=None)
@given(mutated())
@example(b"GET / HTTP/1.1\r\nHost: a\n\nGET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n")
def test_gate_and_h11_agree(data: bytes) -> None:
    found = admitted(data)
    if found is None:
        return
    head, body, rest = found
    assert strictly_framed(data)
    request, h11_body, h11_rest = by_h11(data)
    assert (head.method, body, rest) == (request.method, h11_body, h11_rest)
    assert head.fields.headers == list(request.headers)
    assert request.target.endswith(head.target) or head.target == b"/"


#: Its memories hold, in the course of the examples, lines and blocks of all of them.
WARM = RequestHeads(HeadLimits())


def verdict(heads: RequestHeads, head: bytes) -> object:
    try:
        got = heads.parse(head)
    except Refusal as refusal:
        return refusal.status
    return got.method, got.target, got.http_version, got.host, got.fields.headers, got.fields.framing


@settings(max_examples=400, deadline=None)
@given(st.lists(mutated(), min_size=1, max_size=4))
def test_what_is_remembered_changes_no_verdict(heads: list[bytes]) -> None:
    for data in heads:
        head = data[: data.find(b"\r\n\r\n") + 4]
        if len(head) > 4:
            fresh = verdict(RequestHeads(HeadLimits()), head)
            assert verdict(WARM, head) == fresh
            assert verdict(WARM, head) == fresh


TARGETS = st.text(alphabet=[*'/?#%\\.:@*ab1~;=&{}[]"<> \t\x00\x7f\x80\r\n'], max_size=12)
METHODS = st.one_of(
    st.sampled_from(["GET", "TRACE", "a" * 65]), st.text(alphabet="aG-!~(\t \x00", max_size=4)
)
ENDS = st.sampled_from([" HTTP/1.1", " HTTP/1.0", " HTTP/1.2", " HTTP/2.1", "  HTTP/1.1", " HTTP/1.1 ", ""])


@settings(max_examples=2000, deadline=None)
@given(METHODS, TARGETS, ENDS)
@example("GET", "/foo/x?a=%7b\\", " HTTP/1.1")
def test_plain_lines_are_admitted_by_h11_as_they_are(method: str, target: str, end: str) -> None:
    line = f"{method} /{target}{end}".encode("latin-1")
    match = PLAIN_LINE.match(line + b"\r\n")
    if match is None:
        return
    plain = match.groups()
    request, _, rest = by_h11(line + b"\r\nHost: a\r\n\r\n")
    assert plain == (request.method, request.target, request.http_version)
    assert rest == b""
    assert check_request_line(line, HeadLimits()) == (*plain, None)
