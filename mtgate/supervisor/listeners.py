"""Tenants' listening sockets, and noticing the first connection to one that sleeps.

In charge of: binding, whose file a path is, one nested epoll for all sleepers. Must not know: what a tenant
is. A sleeper costs a descriptor and 56 bytes in the kernel, no task (figures: docs/performance.md).
"""

from __future__ import annotations

import contextlib
import os
import select
import socket
import stat
from collections.abc import Callable
from pathlib import Path

import trio

#: As much as the kernel allows (net.core.somaxconn): the queue is what makes a restart invisible.
BACKLOG = 65535


class PathTaken(Exception):
    """Something that is not our stale socket is at the path; it was left alone."""


def bind(path: Path, uid: int | None, gid: int | None, mode: int = 0o660) -> socket.socket:
    """A listening Unix socket at `path`.

    A stale socket (nobody answers) is replaced; a live one, a file, a folder or a link is PathTaken. The
    socket appears under its name only when owner and mode are set: bound at a temporary name, then renamed.
    """
    _check_free(path)
    temporary = path.with_name(f".{path.name[:60]}.{os.getpid()}")
    with contextlib.suppress(FileNotFoundError):
        temporary.unlink()
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.setblocking(False)
    try:
        previous = os.umask(0o177)
        try:
            listener.bind(str(temporary))
        finally:
            os.umask(previous)
        if uid is not None and gid is not None:
            os.chown(temporary, uid, gid, follow_symlinks=False)
        temporary.chmod(mode)
        listener.listen(BACKLOG)
        temporary.rename(path)
    except BaseException:
        listener.close()
        temporary.unlink(missing_ok=True)
        raise
    return listener


def _check_free(path: Path) -> None:
    try:
        kind = path.lstat().st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(kind):
        raise PathTaken(f"{path} exists and is not a socket; move it away")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.setblocking(False)
        try:
            probe.connect(str(path))
        except ConnectionRefusedError:
            return
        except BlockingIOError:
            pass
    raise PathTaken(f"{path}: another process listens there")


class Sleepers:
    """Listeners without a worker; the first connection to one calls its function, once."""

    def __init__(self) -> None:
        self._epoll = select.epoll()
        self._wake: dict[int, Callable[[], None]] = {}

    def add(self, listener: socket.socket, wake: Callable[[], None]) -> None:
        """Calls `wake` at the next connection, also at one that waits already."""
        descriptor = listener.fileno()
        if descriptor not in self._wake:
            self._epoll.register(descriptor, select.EPOLLIN)
        self._wake[descriptor] = wake

    def remove(self, listener: socket.socket) -> None:
        """Takes it out; nothing when it was not in."""
        if self._wake.pop(listener.fileno(), None) is not None:
            self._epoll.unregister(listener.fileno())

    async def watch(self) -> None:
        """Waits on the epoll's own descriptor: one registration in trio for all of them."""
        while True:
            await trio.lowlevel.wait_readable(self._epoll.fileno())
            for descriptor, _ in self._epoll.poll(0):
                wake = self._wake.pop(descriptor, None)
                self._epoll.unregister(descriptor)
                if wake is not None:
                    wake()
