"""Looking after workers that serve: idleness, heartbeat, probe.

In charge of: when a tenant is to sleep and when a worker is unwell. Must not know: what is done about it. One
task for each worker that wants one, sleeping until its next deadline: nothing is done for each tenant at each
tick.
"""

from __future__ import annotations

import errno
from collections.abc import Callable

import trio

from mtgate.supervisor.restart import Reason
from mtgate.supervisor.worker import Worker
from mtgate.tenantdir.schema import Probe

#: A beat is late only when our own loop has run meanwhile: after SIGSTOP or a suspended machine all are late.
CHECK_SECONDS = 5.0
SUSPENDED_FACTOR = 2.0
#: Ours, not the worker's: nothing is known of it then.
SHORTAGE = {errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOBUFS}


async def watch_heartbeat(
    worker: Worker, limit_seconds: float, unwell: Callable[[Worker, Reason], None]
) -> None:
    """Reports a worker whose beats have stopped for `limit_seconds` of time in which we were awake ourselves.

    A program of the tenant's own that has never sent a beat is not expected to.
    """
    pause = min(CHECK_SECONDS, limit_seconds / 4)
    awake = 0.0
    beat = worker.last_beat
    while worker.process.exit is None:
        before = trio.current_time()
        await trio.sleep(pause)
        slept = trio.current_time() - before
        if worker.last_beat != beat or (beat is None and not worker.listens):
            beat, awake = worker.last_beat, 0.0
        else:
            awake += slept if slept < pause * SUSPENDED_FACTOR + 1.0 else 0.0
        if awake >= limit_seconds:
            unwell(worker, Reason.WATCHDOG)
            return


async def watch_idle(
    last_active: Callable[[], float], is_busy: Callable[[], bool], limit_seconds: float
) -> None:
    """Returns when nothing was asked for `limit_seconds` and nobody is busy."""
    while True:
        rest = last_active() + limit_seconds - trio.current_time()
        if rest > 0:
            await trio.sleep(rest)
        elif is_busy():
            await trio.sleep(limit_seconds)
        else:
            return


async def watch_probe(
    worker: Worker, probe: Probe, path: str, unwell: Callable[[Worker, Reason], None]
) -> None:
    """Reports a worker whose tenant fails `probe.failures` probes in a row."""
    failed = 0
    while worker.process.exit is None:
        await trio.sleep(probe.interval_seconds)
        failed = 0 if await _answers(path, probe) else failed + 1
        if failed >= probe.failures:
            unwell(worker, Reason.PROBE)
            return


async def _answers(path: str, probe: Probe) -> bool:
    """Whether the tenant's socket gives a status below 500 in time, as far as we can ask."""
    request = (
        f"GET {probe.path} HTTP/1.1\r\nHost: localhost\r\nUser-Agent: mtgate\r\nConnection: close\r\n\r\n"
    )
    with trio.move_on_after(probe.timeout_seconds):
        try:
            async with await trio.open_unix_socket(path) as stream:
                await stream.send_all(request.encode())
                head = b""
                while b"\r\n" not in head and (data := await stream.receive_some(4096)):
                    head += data
        except OSError as error:
            return error.errno in SHORTAGE
        words = head.split(maxsplit=2)
        return len(words) > 1 and words[1].isdigit() and 100 <= int(words[1]) < 500
    return False
