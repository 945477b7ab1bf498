"""The built-in layers, one by one, without a server."""

from __future__ import annotations

import gzip
import re
import zlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tenant_runtime.middleware.body_parser import type_matches
from tenant_runtime.middleware.compression import Compression, wanted_coding
from tenant_runtime.middleware.cookies import sign, signed_cookies, unsign
from tenant_runtime.middleware.cors import Cors
from tenant_runtime.middleware.favicon import Favicon
from tenant_runtime.middleware.helmet import helmet
from tenant_runtime.middleware.morgan import FORMATS, render
from tenant_runtime.middleware.rate_limit import RateLimit
from tenant_runtime.middleware.static import Static, age_seconds, byte_range
from tenant_runtime.web import WebRequest, WebResponse, parse_cookies

JSON = (b"content-type", b"application/json; charset=utf-8")


def request(method: str = "GET", target: str = "/", **fields: str) -> WebRequest:
    headers = [(name.replace("_", "-").encode(), value.encode()) for name, value in fields.items()]
    return WebRequest(None, method, target, headers, None, "192.0.2.1")


def answering(body: Any, *headers: tuple[bytes, bytes], status: int = 200) -> Any:
    async def last(request: WebRequest) -> WebResponse:
        return WebResponse(status, list(headers), body)

    return last


async def whole(response: WebResponse) -> bytes:
    if isinstance(response.body, bytes):
        return response.body
    return b"".join([piece async for piece in response.body])


# cors


async def test_cors_names_the_origin_and_joins_vary() -> None:
    layer = Cors({"origin": True, "credentials": True, "maxAge": 86400})
    inner = answering(b"[]", JSON, (b"vary", b"Accept-Encoding"))
    response = await layer(request(origin="http://client.test"), inner)
    assert response.header("access-control-allow-origin") == "http://client.test"
    assert response.header("access-control-allow-credentials") == "true"
    assert response.header("vary") == "Origin, Accept-Encoding"
    assert response.header("access-control-max-age") is None
    assert (await layer(request(), inner)).header("access-control-allow-origin") is None


async def test_cors_answers_preflight_itself() -> None:
    layer = Cors({"origin": True, "credentials": True, "maxAge": 86400})
    asked = request("OPTIONS", origin="http://a", access_control_request_headers="x-a,x-b")
    response = await layer(asked, answering(b"never"))
    assert response.status == 204
    assert response.header("content-length") == "0"
    assert response.header("access-control-allow-methods") == "GET,HEAD,PUT,PATCH,POST,DELETE"
    assert response.header("access-control-allow-headers") == "x-a,x-b"
    assert response.header("access-control-max-age") == "86400"
    assert response.header("vary") == "Origin, Access-Control-Request-Headers"


@pytest.mark.parametrize(
    ("origin", "sent", "allowed"),
    [
        ("https://only.test", "https://other.test", "https://only.test"),
        (["https://a.test", "/\\.b\\.test$/"], "https://x.b.test", "https://x.b.test"),
        (["https://a.test"], "https://b.test", None),
        ("*", "https://b.test", "*"),
        (None, "https://b.test", "*"),
    ],
)
async def test_cors_origins(origin: Any, sent: str, allowed: str | None) -> None:
    response = await Cors({"origin": origin})(request(origin=sent), answering(b""))
    assert response.header("access-control-allow-origin") == allowed


# compression


@pytest.mark.parametrize(
    ("accept", "coding"),
    [
        (None, None),
        ("gzip", "gzip"),
        ("deflate", "deflate"),
        ("gzip;q=0, deflate", "deflate"),
        ("*", "gzip"),
        ("identity", None),
        ("deflate, gzip;q=0.5", "deflate"),
        ("br", None),
    ],
)
def test_codings(accept: str | None, coding: str | None) -> None:
    assert wanted_coding(accept) == coding


async def test_large_json_is_compressed_and_small_is_not() -> None:
    layer, body = Compression(), b'{"a":1}' * 400
    zipped = await layer(request(accept_encoding="gzip"), answering(body, JSON))
    assert gzip.decompress(await whole(zipped)) == body
    assert (zipped.header("content-encoding"), zipped.header("vary")) == ("gzip", "Accept-Encoding")
    deflated = await layer(request(accept_encoding="deflate"), answering(body, JSON))
    assert zlib.decompress(await whole(deflated)) == body
    small = await layer(request(accept_encoding="gzip"), answering(b"{}", JSON))
    assert small.header("content-encoding") is None
    assert small.header("vary") == "Accept-Encoding"


