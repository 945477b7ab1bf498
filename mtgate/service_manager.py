"""What the daemon has with the service manager that started it: kept descriptors, a watchdog, a status line.

In charge of: systemd's descriptor store (sd_pid_notify_with_fds(3)), `WATCHDOG=1` in time, `STATUS=` after
changes. Must not know: what a descriptor is for. Without a service manager nothing of it happens.
"""

from __future__ import annotations

import hashlib
import logging
import os
from collections.abc import Callable, Mapping

import trio

from mtgate import notify, notify_socket

logger = logging.getLogger(__name__)

STATUS_SECONDS = 2.0


def tenant_name(tenant_id: str) -> str:
    """Of a tenant's socket in the store."""
    return f"tenant-{tenant_id}"


def public_name(address: str) -> str:
    """Of a public listener; the store allows no colon."""
    return f"public-{hashlib.blake2s(address.encode(), digest_size=8).hexdigest()}"


class DescriptorStore:
    """Listening sockets that outlive the daemon: what waits in their queues is served by the next one.

    `limit` is what the service manager keeps, `taken` what it has given back, by name.
    """

    def __init__(self, limit: int = 0, taken: Mapping[str, int] | None = None) -> None:
        self._limit = limit
        self._taken = dict(taken or {})
        self._kept = set(self._taken)

    @classmethod
    def find(cls, environ: Mapping[str, str], taken: Mapping[str, int]) -> DescriptorStore:
        """`$FDSTORE` says how many there may be (systemd 254 sets it, our unit for older ones)."""
        limit = environ.get("FDSTORE", "")
        return cls(int(limit) if limit.isdigit() else 0, taken)

    def take(self, name: str) -> int | None:
        """The descriptor kept under that name, now the caller's."""
        return self._taken.pop(name, None)

    def leave(self, name: str) -> None:
        """Stays kept; the caller has the descriptor from elsewhere."""
        number = self._taken.pop(name, None)
        if number is not None:
            os.close(number)

    def keep(self, name: str, descriptor: int) -> None:
        """Has it kept, while there is room."""
        if len(self._kept) >= self._limit:
            return
        if notify_socket.tell(f"FDSTORE=1\nFDNAME={name}", descriptor):
            self._kept.add(name)
        else:
            logger.warning("the service manager keeps no descriptors; what waits for a dead daemon is lost")
            self._limit = 0

    def drop(self, name: str) -> None:
        """Has it forgotten; nothing when it is not kept."""
        if name in self._kept:
            self._kept.remove(name)
            notify_socket.tell(f"FDSTOREREMOVE=1\nFDNAME={name}")

    def drop_rest(self) -> None:
        """What was given back and nobody took: closed and forgotten."""
        for name, number in self._taken.items():
            os.close(number)
            self.drop(name)
        self._taken = {}


def watchdog_seconds(environ: Mapping[str, str], pid: int) -> float | None:
    """Between two words of life, half of what is allowed (sd_watchdog_enabled(3)); None: nobody waits."""
    allowed = environ.get("WATCHDOG_USEC", "")
    if not allowed.isdigit() or not int(allowed) or environ.get("WATCHDOG_PID", str(pid)) != str(pid):
        return None
    return int(allowed) / 2_000_000


async def feed_watchdog(seconds: float) -> None:
    """Until cancelled; a loop that hangs says nothing, and the service manager ends it."""
    while True:
        notify_socket.tell(notify.WATCHDOG)
        await trio.sleep(seconds)


async def tell_status(serial: Callable[[], int], text: Callable[[], str]) -> None:
    """Until cancelled: the text after changes, which a new serial number shows."""
    told = -1
    while True:
        if serial() != told:
            told = serial()
            notify_socket.tell(notify.status(text()))
        await trio.sleep(STATUS_SECONDS)
