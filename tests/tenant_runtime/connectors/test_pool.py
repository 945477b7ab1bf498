"""The hop into a data source's threads."""

from __future__ import annotations

import threading

import pytest
import trio
import trio.testing

from tenant_runtime.connectors.pool import ThreadPool


async def test_results_and_errors_come_back() -> None:
    pool = ThreadPool("test", 2)
    assert await pool.run(lambda a, b: a + b, 1, 2) == 3
    with pytest.raises(ZeroDivisionError):
        await pool.run(lambda: 1 / 0)
    pool.close()


async def test_many_at_once() -> None:
    pool = ThreadPool("test", 3)
    results: list[int] = []
    names: set[str] = set()

    def work(number: int) -> int:
        names.add(threading.current_thread().name)
        return number * number

    async def one(number: int) -> None:
        results.append(await pool.run(work, number))

    async with trio.open_nursery() as nursery:
        for number in range(200):
            nursery.start_soon(one, number)
    assert sorted(results) == [number * number for number in range(200)]
    assert names <= {"test-0", "test-1", "test-2"}
    pool.close()


async def test_a_cancelled_job_that_has_not_begun_never_runs() -> None:
    pool = ThreadPool("test", 1)
    release, started, ran = threading.Event(), trio.Event(), []
    token = trio.lowlevel.current_trio_token()

    def hold() -> None:
        token.run_sync_soon(started.set)
        release.wait()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(pool.run, hold)
        await started.wait()
        with trio.CancelScope() as scope:
            scope.cancel()
            await pool.run(ran.append, 1)
        assert scope.cancelled_caught
        release.set()
    assert await pool.run(lambda: list(ran)) == []
    pool.close()


async def test_the_result_of_an_abandoned_job_is_dropped() -> None:
    pool = ThreadPool("test", 1)
    release, started = threading.Event(), trio.Event()
    token = trio.lowlevel.current_trio_token()

    def hold() -> str:
        token.run_sync_soon(started.set)
        release.wait()
        return "late"

    async with trio.open_nursery() as nursery:
        nursery.start_soon(pool.run, hold)
        await started.wait()
        nursery.cancel_scope.cancel()
    release.set()
    assert await pool.run(lambda: "next") == "next"
    pool.close()


async def test_a_closed_pool_starts_again() -> None:
    pool = ThreadPool("test", 1)
    assert await pool.run(lambda: 1) == 1
    pool.close()
    assert await pool.run(lambda: 2) == 2
    pool.close()


async def test_threads_start_with_the_jobs_that_need_them() -> None:
    pool = ThreadPool("grown", 2)
    names = set()

    def name() -> None:
        names.add(threading.current_thread().name)

    for _ in range(5):
        await pool.run(name)
    assert names == {"grown-0"}
    meeting = threading.Barrier(2)
    async with trio.open_nursery() as nursery:
        for _ in range(2):
            nursery.start_soon(pool.run, meeting.wait, 60)
    async with trio.open_nursery() as nursery:
        for _ in range(20):
            nursery.start_soon(pool.run, name)
    assert names <= {"grown-0", "grown-1"}
    pool.close()


async def test_jobs_that_nobody_waits_for_keep_no_thread_from_starting() -> None:
    pool = ThreadPool("test", 2)
    release = threading.Event()
    async with trio.open_nursery() as nursery:
        for _ in range(2):
            nursery.start_soon(pool.run, release.wait)
        await trio.testing.wait_all_tasks_blocked()
        with trio.move_on_after(0):
            await pool.run(lambda: None)
        pool.close()
        release.set()
    meeting = threading.Barrier(2)
    async with trio.open_nursery() as nursery:
        for _ in range(2):
            nursery.start_soon(pool.run, meeting.wait, 60)
    pool.close()
