"""The daemon: one process that owns every listening socket, the desired state and the journals.

In charge of: wiring the edges together and ending them in order. Must not know: HTTP, models, or any one
tenant.
"""

from __future__ import annotations

import contextlib
import fcntl
import logging
import os
import resource
import signal
import socket
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import trio

from mtgate import log, notify_socket
from mtgate.control.roles import group_id
from mtgate.control.server import control_server
from mtgate.paths import Paths
from mtgate.proxy.feed import Callbacks, Certificate, ProxyFeed, PublicListener, read_error_pages
from mtgate.sandbox import layers
from mtgate.settings import ControlSettings, Settings, TcpAddress, UnixAddress
from mtgate.supervisor.desired import DesiredState
from mtgate.supervisor.events import Events
from mtgate.supervisor.history import History
from mtgate.supervisor.isolation import WORDS, Isolation, search_path
from mtgate.supervisor.launcher import Launcher
from mtgate.supervisor.listeners import Sleepers, bind
from mtgate.supervisor.process import Children, become_subreaper
from mtgate.supervisor.proxies import AccessLog, ProxyRoutes
from mtgate.supervisor.supervisor import Supervisor
from mtgate.supervisor.tenant import Services, Tenant
from mtgate.supervisor.zygote import Zygote

logger = logging.getLogger(__name__)


class AlreadyRunning(Exception):
    """Another daemon has this root; the text names its process."""


class TooWeak(Exception):
    """The settings ask for more isolation than there is."""


async def run(settings: Settings) -> None:
    """Until TERM or INT. AlreadyRunning, StateUnreadable and OSError (address in use) come before anything
    starts."""
    log.set_up(settings.log.level, settings.log.format)
    paths = settings.paths
    # TERM and INT that come while the daemon starts wait until it has, then end it in order
    with trio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals, only_daemon(paths.run):
        desired = DesiredState(paths.state)
        desired.load()
        isolation = find_isolation(settings)
        raise_descriptor_limit()
        become_subreaper()
        listeners = [open_listener(address) for address in settings.server.addresses]
        try:
            await _run(settings, desired, isolation, listeners, signals)
        finally:
            for listener in listeners:
                listener.close()


async def _run(
    settings: Settings,
    desired: DesiredState,
    isolation: Isolation,
    public: list[socket.socket],
    signals: AsyncIterator[int],
) -> None:
    children = Children()
    zygote = Zygote(children)
    paths = settings.paths
    async with trio.open_nursery() as nursery:
        supervisor, feed, services = _assemble(
            settings, desired, public, children, zygote, isolation, nursery
        )
        nursery.start_soon(children.reap_forever)
        nursery.start_soon(desired.write_soon_forever)
        nursery.start_soon(services.sleepers.watch)
        nursery.start_soon(zygote.run)
        control = open_control(paths, settings.control)
        await nursery.start(control_server(supervisor, settings).serve, control)
        await supervisor.take_up_all()
        await nursery.start(feed.run)
        if settings.supervisor.watch_tenants:
            nursery.start_soon(supervisor.scan_forever)
        notify_socket.tell("READY=1")
        addresses = ", ".join(settings.server.listen)
        logger.info("ready, pid %d, %d tenants, on %s", os.getpid(), len(supervisor.tenants()), addresses)
        await _until_told_to_end(settings, supervisor, signals)
        nursery.cancel_scope.cancel()


