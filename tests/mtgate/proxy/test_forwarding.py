from __future__ import annotations

import contextlib
import json
from collections.abc import AsyncIterator
from functools import partial
from typing import Any

import pytest
import trio

from mtgate.http1.message import Request, Response
from mtgate.proxy.config import TenantLimits
from mtgate.proxy.exchange import MAX_TRIES
from mtgate.proxy.routing import Route

GET = b"GET /foo/x HTTP/1.1\r\nHost: gate\r\n\r\n"
GET_CLOSE = b"GET /foo/x HTTP/1.1\r\nHost: gate\r\nConnection: close\r\n\r\n"


def parse(data: bytes) -> tuple[int, dict[str, str], bytes]:
    head, _, body = data.partition(b"\r\n\r\n")
    line, *lines = head.decode("latin-1").split("\r\n")
    fields = {name.lower(): value.strip() for name, _, value in (text.partition(":") for text in lines)}
    return int(line.split(" ")[1]), fields, body


async def read_response(stream: trio.SocketStream) -> tuple[int, dict[str, str], bytes]:
    """One response with a Content-Length."""
    data = b""
    while b"\r\n\r\n" not in data:
        piece = await stream.receive_some(65536)
        assert piece, data
        data += piece
    status, fields, body = parse(data)
    while len(body) < int(fields["content-length"]):
        body += await stream.receive_some(65536)
    return status, fields, body


async def test_prefix_is_taken_off_and_said(house: Any) -> None:
    await house.start(Route("foo", await house.worker()))
    status, fields, body = await house.get("/foo/a/b?c=d", "X-A: 1", "Cookie: k=v")
    document = json.loads(body)
    got = dict(map(tuple, document["headers"]))
    assert status == 200
    assert document["target"] == "/a/b?c=d"
    assert got["x-forwarded-prefix"] == "/foo"
    assert got["x-forwarded-for"] == "127.0.0.1"
    assert got["x-forwarded-host"] == got["host"] == "gate"
    assert got["x-forwarded-proto"] == "http"
    assert got["forwarded"] == 'for=127.0.0.1;host="gate";proto=http'
    assert (got["x-a"], got["cookie"]) == ("1", "k=v")
    assert got["x-request-id"] == fields["x-request-id"]
    assert fields["x-request-id"] in got["traceparent"]
    assert "date" in fields
    assert fields["server-timing"].startswith("worker;dur=")


@pytest.mark.parametrize("repeat", [1, 5])
async def test_keep_alive_first_by_the_task_then_by_the_shortcut(house: Any, repeat: int) -> None:
    await house.start(Route("foo", await house.worker()))
    async with await house.connect() as stream:
        for number in range(repeat):
            await stream.send_all(
                b"POST /foo/%d HTTP/1.1\r\nHost: gate\r\nContent-Length: 2\r\n\r\nhi" % number
            )
            status, _, body = await read_response(stream)
            document = json.loads(body)
            assert (status, document["target"], document["body"]) == (200, f"/{number}", "hi")
            names = [name for name, _ in document["headers"]]
            assert len(names) == len(set(names))


async def test_pipelined_requests_are_answered_in_order(house: Any) -> None:
    await house.start(Route("foo", await house.worker()))
    requests = b"".join(b"GET /foo/%d HTTP/1.1\r\nHost: gate\r\n\r\n" % number for number in range(20))
    got = await house.talk(requests + GET_CLOSE)
    places = [got.index(b'"/%d"' % number) for number in range(20)]
    assert places == sorted(places)
    assert got.count(b"HTTP/1.1 200") == 21


async def test_own_answers(house: Any) -> None:
    await house.start(
        Route("gone", "/nowhere"), Route("off", "/x", state="inactive"), Route("bad", "/x", state="failed")
    )
    assert (await house.get("/"))[0] == 200
    status, fields, body = await house.get("/nobody/x")
    assert (status, fields["content-type"]) == (404, "application/problem+json")
    assert json.loads(body)["detail"] == 'there is no tenant "nobody" here'
    status, fields, body = await house.get("/off/x")
    assert (status, json.loads(body)["code"], fields["retry-after"]) == (503, "tenant-stopped", "10")
    assert (await house.get("/bad/x"))[0] == 503
    status, fields, body = await house.get("/gone/x", "Accept: text/html,application/xhtml+xml")
    assert (status, fields["content-type"]) == (503, "text/html; charset=utf-8")
    assert b"<h1>503" in body