async def test_an_answer_without_a_body_names_the_coding_and_has_none() -> None:
    response = await Compression({"threshold": 0})(
        request(accept_encoding="gzip"), answering(b"", JSON, status=204)
    )
    assert (response.header("vary"), response.header("content-encoding")) == ("Accept-Encoding", None)
    assert response.body == b""


async def test_streams_are_compressed_piece_by_piece_but_events_never() -> None:
    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(3):
            yield b"0123456789" * 200

    text = (b"content-type", b"text/plain")
    response = await Compression()(request(accept_encoding="gzip"), answering(pieces(), text))
    assert gzip.decompress(await whole(response)) == b"0123456789" * 600
    events = (b"content-type", b"text/event-stream")
    response = await Compression()(request(accept_encoding="gzip"), answering(pieces(), events))
    assert response.header("content-encoding") is None


# cookies


def test_signed_cookies() -> None:
    text = sign("tok", "secret")
    assert text.startswith("s:tok.")
    assert unsign(text, ["other", "secret"]) == "tok"
    assert unsign(text, ["other"]) is None
    assert unsign("tok", ["secret"]) is None
    cookies = parse_cookies(f'a="1"; b=x%20y; a=2; access_token={text}')
    assert cookies["a"] == "1"
    assert cookies["b"] == "x y"
    assert signed_cookies(cookies, "secret") == {"access_token": "tok"}


# helmet


@pytest.mark.parametrize(
    ("name", "params", "field", "value"),
    [
        ("xssFilter", [], "x-xss-protection", "1; mode=block"),
        ("frameguard", ["deny"], "x-frame-options", "DENY"),
        ("frameguard", [], "x-frame-options", "SAMEORIGIN"),
        (
            "hsts",
            [{"maxAge": 0, "includeSubDomains": True}],
            "strict-transport-security",
            "max-age=0; includeSubDomains",
        ),
        ("ieNoOpen", [], "x-download-options", "noopen"),
        ("noSniff", [], "x-content-type-options", "nosniff"),
        ("noCache", [], "pragma", "no-cache"),
        (
            "contentSecurityPolicy",
            [{"directives": {"scriptSrc": ["'self'"]}}],
            "content-security-policy",
            "script-src 'self'",
        ),
    ],
)
async def test_helmet(name: str, params: list[Any], field: str, value: str) -> None:
    response = await helmet(name, params)(request(), answering(b""))
    assert response.header(field) == value


@pytest.mark.parametrize("inner_fields", [[], [(b"pragma", b"mine"), (b"x-powered-by", b"code")]])
@pytest.mark.parametrize(
    ("outer", "inner"),
    [
        ("noCache", "noSniff"),
        ("noSniff", "noSniff"),
        ("hidePoweredBy", "noCache"),
        ("noCache", "hidePoweredBy"),
    ],
)
async def test_two_neighbours_are_one(outer: str, inner: str, inner_fields: Any) -> None:
    one, other = helmet(outer, []), helmet(inner, [])
    joined = one.around(other)
    assert joined is not None

    async def after_other(request: WebRequest) -> WebResponse:
        return await other(request, answering(b"", *inner_fields))

    apart = await one(request(), after_other)
    assert (await joined(request(), answering(b"", *inner_fields))).headers == apart.headers


def test_layers_that_undo_each_other_stay_two() -> None:
    powered = helmet("hidePoweredBy", [{"setTo": "PHP"}])
    assert powered.around(helmet("hidePoweredBy", [])) is None
    assert powered.around(answering(b"")) is None


# static


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = tmp_path / "client"
    (root / "sub dir").mkdir(parents=True)
    (root / "index.html").write_text("<p>home")
    (root / "sub dir" / "index.html").write_text("<p>sub")
    (root / "data.bin").write_bytes(b"0123456789")
    (root / ".hidden").write_text("no")
    (tmp_path / "secret.txt").write_text("no")
    (root / "link.txt").symlink_to(tmp_path / "secret.txt")
    return root