def _assemble(
    settings: Settings,
    desired: DesiredState,
    public: list[socket.socket],
    children: Children,
    zygote: Zygote,
    isolation: Isolation,
    nursery: trio.Nursery,
) -> tuple[Supervisor, ProxyFeed, Services]:
    """Makes the parts and tells them of each other."""
    paths = settings.paths
    callbacks = Callbacks()
    feed = proxy_feed(settings, public, callbacks, isolation)
    known: dict[str, Tenant] = {}
    routes = ProxyRoutes(feed, paths, known.get)
    access = AccessLog(paths.log / "access.log", settings.log.max_bytes, settings.log.keep)
    callbacks.wake, callbacks.activity, callbacks.access = routes.wake, routes.active, access.write
    services = Services(
        paths=paths,
        defaults=settings.defaults,
        events=Events(),
        desired=desired,
        history=History(paths.state / "history"),
        launcher=Launcher(paths, zygote, children, isolation, {**os.environ, "PATH": search_path()}),
        children=children,
        sleepers=Sleepers(),
        routes=routes,
        starts=trio.CapacityLimiter(settings.supervisor.max_parallel_starts or max(2, os.cpu_count() or 2)),
        nursery=nursery,
    )
    return Supervisor(services, known), feed, services


def proxy_feed(
    settings: Settings, public: list[socket.socket], callbacks: Callbacks, isolation: Isolation
) -> ProxyFeed:
    """The feed of the proxies, with what `[server]` says."""
    server = settings.server
    addresses = server.addresses
    listeners = [
        PublicListener(listener, bool(server.tls) and isinstance(address, TcpAddress), server.proxy_protocol)
        for listener, address in zip(public, addresses, strict=True)
    ]
    certificates = [Certificate(Path(one.certificate), Path(one.key), tuple(one.names)) for one in server.tls]
    told = {
        **server.model_dump(exclude={"tls", "listen", "processes"}),
        "access_log": settings.log.access,
        "error_pages": read_error_pages(Path(server.error_pages)) if server.error_pages else {},
        "sandbox": isolation.proxy_policy().to_json(),
    }
    return ProxyFeed(listeners, told, callbacks, processes=server.processes, certificates=certificates)


def open_control(paths: Paths, settings: ControlSettings) -> socket.socket:
    """The control socket; as root the operators' group may connect to it."""
    paths.control.parent.mkdir(parents=True, exist_ok=True, mode=0o755)
    group = group_id(settings.operator_group) if os.geteuid() == 0 else None
    return bind(paths.control, None if group is None else 0, group)


def find_isolation(settings: Settings) -> Isolation:
    """What tenants can be kept in; TooWeak when the settings ask for more."""
    supervisor = settings.supervisor
    isolation = Isolation(
        settings.paths, layers(), supervisor.uid_base, orphans_stop=supervisor.orphans == "stop"
    )
    logger.info("isolation: %s", isolation.sentence)
    least = supervisor.isolation
    if least in WORDS and WORDS.index(isolation.word) < WORDS.index(least):
        raise TooWeak(f'isolation = "{least}" is asked for, this machine gives: {isolation.sentence}')
    return isolation


async def _until_told_to_end(settings: Settings, supervisor: Supervisor, signals: AsyncIterator[int]) -> None:
    """TERM or INT drains and stops everything; a second one cuts that short."""
    logger.info("%s: ending", signal.Signals(await anext(signals)).name)
    async with trio.open_nursery() as nursery:

        async def cut_short() -> None:
            await anext(signals)
            nursery.cancel_scope.cancel()

        nursery.start_soon(cut_short)
        with trio.move_on_after(settings.supervisor.shutdown_timeout_seconds):
            await supervisor.shut_down()
        nursery.cancel_scope.cancel()


@contextlib.contextmanager
def only_daemon(run: Path) -> Iterator[int]:
    """Holds the lock of this root; a file lock ends with its process, whatever way that ends."""
    run.mkdir(parents=True, exist_ok=True, mode=0o755)
    descriptor = os.open(run / "mtgate.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o644)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.read(descriptor, 20).decode("ascii", "replace").strip() or "unknown"
            raise AlreadyRunning(f"already running (pid {holder}); root {run.parent}") from None
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        yield descriptor
    finally:
        os.close(descriptor)


def raise_descriptor_limit() -> None:
    """Each tenant needs a descriptor: take as many as the hard limit allows."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def open_listener(address: TcpAddress | UnixAddress) -> socket.socket:
    """A public listening socket; OSError names the address."""
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
