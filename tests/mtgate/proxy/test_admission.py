from __future__ import annotations

import json
from typing import Any

import pytest
import trio
import trio.testing

from mtgate.http1.message import Request, Response
from mtgate.proxy.config import TenantLimits
from mtgate.proxy.routing import Route

GET = b"GET /foo/x HTTP/1.1\r\nHost: gate\r\nConnection: close\r\n\r\n"


async def test_a_sleeping_tenant_is_woken_once_and_the_requests_wait(house: Any) -> None:
    path = await house.worker()
    await house.start(Route("foo", path, state="asleep"))
    answers: list[bytes] = []

    async def ask() -> None:
        answers.append(await house.talk(GET))

    async with trio.open_nursery() as nursery:
        for _ in range(3):
            nursery.start_soon(ask)
        await house.report("wake", id="foo")
        await house.set(Route("foo", path, state="activating"))
        await house.set(Route("foo", path, generation=1))
    assert [answer[:12] for answer in answers] == [b"HTTP/1.1 200"] * 3
    assert not [report for report in house.reports if report["op"] == "wake"]


async def test_waiting_ends_with_503(house: Any) -> None:
    limits = TenantLimits(queue_timeout_seconds=0.2, max_queue=1)
    await house.start(Route("foo", "/x", state="activating", limits=limits))
    answers: list[bytes] = []

    async def ask() -> None:
        answers.append(await house.talk(GET))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(ask)
        nursery.start_soon(ask)
    codes = sorted(json.loads(answer.partition(b"\r\n\r\n")[2])["code"] for answer in answers)
    assert codes == ["queue-full", "queue-timeout"]
    assert all(b"Retry-After: " in answer for answer in answers)


async def test_a_start_that_fails_ends_the_wait(house: Any) -> None:
    await house.start(Route("foo", "/x", state="auto-restart"))
    async with trio.open_nursery() as nursery:

        async def ask() -> None:
            assert (await house.talk(GET)).startswith(b"HTTP/1.1 503 ")

        nursery.start_soon(ask)
        await trio.testing.wait_all_tasks_blocked(0.1)
        await house.set(Route("foo", "/x", state="failed", reason="secret reason"))


async def test_in_flight_limit_queues(house: Any) -> None:
    running = most = 0

    async def handler(_: Request) -> Response:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await trio.sleep(0.02)
        running -= 1
        return Response(200)

    await house.start(Route("foo", await house.worker(handler), limits=TenantLimits(max_in_flight=2)))
    answers: list[bytes] = []

    async def ask() -> None:
        answers.append(await house.talk(GET))

    async with trio.open_nursery() as nursery:
        for _ in range(10):
            nursery.start_soon(ask)
    assert [answer[:12] for answer in answers] == [b"HTTP/1.1 200"] * 10
    assert most == 2


async def test_slow_readers_occupy_no_place(house: Any) -> None:
    async def handler(request: Request) -> Response:
        return Response(200, [], b"x" * (20_000_000 if request.target == "/big" else 1))

    limits = TenantLimits(max_in_flight=1, queue_timeout_seconds=2)
    await house.start(Route("foo", await house.worker(handler), limits=limits))
    async with await house.connect() as slow:
        await slow.send_all(b"GET /foo/big HTTP/1.1\r\nHost: gate\r\n\r\n")
        await slow.receive_some(10)
        assert (await house.get("/foo/x"))[0] == 200
        assert (await house.report("activity"))["ids"].keys() == {"foo"}


async def test_rate_limits(house: Any) -> None:
    await house.start(Route("foo", await house.worker(), limits=TenantLimits(client_requests_per_second=1)))
    assert (await house.get("/foo/x"))[0] == 200
    status, fields, _ = await house.get("/foo/x")
    assert (status, fields["retry-after"]) == (429, "1")


async def test_generations(house: Any) -> None:
    """Nothing of the old generation is used for new requests.

    Its end is reported when its last request is over.
    """
    release, started = trio.Event(), trio.Event()

    async def old(request: Request) -> Response:
        if request.target == "/slow":
            started.set()
            await release.wait()
        return Response(200, [], b"old")

    async def new(_: Request) -> Response:
        return Response(200, [], b"new")

    await house.start(Route("foo", await house.worker(old), 1))
    new_path = await house.worker(new)
    assert (await house.get("/foo/x"))[2] == b"old"
    async with trio.open_nursery() as nursery:

        async def slow() -> None:
            assert (await house.get("/foo/slow"))[2] == b"old"

        nursery.start_soon(slow)
        await started.wait()
        await house.set(Route("foo", new_path, 2))
        assert (await house.get("/foo/x"))[2] == b"new"
        assert not [report for report in house.reports if report["op"] == "drained"]
        release.set()
        await house.report("drained", id="foo", generation=1)
    await house.set(Route("foo", new_path, 3))
    await house.report("drained", id="foo", generation=2)


@pytest.mark.parametrize("state", ["failed", "inactive"])
async def test_who_waits_for_an_answer_is_told_that_the_tenant_has_ended(house: Any, state: str) -> None:
    path = house.backlog()  # Nobody ever accepts from it.
    await house.start(Route("foo", path))
    answers: list[tuple[int, Any, bytes]] = []

    async def ask() -> None:
        answers.append(await house.get("/foo/x"))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(ask)
        while not (await house.report("activity"))["ids"]:
            pass
        await house.set(Route("foo", path, state=state))
    status, fields, body = answers[0]
    assert (status, fields["retry-after"]) == (503, "10")
    assert json.loads(body)["code"] == {"failed": "tenant-failed", "inactive": "tenant-stopped"}[state]


async def test_removed_tenant(house: Any) -> None:
    await house.start(Route("foo", await house.worker()))
    assert (await house.get("/foo/x"))[0] == 200
    await house.tell({"op": "remove", "id": "foo"})
    assert (await house.get("/foo/x"))[0] == 404


async def test_reports(house: Any) -> None:
    await house.start(Route("foo", await house.worker()), access_log="json")
    await house.get("/foo/x?secret", "User-Agent: t", "Referer: http://r/")
    line = json.loads((await house.report("access"))["lines"][0])
    assert (line["tenant"], line["status"], line["target"]) == ("foo", 200, "/foo/x?secret")
    assert (line["user_agent"], line["referer"], line["retries"]) == ("t", "http://r/", 0)
    assert (await house.report("activity"))["ids"] == {"foo": 1}
    counted = (await house.report("counters"))["tenants"]["foo"]
    assert (counted["requests"], counted["statuses"]) == (1, {"200": 1})


async def test_the_end_of_the_feed_drains(house: Any) -> None:
    release, started = trio.Event(), trio.Event()

    async def handler(_: Request) -> Response:
        started.set()
        await release.wait()
        return Response(200, [], b"done")

    await house.start(Route("foo", await house.worker(handler)))
    idle = await house.connect()
    async with trio.open_nursery() as nursery:

        async def ask() -> None:
            assert (await house.talk(GET)).endswith(b"done")

        nursery.start_soon(ask)
        await started.wait()
        await house.end_feed()
        assert await idle.receive_some() == b""
        release.set()
    await idle.aclose()


async def test_a_tenants_rate_is_shared_out_among_the_processes(house: Any) -> None:
    limits = TenantLimits(requests_per_second=0.02)
    await house.start(Route("foo", await house.worker(), limits=limits), processes=2)
    assert (await house.get("/foo/x"))[0] == 200
    status, fields, _ = await house.get("/foo/x")
    assert status == 429
    assert 50 < int(fields["retry-after"]) <= 101
