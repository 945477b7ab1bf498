"""The daemon's side of the proxies.

In charge of: spawning N proxy processes with inherited listeners, keeping them alive, telling them the
routes, and what they hand up. Must not know: how a request is served, what a tenant is beyond its route.

The owner calls ``set`` and ``remove`` at any time; each process gets a snapshot first and then every
change, in order. A process that dies is replaced at once, later with growing delay; its listeners live on
here, so that connections wait and none is refused.
"""

from __future__ import annotations

import contextlib
import logging
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import trio

from mtgate.proxy.routing import LineDecoder, Route, encode, route_to_json

logger = logging.getLogger(__name__)

RECEIVE_BYTES = 1024 * 1024
RESPAWN_SECONDS = (0.0, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0)
CERTIFICATE_SECONDS = 2.0
STOP_SECONDS = 5.0
#: An inherited process hears of changes for so long after ours have taken over.
INHERITED_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class PublicListener:
    """A bound, listening socket that the daemon keeps."""

    sock: socket.socket
    tls: bool = False
    proxy_protocol: bool = False


@dataclass(frozen=True, slots=True)
class Certificate:
    """Files of one certificate; read here, because a proxy may not be allowed to."""

    certificate: Path
    key: Path
    names: tuple[str, ...] = ()


def read_error_pages(folder: Path) -> dict[str, str]:
    """``404.html`` → ``{"404": …}``; what else is there is left alone. Raises OSError."""
    return {
        path.stem: path.read_text("utf-8")
        for path in sorted(folder.glob("*.html"))
        if path.stem == "default" or path.stem.isdigit()
    }


def _ignore(*_: Any) -> None:
    return


@dataclass(slots=True)
class Callbacks:
    """Who hears of what the proxies report; called from the feed's tasks, must not block."""

    wake: Callable[[str], None] = _ignore
    activity: Callable[[Mapping[str, int]], None] = _ignore
    counters: Callable[[Mapping[str, Any]], None] = _ignore
    access: Callable[[Sequence[str]], None] = _ignore


@dataclass(eq=False, slots=True)
class _Process:
    """One proxy process: its end of the feed, and how far it has come."""

    pid: int
    stream: trio.SocketStream
    outbox: trio.MemorySendChannel[bytes]
    acked: int = 0
    ready: bool = False
    inherited: bool = False
    draining: set[tuple[str, int]] = field(default_factory=set)