async def test_large_bodies_stream_both_ways(house: Any) -> None:
    async def handler(request: Request) -> Response:
        async def back() -> AsyncIterator[bytes]:
            async for piece in request.body:
                yield piece

        return Response(200, [], back())

    await house.start(Route("foo", await house.worker(handler)))
    size, blob = 3_000_000, b"0123456789" * 300_000
    async with await house.connect() as stream, trio.open_nursery() as nursery:
        head = b"PUT /foo/x HTTP/1.1\r\nHost: gate\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % size
        nursery.start_soon(stream.send_all, head + blob)
        got = b"".join([bytes(part) async for part in stream])
    head, _, body = got.partition(b"\r\n\r\n")
    pieces = []
    while body:
        length, _, body = body.partition(b"\r\n")
        pieces.append(body[: int(length, 16)])
        body = body[int(length, 16) + 2 :]
    assert b"".join(pieces) == blob


async def test_chunked_requests(house: Any) -> None:
    await house.start(Route("foo", await house.worker()))
    head = b"POST /foo/x HTTP/1.1\r\nHost: gate\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n"
    small = json.loads(parse(await house.talk(head + b"5\r\nhello\r\n0\r\nX: y\r\n\r\n"))[2])
    assert small["body"] == "hello"
    assert ["content-length", "5"] in small["headers"]
    big = b"".join(b"2710\r\n" + b"z" * 10_000 + b"\r\n" for _ in range(20)) + b"0\r\n\r\n"
    large = json.loads(parse(await house.talk(head + big))[2])
    assert large["size"] == 200_000
    assert ["transfer-encoding", "chunked"] in large["headers"]


async def test_a_bad_chunk_late_in_a_stream_is_refused(house: Any) -> None:
    await house.start(Route("foo", await house.worker()))
    head = b"POST /foo/x HTTP/1.1\r\nHost: gate\r\nTransfer-Encoding: chunked\r\n\r\n"
    got = await house.talk(head + b"186a0\r\n" + b"z" * 100_000 + b"\r\nnonsense\r\n")
    assert got.startswith(b"HTTP/1.1 400 ")


async def test_body_limits(house: Any) -> None:
    limits = TenantLimits(max_body_bytes=100_000)
    await house.start(Route("foo", await house.worker(), limits=limits), max_body_bytes=10)
    head = b"POST /foo/x HTTP/1.1\r\nHost: gate\r\n"
    assert (await house.talk(head + b"Content-Length: 100001\r\n\r\n")).startswith(b"HTTP/1.1 413 ")
    chunks = b"".join(b"2710\r\n" + b"z" * 10_000 + b"\r\n" for _ in range(11))
    assert (await house.talk(head + b"Transfer-Encoding: chunked\r\n\r\n" + chunks)).startswith(
        b"HTTP/1.1 413 "
    )


async def test_continue_is_the_gateways(house: Any) -> None:
    await house.start(Route("foo", await house.worker()))
    async with await house.connect() as stream:
        await stream.send_all(
            b"POST /foo/x HTTP/1.1\r\nHost: gate\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n"
        )
        assert await stream.receive_some() == b"HTTP/1.1 100 Continue\r\n\r\n"
        await stream.send_all(b"hi")
        _, _, body = await read_response(stream)
    assert "expect" not in dict(map(tuple, json.loads(body)["headers"]))


async def answer(stream: trio.SocketStream, _: bytes, *, data: bytes, close: bool = True) -> None:
    """Says data to the first request, then closes, or waits for the other end to do so."""
    await stream.send_all(data)
    if not close:
        while await stream.receive_some():
            pass
    await stream.aclose()


