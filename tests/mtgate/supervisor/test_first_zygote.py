"""The daemon's side of the zygote, with a real one: starts wait for the first, and do without a dead one."""

from __future__ import annotations

import os
import signal

import trio

from mtgate.supervisor import spec
from mtgate.supervisor.process import Children, Process, become_subreaper
from mtgate.supervisor.zygote import Zygote

REQUEST = {
    "fds": [spec.STDOUT, spec.STDERR],
    "argv": ["true"],
    "environment": {"MTGATE_TENANT": "foo", "PATH": os.defpath},
    "directory": "/",
    "cgroup": None,
    "sandbox": None,
}


async def forked(zygote: Zygote) -> int | None:
    """The exit code of a child of it."""
    with open(os.devnull, "w") as null:
        request = {**REQUEST, "parent": os.getpid()}
        pid = await zygote.fork(request, [null.fileno(), null.fileno()])
    return (await Process(pid).watch()).code


async def test_a_start_waits_for_the_first_zygote_and_does_without_one_that_died() -> None:
    become_subreaper()
    zygote = Zygote(Children())
    with trio.fail_after(100):  # before the limit of a test, which breaks trio for those that follow
        async with trio.open_nursery() as nursery:
            nursery.start_soon(zygote.run)
            assert await forked(zygote) == 0
            assert (zygote.forks, zygote.fallbacks) == (1, 0)
            assert zygote.pid is not None
            os.kill(zygote.pid, signal.SIGKILL)
            while zygote.pid is not None:
                await trio.sleep(0.01)
            assert await forked(zygote) == 0
            assert zygote.forks + zygote.fallbacks == 2
            nursery.cancel_scope.cancel()
