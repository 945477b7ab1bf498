"""A reverse proxy as one writes it with aiohttp: server and pooled client, bodies streamed."""

import sys

import aiohttp
from aiohttp import web

HOP_BY_HOP = {"connection", "keep-alive", "transfer-encoding", "te", "trailer", "upgrade", "content-length"}
port, socket_path = int(sys.argv[1]), sys.argv[2]


async def handle(request: web.Request) -> web.StreamResponse:
    target = "http://backend" + request.rel_url.raw_path_qs.removeprefix("/foo")
    fields = {name: value for name, value in request.headers.items() if name.lower() not in HOP_BY_HOP}
    fields["X-Forwarded-For"] = request.remote or ""
    if request.content_length is not None:
        fields["Content-Length"] = str(request.content_length)
    body = request.content if request.body_exists else None
    client: aiohttp.ClientSession = request.app["client"]
    async with client.request(
        request.method, target, headers=fields, data=body, allow_redirects=False
    ) as answer:
        fields = {name: value for name, value in answer.headers.items() if name.lower() not in HOP_BY_HOP}
        response = web.StreamResponse(status=answer.status, headers=fields)
        response.content_length = answer.content_length
        await response.prepare(request)
        async for piece in answer.content.iter_any():
            await response.write(piece)
        await response.write_eof()
        return response


async def client(app: web.Application):
    connector = aiohttp.UnixConnector(socket_path, limit=0)
    async with aiohttp.ClientSession(connector=connector, auto_decompress=False) as session:
        app["client"] = session
        yield


app = web.Application(client_max_size=1 << 30)
app.cleanup_ctx.append(client)
app.router.add_route("*", "/{tail:.*}", handle)
web.run_app(app, host="127.0.0.1", port=port, access_log=None, print=None)
