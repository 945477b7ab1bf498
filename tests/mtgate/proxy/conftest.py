"""A proxy process's inside in the test's own process, and workers that do what a script says."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
import trio

from mtgate.http1.message import Request, Response
from mtgate.http1.server import Server
from mtgate.proxy.config import ProxySettings
from mtgate.proxy.routing import LineDecoder, Route, encode, route_to_json
from mtgate.proxy.worker import Feed, Proxy

Script = Callable[[trio.SocketStream, bytes], Awaitable[None]]


async def echo(request: Request) -> Response:
    """What the worker saw, as JSON."""
    body = await request.body.read(1 << 30)
    seen = {
        "method": request.method,
        "target": request.target,
        "headers": [[name.decode(), value.decode("latin-1")] for name, value in request.headers],
        "size": len(body),
        "body": body[:200].decode("latin-1"),
    }
    return Response(200, [(b"content-type", b"application/json")], json.dumps(seen).encode())


class House:
    """A gateway on a TCP port, its feed, and workers on Unix sockets under ``folder``."""

    def __init__(self, folder: Path, nursery: trio.Nursery) -> None:
        self.folder = folder
        self.reports: list[dict[str, Any]] = []
        self.address = ("", 0)
        self._nursery = nursery
        self._numbers = itertools.count()
        self._feed: trio.SocketStream | None = None
        self._reported = trio.Event()
        self._listening: list[socket.socket] = []

    async def worker(self, handler: Callable[[Request], Awaitable[Response]] = echo) -> str:
        """The path of a socket that a Server serves."""
        listener, path = self._bind()
        await self._nursery.start(Server(handler).serve, listener)
        listener.close()
        return path

    async def script(self, script: Script) -> str:
        """The path of a socket.

        Each connection's first bytes are given to the script, which owns the stream.
        """
        listener, path = self._bind()
        listeners = [trio.SocketListener(trio.socket.from_stdlib_socket(listener))]

        async def serve(stream: trio.SocketStream) -> None:
            with contextlib.suppress(trio.BrokenResourceError):
                await script(stream, bytes(await stream.receive_some(65536)))

        await self._nursery.start(trio.serve_listeners, serve, listeners)
        return path

    def backlog(self) -> str:
        """The path of a socket that takes connections, and from which nobody accepts."""
        listener, path = self._bind()
        self._listening.append(listener)
        return path

    def _bind(self) -> tuple[socket.socket, str]:
        path = str(self.folder / f"w{next(self._numbers)}")
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(path)
        listener.listen(128)
        listener.setblocking(False)
        return listener, path

    async def start(self, *routes: Route, listener: dict[str, Any] | None = None, **settings: Any) -> None:
        """Starts the gateway with these routes."""
        public = socket.create_server(("127.0.0.1", 0))
        self.address = public.getsockname()
        ours, theirs = socket.socketpair()
        self._feed = trio.SocketStream(trio.socket.from_stdlib_socket(ours))
        fd = os.dup(public.fileno())
        public.close()
        settings["listeners"] = [{"fd": fd, **(listener or {})}]
        first = {
            "op": "snapshot",
            "serial": 0,
            "routes": [route_to_json(route) for route in routes],
            "settings": settings,
        }
        feed = Feed(socket.socket(fileno=os.dup(theirs.fileno())))
        theirs.close()
        proxy = Proxy(feed, ProxySettings.from_json(settings))
        self._nursery.start_soon(proxy.run, [first])
        self._nursery.start_soon(self._collect, self._feed)
        await self.report("ready")

    async def _collect(self, feed: trio.SocketStream) -> None:
        decoder = LineDecoder()
        async for data in feed:
            self.reports += decoder.feed(bytes(data))
            self._reported.set()
            self._reported = trio.Event()

    async def report(self, op: str, **values: Any) -> dict[str, Any]:
        """Waits for, and takes, the first report that looks like this."""
        while True:
            for report in self.reports:
                if report["op"] == op and all(report.get(key) == value for key, value in values.items()):
                    self.reports.remove(report)
                    return report
            await self._reported.wait()

    async def tell(self, message: dict[str, Any]) -> None:
        """Sends a message of the feed and waits until it is acknowledged."""
        assert self._feed is not None
        await self._feed.send_all(encode({**message, "serial": 77}))
        await self.report("ack", serial=77)

    async def set(self, route: Route) -> None:
        await self.tell({"op": "set", "route": route_to_json(route)})

    def close(self) -> None:
        if self._feed is not None:
            self._feed.socket.close()
        for listener in self._listening:
            listener.close()

    async def end_feed(self) -> None:
        """As if the daemon were gone."""
        assert self._feed is not None
        await self._feed.send_eof()

    async def connect(self) -> trio.SocketStream:
        return await trio.open_tcp_stream(*self.address)

    async def talk(self, data: bytes) -> bytes:
        """Sends raw bytes, returns everything until the gateway closes."""
        async with await self.connect() as stream:
            await stream.send_all(data)
            return b"".join([bytes(part) async for part in stream])

    async def get(self, target: str, *fields: str) -> tuple[int, dict[str, str], bytes]:
        """One request on a connection of its own."""
        lines = "".join(f"{field}\r\n" for field in fields)
        got = await self.talk(
            f"GET {target} HTTP/1.1\r\nHost: gate\r\nConnection: close\r\n{lines}\r\n".encode()
        )
        return parse(got)


def parse(data: bytes) -> tuple[int, dict[str, str], bytes]:
    """Status, fields by lower-case name, and body of one response."""
    head, _, body = data.partition(b"\r\n\r\n")
    line, *lines = head.decode("latin-1").split("\r\n")
    fields = {name.lower(): value.strip() for name, _, value in (text.partition(":") for text in lines)}
    return int(line.split(" ")[1]), fields, body


def seen(body: bytes) -> dict[str, Any]:
    """What ``echo`` says."""
    document: dict[str, Any] = json.loads(body)
    document["fields"] = {}
    for name, value in document["headers"]:
        document["fields"].setdefault(name, value)
    return document


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    with trio.fail_after(30):
        async with trio.open_nursery() as nursery:
            house = House(tmp_path, nursery)
            yield house
            nursery.cancel_scope.cancel()
        house.close()
