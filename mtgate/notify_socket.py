"""sd_notify(3): a daemon's words to whoever started it.

In charge of: the datagram in both directions. systemd listens under ``Type=notify``, ``mtgate start``
otherwise. Must not know: what is said.
"""

from __future__ import annotations

import os
import socket
from pathlib import Path

VARIABLE = "NOTIFY_SOCKET"


#: A service manager that does not read for so long is not waited for.
SEND_SECONDS = 0.2


def tell(text: str, descriptor: int | None = None) -> bool:
    """Send assignments, such as ``READY=1``, to ``$NOTIFY_SOCKET``; false when nobody listens.

    A descriptor goes along with them (``FDSTORE=1``).
    """
    address = os.environ.get(VARIABLE)
    if not address:
        return False
    # a name starting with @ is in the abstract namespace, written with a zero byte
    target = "\0" + address[1:] if address.startswith("@") else address
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sender:
            sender.settimeout(SEND_SECONDS)
            sender.connect(target)
            if descriptor is None:
                sender.send(text.encode())
            else:
                socket.send_fds(sender, [text.encode()], [descriptor])
    except OSError:
        return False  # who started us has gone, or we are out of descriptors: no reason to fail
    return True


def listen(path: Path) -> socket.socket:
    """A socket at which a child with NOTIFY_SOCKET=path is heard; the caller closes it."""
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
    listener.bind(str(path))
    return listener
