"""Descriptors from systemd: public listeners that it has bound, and those it kept for us (sd_listen_fds(3)).

In charge of: taking the descriptors over and saying their addresses or names. Must not know: what is served
on them.
"""

from __future__ import annotations

import os
import socket
from collections.abc import MutableMapping
from dataclasses import dataclass, field

from mtgate.settings import TcpAddress, UnixAddress

FIRST_DESCRIPTOR = 3
#: What names in the descriptor store begin with (`service_manager`); all others are of socket units.
STORED = ("tenant-", "public-")


@dataclass(frozen=True, slots=True)
class Given:
    """Descriptors: `public` by address, `stored` by the name in the descriptor store."""

    public: dict[str, int] = field(default_factory=dict)
    stored: dict[str, int] = field(default_factory=dict)


def take(environ: MutableMapping[str, str], pid: int) -> Given:
    """None when this process was not given any.

    The public addresses become ``MTGATE_LISTEN``, so that a program that replaces this one asks for the same;
    ``LISTEN_*`` are taken out, because no child shall believe that it is meant.
    """
    given = {name: environ.pop(name, "") for name in ("LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES")}
    if given["LISTEN_PID"] != str(pid) or not given["LISTEN_FDS"].isdigit():
        return Given()
    taken = Given()
    names = given["LISTEN_FDNAMES"].split(":")
    for index in range(int(given["LISTEN_FDS"])):
        name, number = names[index] if index < len(names) else "", FIRST_DESCRIPTOR + index
        os.set_inheritable(number, False)
        if name.startswith(STORED):
            taken.stored[name] = number
        else:
            taken.public[_address(number)] = number
    if taken.public:
        environ["MTGATE_LISTEN"] = ",".join(taken.public)
    return taken


def _address(number: int) -> str:
    """The address of a listening socket, as ``--listen`` spells it."""
    with socket.socket(fileno=os.dup(number)) as listener:
        listener.setblocking(False)
        name = listener.getsockname()
    if isinstance(name, str):
        return str(UnixAddress(name))
    return str(TcpAddress(name[0], name[1]))
