from __future__ import annotations

import pytest

from mtgate.http1.heads import RequestHeads, ResponseHeads
from mtgate.http1.strict import HeadLimits, Refusal, stray_byte

LIMITS = HeadLimits()
HOST = b"Host: a\r\n"


def request(line: bytes = b"GET /foo/x HTTP/1.1", fields: bytes = HOST) -> bytes:
    return line + b"\r\n" + fields + b"\r\n"


def status_of(head: bytes) -> int:
    """200 when the head passes gate and h11, twice: the second time from memory."""
    heads = RequestHeads(LIMITS)
    try:
        assert heads.parse(head).fields.headers == heads.parse(head).fields.headers
    except Refusal as refusal:
        with pytest.raises(Refusal):
            heads.parse(head)
        return refusal.status
    return 200


LINES = [
    (b"GET /foo/x HTTP/1.1", 200),
    (b"BREW /foo/x HTTP/1.1", 200),
    (b"GET /foo?filter={%22where%22:{}} HTTP/1.1", 200),
    (b'GET /foo?filter={"where":{"a":"../b"}} HTTP/1.1', 200),
    (b"GET /foo/a%2Fb HTTP/1.1", 200),
    (b"GET /foo/.well-known/a...b HTTP/1.1", 200),
    (b"GET /foo/%252e%252e/x HTTP/1.1", 200),
    (b"OPTIONS * HTTP/1.1", 200),
    (b"GET http://a/foo/x HTTP/1.1", 200),
    (b"GET HTTP://a HTTP/1.1", 200),
    (b"GET * HTTP/1.1", 400),
    (b"GET foo HTTP/1.1", 400),
    (b"GET  /foo HTTP/1.1", 400),
    (b"GET /foo HTTP/1.1 ", 400),
    (b"GET\t/foo\tHTTP/1.1", 400),
    (b"GET /a b HTTP/1.1", 400),
    (b"GET /foo http/1.1", 400),
    (b"GET /foo HTTP/1", 400),
    (b"GET /foo HTTP/1.10", 400),
    (b"GET /foo HTTP/2.0", 505),
    (b"GET /foo HTTP/0.9", 505),
    (b"GET /foo", 400),
    (b" GET /foo HTTP/1.1", 400),
    (b"G(T /foo HTTP/1.1", 400),
    (b"GET /f\xc3\xa9 HTTP/1.1", 400),
    (b"GET /foo#x HTTP/1.1", 400),
    (b"GET /foo\\x HTTP/1.1", 400),
    (b"GET /foo/%zz HTTP/1.1", 400),
    (b"GET /foo/%0d%0aX HTTP/1.1", 400),
    (b"GET /foo/%00 HTTP/1.1", 400),
    (b"GET /foo/%5c HTTP/1.1", 400),
    (b"GET /foo/../bar HTTP/1.1", 400),
    (b"GET /foo/%2e%2E/bar HTTP/1.1", 400),
    (b"GET /foo/.%2e HTTP/1.1", 400),
    (b"GET /./foo HTTP/1.1", 400),
    (b"GET /foo/..;a=b/x HTTP/1.1", 400),
    (b"GET /foo/..%2Fbar HTTP/1.1", 400),
    (b"GET /foo%2f%2e%2e%2fbar HTTP/1.1", 400),
    (b"GET http://u:p@a/foo HTTP/1.1", 400),
    (b"GET http:///foo HTTP/1.1", 400),
    (b"GET ftp://a/foo HTTP/1.1", 400),
    (b"CONNECT a:22 HTTP/1.1", 405),
    (b"TRACE /foo HTTP/1.1", 405),
    (b"A" * 65 + b" /foo HTTP/1.1", 400),
    (b"GET /" + b"a" * 8192 + b" HTTP/1.1", 414),
]


@pytest.mark.parametrize(("line", "status"), LINES)
def test_request_lines(line: bytes, status: int) -> None:
    assert status_of(request(line)) == status


