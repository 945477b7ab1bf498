"""A reverse proxy as an ASGI app on hypercorn's trio worker, with httpx towards the worker."""

import sys

import httpx
import trio
from hypercorn.config import Config
from hypercorn.trio import serve

HOP_BY_HOP = {b"connection", b"keep-alive", b"transfer-encoding", b"te", b"trailer", b"upgrade"}
port, socket_path = int(sys.argv[1]), sys.argv[2]
limits = httpx.Limits(max_connections=None, max_keepalive_connections=128)
client = httpx.AsyncClient(transport=httpx.AsyncHTTPTransport(uds=socket_path, limits=limits), timeout=60)


async def body(receive):
    while True:
        message = await receive()
        yield message.get("body", b"")
        if not message.get("more_body"):
            return


async def app(scope, receive, send) -> None:
    if scope["type"] == "lifespan":
        while True:
            message = await receive()
            await send({"type": message["type"] + ".complete"})
            if message["type"] == "lifespan.shutdown":
                return
    path = scope["raw_path"].decode().removeprefix("/foo") or "/"
    query = "?" + scope["query_string"].decode() if scope["query_string"] else ""
    fields = [(name, value) for name, value in scope["headers"] if name not in HOP_BY_HOP]
    has_body = any(name in (b"content-length", b"transfer-encoding") for name, _ in scope["headers"])
    content = body(receive) if has_body else None
    url = "http://backend" + path + query
    async with client.stream(scope["method"], url, headers=fields, content=content) as answer:
        fields = [
            (name.lower(), value) for name, value in answer.headers.raw if name.lower() not in HOP_BY_HOP
        ]
        await send({"type": "http.response.start", "status": answer.status_code, "headers": fields})
        async for piece in answer.aiter_raw():
            await send({"type": "http.response.body", "body": piece, "more_body": True})
        await send({"type": "http.response.body", "body": b""})


config = Config()
config.bind = [f"127.0.0.1:{port}"]
trio.run(serve, app, config)
