from __future__ import annotations

import contextlib
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import trio

from mtgate.http1.client import Client
from mtgate.http1.connection import Limits
from mtgate.http1.message import BodyTooLarge, Request, Response, UnsafeField, render_fields
from mtgate.http1.server import Handler, Server


@contextlib.asynccontextmanager
async def serving(handler: Handler, tmp_path: Path, limits: Limits | None = None) -> AsyncIterator[Server]:
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(tmp_path / "s"))
    listener.listen()
    server = Server(handler, limits)
    with listener, trio.fail_after(20):
        async with trio.open_nursery() as nursery:
            await nursery.start(server.serve, listener)
            yield server
            nursery.cancel_scope.cancel()


async def connect(tmp_path: Path) -> trio.SocketStream:
    return await trio.open_unix_socket(str(tmp_path / "s"))


async def talk(tmp_path: Path, data: bytes) -> bytes:
    """Sends raw bytes, returns everything until the server closes."""
    stream = await connect(tmp_path)
    async with stream:
        await stream.send_all(data)
        return b"".join([bytes(part) async for part in stream])


async def echo(request: Request) -> Response:
    body = await request.body.read(1000)
    text = f"{request.method} {request.target} ".encode() + body
    return Response(200, [(b"content-type", b"text/plain")], text)


CLOSE = b"Host: a\r\nConnection: close\r\n"


async def test_keep_alive_and_pipelining(tmp_path: Path) -> None:
    async with serving(echo, tmp_path):
        got = await talk(
            tmp_path,
            b"GET /1 HTTP/1.1\r\nHost: a\r\n\r\n"
            b"POST /2 HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi"
            b"POST /3 HTTP/1.1\r\n" + CLOSE + b"Transfer-Encoding: chunked\r\n\r\n2\r\nyo\r\n0\r\n\r\n",
        )
    assert got.count(b"HTTP/1.1 200 OK\r\n") == 3
    assert got.index(b"GET /1 ") < got.index(b"POST /2 hi") < got.index(b"POST /3 yo")
    assert got.count(b"Connection: close") == 1


async def test_head_and_http10(tmp_path: Path) -> None:
    async with serving(echo, tmp_path):
        head = await talk(tmp_path, b"HEAD /x HTTP/1.1\r\n" + CLOSE + b"\r\n")
        old = await talk(tmp_path, b"GET /x HTTP/1.0\r\n\r\n")
    assert head.endswith(b"content-length: 8\r\nConnection: close\r\n\r\n")
    assert old.endswith(b"\r\n\r\nGET /x ")


async def test_continue_is_sent_when_the_body_is_read(tmp_path: Path) -> None:
    async with serving(echo, tmp_path), await connect(tmp_path) as stream:
        await stream.send_all(
            b"POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n"
        )
        assert await stream.receive_some() == b"HTTP/1.1 100 Continue\r\n\r\n"
        await stream.send_all(b"hi")
        assert (await stream.receive_some()).endswith(b"POST / hi")


async def test_expected_body_that_is_not_wanted_closes(tmp_path: Path) -> None:
    async def handler(_: Request) -> Response:
        return Response(413)

    async with serving(handler, tmp_path):
        got = await talk(
            tmp_path, b"POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n"
        )
    assert got.startswith(b"HTTP/1.1 413 ")
    assert b"100 Continue" not in got


async def test_streamed_response(tmp_path: Path) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        yield b"one"
        yield b"two"

    async def handler(_: Request) -> Response:
        return Response(200, [], pieces())

    async with serving(handler, tmp_path):
        new = await talk(tmp_path, b"GET / HTTP/1.1\r\n" + CLOSE + b"\r\n")
        old = await talk(tmp_path, b"GET / HTTP/1.0\r\n\r\n")
    assert new.endswith(b"\r\n\r\n3\r\none\r\n3\r\ntwo\r\n0\r\n\r\n")
    assert old.endswith(b"\r\n\r\nonetwo")
    assert b"chunked" not in old


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"GET / HTTP/1.1\r\n\r\n", b"400"),
        (b"GET / HTTP/1.1\nHost: a\n\n", b"400"),
        (b"GET / HTTP/2.0\r\n\r\n", b"505"),
        (b"GET /" + b"a" * 40_000, b"414"),
        (b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"a" * 40_000, b"431"),
        (b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", b"400"),
        (b"GET /slow HTTP/1.1\r\nHo", b"408"),
        (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n123", b"408"),
    ],
)
async def test_refusals_say_why_and_close(tmp_path: Path, data: bytes, status: bytes) -> None:
    limits = Limits(header_timeout_seconds=0.2, body_timeout_seconds=0.2)
    async with serving(echo, tmp_path, limits):
        got = await talk(tmp_path, data)
    assert got.startswith(b"HTTP/1.1 " + status)
    assert b"application/problem+json" in got
    assert b"Connection: close" in got