@pytest.mark.parametrize(
    ("target", "status", "body"),
    [
        ("/", 200, b"<p>home"),
        ("/index.html", 200, b"<p>home"),
        ("/sub%20dir/", 200, b"<p>sub"),
        ("/data.bin", 200, b"0123456789"),
        ("/../secret.txt", 404, b"next"),
        ("/%2e%2e/secret.txt", 404, b"next"),
        ("/.hidden", 404, b"next"),
        ("/link.txt", 404, b"next"),
        ("/data.bin/", 404, b"next"),
        ("/none", 404, b"next"),
        ("/a%00b", 404, b"next"),
    ],
)
async def test_static_files(folder: Path, target: str, status: int, body: bytes) -> None:
    response = await Static(folder)(request(target=target), answering(b"next", status=404))
    assert (response.status, await whole(response)) == (status, body)


async def test_static_redirects_a_folder_behind_the_prefix(folder: Path) -> None:
    response = await Static(folder)(
        request(target="/sub%20dir?x=1", x_forwarded_prefix="/foo"), answering(b"")
    )
    assert response.status == 301
    assert response.header("location") == "/foo/sub%20dir/?x=1"


async def test_static_ranges_and_conditions(folder: Path) -> None:
    layer = Static(folder, {"maxAge": "1d"})
    part = await layer(request(target="/data.bin", range="bytes=2-4"), answering(b""))
    assert (part.status, await whole(part), part.header("content-range")) == (206, b"234", "bytes 2-4/10")
    refused = await layer(request(target="/data.bin", range="bytes=20-"), answering(b""))
    assert (refused.status, refused.header("content-range")) == (416, "bytes */10")
    first = await layer(request(target="/data.bin"), answering(b""))
    assert first.header("cache-control") == "public, max-age=86400"
    again = await layer(request(target="/data.bin", if_none_match=first.header("etag") or ""), answering(b""))
    assert (again.status, again.body) == (304, b"")
    since = await layer(
        request(target="/data.bin", if_modified_since=first.header("last-modified") or ""), answering(b"")
    )
    assert since.status == 304


@pytest.mark.parametrize(
    ("field", "expected"),
    [
        (None, None),
        ("bytes=0-", (0, 9)),
        ("bytes=-3", (7, 9)),
        ("bytes=5-100", (5, 9)),
        ("bytes=0-1,3-4", None),
        ("bytes=9-2", False),
        ("bytes=-0", False),
        ("bytes=-", None),
        ("lines=1-2", None),
    ],
)
def test_byte_ranges(field: str | None, expected: Any) -> None:
    assert byte_range(field, 10) == expected


def test_ages() -> None:
    assert [age_seconds(value) for value in (1000, "1d", "2h", "5000", None, True)] == [
        1,
        86400,
        7200,
        5,
        0,
        0,
    ]


# the rest


async def test_favicon_is_answered_from_memory() -> None:
    layer = Favicon()
    icon = await layer(request(target="/favicon.ico"), answering(b"next"))
    assert icon.header("content-type") == "image/x-icon"
    assert icon.header("etag")
    assert (await layer(request("POST", "/favicon.ico"), answering(b""))).status == 405
    assert (await layer(request(target="/other"), answering(b"next"))).body == b"next"


def test_morgan_never_writes_a_token() -> None:
    entry = (
        request(target="/a?access_token=SECRET&x=1", user_agent="curl"),
        WebResponse(200, [], b"abc"),
        0.0015,
    )
    line = render(FORMATS["combined"], entry)
    assert "SECRET" not in line
    assert re.fullmatch(
        r'192\.0\.2\.1 - - \[.*\] "GET /a\?access_token=…&x=1 HTTP/1\.1" 200 3 "-" "curl"', line
    )
    assert render(FORMATS["tiny"], entry) == "GET /a?access_token=…&x=1 200 3 - 1.500 ms"


async def test_rate_limit_counts_by_client() -> None:
    layer = RateLimit({"max": 2, "windowMs": 60000})
    statuses = [(await layer(request(), answering(b""))).status for _ in range(3)]
    assert statuses == [200, 200, 429]
    assert (await layer(request(x_forwarded_for="198.51.100.7"), answering(b""))).status == 200


@pytest.mark.parametrize(
    ("wanted", "actual", "matches"),
    [
        ("json", "application/json", True),
        ("application/*+json", "application/vnd.api+json", True),
        ("+json", "application/vnd.api+json", True),
        ("*/*", "text/plain", True),
        (["text/plain", "text/html"], "text/html", True),
        ("text/*", "application/json", False),
    ],
)
def test_types_of_bodies(wanted: Any, actual: str, matches: bool) -> None:
    assert type_matches(wanted, actual) is matches
