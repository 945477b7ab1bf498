"""The daemon: one process that owns every listening socket, the desired state and the journals.

In charge of: wiring the edges together and ending them in order. Must not know: HTTP, models, or any one
tenant.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import fcntl
import logging
import os
import resource
import signal
import socket
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import trio

from mtgate import log, notify, notify_socket
from mtgate.activation import Given
from mtgate.control.roles import group_id
from mtgate.control.server import control_server
from mtgate.paths import Paths
from mtgate.proxy.feed import Callbacks, Certificate, ProxyFeed, PublicListener, read_error_pages
from mtgate.sandbox import layers
from mtgate.service_manager import (
    DescriptorStore,
    feed_watchdog,
    public_name,
    tell_status,
    watchdog_seconds,
)
from mtgate.settings import ControlSettings, Settings, TcpAddress, UnixAddress
from mtgate.supervisor import handover, orphans
from mtgate.supervisor.cgroups import Cgroups
from mtgate.supervisor.desired import DesiredState
from mtgate.supervisor.events import Events
from mtgate.supervisor.handover import Handover
from mtgate.supervisor.history import History
from mtgate.supervisor.isolation import WORDS, Isolation, search_path
from mtgate.supervisor.launcher import Launcher
from mtgate.supervisor.listeners import Sleepers, bind
from mtgate.supervisor.process import Children, become_subreaper
from mtgate.supervisor.proxies import AccessLog, ProxyRoutes
from mtgate.supervisor.services import Services
from mtgate.supervisor.supervisor import Supervisor
from mtgate.supervisor.tenant import Tenant
from mtgate.supervisor.zygote import Zygote
from mtgate.tenantdir.complaint import InvalidFile

logger = logging.getLogger(__name__)

SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2)
#: For commands under way before the program is replaced.
LEAVE_SECONDS = 20.0
ADDRESS_TRIES, ADDRESS_PAUSE_SECONDS = 30, 0.1


class AlreadyRunning(Exception):
    """Another daemon has this root; the text names its process."""


class TooWeak(Exception):
    """The settings ask for more isolation than there is."""


async def run(
    settings: Settings,
    reload: Callable[[], Settings] | None = None,
    given: Given | None = None,
) -> None:
    """Until TERM or INT. AlreadyRunning, StateUnreadable, TooWeak and OSError (address in use) come before
    anything starts. `reload` reads the settings anew, for HUP; `given` are sockets that
    systemd has bound or kept."""
    log.set_up(settings.log.level, settings.log.format)
    left = handover.receive(os.environ)
    # signals that come while the daemon starts wait until it has
    with trio.open_signal_receiver(*SIGNALS) as signals, only_daemon(settings.paths.run, left) as lock:
        desired = DesiredState(settings.paths.state)
        desired.load()
        isolation = find_isolation(settings)
        raise_descriptor_limit()
        become_subreaper()
        given = given or Given()
        store = DescriptorStore.find(os.environ, given.stored)
        sockets = await Sockets.open(settings, left, given.public, store)
        try:
            await _run(Daemon(settings, desired, isolation, sockets, store, lock, reload), left, signals)
        finally:
            sockets.close()


@dataclass(slots=True)
class Daemon:
    """What there is before the first task."""

    settings: Settings
    desired: DesiredState
    isolation: Isolation
    sockets: Sockets
    store: DescriptorStore
    lock: int
    reload: Callable[[], Settings] | None


async def _run(daemon: Daemon, left: Handover | None, signals: AsyncIterator[int]) -> None:
    settings = daemon.settings
    children = Children()
    zygote = Zygote(children, enabled=settings.supervisor.zygote)
    async with trio.open_nursery() as nursery:
        supervisor, feed, services = _assemble(daemon, children, zygote, nursery)
        nursery.start_soon(children.reap_forever)
        nursery.start_soon(daemon.desired.write_soon_forever)
        nursery.start_soon(services.sleepers.watch)
        nursery.start_soon(zygote.run)
        watchdog = watchdog_seconds(os.environ, os.getpid())
        if watchdog is not None:
            nursery.start_soon(feed_watchdog, watchdog)
        adopt = settings.supervisor.orphans == "adopt"
        tenants = left.tenants if left else orphans.take(services.launcher.records, adopt=adopt)
        await supervisor.take_up_all(tenants)
        await nursery.start(control_server(supervisor, settings).serve, daemon.sockets.control.dup())
        feed.inherit(left.proxies if left else [])
        await nursery.start(feed.run)
        if settings.supervisor.watch_tenants:
            nursery.start_soon(supervisor.scan_forever)
        write_holder(daemon.lock)
        notify_socket.tell(notify.READY)
        give_memory_back()
        nursery.start_soon(tell_status, lambda: services.events.serial, supervisor.summary)
        addresses = ", ".join(settings.server.listen)
        logger.info("ready, pid %d, %d tenants, on %s", os.getpid(), len(supervisor.tenants()), addresses)
        await _obey(daemon, supervisor, feed, signals)
        nursery.cancel_scope.cancel()


async def _obey(daemon: Daemon, supervisor: Supervisor, feed: ProxyFeed, signals: AsyncIterator[int]) -> None:
    """Signals, until one that ends the daemon has done so."""
    async for number in signals:
        if number in (signal.SIGTERM, signal.SIGINT):
            logger.info("%s: ending", signal.Signals(number).name)
            await _end(daemon.settings, supervisor, signals)
            return
        if number == signal.SIGUSR2 or (number == signal.SIGHUP and settings_changed(daemon)):
            await replace(daemon, supervisor, feed)


def settings_changed(daemon: Daemon) -> bool:
    """For HUP: whether the settings can be read and are others; a wrong file changes nothing and says why."""
    if daemon.reload is None:
        return False
    try:
        settings = daemon.reload()
    except InvalidFile as error:
        logger.error("HUP: the settings stay as they are: %s", error)
        return False
    logger.info("HUP: %s", "settings changed" if settings != daemon.settings else "settings are unchanged")
    return settings != daemon.settings


async def replace(daemon: Daemon, supervisor: Supervisor, feed: ProxyFeed) -> None:
    """Executes the program anew in this process; returns only when that cannot be."""
    command = [sys.executable, *sys.orig_argv[1:]]
    trial = await trio.run_process(
        [sys.executable, "-m", "mtgate.cli", "--help"], capture_stdout=True, check=False
    )
    if trial.returncode != 0:
        logger.error("not replaced: the new program does not start (exit code %d)", trial.returncode)
        return
    tenants = await supervisor.leave(LEAVE_SECONDS)
    if tenants is None:
        logger.error("not replaced: a command did not end within %g s", LEAVE_SECONDS)
        return
    left = Handover(
        lock=daemon.lock,
        control=daemon.sockets.control.fileno(),
        public={address: one.fileno() for address, one in daemon.sockets.public.items()},
        proxies=feed.leave(),
        tenants=tenants,
    )
    logger.info("replacing the program of pid %d", os.getpid())
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)  # until the new program listens
    try:
        handover.replace_program(left, sys.executable, command, os.environ)
    except OSError as error:
        logger.error("not replaced: %s", error)
        supervisor.stay(tenants)


def _assemble(
    daemon: Daemon, children: Children, zygote: Zygote, nursery: trio.Nursery
) -> tuple[Supervisor, ProxyFeed, Services]:
    """Makes the parts and tells them of each other."""
    settings = daemon.settings
    paths = settings.paths
    callbacks = Callbacks()
    feed = proxy_feed(settings, list(daemon.sockets.public.values()), callbacks, daemon.isolation)
    known: dict[str, Tenant] = {}
    routes = ProxyRoutes(feed, known.get)
    access = AccessLog(paths.log / "access.log", settings.log.max_bytes, settings.log.keep)
    callbacks.wake, callbacks.activity, callbacks.access = routes.wake, routes.active, access.write
    services = Services(
        paths=paths,
        defaults=settings.defaults,
        events=Events(),
        desired=daemon.desired,
        history=History(paths.state / "history"),
        launcher=Launcher(
            paths,
            zygote,
            children,
            daemon.isolation,
            Cgroups.find(paths.run),
            {**os.environ, "PATH": search_path()},
        ),
        children=children,
        sleepers=Sleepers(),
        routes=routes,
        starts=trio.CapacityLimiter(settings.supervisor.max_parallel_starts or max(2, os.cpu_count() or 2)),
        nursery=nursery,
        store=daemon.store,
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


async def _end(settings: Settings, supervisor: Supervisor, signals: AsyncIterator[int]) -> None:
    """Drains and stops everything; another TERM or INT cuts that short."""
    async with trio.open_nursery() as nursery:

        async def cut_short() -> None:
            async for number in signals:
                if number in (signal.SIGTERM, signal.SIGINT):
                    nursery.cancel_scope.cancel()

        nursery.start_soon(cut_short)
        with trio.move_on_after(settings.supervisor.shutdown_timeout_seconds):
            await supervisor.shut_down()
        nursery.cancel_scope.cancel()


@contextlib.contextmanager
def only_daemon(run: Path, left: Handover | None = None) -> Iterator[int]:
    """Holds the lock of this root; a file lock ends with its process, whatever way that ends."""
    if left is not None:
        yield left.lock
        return
    run.mkdir(parents=True, exist_ok=True, mode=0o755)
    descriptor = os.open(run / "mtgate.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o644)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.read(descriptor, 20).decode("ascii", "replace").strip() or "unknown"
            raise AlreadyRunning(f"already running (pid {holder}); root {run.parent}") from None
        write_holder(descriptor)
        yield descriptor
    finally:
        os.close(descriptor)


def write_holder(lock: int) -> None:
    """Our pid into the lock file; its time of change tells others when a new program is ready."""
    os.ftruncate(lock, 0)
    os.pwrite(lock, f"{os.getpid()}\n".encode(), 0)


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


def give_memory_back() -> None:
    """What only the start needed goes back to the system, where the C library can do that (glibc)."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)


def raise_descriptor_limit() -> None:
    """Each tenant needs a descriptor: take as many as the hard limit allows."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


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