async def test_idle_connection_is_closed(tmp_path: Path) -> None:
    async with serving(echo, tmp_path, Limits(idle_timeout_seconds=0.1)):
        assert await talk(tmp_path, b"") == b""


async def test_handler_fault_is_a_500(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async def handler(_: Request) -> Response:
        raise RuntimeError("secret")

    async with serving(handler, tmp_path):
        got = await talk(tmp_path, b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    assert got.startswith(b"HTTP/1.1 500 ")
    assert b"secret" not in got
    assert "the handler failed" in caplog.text


async def test_client_that_leaves_cancels_the_handler(tmp_path: Path) -> None:
    started, cancelled = trio.Event(), trio.Event()

    async def handler(_: Request) -> Response:
        started.set()
        try:
            await trio.sleep_forever()
        finally:
            cancelled.set()

    async with serving(handler, tmp_path):
        stream = await connect(tmp_path)
        await stream.send_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        await started.wait()
        await stream.aclose()
        await cancelled.wait()


async def test_drain(tmp_path: Path) -> None:
    release, started = trio.Event(), trio.Event()

    async def handler(_: Request) -> Response:
        started.set()
        await release.wait()
        return Response(204)

    async with serving(handler, tmp_path) as server:
        idle, busy = await connect(tmp_path), Client(await connect(tmp_path))
        async with trio.open_nursery() as nursery:
            answers: list[int] = []

            async def ask() -> None:
                answers.append((await busy.exchange("GET", "/"))[0].status)

            nursery.start_soon(ask)
            await started.wait()
            assert server.in_flight == 1
            server.stop_accepting()
            server.close_idle()
            assert await idle.receive_some() == b""
            release.set()
        await server.wait_drained()
        assert answers == [204]
        late = await connect(tmp_path)  # The kernel still queues; nobody accepts.
        with trio.move_on_after(0.1) as scope:
            await late.send_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            await late.receive_some()
        assert scope.cancelled_caught
        for stream in (idle, late):
            await stream.aclose()
        await busy.aclose()


async def test_peer_and_client(tmp_path: Path) -> None:
    seen: list[Request] = []

    async def handler(request: Request) -> Response:
        seen.append(request)
        return Response(200, [], b"ok")

    async with serving(handler, tmp_path):
        client = Client(await connect(tmp_path))
        answer, body = await client.exchange("GET", "/x?y=1", [(b"x-a", b"1")])
        again, _ = await client.exchange("PUT", "/z", body=b"abc")
        await client.aclose()
    assert (answer.status, body, again.status) == (200, b"ok", 200)
    assert seen[0].client == "unix"
    assert seen[0].peer is not None
    assert seen[0].header(b"x-a") == b"1"
    assert seen[0].target == "/x?y=1"


async def test_body_limit(tmp_path: Path) -> None:
    async def handler(request: Request) -> Response:
        with pytest.raises(BodyTooLarge):
            await request.body.read(10)
        return Response(413)

    async with serving(handler, tmp_path):
        for framing in (b"Content-Length: 11\r\n\r\n", b"Transfer-Encoding: chunked\r\n\r\nb\r\n"):
            got = await talk(tmp_path, b"POST / HTTP/1.1\r\n" + CLOSE + framing + b"01234567890\r\n0\r\n\r\n")
            assert got.startswith(b"HTTP/1.1 413 ")


def test_response_splitting_is_refused() -> None:
    with pytest.raises(UnsafeField):
        render_fields([(b"location", b"/a\r\nset-cookie: evil=1")])
    with pytest.raises(UnsafeField):
        render_fields([(b"bad name", b"x")])


async def test_a_response_can_be_made_of_the_request_as_it_comes(tmp_path: Path) -> None:
    async def handler(request: Request) -> Response:
        return Response(200, [], aiter(request.body))

    async with serving(handler, tmp_path):
        client = Client(await connect(tmp_path))
        for size in (10, 100_000):
            _, body = await client.exchange("PUT", "/", body=b"x" * size)
            assert body == b"x" * size
        await client.aclose()
