"""A seeded random walk over commands, kills and daemon restarts, against a model of what must be."""

from __future__ import annotations

import contextlib
import os
import random
import signal
from pathlib import Path

import pytest
import trio

from mtgate.errors import GateError
from mtgate.supervisor.supervisor import Supervisor
from tests.mtgate.supervisor.supervising import make_tenant, supervising, until

NAMES = ("foo", "bar", "zoo")
COMMANDS = ("add", "add", "remove", "start", "stop", "restart", "kill", "sleep", "end")
STEPS = 40


def states(supervisor: Supervisor) -> dict[str, str]:
    return {one.id: one.state for one in supervisor.statuses()}


async def do(supervisor: Supervisor, root: Path, command: str, name: str, model: dict[str, str]) -> None:
    """One command, on the real thing and on the model."""
    known = name in model
    if command == "add" and not known:
        make_tenant(root, name, restart={"healthy_after_seconds": 0.001})
        await supervisor.add(name, start=True)
        model[name] = "active"
    elif not known:
        with contextlib.suppress(GateError):
            await supervisor.start(name)
            raise AssertionError(f"{name} does not exist")
    elif command == "remove":
        await supervisor.remove(name, keep_files=False)
        del model[name]
    elif command == "kill":
        for pid in supervisor.status(name).pids:
            os.kill(pid, signal.SIGKILL)
    elif command == "sleep":
        if model[name] == "active":
            await until(lambda: supervisor.status(name).state == "active")
            await supervisor.sleep(name)
            model[name] = "asleep"
    elif command in ("start", "stop", "restart"):
        await getattr(supervisor, command)(name)
        model[name] = "inactive" if command == "stop" else "active"


@pytest.mark.parametrize("seed", [1, 2])
async def test_commands_in_any_order(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    model: dict[str, str] = {}
    left = STEPS
    while left > 0:
        async with supervising(tmp_path) as supervisor:
            while left > 0:
                left -= 1
                command = chance.choice(COMMANDS)
                if command == "end":
                    break
                await do(supervisor, tmp_path, command, chance.choice(NAMES), model)
                with trio.move_on_after(60) as limit:
                    await until(lambda: states(supervisor) == model)
                assert not limit.cancelled_caught, (command, states(supervisor), model)
                for status in supervisor.statuses():
                    assert len(status.pids) == (status.state == "active")


async def test_conflicting_commands_at_once_leave_an_order(tmp_path: Path) -> None:
    make_tenant(tmp_path, "foo")
    results: list[str] = []
    async with supervising(tmp_path) as supervisor:

        async def command(word: str) -> None:
            try:
                results.append((await getattr(supervisor, word)("foo")).result)
            except GateError as error:
                results.append(error.code)

        async with trio.open_nursery() as nursery:
            for word in ("start", "stop", "restart", "start", "stop", "restart", "stop", "start") * 3:
                nursery.start_soon(command, word)
        status = supervisor.status("foo")
        assert (status.state, status.desired) in {("active", "running"), ("inactive", "stopped")}
    assert len(results) == 24
    assert set(results) <= {"done", "already", "conflict"}
