"""Workers that run and do not serve: the watchdog and the probe, with real processes and short limits."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest
import trio

from mtgate.supervisor.supervisor import Supervisor
from tests.mtgate.supervisor.supervising import alive, ask, make_tenant, paths_of, supervising, until

QUICK_PROBE = {"path": "/health", "interval_seconds": 0.1, "timeout_seconds": 0.3, "failures": 2}


def last_reason(supervisor: Supervisor, name: str) -> str | None:
    ended = supervisor.status(name).last_exit
    return None if ended is None else ended.reason


async def hang(root: Path, name: str) -> None:
    """Asks for what never ends; nobody waits for an answer."""
    async with await trio.open_unix_socket(str(paths_of(root).tenant_socket(name))) as stream:
        await stream.send_all(b"GET /hang HTTP/1.1\r\nHost: x\r\n\r\n")
        await stream.receive_some(1)


async def test_a_worker_whose_interpreter_hangs_is_replaced(tmp_path: Path) -> None:
    make_tenant(tmp_path, "foo", "beats", watchdog_seconds=0.8)
    async with supervising(tmp_path) as supervisor, trio.open_nursery() as nursery:
        await supervisor.start("foo")
        (pid,) = supervisor.status("foo").pids
        nursery.start_soon(hang, tmp_path, "foo")
        await until(lambda: last_reason(supervisor, "foo") == "WatchdogTimeout")
        status = supervisor.status("foo")
        assert (status.state, status.restarts, alive(pid)) == ("active", 1, False)
        assert status.reason is not None and status.reason.startswith("WatchdogTimeout")
        assert (await ask(tmp_path, "foo")).split()[0] == str(status.pids[0])


async def test_beats_that_come_late_and_programs_without_them_are_no_hang(tmp_path: Path) -> None:
    make_tenant(tmp_path, "beating", "beats", watchdog_seconds=0.8)
    make_tenant(tmp_path, "silent", watchdog_seconds=0.8)
    async with supervising(tmp_path) as supervisor:
        pids = {}
        for name in ("beating", "silent"):
            await supervisor.start(name)
            pids[name] = supervisor.status(name).pids
        os.kill(pids["beating"][0], signal.SIGSTOP)
        await trio.sleep(0.3)  # the pause itself is what is tested
        os.kill(pids["beating"][0], signal.SIGCONT)
        await trio.sleep(1.2)  # longer than the limit
        assert {name: supervisor.status(name).pids for name in pids} == pids


@pytest.mark.parametrize("behaviour", ["never-accepts", "sick"])
async def test_a_worker_that_fails_its_probe_is_replaced(tmp_path: Path, behaviour: str) -> None:
    make_tenant(tmp_path, "foo", behaviour, probe=QUICK_PROBE, stop_timeout_seconds=1)
    async with supervising(tmp_path) as supervisor:
        await supervisor.start("foo")
        (pid,) = supervisor.status("foo").pids
        make_tenant(tmp_path, "foo", "", probe=QUICK_PROBE, stop_timeout_seconds=1)
        # waits in the backlog of one that never accepts, and is answered by its successor
        assert await ask(tmp_path, "foo")
        await until(lambda: last_reason(supervisor, "foo") == "ProbeFailed")
        status = supervisor.status("foo")
        assert (status.state, status.restarts, alive(pid)) == ("active", 1, False)
        assert (await ask(tmp_path, "foo")).split()[0] == str(status.pids[0])
        ended = status.last_exit  # one that can still hear is asked to end, and finishes what it has accepted
        assert ended is not None and ended.signal == ("SIGKILL" if behaviour == "never-accepts" else None)


async def test_one_that_serves_is_replaced_beside_it(tmp_path: Path) -> None:
    make_tenant(tmp_path, "foo", "sick", probe=QUICK_PROBE)
    async with supervising(tmp_path) as supervisor:
        await supervisor.start("foo")
        (pid,) = supervisor.status("foo").pids
        make_tenant(tmp_path, "foo", "never-ready", probe=QUICK_PROBE)
        starting = paths_of(tmp_path).log / "tenants/foo.log"
        await until(lambda: "never-ready" in starting.read_text())
        assert (await ask(tmp_path, "foo")).split()[0] == str(pid)
        assert supervisor.status("foo").pids == [pid]
        with trio.fail_after(15):  # a stop does not wait for the successor
            await supervisor.stop("foo")


async def test_one_that_cannot_be_replaced_is_ended_and_tried_again(tmp_path: Path) -> None:
    make_tenant(tmp_path, "foo", "never-accepts", probe=QUICK_PROBE)
    async with supervising(tmp_path) as supervisor:
        await supervisor.start("foo")
        make_tenant(tmp_path, "foo", "exit=3", probe=QUICK_PROBE)
        await until(lambda: supervisor.status("foo").state == "auto-restart")
        make_tenant(tmp_path, "foo", probe=QUICK_PROBE)
        await until(lambda: supervisor.status("foo").state == "active")
