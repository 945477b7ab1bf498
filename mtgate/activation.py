"""Socket activation: public listeners that systemd has bound (sd_listen_fds(3)).

In charge of: taking the descriptors over and saying their addresses. Must not know: what is served on them.
"""

from __future__ import annotations

import os
import socket
from collections.abc import MutableMapping

from mtgate.settings import TcpAddress, UnixAddress

FIRST_DESCRIPTOR = 3


def take(environ: MutableMapping[str, str], pid: int) -> dict[str, int]:
    """Descriptors by address; none when this process was not given any.

    Their addresses become ``MTGATE_LISTEN``, so that a program that replaces this one asks for the same;
    ``LISTEN_*`` are taken out, because no child shall believe that it is meant.
    """
    given = {name: environ.pop(name, "") for name in ("LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES")}
    if given["LISTEN_PID"] != str(pid) or not given["LISTEN_FDS"].isdigit():
        return {}
    numbers = range(FIRST_DESCRIPTOR, FIRST_DESCRIPTOR + int(given["LISTEN_FDS"]))
    taken = {_address(number): number for number in numbers}
    environ["MTGATE_LISTEN"] = ",".join(taken)
    return taken


def _address(number: int) -> str:
    """The address of a listening socket, as ``--listen`` spells it."""
    os.set_inheritable(number, False)
    with socket.socket(fileno=os.dup(number)) as listener:
        listener.setblocking(False)
        name = listener.getsockname()
    if isinstance(name, str):
        return str(UnixAddress(name))
    return str(TcpAddress(name[0], name[1]))
