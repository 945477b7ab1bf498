"""Tenants' listening sockets, and noticing the first connection to one that sleeps.

In charge of: binding, whose file a path is, one nested epoll for all sleepers. Must not know: what a tenant
is. A sleeper costs a descriptor and 56 bytes in the kernel, no task (figures: docs/performance.md).
"""

from __future__ import annotations

import contextlib
import errno
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
    name = str(path)
    _check_free(name)
    temporary = os.path.join(os.path.dirname(name), f".{os.path.basename(name)[:60]}.{os.getpid()}")
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.setblocking(False)
    try:
        _bind_closed(listener, temporary)
        if uid is not None and gid is not None:
            os.chown(temporary, uid, gid, follow_symlinks=False)
        os.chmod(temporary, mode)
        listener.listen(BACKLOG)
        os.rename(temporary, name)
    except BaseException:
        listener.close()
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary)
        raise
    return listener


def bind_own(name: str, uid: int | None, gid: int | None, mode: int = 0o660) -> socket.socket:
    """A listening Unix socket in a folder that only the daemon of this root writes to, and it holds the lock.

    A socket that is there can only be left over from a daemon that has died: it makes room without being
    asked, and ours needs no temporary name. Until it is given away nobody but us may connect. Anything else
    than a socket is PathTaken. Thousands of these are bound at a start: names are strings.
    """
    try:
        if not stat.S_ISSOCK(os.lstat(name).st_mode):
            raise PathTaken(f"{name} exists and is not a socket; move it away")
        os.unlink(name)
    except FileNotFoundError:
        pass
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
    previous = os.umask(0o777 & ~mode)
    try:
        listener.bind(name)
        if uid is not None and gid is not None:
            os.chown(name, uid, gid, follow_symlinks=False)
        listener.listen(BACKLOG)
    except BaseException:
        listener.close()
        raise
    finally:
        os.umask(previous)
    return listener


def _bind_closed(listener: socket.socket, name: str) -> None:
    """Binds with no rights for anybody; a leftover of a daemon with our pid makes room."""
    previous = os.umask(0o177)
    try:
        listener.bind(name)
    except OSError as error:
        if error.errno != errno.EADDRINUSE:
            raise
        os.unlink(name)
        listener.bind(name)
    finally:
        os.umask(previous)


def _check_free(name: str) -> None:
    try:
        kind = os.lstat(name).st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(kind):
        raise PathTaken(f"{name} exists and is not a socket; move it away")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.setblocking(False)
        try:
            probe.connect(name)
        except ConnectionRefusedError:
            return
        except BlockingIOError:
            pass
    raise PathTaken(f"{name}: another process listens there")


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
