"""The proxy's pure modules: routing, rewriting, retries, pool, rates, pages, log lines, PROXY protocol."""

from __future__ import annotations

import json
from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mtgate.http1.heads import RequestHead, RequestHeads, ResponseHead, ResponseHeads
from mtgate.http1.strict import HeadLimits, Refusal
from mtgate.proxy import access, pages, rewrite
from mtgate.proxy.config import ProxySettings, TenantLimits
from mtgate.proxy.exchange import MAX_TRIES, Failure, Progress, Step, after
from mtgate.proxy.pool import Pool
from mtgate.proxy.proxy_protocol import SIGNATURE, read_header
from mtgate.proxy.rate import Bucket, RateLimit
from mtgate.proxy.rewrite import CHUNKED, Asker, Trace
from mtgate.proxy.routing import (
    LineDecoder,
    Route,
    RoutingTable,
    encode,
    first_segment,
    route_from_json,
    route_to_json,
)

LIMITS = HeadLimits()


# -- routing


@pytest.mark.parametrize(
    ("target", "segment"),
    [
        (b"/foo/x", b"foo"),
        (b"/foo", b"foo"),
        (b"/foo?a/b", b"foo"),
        (b"/", b""),
        (b"//foo", b""),
        (b"/foo%2Fx", b"foo%2Fx"),
        (b"*", b""),
    ],
)
def test_first_segment(target: bytes, segment: bytes) -> None:
    assert first_segment(target) == segment


@pytest.mark.parametrize(
    ("target", "host", "found"),
    [
        (b"/foo/x?y", b"h", ("foo", b"/foo", b"/x?y")),
        (b"/foo", b"h", ("foo", b"/foo", b"/")),
        (b"/foo?y", b"h", ("foo", b"/foo", b"/?y")),
        (b"/foo//x", b"h", ("foo", b"/foo", b"//x")),
        (b"/FOO/x", b"h", None),
        (b"/foox/x", b"h", None),
        (b"/%66oo/x", b"h", None),
        (b"/", b"h", None),
        (b"*", b"h", None),
        (b"/foo/x", b"bar.example.org", ("bar", b"", b"/foo/x")),
        (b"/foo/x", b"BAR.example.org:8080", ("bar", b"", b"/foo/x")),
        (b"/foo/x", b"example.org", ("foo", b"/foo", b"/x")),
        (b"/foo/x", None, ("foo", b"/foo", b"/x")),
    ],
)
def test_match(target: bytes, host: bytes | None, found: tuple[str, bytes, bytes] | None) -> None:
    table = RoutingTable([Route("foo", "/f"), Route("bar", "/b", hosts=("bar.example.org",))])
    match = table.match(target, host)
    assert (match and (match[0].route.id, match[0].prefix, match[1])) == found


def test_a_changed_route_gives_up_its_old_host() -> None:
    table = RoutingTable([Route("foo", "/f", hosts=("a",)), Route("bar", "/b", hosts=("b",))])
    table.set(Route("foo", "/f", hosts=("c",)))
    assert table.match(b"/x", b"a") is None
    assert table.match(b"/x", b"c") is not None
    table.set(Route("bar", "/b", hosts=("c",)))
    table.remove("foo")
    match = table.match(b"/x", b"c")
    assert match is not None
    assert match[0].route.id == "bar"
    assert table.ids() == {"bar"}


def test_words_of_the_feed() -> None:
    route = Route("foo", "/s", 3, "failed", ("a", "b"), "why", TenantLimits(max_queue=7))
    assert route_from_json(json.loads(json.dumps(route_to_json(route)))) == route
    assert route_from_json({"id": "x", "socket": "/s"}) == Route("x", "/s")
    decoder, messages = LineDecoder(), []
    for byte in encode({"op": "a"}) + encode({"op": "b", "text": "\n"}):
        messages += decoder.feed(bytes([byte]))
    assert messages == [{"op": "a"}, {"op": "b", "text": "\n"}]


def test_settings_ignore_what_is_not_theirs() -> None:
    settings = ProxySettings.from_json({"max_head_bytes": 99, "listen": ["x"], "max_body_bytes": None})
    assert settings.limits.head.head_bytes == 99
    assert settings.max_body_bytes is None


# -- heads


