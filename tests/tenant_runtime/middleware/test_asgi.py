"""ASGI applications and middleware in the pipeline."""

from __future__ import annotations

from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any

import pytest
import trio

from tenant_runtime.middleware.asgi import asgi_layer, asgi_middleware
from tenant_runtime.web import WebRequest, WebResponse


class Pieces:
    """A body of a few pieces."""

    def __init__(self, *pieces: bytes) -> None:
        self.content_length = sum(map(len, pieces))
        self.pieces = pieces

    async def read(self, limit_bytes: int) -> bytes:
        return b"".join(self.pieces)

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for piece in self.pieces:
            yield piece


def request(nursery: trio.Nursery, body: Any = None, target: str = "/sub/x%20y?a=1") -> WebRequest:
    headers = [(b"x-forwarded-prefix", b"/foo"), (b"host", b"h")]
    return WebRequest(SimpleNamespace(tasks=nursery), "POST", target, headers, body, "192.0.2.1")


async def next_layer(request: WebRequest) -> WebResponse:
    body = await request.body.read(1000) if request.body is not None else b""
    return WebResponse(200, [(b"x-inner", b"1")], b"inner " + body)


async def echo(scope: Any, receive: Any, send: Any) -> None:
    body, more = b"", True
    while more:
        message = await receive()
        body += message["body"]
        more = message["more_body"]
    text = f"{scope['path']} {scope['root_path']} {scope['query_string'].decode()} ".encode() + body
    await send({"type": "http.response.start", "status": 201, "headers": [(b"X-A", b"1")]})
    await send({"type": "http.response.body", "body": text})


async def whole(response: WebResponse) -> bytes:
    if isinstance(response.body, bytes):
        return response.body
    return b"".join([piece async for piece in response.body])


async def test_an_application_sees_path_and_body() -> None:
    async with trio.open_nursery() as nursery:
        asked = request(nursery, Pieces(b"ab", b"c"))
        asked.mounted(len("/sub"))
        response = await asgi_layer(echo)(asked, next_layer)
    assert (response.status, response.header("x-a")) == (201, "1")
    assert await whole(response) == b"/foo/sub/x y /foo/sub a=1 abc"


async def test_an_application_may_stream_and_is_cancelled_when_the_reader_leaves() -> None:
    ended = trio.Event()

    async def stream(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        try:
            while True:
                await send({"type": "http.response.body", "body": b"x", "more_body": True})
        finally:
            ended.set()

    async with trio.open_nursery() as nursery:
        response = await asgi_layer(stream)(request(nursery), next_layer)
        assert not isinstance(response.body, bytes)
        pieces = response.body
        assert await anext(pieces) == b"x"  # type: ignore[call-overload]
        await pieces.aclose()  # type: ignore[attr-defined]
        await ended.wait()


@pytest.mark.parametrize("started", [False, True])
async def test_an_exception_of_an_application_is_raised(started: bool) -> None:
    async def broken(scope: Any, receive: Any, send: Any) -> None:
        if started:
            await send({"type": "http.response.start", "status": 200, "headers": []})
        raise ValueError("boom")

    async with trio.open_nursery() as nursery:
        with pytest.raises(ValueError, match="boom"):
            await asgi_layer(broken)(request(nursery), next_layer)


class Tagging:
    """An ASGI middleware: adds a field on the way in and on the way out."""

    def __init__(self, app: Any, tag: str) -> None:
        self.app = app
        self.tag = tag

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        scope["headers"].append((b"x-tag", self.tag.encode()))

        async def tagged(message: Any) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], (b"x-tag", self.tag.encode())]
            await send(message)

        await self.app(scope, receive, tagged)


async def test_a_middleware_wraps_the_rest_of_the_pipeline() -> None:
    seen = []

    async def inner(request: WebRequest) -> WebResponse:
        seen.append(request.header("x-tag"))
        return await next_layer(request)

    async with trio.open_nursery() as nursery:
        response = await asgi_middleware(Tagging, {"tag": "t"})(request(nursery, Pieces(b"abc")), inner)
    assert seen == ["t"]
    assert (response.header("x-tag"), response.header("x-inner")) == ("t", "1")
    assert await whole(response) == b"inner abc"