FIELDS = [
    (b"", 400),
    (HOST, 200),
    (b"Host: a:80\r\n", 200),
    (b"Host: [::1]:80\r\n", 200),
    (b"Host: a\r\nHost: a\r\n", 400),
    (b"Host: a b\r\n", 400),
    (b"Host: a/b\r\n", 400),
    (b"Host: u@a\r\n", 400),
    (b"Host: a:port\r\n", 400),
    (b"Host: a:65536\r\n", 400),
    (b"Host: a, b\r\n", 400),
    (b"Host:\r\n", 400),
    (b"Host : a\r\n", 400),
    (HOST + b"nonsense\r\n", 400),
    (HOST + b": x\r\n", 400),
    (HOST + b"X A: x\r\n", 400),
    (HOST + b"X\xe9: x\r\n", 400),
    (HOST + b"X: a\x00b\r\n", 400),
    (HOST + b"X: a\x07b\r\n", 400),
    (HOST + b"X: a\rb\r\n", 400),
    (HOST + b"X: a\nY: b\r\n", 400),
    (HOST + b"X: a\r\n b\r\n", 400),
    (b" X: a\r\n" + HOST, 400),
    (HOST + b"X: a\tb\r\n", 200),
    (HOST + b"X:\r\n", 200),
    (HOST + b"X: caf\xc3\xa9\r\n", 200),
    (HOST + b"Content-Length: 5\r\n", 200),
    (HOST + b"Content-Length: 005\r\n", 200),
    (HOST + b"Content-Length: 5, 5\r\n", 400),
    (HOST + b"Content-Length: 5\r\nContent-Length: 5\r\n", 400),
    (HOST + b"Content-Length: +5\r\n", 400),
    (HOST + b"Content-Length: \r\n", 400),
    (HOST + b"Content-Length: 1234567890123456\r\n", 400),
    (HOST + b"Transfer-Encoding: Chunked\r\n", 200),
    (HOST + b"Transfer-Encoding: gzip, chunked\r\n", 400),
    (HOST + b"Transfer-Encoding: \r\n", 400),
    (HOST + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", 400),
    (HOST + b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n", 400),
    (HOST + b"Transfer-Encoding : chunked\r\nContent-Length: 5\r\n", 400),
    (HOST + b"Expect: 100-continue\r\nContent-Length: 5\r\n", 200),
    (HOST + b"Expect: miracles\r\n", 417),
    (HOST + b"X: y\r\n" * 99, 200),
    (HOST + b"X: y\r\n" * 100, 431),
    (HOST + b"X: " + b"y" * 32768 + b"\r\n", 431),
]


@pytest.mark.parametrize(("fields", "status"), FIELDS)
def test_fields(fields: bytes, status: int) -> None:
    assert status_of(request(fields=fields)) == status


def test_a_known_block_does_not_let_a_bad_line_pass() -> None:
    heads = RequestHeads(LIMITS)
    heads.parse(request())
    for line, status in LINES:
        if status != 200:
            with pytest.raises(Refusal) as caught:
                heads.parse(request(line))
            assert caught.value.status == status


def test_known_block_new_line_equals_a_fresh_parse() -> None:
    block = b"Host: a\r\nContent-Length: 3\r\nConnection: close\r\n"
    warm = RequestHeads(LIMITS)
    warm.parse(request(b"PUT /foo/1 HTTP/1.1", block))
    for line in (b"POST /foo/2?x HTTP/1.1", b"POST /foo/2 HTTP/1.0", b"POST http://b/foo/2 HTTP/1.1"):
        known, fresh = (heads.parse(request(line, block)) for heads in (warm, RequestHeads(LIMITS)))
        for name in ("method", "target", "http_version", "host", "keep_alive"):
            assert getattr(known, name) == getattr(fresh, name)
        assert known.fields.headers == fresh.fields.headers
        assert known.fields.framing == fresh.fields.framing


def test_absolute_form_replaces_host() -> None:
    head = RequestHeads(LIMITS).parse(request(b"GET http://b:81/foo?x HTTP/1.1"))
    assert (head.target, head.host) == (b"/foo?x", b"b:81")


def test_http10() -> None:
    heads = RequestHeads(LIMITS)
    assert heads.parse(request(b"GET /foo HTTP/1.0", b"")).host is None
    assert not heads.parse(request(b"GET /foo HTTP/1.0")).keep_alive
    assert heads.parse(request(b"GET /foo HTTP/1.0", HOST + b"Connection: keep-alive\r\n")).keep_alive
    with pytest.raises(Refusal):
        heads.parse(request(b"POST /foo HTTP/1.0", HOST + b"Transfer-Encoding: chunked\r\n"))


def test_upgrade_counts_only_when_connection_names_it() -> None:
    heads = RequestHeads(LIMITS)
    assert heads.parse(request(fields=HOST + b"Upgrade: websocket\r\n")).fields.upgrade is None
    named = heads.parse(request(fields=HOST + b"Upgrade: WebSocket\r\nConnection: Upgrade\r\n"))
    assert named.fields.upgrade == b"websocket"


@pytest.mark.parametrize(
    ("head", "bad"),
    [
        (b"GET /x HTTP/1.1\r", False),
        (b"GET /x HTTP/1.1\r\nHo", False),
        (b"GET /x HTTP/1.1\nHo", True),
        (b"GET /x HTTP/1.1\rHo", True),
        (b"\x16\x03\x01", True),
    ],
)
def test_stray_bytes_are_seen_before_the_head_is_whole(head: bytes, bad: bool) -> None:
    assert stray_byte(head, 0) is bad
    pieces = [stray_byte(head[:end], end - 1) for end in range(1, len(head) + 1)]
    assert any(pieces) is bad


RESPONSES = [
    (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n", True),
    (b"HTTP/1.1 200\r\n\r\n", True),
    (b"HTTP/1.0 200 OK\r\n\r\n", True),
    (b"HTTP/1.1 100 Continue\r\n\r\n", True),
    (b"HTTP/1.1 101 Switching Protocols\r\n\r\n", True),
    (b"HTTP/1.1 204 No Content\r\n\r\n", True),
    (b"lorem ipsum\r\n\r\n", False),
    (b"HTTP/1.1 99 Low\r\n\r\n", False),
    (b"HTTP/1.1 2OO OK\r\n\r\n", False),
    (b"HTTP/1.1 2000 OK\r\n\r\n", False),
    (b"HTTP/1.1 600 OK\r\n\r\n", False),
    (b"HTTP/2.0 200 OK\r\n\r\n", False),
    (b"HTTP/1.1 200 OK\r\nnonsense\r\n\r\n", False),
    (b"HTTP/1.1 200 OK\r\nX: \x00\r\n\r\n", False),
    (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n", False),
    (b"HTTP/1.1 200 OK\r\nContent-Length: -2\r\n\r\n", False),
    (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: cow\r\n\r\n", False),
    (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n", False),
    (b"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", False),
    (b"HTTP/1.1 200 OK\r\nX: a\nSet-Cookie: evil=1\r\n\r\n", False),
    (b"HTTP/1.1 200 OK\r\nX: a\r\n b\r\n\r\n", False),
]


@pytest.mark.parametrize(("head", "good"), RESPONSES)
def test_responses(head: bytes, good: bool) -> None:
    heads = ResponseHeads(LIMITS)
    if good:
        assert heads.parse(head) is heads.parse(head)
    else:
        with pytest.raises(Refusal):
            heads.parse(head)


IDS = b"X-Request-Id: 0af7651916cd43dd\r\nTraceparent: 00-0af7651916cd43dd-b7ad6b7169203331-01\r\n"


def test_ids_at_the_end_do_not_hide_a_known_block() -> None:
    warm = RequestHeads(LIMITS)
    plain = warm.parse(request(fields=HOST + b"X: y\r\n"))
    got = warm.parse(request(fields=HOST + b"X: y\r\n" + IDS))
    assert got.fields.lines[:2] == plain.fields.lines
    assert got.fields.headers[:2] == plain.fields.headers
    assert [name for name, _ in got.fields.headers[2:]] == [b"x-request-id", b"traceparent"]
    assert got.fields.lines[2].text == b"X-Request-Id: 0af7651916cd43dd\r\n"
    alone = RequestHeads(LIMITS).parse(request(fields=HOST + b"X: y\r\n" + IDS))
    assert alone.fields.headers == got.fields.headers


@pytest.mark.parametrize("bad", [b"X : y\r\n", b"X: a\nb\r\n", b" X: y\r\n", b"Content-Length: +5\r\n"])
def test_ids_at_the_end_do_not_hide_a_bad_block(bad: bytes) -> None:
    with pytest.raises(Refusal):
        RequestHeads(LIMITS).parse(request(fields=HOST + bad + IDS))


def test_a_block_of_http10_is_not_taken_for_one_of_http11() -> None:
    heads = RequestHeads(LIMITS)
    block = HOST + b"Expect: 100-continue\r\nContent-Length: 1\r\n"
    assert not heads.parse(request(b"POST / HTTP/1.0", block)).expects_continue
    assert heads.parse(request(b"POST / HTTP/1.1", block)).expects_continue
    heads.parse(request(b"GET / HTTP/1.0", b"X: y\r\n"))
    with pytest.raises(Refusal):
        heads.parse(request(b"GET / HTTP/1.1", b"X: y\r\n"))