def head(fields: bytes = b"", line: bytes = b"GET /foo/x HTTP/1.1") -> RequestHead:
    return RequestHeads(LIMITS).parse(line + b"\r\nHost: gate\r\n" + fields + b"\r\n")


def sent(fields: bytes, asker: Asker | None = None) -> dict[bytes, bytes]:
    """The fields that a worker gets."""
    request = head(fields)
    asker = asker or Asker(b"1.2.3.4", b"http", False)
    forwarding = rewrite.forwarding_fields(request, asker, b"/foo")
    lines = rewrite.request_lines(request, forwarding, None)
    data = rewrite.request_head(request.method, b"/x", lines, Trace(b"id", b"tp"))
    parsed = RequestHeads(LIMITS).parse(data)
    assert parsed.target == b"/x"
    return dict(parsed.fields.headers)


DROPPED = [
    b"Connection: close, X-Drop\r\nX-Drop: 1\r\n",
    b"Keep-Alive: timeout=9\r\n",
    b"Proxy-Connection: keep-alive\r\n",
    b"TE: gzip\r\nConnection: TE\r\n",
    b"Trailer: x\r\n",
    b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAA\r\n",
    b"Expect: 100-continue\r\n",
    b"X-Real-IP: 6.6.6.6\r\n",
    b"X_Forwarded_For: 6.6.6.6\r\n",
    b"X-Original-URL: /admin\r\n",
    b"X-Rewrite-URL: /admin\r\n",
    b"Proxy: evil\r\n",
    b"X-Forwarded-Port: 666\r\n",
    b"tracestate: a=b\r\n",
]


@pytest.mark.parametrize("fields", DROPPED)
def test_what_does_not_pass(fields: bytes) -> None:
    assert sent(fields) == sent(b"")


def test_what_passes_even_when_connection_names_it() -> None:
    got = sent(
        b"Connection: close, Cookie, Host, Authorization\r\nCookie: a=1\r\nAuthorization: Basic eA==\r\n"
    )
    assert (got[b"cookie"], got[b"authorization"], got[b"host"]) == (b"a=1", b"Basic eA==", b"gate")


def test_claims_of_a_stranger_are_replaced_and_of_a_trusted_proxy_continued() -> None:
    claims = (
        b"X-Forwarded-For: 9.9.9.9\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: shop.example\r\n"
        b"X-Forwarded-Prefix: /shop\r\nForwarded: for=9.9.9.9\r\n"
    )
    stranger = sent(claims, Asker(b"::1", b"http", False))
    assert stranger[b"x-forwarded-for"] == b"::1"
    assert stranger[b"x-forwarded-prefix"] == b"/foo"
    assert stranger[b"forwarded"] == b'for="[::1]";host="gate";proto=http'
    trusted = sent(claims, Asker(b"10.0.0.1", b"http", True))
    assert trusted[b"x-forwarded-for"] == b"9.9.9.9, 10.0.0.1"
    assert trusted[b"x-forwarded-proto"] == b"https"
    assert trusted[b"x-forwarded-host"] == b"shop.example"
    assert trusted[b"x-forwarded-prefix"] == b"/shop/foo"
    assert trusted[b"forwarded"] == b'for=9.9.9.9, for=10.0.0.1;host="shop.example";proto=https'


@pytest.mark.parametrize(
    ("upgrade", "line", "passes"),
    [
        (b"websocket", b"GET / HTTP/1.1", True),
        (b"foo/2", b"GET / HTTP/1.1", True),
        (b"HTTP/2.0", b"GET / HTTP/1.1", False),
        (b"TLS/1.3", b"GET / HTTP/1.1", False),
        (b"foo/", b"GET / HTTP/1.1", False),
        (b"foo/1/2", b"GET / HTTP/1.1", False),
        (b"h2c", b"GET / HTTP/1.1", False),
        (b"h2c, websocket", b"GET / HTTP/1.1", False),
        (b"websocket", b"GET / HTTP/1.0", False),
    ],
)
def test_upgrades(upgrade: bytes, line: bytes, passes: bool) -> None:
    assert rewrite.upgrades(head(b"Connection: Upgrade\r\nUpgrade: " + upgrade + b"\r\n", line)) is passes


def response(data: bytes) -> ResponseHead:
    return ResponseHeads(LIMITS).parse(data + b"\r\n\r\n")


