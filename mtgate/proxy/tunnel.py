"""Bytes both ways after an upgrade.

In charge of: copying until both ends have ended, or one has broken. Must not know: what they mean. There
are no timeouts: a WebSocket may rest for hours, and keep-alive probes find the dead.
"""

from __future__ import annotations

import math
import socket

import trio

from mtgate.http1.connection import Incoming
from mtgate.http1.stream import StreamBroken, StreamTimeout


def keep_probing(sock: socket.socket) -> None:
    """Lets the kernel find out when a silent TCP peer is gone."""
    if sock.family != socket.AF_UNIX:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)


async def tunnel(client: Incoming, worker: Incoming, stall_seconds: float) -> int:
    """Begins with what is already in the buffers; the number of bytes that went to the client."""

    async def copy(source: Incoming, sink: Incoming) -> int:
        copied = 0
        try:
            while await source.begin(math.inf):
                data, source.buffer = source.buffer, b""
                copied += len(data)
                await sink.stream.send_all(data, stall_seconds)
            sink.stream.send_end()
        except (StreamBroken, StreamTimeout):
            nursery.cancel_scope.cancel()
        return copied

    async with trio.open_nursery() as nursery:
        nursery.start_soon(copy, client, worker)
        return await copy(worker, client)
