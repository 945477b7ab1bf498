"""The supervisor with real processes: commands, swaps, crashes, sleep, whole trees. Rows of
docs/supervisor.md."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest
import trio

from mtgate.errors import InvalidConfiguration, NotRunning, StartFailed, SystemRefused, UnknownTenant
from mtgate.supervisor.supervisor import Supervisor
from tests.mtgate.supervisor.supervising import alive, ask, make_tenant, paths_of, supervising, until


def state(supervisor: Supervisor, name: str) -> str:
    return supervisor.status(name).state


async def test_add_start_stop_remove(tmp_path: Path) -> None:
    async with supervising(tmp_path) as supervisor:
        folder = make_tenant(tmp_path, "foo")
        added = await supervisor.add("foo", start=True)
        assert added.tenant is not None and added.tenant.state == "active"
        assert (await ask(tmp_path, "foo")).split()[0] == str(added.tenant.pids[0])
        assert (await supervisor.start("foo")).result == "already"
        assert (await supervisor.add("foo", start=True)).result == "already"
        await supervisor.stop("foo")
        assert (state(supervisor, "foo"), alive(added.tenant.pids[0])) == ("inactive", False)
        assert (await supervisor.stop("foo")).result == "already"
        await supervisor.remove("foo", keep_files=False)
        assert not folder.exists() and not paths_of(tmp_path).tenant_socket("foo").exists()
        with pytest.raises(UnknownTenant):
            await supervisor.start("foo")


async def test_a_start_that_cannot_be_recorded_is_undone(tmp_path: Path) -> None:
    make_tenant(tmp_path, "foo")
    async with supervising(tmp_path) as supervisor:
        await supervisor.start("foo")
        before = supervisor.status("foo").pids
        await supervisor.stop("foo")
        refused = paths_of(tmp_path).state / "tenants.json.new"
        refused.symlink_to("/dev/full")  # O_NOFOLLOW refuses it, as a full disk would the write
        with pytest.raises(SystemRefused):
            await supervisor.start("foo")
        found = supervisor.status("foo")
        assert (found.state, found.desired, found.pids) == ("inactive", "stopped", [])
        make_tenant(tmp_path, "foo", "exit=3")
        with pytest.raises(StartFailed):
            await supervisor.start("foo")
        assert (state(supervisor, "foo"), supervisor.status("foo").next_retry_at) == ("inactive", None)
        refused.unlink()
        make_tenant(tmp_path, "foo")
        assert (await supervisor.start("foo")).result == "done"
        assert supervisor.status("foo").pids not in ([], before)


async def test_restart_swaps_and_a_bad_change_keeps_the_old(tmp_path: Path) -> None:
    make_tenant(tmp_path, "foo")
    async with supervising(tmp_path) as supervisor:
        await supervisor.start("foo")
        before = supervisor.status("foo")
        await supervisor.restart("foo")
        after = supervisor.status("foo")
        assert after.generation == before.generation + 1 and after.pids != before.pids
        make_tenant(tmp_path, "foo", "exit=3")
        with pytest.raises(StartFailed) as raised:
            await supervisor.restart("foo")
        assert "about to end" in raised.value.log_tail
        assert (state(supervisor, "foo"), supervisor.status("foo").pids) == ("active", after.pids)
        (tmp_path / "tenants/foo/tenant.json").write_text('{"workers": "many"}')
        with pytest.raises(InvalidConfiguration, match="/workers"):
            await supervisor.restart("foo")
        assert (await ask(tmp_path, "foo")).split()[0] == str(after.pids[0])


async def test_a_killed_worker_is_replaced_at_once(tmp_path: Path) -> None:
    make_tenant(tmp_path, "foo", restart={"healthy_after_seconds": 0.01})
    async with supervising(tmp_path) as supervisor:
        await supervisor.start("foo")
        for _ in range(3):
            pid = supervisor.status("foo").pids[0]
            os.kill(pid, signal.SIGKILL)
            await until(lambda pid=pid: supervisor.status("foo").pids not in ([], [pid]))
        status = supervisor.status("foo")
        assert (status.state, status.restarts) == ("active", 3)
        assert status.last_exit is not None
        assert (status.last_exit.reason, status.last_exit.signal) == ("Crashed", "SIGKILL")


async def test_a_crash_loop_ends_in_failed_and_start_clears_it(tmp_path: Path) -> None:
    quick = {"burst": 3, "backoff_initial_seconds": 0.01}
    make_tenant(tmp_path, "foo", "exit=3", restart=quick)
    async with supervising(tmp_path) as supervisor:
        await until(lambda: state(supervisor, "foo") == "failed")
        status = supervisor.status("foo")
        assert "StartFailed" in (status.reason or "") and status.next_retry_at is not None
        make_tenant(tmp_path, "foo", restart=quick)
        await supervisor.start("foo")
        assert (state(supervisor, "foo"), supervisor.status("foo").restarts) == ("active", 0)


async def test_a_configuration_error_is_not_tried_again(tmp_path: Path) -> None:
    make_tenant(tmp_path, "foo", "exit=78")
    make_tenant(tmp_path, "bar")
    async with supervising(tmp_path) as supervisor:
        await until(lambda: state(supervisor, "foo") == "failed" and state(supervisor, "bar") == "active")
        assert supervisor.status("foo").next_retry_at is None
        assert supervisor.status("foo").restarts == 1


async def test_never_ready_times_out_and_stop_interrupts_a_start(tmp_path: Path) -> None:
    make_tenant(tmp_path, "slow", "never-ready", start_timeout_seconds=0.4)
    make_tenant(tmp_path, "long", "never-ready")
    async with supervising(tmp_path) as supervisor:
        with pytest.raises(StartFailed, match=r"0\.4 s"):
            await supervisor.start("slow")
        await until(lambda: state(supervisor, "long") == "activating")
        with trio.fail_after(15):
            await supervisor.stop("long")
        assert state(supervisor, "long") == "inactive"


async def test_the_probe_of_a_start_does_not_wake_a_sleeper(tmp_path: Path) -> None:
    make_tenant(tmp_path, "foo", "accepts-late")  # READY first: the probe still waits in the socket
    async with supervising(tmp_path) as supervisor:
        await supervisor.start("foo")
        await supervisor.sleep("foo")
        for _ in range(3):  # a connection in the socket is seen at the first look
            await trio.testing.wait_all_tasks_blocked(0.05)
            assert state(supervisor, "foo") == "asleep"


async def test_a_sleeper_wakes_with_its_first_connection(tmp_path: Path) -> None:
    make_tenant(tmp_path, "foo", idle_timeout_seconds=0.3)
    async with supervising(tmp_path) as supervisor:
        await until(lambda: state(supervisor, "foo") == "asleep")
        assert supervisor.status("foo").pids == []
        assert (await ask(tmp_path, "foo")).split()[1] == "2"
        await until(lambda: state(supervisor, "foo") == "asleep")
        await supervisor.wake("foo")
        await supervisor.stop("foo")
        with pytest.raises(NotRunning):
            await supervisor.sleep("foo")


async def test_scale_is_live(tmp_path: Path) -> None:
    make_tenant(tmp_path, "foo")
    async with supervising(tmp_path) as supervisor:
        await supervisor.start("foo")
        first = supervisor.status("foo").pids
        await supervisor.scale("foo", 3)
        assert len(supervisor.status("foo").pids) == 3
        assert supervisor.status("foo").pids[0] == first[0]
        await supervisor.scale("foo", 1)
        await until(lambda: len(supervisor.status("foo").processes) == 1)
        assert supervisor.status("foo").pids == first


async def test_a_deaf_worker_and_its_escaped_child_die_with_stop(tmp_path: Path) -> None:
    make_tenant(tmp_path, "foo", "deaf", stop_timeout_seconds=0.3)
    async with supervising(tmp_path) as supervisor:
        await supervisor.start("foo")
        pid = supervisor.status("foo").pids[0]
        escaped = int(await ask(tmp_path, "foo", "/spawn"))
        assert alive(escaped)
        await supervisor.stop("foo")
        await until(lambda: not alive(pid) and not alive(escaped))


async def test_folders_that_appear_and_vanish_are_noticed(tmp_path: Path) -> None:
    async with supervising(tmp_path) as supervisor, trio.open_nursery() as nursery:
        nursery.start_soon(supervisor.scan_forever)
        folder = make_tenant(tmp_path, "foo")
        await until(lambda: any(status.state == "active" for status in supervisor.statuses()))
        pid = supervisor.status("foo").pids[0]
        folder.rename(tmp_path / "elsewhere")
        await until(lambda: not supervisor.statuses())
        assert not alive(pid)
        nursery.cancel_scope.cancel()


async def test_kept_files_are_not_taken_up_again(tmp_path: Path) -> None:
    folder = make_tenant(tmp_path, "foo")
    async with supervising(tmp_path) as supervisor:
        await supervisor.remove("foo", keep_files=True)
    async with supervising(tmp_path) as supervisor:
        assert supervisor.statuses() == [] and folder.exists()
        await supervisor.add("foo", start=True)
        assert state(supervisor, "foo") == "active"


async def test_rollback_brings_back_the_files(tmp_path: Path) -> None:
    folder = make_tenant(tmp_path, "foo")
    history = tmp_path / "state" / "history" / "foo"
    async with supervising(tmp_path) as supervisor:
        (folder / "a.json").write_text("1")
        await supervisor.start("foo")
        await supervisor.restart("foo")
        await until(lambda: history.exists() and any(history.iterdir()))
        (folder / "a.json").write_text("2")
        (folder / "b.json").write_text("new")
        before = len(list(history.iterdir()))
        await supervisor.restart("foo")
        await until(lambda: len(list(history.iterdir())) == before + 1)
        assert (await supervisor.rollback("foo", None)).result == "done"
        assert (folder / "a.json").read_text() == "1" and not (folder / "b.json").exists()


async def test_output_is_kept_line_by_line(tmp_path: Path) -> None:
    make_tenant(tmp_path, "foo")
    async with supervising(tmp_path) as supervisor:
        await supervisor.start("foo")
        await supervisor.stop("foo")
        texts = [(entry.stream, entry.text) for entry in supervisor.journal("foo").tail(50)]
    assert ("stdout", "begins ") in texts and ("stdout", "ends") in texts
    assert texts[-1] == ("supervisor", "Stopped: exit code 0")


async def test_a_watched_folder_restarts_when_it_changes(tmp_path: Path) -> None:
    folder = make_tenant(tmp_path, "foo", watch=True)
    async with supervising(tmp_path) as supervisor:
        await supervisor.start("foo")
        (folder / "a.py").write_text("x = 1")
        await until(lambda: supervisor.status("foo").generation == 2 and state(supervisor, "foo") == "active")
