"""The daemon's own listening sockets: the public ones and the control socket.

In charge of: which are given by systemd or by the program before us, and binding the others. Must not know:
who serves them.
"""

from __future__ import annotations

import errno
import os
import socket
from pathlib import Path

import trio

from mtgate.control.roles import group_id
from mtgate.paths import Paths
from mtgate.service_manager import DescriptorStore, public_name
from mtgate.settings import ControlSettings, Settings, TcpAddress, UnixAddress
from mtgate.supervisor.handover import Handover
from mtgate.supervisor.listeners import bind

ADDRESS_TRIES, ADDRESS_PAUSE_SECONDS = 30, 0.1


class Sockets:
    """The daemon's own listening sockets: the public ones by address, and the control socket."""

    def __init__(self, public: dict[str, socket.socket], control: socket.socket) -> None:
        self.public = public
        self.control = control

    @classmethod
    async def open(
        cls, settings: Settings, left: Handover | None, activated: dict[str, int], store: DescriptorStore
    ) -> Sockets:
        """Those that the program before us or systemd left, and new ones for the other addresses."""
        inherited = activated if left is None else left.public
        public = {}
        for address in settings.server.addresses:
            number = inherited.pop(str(address), None)
            if number is None:
                number = store.take(public_name(str(address)))
            if number is None:
                public[str(address)] = await open_listener(address)
                store.keep(public_name(str(address)), public[str(address)].fileno())
            else:
                public[str(address)] = socket.socket(fileno=number)
                public[str(address)].setblocking(False)
        for number in inherited.values():
            os.close(number)
        control = (
            socket.socket(fileno=left.control) if left else open_control(settings.paths, settings.control)
        )
        return cls(public, control)

    def close(self) -> None:
        """All of them."""
        for one in (*self.public.values(), self.control):
            one.close()


def open_control(paths: Paths, settings: ControlSettings) -> socket.socket:
    """The control socket; as root the operators' group may connect to it."""
    paths.control.parent.mkdir(parents=True, exist_ok=True, mode=0o755)
    group = group_id(settings.operator_group) if os.geteuid() == 0 else None
    return bind(paths.control, None if group is None else 0, group)


async def open_listener(address: TcpAddress | UnixAddress) -> socket.socket:
    """A public listening socket; OSError names the address.

    An address in use is tried again for a while: the proxies of a daemon that was killed let go of it in a
    moment.
    """
    for _ in range(ADDRESS_TRIES):
        try:
            return bind_address(address)
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise
        await trio.sleep(ADDRESS_PAUSE_SECONDS)
    return bind_address(address)


def bind_address(address: TcpAddress | UnixAddress) -> socket.socket:
    """One try."""
    if isinstance(address, UnixAddress):
        return bind(Path(address.path), None, None, mode=0o666)
    family, _, _, _, target = socket.getaddrinfo(
        address.host, address.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )[0]
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        listener.bind(target)
        listener.listen(4096)
        listener.setblocking(False)
    except OSError as error:
        listener.close()
        raise OSError(error.errno, f"{address}: {error.strerror}") from error
    return listener