RAW = [
    (b"HTTP/1.1 204 No Content\r\nContent-Length: 4\r\n\r\n", b"HTTP/1.1 204 No Content\r\n"),
    (b"HTTP/1.1 304 Not Modified\r\nETag: x\r\n\r\n", b"HTTP/1.1 304 Not Modified\r\nETag: x\r\n"),
    (b"HTTP/1.0 200 OK\r\n\r\nhello", b"5\r\nhello\r\n0\r\n\r\n"),
    (
        b"HTTP/1.1 200 Fine\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\nX: y\r\n\r\n",
        b"2\r\nhi\r\n0\r\n\r\n",
    ),
    (
        b"HTTP/1.1 103 Early Hints\r\nLink: a\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi",
        b"HTTP/1.1 103 ",
    ),
    (b"HTTP/1.1 200 OK\r\nConnection: X-Drop\r\nX-Drop: 1\r\nContent-Length: 2\r\n\r\nhi", b"\r\n\r\nhi"),
    (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhiHTTP/1.1 200 EVIL\r\n", b"\r\n\r\nhi"),
    (b"lorem ipsum\r\n\r\n", b"HTTP/1.1 502 "),
    (b"HTTP/1.1 101 Switching\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n", b"HTTP/1.1 502 "),
    (b"HTTP/1.1 102 Processing\r\n\r\n" * 11, b"HTTP/1.1 502 "),
    (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n", b"HTTP/1.1 502 "),
    (b"", b"HTTP/1.1 502 "),
]


@pytest.mark.parametrize(("data", "expected"), RAW)
async def test_what_workers_say(house: Any, data: bytes, expected: bytes) -> None:
    await house.start(Route("foo", await house.script(partial(answer, data=data))))
    got = await house.talk(GET_CLOSE)
    assert expected in got
    assert b"EVIL" not in got
    assert b"X-Drop" not in got


@pytest.mark.parametrize(
    "data",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
    ],
)
async def test_a_cut_answer_never_looks_whole(house: Any, data: bytes) -> None:
    await house.start(Route("foo", await house.script(partial(answer, data=data))))
    got = b""
    async with await house.connect() as stream:
        await stream.send_all(GET)
        with contextlib.suppress(trio.BrokenResourceError):
            async for part in stream:
                got += part
    assert not got.endswith(b"0\r\n\r\n")
    assert len(got.partition(b"\r\n\r\n")[2]) < 100


async def test_slow_worker_is_a_504(house: Any) -> None:
    limits = TenantLimits(upstream_timeout_seconds=0.2)
    await house.start(Route("foo", await house.script(partial(answer, data=b"", close=False)), limits=limits))
    assert (await house.talk(GET_CLOSE)).startswith(b"HTTP/1.1 504 ")


async def test_idempotent_requests_are_tried_again(house: Any) -> None:
    tries = 0

    async def script(stream: trio.SocketStream, _: bytes) -> None:
        nonlocal tries
        tries += 1
        if tries == 2:
            await stream.send_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi")
        await stream.aclose()

    await house.start(Route("foo", await house.script(script)))
    assert (await house.talk(GET_CLOSE)).endswith(b"hi")
    assert tries == 2
    post = GET_CLOSE.replace(b"GET", b"POST").replace(b"\r\n\r\n", b"\r\nContent-Length: 0\r\n\r\n")
    assert (await house.talk(post)).startswith(b"HTTP/1.1 502 ")
    assert tries == 3


async def test_a_second_try_takes_none_of_the_connections_that_died_together(house: Any) -> None:
    """A killed worker closes all connections at once, and the gateway hears of one of them first."""
    pooled, together = MAX_TRIES + 1, trio.Event()
    connections = 0

    async def script(stream: trio.SocketStream, _: bytes) -> None:
        nonlocal connections
        connections += 1
        if connections == pooled:
            together.set()
        await together.wait()
        await stream.send_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi")
        await stream.receive_some()
        await stream.aclose()

    await house.start(Route("foo", await house.script(script)))
    async with trio.open_nursery() as nursery:
        for _ in range(pooled):
            nursery.start_soon(house.talk, GET_CLOSE)
    assert (await house.talk(GET_CLOSE)).startswith(b"HTTP/1.1 200 ")
    assert connections == pooled + 1


async def test_a_worker_that_closes_idle_costs_no_request(house: Any) -> None:
    async def script(stream: trio.SocketStream, _: bytes) -> None:
        await stream.send_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi")
        await stream.aclose()

    await house.start(Route("foo", await house.script(script)))
    post = b"POST /foo/x HTTP/1.1\r\nHost: gate\r\nContent-Length: 1\r\n\r\nx"
    async with await house.connect() as stream:
        for _ in range(20):
            await stream.send_all(post)
            assert (await read_response(stream))[0] == 200


async def test_http10_keeps_alive_when_asked(house: Any) -> None:
    await house.start(Route("foo", await house.worker()))
    async with await house.connect() as stream:
        for target in (b"/foo/x", b"/nobody"):
            await stream.send_all(b"GET " + target + b" HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n")
            _, fields, _ = await read_response(stream)
            assert fields["connection"] == "keep-alive"
    got = await house.talk(b"GET /foo/x HTTP/1.0\r\n\r\n")
    assert parse(got)[1]["connection"] == "close"


async def test_half_closed_client_still_gets_its_answer(house: Any) -> None:
    release = trio.Event()

    async def handler(_: Request) -> Response:
        await release.wait()
        return Response(200, [], b"late")

    await house.start(Route("foo", await house.worker(handler)))
    async with await house.connect() as stream:
        await stream.send_all(GET)
        await stream.send_eof()
        release.set()
        assert (await read_response(stream))[2] == b"late"


async def test_client_that_resets_frees_the_worker(house: Any) -> None:
    started, ended = trio.Event(), trio.Event()

    async def script(stream: trio.SocketStream, _: bytes) -> None:
        started.set()
        assert await stream.receive_some() == b""
        ended.set()
        await stream.aclose()

    await house.start(Route("foo", await house.script(script)))
    stream = await house.connect()
    await stream.send_all(GET)
    await started.wait()
    stream.setsockopt(1, 13, b"\x01\x00\x00\x00\x00\x00\x00\x00")  # SO_LINGER 0: close is a reset
    await stream.aclose()
    await ended.wait()


async def test_events_are_not_held_back_and_end_with_the_client(house: Any) -> None:
    ended = trio.Event()

    async def script(stream: trio.SocketStream, _: bytes) -> None:
        await stream.send_all(
            b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
        )
        await stream.send_all(b"6\r\ndata:1\r\n")
        assert await stream.receive_some() == b""
        ended.set()
        await stream.aclose()

    await house.start(Route("foo", await house.script(script)), upstream_timeout_seconds=0.3)
    stream = await house.connect()
    await stream.send_all(GET)
    got = b""
    while b"data:1" not in got:
        got += await stream.receive_some()
    await trio.sleep(0.8)  # Longer than the worker's timeout: a rest in a stream of events is not an end.
    await stream.aclose()
    await ended.wait()


async def test_upgrade_is_a_tunnel(house: Any) -> None:
    async def script(stream: trio.SocketStream, request: bytes) -> None:
        assert b"\r\nUpgrade: websocket\r\n" in request
        await stream.send_all(
            b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
            b"X-Y: z\r\n\r\nhello"
        )
        async for data in stream:
            await stream.send_all(bytes(data).upper())
        await stream.aclose()

    await house.start(Route("foo", await house.script(script)))
    async with await house.connect() as stream:
        await stream.send_all(
            b"GET /foo/x HTTP/1.1\r\nHost: gate\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
        )
        got = b""
        while not got.endswith(b"hello"):
            got += await stream.receive_some()
        assert got.startswith(b"HTTP/1.1 101 ")
        assert b"X-Y: z" in got
        await stream.send_all(b"abc")
        assert await stream.receive_some() == b"ABC"
        await stream.send_eof()
        assert await stream.receive_some() == b""


async def test_early_answer_ends_an_upload(house: Any) -> None:
    async def script(stream: trio.SocketStream, _: bytes) -> None:
        await stream.send_all(b"HTTP/1.1 413 Content Too Large\r\nContent-Length: 2\r\n\r\nno")
        await stream.aclose()

    await house.start(Route("foo", await house.script(script)))
    async with await house.connect() as stream:
        await stream.send_all(b"POST /foo/x HTTP/1.1\r\nHost: gate\r\nContent-Length: 4000000\r\n\r\n")
        async with trio.open_nursery() as nursery:

            async def upload() -> None:
                with contextlib.suppress(trio.BrokenResourceError):
                    await stream.send_all(b"x" * 4_000_000)

            nursery.start_soon(upload)
            status, fields, body = await read_response(stream)
            nursery.cancel_scope.cancel()
    assert (status, body, fields["connection"]) == (413, b"no", "close")
