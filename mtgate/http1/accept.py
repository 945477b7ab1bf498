"""Taking connections from a listening socket.

In charge of: accepting without starving anyone, and living through a shortage of descriptors. Must not
know: HTTP.
"""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import socket
import time
from collections.abc import Callable

import trio

logger = logging.getLogger(__name__)

#: Taken at one wake-up; several processes share a listener, and each should get its part.
BATCH = 4
#: The kernel takes no more than this beyond what is on its way: a slow reader costs no megabytes of its
#: memory.
UNSENT_BYTES = 256 * 1024
_TCP_NOTSENT_LOWAT = 25  # Linux; the socket module has no name for it
_SHORTAGE = {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM}
SHORTAGE_PAUSE_SECONDS = 0.1
_LOG_EVERY_SECONDS = 1.0


def own_descriptor(listener: socket.socket | trio.socket.SocketType) -> socket.socket:
    """A non-blocking duplicate of the listener that belongs to the caller."""
    sock = socket.socket(fileno=os.dup(listener.fileno()))
    sock.setblocking(False)
    return sock


class Acceptor:
    """Accepts from one listener, until ``stop``; nothing is accepted after ``stop`` returned."""

    def __init__(
        self,
        listener: socket.socket | trio.socket.SocketType,
        connected: Callable[[socket.socket, object], None],
        spare: int = 0,
    ) -> None:
        self._listener = own_descriptor(listener)
        self._spare: list[int] = []
        self._spare_wanted = spare
        self._connected = connected
        self._scope = trio.CancelScope()
        self._logged = 0.0

    def fileno(self) -> int:
        """Of its own descriptor, -1 after ``stop``."""
        return self._listener.fileno()

    def stop(self) -> None:
        """Synchronous; the listener itself stays open for whoever else has it."""
        self._scope.cancel()
        self._close()

    async def run(self) -> None:
        """Until ``stop`` or cancelled.

        Calls ``connected`` with each new socket, non-blocking, and its address.
        """
        with self._scope:
            try:
                self._put_by()
                while True:
                    await trio.lowlevel.wait_readable(self._listener)
                    if not self._take_batch():
                        await trio.sleep(SHORTAGE_PAUSE_SECONDS)
            finally:
                self._close()

    def _close(self) -> None:
        self._listener.close()
        self._give_up_spare()

    def _put_by(self) -> None:
        """As many spare descriptors as are wanted, or can be had."""
        with contextlib.suppress(OSError):
            while len(self._spare) < self._spare_wanted:
                self._spare.append(os.dup(self._listener.fileno()))

    def _give_up_spare(self) -> bool:
        """True when there were any."""
        found, self._spare = self._spare, []
        for descriptor in found:
            os.close(descriptor)
        return bool(found)

    def _take_batch(self) -> bool:
        """False when descriptors or memory are short: what waits in the backlog has to wait longer."""
        self._put_by()
        for _ in range(BATCH):
            try:
                sock, address = self._listener.accept()
            except BlockingIOError:
                return True
            except OSError as error:
                if error.errno in _SHORTAGE:
                    if self._give_up_spare():
                        continue
                    self._complain(error)
                    return False
                continue  # The connection was gone before it was accepted: ECONNABORTED and the like.
            sock.setblocking(False)
            if sock.family != socket.AF_UNIX:
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                sock.setsockopt(socket.IPPROTO_TCP, _TCP_NOTSENT_LOWAT, UNSENT_BYTES)
            self._connected(sock, address)
        return True

    def _complain(self, error: OSError) -> None:
        if time.monotonic() - self._logged > _LOG_EVERY_SECONDS:
            self._logged = time.monotonic()
            logger.warning("cannot accept connections: %s; existing ones go on", error.strerror)
