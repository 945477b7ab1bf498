"""The daemon dies at every named point of every change, and its successor finds order (fault matrix, rows 6
to 10)."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import trio

from mtgate.supervisor.crash_point import POINTS
from tests.mtgate.supervisor import supervising as script
from tests.mtgate.supervisor.supervising import ask, make_tenant, supervising, until

#: Words that lead past each point, and the states that may be found afterwards ("" is: no such tenant).
WALKS: dict[str, tuple[str, set[str]]] = {
    "state.before-write": ("stop foo", {"active"}),
    "state.after-write": ("stop foo", {"active"}),
    "state.after-rename": ("stop foo", {"inactive"}),
    "add.before-socket": ("add new", {"active"}),
    "add.after-socket": ("add new", {"active"}),
    "add.after-state": ("add new", {"active"}),
    "remove.after-state": ("remove foo", {""}),
    "remove.after-stop": ("remove foo", {""}),
    "remove.after-delete": ("remove foo", {""}),
    "start.after-state": ("stop foo start foo", {"active"}),
    "start.after-fork": ("start foo", {"active"}),
    "start.after-ready": ("start foo", {"active"}),
    "stop.after-state": ("stop foo", {"inactive"}),
    "stop.after-exit": ("start foo stop foo", {"inactive"}),
    "swap.before-switch": ("start foo restart foo", {"active"}),
    "swap.after-drain": ("start foo restart foo", {"active"}),
    "swap.after-switch": ("start foo restart foo", {"active"}),
}


def test_every_point_is_walked() -> None:
    assert set(WALKS) == set(POINTS)


@pytest.mark.parametrize("point", WALKS)
async def test_the_successor_finds_order(tmp_path: Path, point: str) -> None:
    words, allowed = WALKS[point]
    turn = 2 if point in ("add.before-socket", "add.after-socket") else 1  # foo passes these first
    name = words.split()[-1]
    make_tenant(tmp_path, "foo")
    async with supervising(tmp_path) as supervisor:  # a state file to begin with
        await supervisor.start("foo")
    with trio.fail_after(60):  # the end of its error output: what it started must have ended too
        died = await trio.run_process(
            [sys.executable, str(script.__file__), str(tmp_path), *words.split()],
            env={**os.environ, "MTGATE_CRASH_AT": f"{point}:{turn}", "PYTHONPATH": os.getcwd()},
            check=False,
            capture_stderr=True,
            stdin=subprocess.DEVNULL,
        )
    assert died.returncode == -signal.SIGKILL, died.stderr.decode()
    async with supervising(tmp_path) as supervisor:
        await until(lambda: state_of(supervisor, name) in allowed)
        if allowed == {"active"}:
            assert (await ask(tmp_path, name)).split()[0] == str(supervisor.status(name).pids[0])
        elif allowed == {""}:
            assert not (tmp_path / "tenants" / name).exists()
            make_tenant(tmp_path, name)
            await supervisor.add(name, start=True)
        else:
            await supervisor.start(name)
        assert state_of(supervisor, name) == "active"


def state_of(supervisor: object, name: str) -> str:
    found = [status.state for status in supervisor.statuses() if status.id == name]  # type: ignore[attr-defined]
    return found[0] if found else ""
