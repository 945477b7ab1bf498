"""Asks the zygote for forks, keeps one alive, and does without one when there is none.

In charge of: the zygote's process and the socket to it. Must not know: tenants. One request at a time is
under way: a fork takes the zygote's whole attention anyway.
"""

from __future__ import annotations

import json
import logging
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import trio

from mtgate.supervisor.process import Children, Process, watched

logger = logging.getLogger(__name__)

MESSAGE_BYTES = 65536
#: Between a zygote's death and its successor's start; grows so that one that cannot live costs little.
RESTART_SECONDS = (0.0, 0.5, 2.0, 10.0)
#: A fork that takes longer than this means that the zygote hangs.
ANSWER_SECONDS = 20.0
#: A start waits for the first zygote to be warm, but not longer.
FIRST_SECONDS = 15.0


class ForkFailed(Exception):
    """No process could be made; the text says why."""


class Zygote:
    """The daemon's side of the zygote."""

    def __init__(self, children: Children, *, enabled: bool = True) -> None:
        self._enabled = enabled
        self._children = children
        self._channel: socket.socket | None = None
        self._process: Process | None = None
        self._asking = trio.Lock()
        self._tried = trio.Event()
        self.forks = 0
        self.fallbacks = 0

    @property
    def pid(self) -> int | None:
        """The warm zygote's pid, or None while there is none."""
        return self._process.pid if self._process is not None and self._channel is not None else None

    async def run(self) -> None:
        """Keeps a zygote running; without one every start executes an interpreter."""
        if not self._enabled:
            self._tried.set()
            return
        failures = 0
        while True:
            try:
                process, channel = self._spawn(["{fd}"])
            except (ForkFailed, OSError) as error:
                logger.error("no zygote, workers are executed instead: %s", error)
                self._tried.set()
                failures = min(failures + 1, len(RESTART_SECONDS) - 1)
                await trio.sleep(RESTART_SECONDS[failures])
                continue
            self._process = process
            try:
                ready = await _receive(channel)
                if ready:
                    failures = 0
                    self._channel = channel
                    logger.info("zygote ready, pid %d", process.pid)
                    for problem in json.loads(ready)["problems"]:
                        logger.warning("the zygote could not preload %s", problem)
                self._tried.set()
                ended = await process.watch()
            finally:
                self._channel = None
                channel.close()
            self._children.disown(process.pid)
            logger.warning("zygote %d ended (%s), starting another", process.pid, ended)
            await trio.sleep(RESTART_SECONDS[min(failures, len(RESTART_SECONDS) - 1)])
            failures += 1

    async def fork(self, request: dict[str, Any], descriptors: list[int]) -> int:
        """The pid of a new child of ours, owned; by exec of a fresh interpreter when there is no warm
        zygote. The first one is waited for: an interpreter for each tenant meanwhile would take longer."""
        with trio.move_on_after(FIRST_SECONDS):
            await self._tried.wait()
        async with self._asking:
            with self._children.forking():
                pid = await self._ask(request, descriptors)
                if pid is None:
                    self.fallbacks += 1
                    pid = await self._exec(request, descriptors)
                else:
                    self.forks += 1
                self._children.own(pid)
        return pid

    async def _ask(self, request: dict[str, Any], descriptors: list[int]) -> int | None:
        """None when the zygote is not there, or died before it answered."""
        channel = self._channel
        if channel is None:
            return None
        try:
            with trio.move_on_after(ANSWER_SECONDS) as limit:
                # A cancelled wait would leave the answer for the next asker.
                limit.shield = True
                await _send(channel, request, descriptors)
                answer = await _receive(channel)
        except OSError:
            return None
        if limit.cancelled_caught:
            assert self._process is not None
            self._process.kill_tree()
            self._channel = None
            return None
        if not answer:
            return None
        document = json.loads(answer)
        if "error" in document:
            raise ForkFailed(document["error"])
        return int(document["pid"])

    async def _exec(self, request: dict[str, Any], descriptors: list[int]) -> int:
        """The same child from a cold interpreter: the same steps, only slower."""
        process, channel = self._spawn(["--once", "{fd}"], owned=False)
        os.close(process.pidfd)
        try:
            with trio.CancelScope(shield=True):
                await _send(channel, request, descriptors)
                if not await _receive(channel):
                    raise ForkFailed("the interpreter for the worker ended before it began")
        except OSError as error:
            raise ForkFailed(f"the interpreter for the worker cannot be reached: {error.strerror}") from error
        finally:
            channel.close()
        return process.pid

    def _spawn(self, arguments: list[str], *, owned: bool = True) -> tuple[Process, socket.socket]:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs, self._children.forking():
            descriptor = theirs.fileno()
            words = [word.format(fd=descriptor) for word in arguments]
            try:
                child = subprocess.Popen(
                    [sys.executable, "-P", "-m", "tenant_runtime.zygote", *words],
                    pass_fds=[descriptor],
                    env=_environment(),
                    stdin=subprocess.DEVNULL,
                )
            except OSError as error:
                ours.close()
                raise ForkFailed(f"no interpreter can be started: {error.strerror}") from error
            child.returncode = 0  # reaped by us: Popen must not wait for a pid that may be another's by then
            self._children.own(child.pid)
        ours.setblocking(False)
        try:
            return watched(child.pid, self._children, group=False), ours
        except OSError:
            ours.close()
            raise


def _environment() -> dict[str, str]:
    """The zygote's own: it must find the code, and hold nothing that a tenant must not see."""
    code = str(Path(__file__).resolve().parent.parent.parent)
    passed = {
        name: value for name in ("PATH", "LANG", "LC_ALL", "TZ", "HOME") if (value := os.environ.get(name))
    }
    path = os.pathsep.join([code, *filter(None, [os.environ.get("PYTHONPATH")])])
    return {**passed, "PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1"}


async def _send(channel: socket.socket, request: dict[str, Any], descriptors: list[int]) -> None:
    """One message with descriptors. The socket is never full: one request is under way at a time."""
    await trio.lowlevel.wait_writable(channel)
    socket.send_fds(channel, [json.dumps(request).encode()], descriptors)


async def _receive(channel: socket.socket) -> bytes:
    """One message; empty at the end."""
    await trio.lowlevel.wait_readable(channel)
    return channel.recv(MESSAGE_BYTES)
