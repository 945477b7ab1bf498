"""ASGI applications and middleware as layers of the pipeline, and the pipeline as an ASGI application to
them.

In charge of: the translation, both ways (ASGI 3.0, HTTP only; no lifespan, no WebSocket). Must not know: what
they do. The application runs as its own task, so that it may stream; when the client leaves, it is cancelled.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping
from typing import Any
from urllib.parse import unquote

import trio

from mtgate.http1.message import BodyTooLarge
from tenant_runtime.web import Layer, Next, WebRequest, WebResponse

Message = MutableMapping[str, Any]
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
AsgiApp = Callable[[Scope, Receive, Send], Awaitable[None]]

REQUEST, NEXT = "mtgate.request", "mtgate.next"


def scope_of(request: WebRequest, next: Next | None = None) -> Scope:
    root = request.prefix + request.base_url
    raw_path = root + request.raw_path
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "http_version": "1.1",
        "method": request.method,
        "scheme": request.protocol,
        "path": unquote(raw_path),
        "raw_path": raw_path.encode("latin-1"),
        "query_string": request.query_string.encode("latin-1"),
        "root_path": root,
        "headers": list(request.headers),
        "client": (request.ip, 0),
        "server": None,
        "state": {},
        REQUEST: request,
        NEXT: next,
    }


class BodyMessages:
    """``receive`` of one request: its body in pieces, then a wait for the disconnect that ends the task."""

    def __init__(self, request: WebRequest) -> None:
        self._pieces = aiter(request.body) if request.body is not None else None
        self._done = False

    async def __call__(self) -> Message:
        if self._done:
            await trio.sleep_forever()
        piece = b""
        if self._pieces is not None:
            piece = await anext(self._pieces, b"")
        self._done = not piece
        return {"type": "http.request", "body": piece, "more_body": bool(piece)}


class ReceivedBody:
    """The body that an ASGI middleware hands on, as a request's body."""

    def __init__(self, receive: Receive, content_length: int | None) -> None:
        self.content_length = content_length
        self._receive = receive

    async def __aiter__(self) -> AsyncIterator[bytes]:
        more = True
        while more:
            message = await self._receive()
            more = bool(message.get("more_body")) and message["type"] == "http.request"
            if message.get("body"):
                yield message["body"]

    async def read(self, limit_bytes: int) -> bytes:
        data = b""
        async for piece in self:
            data += piece
            if len(data) > limit_bytes:
                raise BodyTooLarge(f"body of more than {limit_bytes} bytes")
        return data


async def run_asgi(app: AsgiApp, request: WebRequest, next: Next | None = None) -> WebResponse:
    """Call the application; returns when it has begun its answer, and streams the rest."""
    sender, messages = trio.open_memory_channel[Message](0)
    failure: list[Exception] = []
    scope = trio.CancelScope()

    async def task() -> None:
        with scope:
            try:
                await app(scope_of(request, next), BodyMessages(request), sender.send)
            except trio.BrokenResourceError:
                pass  # the client left
            except Exception as error:
                failure.append(error)
            finally:
                sender.close()

    request.app.tasks.start_soon(task)
    try:
        start = await messages.receive()
        first = await messages.receive()
    except trio.EndOfChannel:
        if failure:
            raise failure[0] from None
        raise RuntimeError("the ASGI application gave no response") from None
    except BaseException:
        scope.cancel()
        raise
    headers = [(bytes(name).lower(), bytes(value)) for name, value in start.get("headers", ())]
    response = WebResponse(int(start["status"]), headers)
    if first.get("more_body"):
        response.body = rest_of(first, messages, scope, failure)
    else:
        response.body = first.get("body", b"")
    return response


async def rest_of(
    first: Message,
    messages: trio.MemoryReceiveChannel[Message],
    scope: trio.CancelScope,
    failure: list[Exception],
) -> AsyncIterator[bytes]:
    try:
        yield first.get("body", b"")
        async for message in messages:
            if message.get("body"):
                yield message["body"]
            if not message.get("more_body"):
                break
        if failure:
            raise failure[0]
    finally:
        scope.cancel()


def asgi_layer(app: AsgiApp) -> Layer:
    """An application that answers everything below its mount."""

    async def layer(request: WebRequest, next: Next) -> WebResponse:
        return await run_asgi(app, request)

    return layer


async def inner_app(scope: Scope, receive: Receive, send: Send) -> None:
    """What an ASGI middleware wraps: the rest of the pipeline."""
    request: WebRequest = scope[REQUEST]
    next: Next = scope[NEXT]
    request.headers = list(scope["headers"])
    request.forget_fields()
    if not isinstance(receive, BodyMessages):
        length = request.header("content-length")
        request.body = ReceivedBody(receive, int(length) if length and length.isdigit() else None)
    response = await next(request)
    await send({"type": "http.response.start", "status": response.status, "headers": response.headers})
    if isinstance(response.body, bytes):
        await send({"type": "http.response.body", "body": response.body, "more_body": False})
        return
    async for piece in response.body:
        await send({"type": "http.response.body", "body": piece, "more_body": True})
    await send({"type": "http.response.body", "body": b"", "more_body": False})


def asgi_middleware(factory: Callable[..., AsgiApp], parameters: dict[str, Any]) -> Layer:
    """``factory(app, **parameters)`` as a layer."""
    app = factory(inner_app, **parameters)

    async def layer(request: WebRequest, next: Next) -> WebResponse:
        return await run_asgi(app, request, next)

    return layer
