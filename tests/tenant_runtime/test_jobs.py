"""Jobs run again and again, and survive their own failures."""

from __future__ import annotations

import trio
from trio.testing import MockClock

from tenant_runtime.jobs import Jobs


async def test_a_job_that_fails_runs_again(autojump_clock: MockClock, caplog: object) -> None:
    runs: list[float] = []
    jobs = Jobs()
    assert not jobs

    def job() -> None:
        runs.append(trio.current_time())
        raise ValueError("boom")

    jobs.add(10, job)
    assert jobs
    begin = trio.current_time()
    with trio.move_on_after(35):
        await jobs.run()
    assert [round(run - begin) for run in runs] == [10, 20, 30]


async def test_housekeeping_comes_early_and_lets_the_tenant_sleep(autojump_clock: MockClock) -> None:
    runs: list[float] = []
    jobs = Jobs()
    jobs.add(100, lambda: runs.append(trio.current_time()), first_seconds=5, keeps_awake=False)
    assert not jobs
    begin = trio.current_time()
    with trio.move_on_after(120):
        await jobs.run()
    assert [round(run - begin) for run in runs] == [5, 105]
