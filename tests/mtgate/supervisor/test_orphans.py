"""A daemon that dies is replaced: its workers are adopted, or taken down, by setting (fault matrix, rows 6
and 21)."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import trio

from tests.mtgate.supervisor import supervising as script
from tests.mtgate.supervisor.supervising import alive, ask, make_tenant, paths_of, supervising, until


async def killed_daemon(root: Path, *words: str) -> int:
    """Starts a daemon, waits until foo serves, kills it; foo's pid."""
    daemon = await trio.lowlevel.open_process(
        [sys.executable, str(script.__file__), str(root), *words],
        env={**os.environ, "PYTHONPATH": os.getcwd()},
        stdin=subprocess.DEVNULL,
    )
    records = paths_of(root).run / "workers"
    await until(lambda: records.is_dir() and any(records.glob("*.json")))
    pid = int((await ask(root, "foo")).split()[0])
    daemon.kill()
    await daemon.wait()
    return pid


@pytest.mark.skipif(os.geteuid() != 0, reason="another's descriptors need root")
async def test_a_successor_adopts_what_runs(tmp_path: Path) -> None:
    make_tenant(tmp_path, "foo")
    pid = await killed_daemon(tmp_path, "--adopt")
    assert (await ask(tmp_path, "foo")).split()[0] == str(pid)  # it serves while there is no daemon
    async with supervising(tmp_path, adopt=True) as supervisor:
        status = supervisor.status("foo")
        assert (status.state, status.pids) == ("active", [pid])
        await until(lambda: any("served" in entry.text for entry in supervisor.journal("foo").tail(50)))
        await supervisor.restart("foo")
        assert supervisor.status("foo").pids != [pid]
        await until(lambda: not alive(pid))


@pytest.mark.skipif(os.geteuid() != 0, reason="another's descriptors need root")
async def test_a_successor_stops_what_is_not_wanted_to_run(tmp_path: Path) -> None:
    """The daemon died in a stop, or in a start before the disk knew of it."""
    make_tenant(tmp_path, "foo")
    pid = await killed_daemon(tmp_path, "--adopt")
    state = paths_of(tmp_path).state / "tenants.json"
    state.write_text(state.read_text().replace('"running"', '"stopped"'))
    async with supervising(tmp_path, adopt=True) as supervisor:
        await until(lambda: supervisor.status("foo").state == "inactive")
        await until(lambda: not alive(pid))


async def test_a_successor_ends_what_runs(tmp_path: Path) -> None:
    make_tenant(tmp_path, "foo")
    pid = await killed_daemon(tmp_path, "--adopt")
    async with supervising(tmp_path) as supervisor:
        await until(lambda: supervisor.status("foo").state == "active")
        assert supervisor.status("foo").pids != [pid]
        await until(lambda: not alive(pid))


async def test_without_adoption_workers_die_with_the_daemon(tmp_path: Path) -> None:
    make_tenant(tmp_path, "foo")
    pid = await killed_daemon(tmp_path)
    await until(lambda: not alive(pid))


async def test_a_record_of_another_process_is_no_target(tmp_path: Path) -> None:
    """The pid was used again: the stranger gets no signal."""
    make_tenant(tmp_path, "foo")
    records = paths_of(tmp_path).run / "workers"
    records.mkdir(parents=True)
    document = {
        "tenant": "foo",
        "pid": os.getpid(),
        "start_time": 1,
        "generation": 1,
        "number": 0,
        "started_at": "",
    }
    (records / f"{os.getpid()}.json").write_text(json.dumps(document))
    async with supervising(tmp_path) as supervisor:
        await until(lambda: supervisor.status("foo").state == "active")
    assert not (records / f"{os.getpid()}.json").exists()