@pytest.mark.parametrize(
    ("method", "data", "chunks", "length", "close"),
    [
        (b"GET", b"HTTP/1.1 200 OK\r\nContent-Length: 5", True, 5, False),
        (b"GET", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked", True, CHUNKED, False),
        (b"GET", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked", False, None, True),
        (b"GET", b"HTTP/1.1 200 OK", True, CHUNKED, False),
        (b"GET", b"HTTP/1.1 204 No\r\nContent-Length: 5", True, None, False),
        (b"GET", b"HTTP/1.1 304 No\r\nContent-Length: 5", True, 5, False),
        (b"HEAD", b"HTTP/1.1 200 OK\r\nContent-Length: 5", True, 5, False),
        (b"HEAD", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked", True, None, False),
    ],
)
def test_framing_of_responses(
    method: bytes, data: bytes, chunks: bool, length: int | None, close: bool
) -> None:
    assert rewrite.response_length(method, response(data), chunks) == (length, close)


def test_response_head() -> None:
    answer = response(
        b"HTTP/1.1 200 Fine\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2\r\nConnection: X-Drop\r\nX-Drop: 1\r\n"
        b"Keep-Alive: timeout=9\r\nX-Request-Id: theirs\r\nContent-Length: 2"
    )
    assert rewrite.response_head(answer, 2, b"X-Request-Id: ours\r\n") == (
        b"HTTP/1.1 200 Fine\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2\r\nContent-Length: 2\r\n"
        b"X-Request-Id: ours\r\n\r\n"
    )


# -- retries


@pytest.mark.parametrize("method", [b"GET", b"POST"])
@pytest.mark.parametrize("sent_", [False, True])
@pytest.mark.parametrize("received", [False, True])
@pytest.mark.parametrize("answering", [False, True])
@pytest.mark.parametrize("replayable", [False, True])
@pytest.mark.parametrize("tries", [1, MAX_TRIES])
@pytest.mark.parametrize("failure", list(Failure))
def test_retries(
    method: bytes,
    sent_: bool,
    received: bool,
    answering: bool,
    replayable: bool,
    tries: int,
    failure: Failure,
) -> None:
    progress = Progress(method, tries, sent_, received, answering, replayable)
    step = after(failure, progress)
    assert (step is Step.CUT) is answering
    if step is Step.RETRY:
        assert replayable
        assert not received or failure is Failure.NOT_SENT
        assert tries < MAX_TRIES
        assert method == b"GET" or not sent_


# -- pool


@dataclass(eq=False)
class Connection:
    generation: int


@settings(deadline=None)
@given(st.lists(st.sampled_from(["open", "take", "put", "close", "switch"]), max_size=40))
def test_pool_never_mixes_generations(steps: list[str]) -> None:
    pool: Pool[Connection] = Pool(0, max_idle=3)
    busy: list[Connection] = []
    for step in steps:
        if step == "open":
            busy.append(Connection(pool.generation))
            pool.opened(busy[-1])
        elif step == "take":
            taken = pool.take()
            if taken is not None:
                assert taken.generation == pool.generation
                busy.append(taken)
        elif step == "put" and busy:
            connection = busy.pop(0)
            assert pool.put(connection) is False or connection.generation == pool.generation
        elif step == "close" and busy:
            pool.closed(busy.pop(0))
        elif step == "switch":
            old = pool.generation
            assert all(connection.generation == old for connection in pool.switch(old + 1))
            assert pool.idle == 0
        for generation in range(pool.generation + 1):
            assert pool.uses(generation) == any(item.generation == generation for item in busy)
        assert pool.idle <= 3


# -- rates


def test_bucket() -> None:
    bucket = Bucket(2.0, 0.0)
    assert [bucket.take(0.0) for _ in range(3)] == [0.0, 0.0, 0.5]
    assert bucket.take(0.5) == 0.0
    assert [bucket.take(100.0) for _ in range(3)] == [0.0, 0.0, 0.5]


def test_a_greedy_client_does_not_use_up_the_tenants_rate() -> None:
    limit = RateLimit(3.0, 1.0, 0.0)
    assert limit.take(b"a", 0.0) == 0.0
    assert all(limit.take(b"a", 0.0) > 0 for _ in range(10))
    assert limit.take(b"b", 0.0) == limit.take(b"c", 0.0) == 0.0
    assert limit.take(b"d", 0.0) > 0
    assert not RateLimit(None, None, 0.0).limited


# -- pages and log lines


@pytest.mark.parametrize(
    ("accept", "html"),
    [
        (None, False),
        (b"*/*", False),
        (b"application/json", False),
        (b"text/html,application/xhtml+xml,*/*;q=0.8", True),
        (b"application/json, text/html", False),
    ],
)
def test_who_gets_pages(accept: bytes | None, html: bool) -> None:
    assert pages.prefers_html(accept) is html


def test_pages_escape_and_can_be_replaced() -> None:
    page = pages.problem(404, "x", "<script>", "id", b"text/html", {})[1]
    assert b"&lt;script&gt;" in page
    own = pages.problem(404, "x", "<b>", "id", b"text/html", {"404": "<p>{status} {detail} {other}</p>"})[1]
    assert own == b"<p>404 &lt;b&gt; {other}</p>"
    document = json.loads(pages.problem(503, "code", "detail", "id", None, {})[1])
    assert (document["status"], document["code"], document["detail"]) == (503, "code", "detail")


def test_log_lines() -> None:
    asked = head(b'User-Agent: a"b\\\r\n', b'GET /foo/"x HTTP/1.1')
    entry = access.Entry(0.0, b"1.2.3.4", asked, "foo", 200, 1, 22, 0.5, None, 1, "why", b"id")
    line = access.combined(entry)
    assert line == (
        '1.2.3.4 - - [01/Jan/1970:00:00:00 +0000] "GET /foo/\\"x HTTP/1.1" 200 22 "-" "a\\"b\\\\" '
        'foo id 0.5000 - 1 "why"'
    )
    document = json.loads(access.as_json(entry._replace(when=1.25)))
    assert document["time"] == "1970-01-01T00:00:01.250Z"
    assert (document["tenant"], document["retries"], document["referer"]) == ("foo", 1, None)


@pytest.mark.parametrize(
    ("target", "logged"),
    [
        ("/foo/x?access_token=abc&y=1", "/foo/x?access_token=***&y=1"),
        ("/foo/x?y=1&newPassword=abc", "/foo/x?y=1&newPassword=***"),
        ("/foo/token=abc", "/foo/token=abc"),
    ],
)
def test_no_secret_is_logged(target: str, logged: str) -> None:
    assert access.without_secrets(target) == logged


# -- PROXY protocol

V2 = SIGNATURE + b"\x21\x11\x00\x0c" + bytes([1, 2, 3, 4, 5, 6, 7, 8]) + b"\x00\x50\x01\xbb"
V2_LOCAL = SIGNATURE + b"\x20\x00\x00\x00"
V2_V6 = SIGNATURE + b"\x21\x21\x00\x24" + bytes(15) + b"\x01" + bytes(16) + b"\x00\x50\x01\xbb"


@pytest.mark.parametrize(
    ("header", "address"),
    [
        (b"PROXY TCP4 1.2.3.4 5.6.7.8 80 443\r\n", "1.2.3.4"),
        (b"PROXY TCP6 2001:db8::1 ::1 80 443\r\n", "2001:db8::1"),
        (b"PROXY UNKNOWN\r\n", None),
        (V2, "1.2.3.4"),
        (V2_V6, "::1"),
        (V2_LOCAL, None),
    ],
)
def test_proxy_headers_whole_and_byte_by_byte(header: bytes, address: str | None) -> None:
    assert read_header(header + b"GET /") == (address, len(header))
    for end in range(len(header)):
        assert read_header(header[:end]) is None


@pytest.mark.parametrize(
    "data",
    [
        b"GET / HTTP/1.1\r\n",
        b"PROXY TCP4 1.2.3.4\r\n",
        b"PROXY TCP4 ::1 ::1 80 443\r\n",
        b"PROXY TCP4 x y 80 443\r\n",
        b"PROXY TCP4 " + b"1" * 200,
        SIGNATURE + b"\x31\x11\x00\x0c" + bytes(12),
        SIGNATURE + b"\x21\x11\x00\x04" + bytes(4),
    ],
)
def test_bad_proxy_headers(data: bytes) -> None:
    with pytest.raises(Refusal):
        read_header(data)
