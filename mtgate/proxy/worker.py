"""A proxy process: ``python -m mtgate.proxy.worker --feed FD``.

In charge of: wiring. It is started by ``feed`` in the daemon, inherits the public listeners and one end of
the feed, waits for the snapshot, gives up its privileges, and serves until the feed ends; then it drains.
"""

from __future__ import annotations

import argparse
import gc
import logging
import os
import resource
import signal
import socket
import ssl
import sys
from typing import Any

import trio

from mtgate.http1.accept import Acceptor
from mtgate.http1.poller import Poller
from mtgate.proxy.config import ListenerSettings, ProxySettings, TlsSettings
from mtgate.proxy.frontend import ClientConnection
from mtgate.proxy.gateway import Gateway
from mtgate.proxy.routing import LineDecoder, encode, route_from_json
from mtgate.proxy.tls import Certificates
from mtgate.sandbox.closing import enter
from mtgate.sandbox.policy import Policy

logger = logging.getLogger(__name__)

RECEIVE_BYTES = 1024 * 1024
FLUSH_SECONDS = 0.2
ACTIVITY_SECONDS = 1.0
FORGET_SECONDS = 60.0
#: For the next bytes of exchanges that need no task; what else goes on in the process is late by as much.
LINGER_SECONDS = 0.001
#: Tasks that begin to work at once, each for a quarter of a millisecond at most. With fewer, those of a
#: thousand busy connections wait long; with more, exchanges that need no task wait for them.
WAKES = 16
#: Messages that wait for a slow daemon; access lines beyond are dropped, the rest is bounded by what happens.
MAX_OUTBOX_BYTES = 16 * 1024 * 1024


class Feed:
    """The proxy's end of the feed: messages in, reports out, in order."""

    def __init__(self, sock: socket.socket) -> None:
        self._stream = trio.SocketStream(trio.socket.from_stdlib_socket(sock))
        self._decoder = LineDecoder()
        self._outbox = bytearray()
        self._wanted = trio.Event()

    async def receive(self) -> list[dict[str, Any]] | None:
        """Messages, at least one; None when the daemon is gone."""
        while True:
            try:
                data = await self._stream.receive_some(RECEIVE_BYTES)
            except trio.BrokenResourceError:
                return None
            if not data:
                return None
            messages = self._decoder.feed(data)
            if messages:
                return messages

    def fileno(self) -> int:
        """Of its socket."""
        return self._stream.socket.fileno()

    def close(self) -> None:
        """The daemon sees the end of the feed."""
        self._stream.socket.close()

    def report(self, message: dict[str, Any]) -> None:
        """Queues a message."""
        if message["op"] == "access" and len(self._outbox) > MAX_OUTBOX_BYTES:
            return
        self._outbox += encode(message)
        self._wanted.set()

    async def run(self) -> None:
        """Sends what is queued, until cancelled or the daemon is gone."""
        try:
            while True:
                await self._wanted.wait()
                self._wanted = trio.Event()
                data, self._outbox = bytes(self._outbox), bytearray()
                await self._stream.send_all(data)
        except trio.BrokenResourceError:
            return