class ProxyFeed:
    """``run`` it in the daemon's nursery.

    ``settings`` is a dictionary as in ``proxy.config.ProxySettings``.
    """

    def __init__(
        self,
        listeners: Sequence[PublicListener],
        settings: Mapping[str, Any],
        callbacks: Callbacks | None = None,
        *,
        processes: int | None = None,
        certificates: Sequence[Certificate] = (),
    ) -> None:
        self._listeners = list(listeners)
        self._count = processes or os.cpu_count() or 1
        self._settings = {**settings, "processes": self._count}
        self._callbacks = callbacks or Callbacks()
        self._certificates = list(certificates)
        self._tls = self._read_certificates()
        self._routes: dict[str, Route] = {}
        self._serial = 0
        self._processes: set[_Process] = set()
        self._changed = trio.Event()
        self._inherited: list[tuple[int, int]] = []
        self._prepared: list[tuple[trio.Process, socket.socket]] = []
        self._replaced = trio.Event()

    # -- routes

    def set(self, route: Route) -> None:
        """Adds or changes a tenant's route. Synchronous; ``wait_acknowledged`` waits for the proxies."""
        old = self._routes.get(route.id)
        self._routes[route.id] = route
        if old is not None and old.generation != route.generation:
            for process in self._processes:
                process.draining.add((route.id, old.generation))
        serial = self._next()
        if self._processes:  # ten thousand routes are set before the first process: its snapshot has them
            self._tell({"op": "set", "serial": serial, "route": route_to_json(route)})

    def remove(self, tenant_id: str) -> None:
        """Unknown ids are ignored."""
        if self._routes.pop(tenant_id, None) is not None:
            self._tell({"op": "remove", "serial": self._next(), "id": tenant_id})

    async def wait_acknowledged(self) -> None:
        """Until every proxy knows the routes as they are now."""
        serial = self._serial
        while any(process.acked < serial for process in self._processes):
            await self._changed.wait()

    async def wait_drained(self, tenant_id: str, generation: int) -> None:
        """Until no proxy uses a connection to that generation. Call it after the route has moved on."""
        while any((tenant_id, generation) in process.draining for process in self._processes):
            await self._changed.wait()

    @property
    def pids(self) -> list[int]:
        """Of the proxy processes that are ready."""
        return sorted(process.pid for process in self._processes if process.ready and not process.inherited)

    def leave(self) -> list[tuple[int, int]]:
        """Pid and feed of each process, for the program that replaces this one by exec."""
        ready = [process for process in self._processes if process.ready]
        return [(process.pid, process.stream.socket.fileno()) for process in ready]

    def inherit(self, processes: Sequence[tuple[int, int]]) -> None:
        """Processes that the program before us ran: they serve until ours do, then drain."""
        self._inherited = list(processes)

    def _next(self) -> int:
        self._serial += 1
        return self._serial

    def _tell(self, message: Mapping[str, Any]) -> None:
        line = encode(dict(message))
        for process in self._processes:
            process.outbox.send_nowait(line)

    def _notify(self) -> None:
        self._changed.set()
        self._changed = trio.Event()

    # -- processes

    async def prepare(self) -> None:
        """Starts the processes that ``run`` will use: they get ready for their first message, the routes,
        while the caller finds these out."""
        with contextlib.suppress(OSError):  # it tries again, and tells
            while len(self._prepared) < self._count:
                self._prepared.append(await self._spawn())

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Until cancelled; ready when every process is. Then they drain: their feed ends."""
        async with trio.open_nursery() as nursery:
            if self._certificates:
                nursery.start_soon(self._watch_certificates)
            for pid, descriptor in self._inherited:
                nursery.start_soon(self._keep_until_replaced, pid, socket.socket(fileno=descriptor))
            for _ in range(self._count):
                nursery.start_soon(self._keep_alive)
            while len(self.pids) < self._count:
                await self._changed.wait()
            self._replaced.set()
            task_status.started()

    async def _keep_until_replaced(self, pid: int, sock: socket.socket) -> None:
        """Tells an inherited process every change until ours serve; the end of its feed makes it drain."""
        send, receive = trio.open_memory_channel[bytes](float("inf"))
        sock.setblocking(False)
        stream = trio.SocketStream(trio.socket.from_stdlib_socket(sock))
        process = _Process(pid, stream, send, ready=True, inherited=True)
        process.acked = self._serial
        self._processes.add(process)
        process.outbox.send_nowait(self._snapshot([]))
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._write, stream, receive)
                nursery.start_soon(self._read, process)
                await self._replaced.wait()
                await trio.sleep(INHERITED_SECONDS)
                nursery.cancel_scope.cancel()
        finally:
            self._processes.discard(process)
            self._notify()
            await trio.aclose_forcefully(stream)

    async def _keep_alive(self) -> None:
        failures = 0
        while True:
            served = False
            try:
                status, served = await self._run_process()
            except OSError as error:
                status = f"it cannot be started: {error.strerror}"
            # What has served is replaced at once, however often it is killed; what never did has to wait.
            failures = 0 if served else failures + 1
            pause = RESPAWN_SECONDS[min(failures, len(RESPAWN_SECONDS) - 1)]
            logger.warning("a proxy process ended (%s); another one in %g s", status, pause)
            await trio.sleep(pause)

    async def _run_process(self) -> tuple[str, bool]:
        """One process, from spawn to exit; how it ended, and whether it was ever ready."""
        child, ours = self._prepared.pop() if self._prepared else await self._spawn()
        send, receive = trio.open_memory_channel[bytes](float("inf"))
        stream = trio.SocketStream(trio.socket.from_stdlib_socket(ours))
        process = _Process(child.pid, stream, send)
        self._processes.add(process)
        process.outbox.send_nowait(self._snapshot(self._descriptors()))
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._write, stream, receive)
                nursery.start_soon(self._read, process)
                await child.wait()
                nursery.cancel_scope.cancel()
        finally:
            self._processes.discard(process)
            self._notify()
            await self._end(child, stream)
        return f"pid {child.pid}, status {child.returncode}", process.ready

    async def _spawn(self) -> tuple[trio.Process, socket.socket]:
        """A process that waits for its first message, and our end of its feed."""
        ours, theirs = socket.socketpair()
        command = [sys.executable, "-m", "mtgate.proxy.worker", "--feed", str(theirs.fileno())]
        try:
            child = await trio.lowlevel.open_process(
                command,
                pass_fds=[*self._descriptors(), theirs.fileno()],
                stdin=subprocess.DEVNULL,
                start_new_session=True,
            )
        except BaseException:
            ours.close()
            raise
        finally:
            theirs.close()
        return child, ours

    def _descriptors(self) -> list[int]:
        return [listener.sock.fileno() for listener in self._listeners]

    @staticmethod
    async def _end(child: trio.Process, stream: trio.SocketStream) -> None:
        """Closing the feed lets the process drain by itself; it is reaped as long as we are here."""
        with trio.CancelScope(shield=True):
            await stream.aclose()
            with trio.move_on_after(STOP_SECONDS):
                await child.wait()
            if child.returncode is None:
                child.terminate()

    def _snapshot(self, fds: Sequence[int]) -> bytes:
        listeners = [
            {"fd": fd, "tls": listener.tls, "proxy_protocol": listener.proxy_protocol}
            for fd, listener in zip(fds, self._listeners, strict=False)
        ]
        settings = {**self._settings, "listeners": listeners, "tls": self._tls}
        routes = [route_to_json(route) for route in self._routes.values()]
        return encode({"op": "snapshot", "serial": self._serial, "routes": routes, "settings": settings})

    @staticmethod
    async def _write(stream: trio.SocketStream, lines: trio.MemoryReceiveChannel[bytes]) -> None:
        try:
            async for line in lines:
                await stream.send_all(line)
        except trio.BrokenResourceError:
            return

    async def _read(self, process: _Process) -> None:
        decoder = LineDecoder()
        try:
            async for data in process.stream:
                for message in decoder.feed(bytes(data)):
                    self._hear(process, message)
        except trio.BrokenResourceError:
            return

    def _hear(self, process: _Process, message: dict[str, Any]) -> None:
        match message["op"]:
            case "ready":
                process.ready = True
                self._notify()
            case "ack":
                process.acked = message["serial"]
                self._notify()
            case "drained":
                process.draining.discard((message["id"], message["generation"]))
                self._notify()
            case "wake":
                self._callbacks.wake(message["id"])
            case "activity":
                self._callbacks.activity(message["ids"])
            case "counters":
                self._callbacks.counters(message)
            case "access":
                self._callbacks.access(message["lines"])

    # -- certificates

    def _read_certificates(self) -> list[dict[str, Any]]:
        return [
            {
                "certificate": entry.certificate.read_text("ascii"),
                "key": entry.key.read_text("ascii"),
                "names": list(entry.names),
            }
            for entry in self._certificates
        ]

    async def _watch_certificates(self) -> None:
        """New files reach the proxies without a restart; what cannot be read changes nothing."""
        while True:
            await trio.sleep(CERTIFICATE_SECONDS)
            try:
                tls = self._read_certificates()
            except (OSError, UnicodeDecodeError) as error:
                logger.error("certificates cannot be read, the old ones stay: %s", error)
                continue
            if tls != self._tls:
                self._tls = tls
                self._tell({"op": "certificates", "tls": tls})
