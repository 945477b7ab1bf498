"""Real proxy processes: they can be killed, told and replaced while clients are served."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import h11
import pytest
import trio

from mtgate.http1.client import Client
from mtgate.http1.message import Request, Response
from mtgate.http1.server import Server
from mtgate.proxy.feed import Callbacks, ProxyFeed, PublicListener
from mtgate.proxy.routing import Route

pytestmark = pytest.mark.timeout(90)


async def hello(request: Request) -> Response:
    return Response(200, [], request.target.encode())


class Gate:
    """A feed with its processes, one worker, and a public port."""

    def __init__(self, feed: ProxyFeed, address: tuple[str, int], socket_path: str, heard: list[str]) -> None:
        self.feed = feed
        self.address = address
        self.socket = socket_path
        self.heard = heard

    async def connect(self) -> Client:
        return Client(await trio.open_tcp_stream(*self.address))


@contextlib.asynccontextmanager
async def gate(folder: Path, processes: int = 2) -> AsyncIterator[Gate]:
    public = socket.create_server(("127.0.0.1", 0), backlog=512)
    path = str(folder / "foo")
    worker = socket.socket(socket.AF_UNIX)
    worker.bind(path)
    worker.listen(512)
    heard: list[str] = []
    callbacks = Callbacks(wake=heard.append)
    feed = ProxyFeed([PublicListener(public)], {}, callbacks, processes=processes)
    with trio.fail_after(80), public, worker:
        await feed.prepare()
        feed.set(Route("foo", path, 1))  # the processes wait for it
        async with trio.open_nursery() as nursery:
            await nursery.start(Server(hello).serve, worker)
            await nursery.start(feed.run)
            yield Gate(feed, public.getsockname()[:2], path, heard)
            nursery.cancel_scope.cancel()


async def ask(client: Client, target: str = "/foo/x") -> int:
    answer, _ = await client.exchange("GET", target)
    return answer.status


async def keep_asking(gate: Gate, reuse: bool, counts: dict[str, int], done: trio.Event) -> None:
    """A client as they are: it asks once more when a connection breaks before the answer (RFC 9110 9.2.2)."""
    client: Client | None = None
    broken = 0
    while not done.is_set():
        kept = client is not None
        try:
            client = client or await gate.connect()
        except OSError:
            counts["refused"] += 1
            continue
        try:
            counts["ok" if await ask(client) == 200 else "failed"] += 1
            broken = 0
        except (OSError, h11.RemoteProtocolError, trio.BrokenResourceError):
            counts["lost"] += not kept
            broken += 1
            counts["failed"] += broken > 1
            await client.aclose()
            client = None
            continue
        if not reuse or not client.reusable:
            await client.aclose()
            client = None
        await trio.sleep(0.02)
    if client is not None:
        await client.aclose()


@contextlib.asynccontextmanager
async def load(gate: Gate) -> AsyncIterator[dict[str, int]]:
    """Some 200 requests a second on new and on kept connections."""
    counts = {"ok": 0, "failed": 0, "refused": 0, "lost": 0}
    done = trio.Event()
    async with trio.open_nursery() as nursery:
        for number in range(4):
            nursery.start_soon(keep_asking, gate, number % 2 == 0, counts, done)
        yield counts
        done.set()


async def replace_in_turn(house: Gate, number: int, counts: dict[str, int]) -> None:
    """Ends the processes one after the other, each when all are there."""
    ended: set[int] = set()
    for _ in range(4):
        before = counts["ok"]
        pid = house.feed.pids[0]
        os.kill(pid, number)
        ended.add(pid)
        while len(set(house.feed.pids) - ended) < 2 or counts["ok"] < before + 20:
            await trio.sleep(0.02)


async def test_killed_processes_are_replaced(tmp_path: Path) -> None:
    """What is inside a process when it is killed is lost, and found by asking again; nobody is refused."""
    async with gate(tmp_path) as house:
        async with load(house) as counts:
            await replace_in_turn(house, signal.SIGKILL, counts)
        assert (counts["failed"], counts["refused"]) == (0, 0)
        assert counts["ok"] >= 80


async def test_processes_that_are_told_to_end_lose_nothing(tmp_path: Path) -> None:
    async with gate(tmp_path) as house:
        async with load(house) as counts:
            await replace_in_turn(house, signal.SIGTERM, counts)
        assert (counts["failed"], counts["refused"], counts["lost"]) == (0, 0, 0)


async def test_routes_come_and_go_under_load(tmp_path: Path) -> None:
    async with gate(tmp_path) as house:
        async with load(house) as counts:
            for number in range(1000):
                house.feed.set(Route(f"t{number}", house.socket))
                house.feed.set(Route("foo", house.socket, number + 2))
                house.feed.remove(f"t{number - 10}")
                if number % 50 == 0:
                    await house.feed.wait_acknowledged()
                    await house.feed.wait_drained("foo", number + 1)
            await house.feed.wait_acknowledged()
        assert (counts["failed"], counts["refused"], counts["lost"]) == (0, 0, 0)
        client = await house.connect()
        assert [await ask(client, target) for target in ("/t999/x", "/t5/x")] == [200, 404]
        await client.aclose()


async def test_a_process_that_comes_later_knows_what_was_said_before(tmp_path: Path) -> None:
    async with gate(tmp_path, 1) as house:
        house.feed.set(Route("bar", house.socket))
        house.feed.remove("foo")
        pid = house.feed.pids[0]
        os.kill(pid, signal.SIGKILL)
        client = await house.connect()
        assert [await ask(client, target) for target in ("/foo/x", "/bar/x")] == [404, 200]
        await client.aclose()
        assert house.feed.pids != [pid]


async def test_wake_is_handed_up(tmp_path: Path) -> None:
    async with gate(tmp_path, 1) as house:
        house.feed.set(Route("foo", house.socket, 1, "asleep"))
        await house.feed.wait_acknowledged()
        client = await house.connect()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(ask, client)
            while house.heard != ["foo"]:
                await trio.sleep(0.01)
            house.feed.set(Route("foo", house.socket, 2))
        await client.aclose()