class Proxy:
    """The process: its listeners, its connections, its end."""

    def __init__(self, feed: Feed, settings: ProxySettings) -> None:
        self._feed = feed
        self._settings = settings
        self._poller = Poller(LINGER_SECONDS, WAKES)
        self._gateway = Gateway(self._poller, settings, feed.report)
        self._connections: set[ClientConnection] = set()
        self._ending = trio.Event()
        self._acceptors: list[Acceptor] = []
        self._listeners = [ListenerSettings.from_json(item) for item in settings.listeners]
        self._certificates: Certificates | None = None
        if settings.tls:
            self._certificates = Certificates([TlsSettings.from_json(item) for item in settings.tls])

    async def run(self, first: list[dict[str, Any]]) -> None:
        """Until the feed ends and what was accepted is answered, or the drain's time is over."""
        try:
            await self._run(first)
        finally:
            self._feed.close()

    async def _run(self, first: list[dict[str, Any]]) -> None:
        async with trio.open_nursery() as nursery:
            await nursery.start(self._poller.run)
            self._poller.heed(self._feed.fileno())
            self._apply(first)
            nursery.start_soon(self._feed.run)
            nursery.start_soon(self._every, FLUSH_SECONDS, self._gateway.flush_log)
            nursery.start_soon(self._every, ACTIVITY_SECONDS, self._gateway.report_activity)
            nursery.start_soon(self._every, FORGET_SECONDS, self._gateway.forget)
            for listener in self._listeners:
                self._listen(nursery, listener)
            self._feed.report({"op": "ready", "pid": os.getpid()})
            nursery.start_soon(self._end_on_signal)
            nursery.start_soon(self._follow_feed)
            await self._ending.wait()
            await self._drain()
            nursery.cancel_scope.cancel()

    def _listen(self, nursery: trio.Nursery, settings: ListenerSettings) -> None:
        listener = socket.socket(fileno=settings.fd)

        def connected(sock: socket.socket, address: object) -> None:
            tls = self._certificates.context if settings.tls and self._certificates else None
            if len(self._connections) >= self._settings.max_connections and not self._make_room():
                sock.close()
                return
            connection = ClientConnection(self._gateway, sock, address, tls, settings.proxy_protocol)
            self._connections.add(connection)
            self._gateway.connections = len(self._connections)
            nursery.start_soon(self._serve, connection)

        acceptor = Acceptor(listener, connected)
        listener.close()
        self._poller.heed(acceptor.fileno())
        self._acceptors.append(acceptor)
        nursery.start_soon(acceptor.run)

    def _make_room(self) -> bool:
        """Too many connections: one that waits for its next request goes, rather than the new one."""
        return any(connection.close_if_idle() for connection in self._connections)

    async def _serve(self, connection: ClientConnection) -> None:
        try:
            await connection.run()
        except Exception:
            logger.exception("a connection failed")
            connection.abandon()
        finally:
            self._connections.discard(connection)
            self._gateway.connections = len(self._connections)

    # -- the feed

    async def _follow_feed(self) -> None:
        while (messages := await self._feed.receive()) is not None:
            self._apply(messages)
        self._ending.set()

    def _apply(self, messages: list[dict[str, Any]]) -> None:
        for message in messages:
            self._apply_one(message)
            if "serial" in message:
                self._feed.report({"op": "ack", "serial": message["serial"]})

    def _apply_one(self, message: dict[str, Any]) -> None:
        match message["op"]:
            case "snapshot":
                self._gateway.snapshot([route_from_json(route) for route in message["routes"]])
            case "set":
                self._gateway.set_route(route_from_json(message["route"]))
            case "remove":
                self._gateway.remove_route(message["id"])
            case "certificates":
                self._load_certificates(message["tls"])

    def _load_certificates(self, tls: list[dict[str, Any]]) -> None:
        if self._certificates is None:
            return
        try:
            self._certificates.load([TlsSettings.from_json(item) for item in tls])
        except ssl.SSLError as error:
            logger.error("the new certificates are not used: %s", error)

    # -- the end

    async def _end_on_signal(self) -> None:
        with trio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
            async for _ in signals:
                self._ending.set()

    async def _drain(self) -> None:
        """Accepts nothing more, closes what is idle, lets the rest finish."""
        for acceptor in self._acceptors:
            self._poller.ignore(acceptor.fileno())
            acceptor.stop()
        self._gateway.closing = True
        with trio.move_on_after(self._settings.drain_timeout_seconds):
            while self._connections:
                for connection in list(self._connections):
                    connection.close_if_idle()
                await trio.sleep(0.05)

    async def _every(self, seconds: float, call: Any) -> None:
        while True:
            await trio.sleep(seconds)
            call()


def raise_descriptor_limit() -> None:
    """A descriptor for each client and each connection to a worker: as many as the system allows."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


async def run(fd: int) -> None:
    """The whole life of the process."""
    feed = Feed(socket.socket(fileno=fd))
    first = await feed.receive()
    if first is None:
        return
    settings = ProxySettings.from_json(first[0].get("settings") or {})
    enter(Policy.from_json(settings.sandbox), os.getppid())
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 50, 50)
    await Proxy(feed, settings).run(first)


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(prog="mtgate.proxy.worker", description="a proxy process of mtgate")
    parser.add_argument("--feed", type=int, required=True, help="descriptor of the feed")
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, stream=sys.stderr, format="%(levelname)s %(name)s: %(message)s")
    raise_descriptor_limit()
    for number in (signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2, signal.SIGTTOU):
        signal.signal(number, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_SETMASK, [])  # the daemon blocks those that it reads
    trio.run(run, arguments.feed)


if __name__ == "__main__":
    main()
