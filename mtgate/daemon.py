"""The daemon: one process that owns every listening socket, the desired state and the journals.

In charge of: wiring the edges together and ending them in order. Must not know: HTTP, models, or any one
tenant.
"""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import logging
import os
import resource
import signal
import socket
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import trio

from mtgate import log, notify, notify_socket
from mtgate.activation import Given
from mtgate.control.server import control_server
from mtgate.proxy.feed import Callbacks, Certificate, ProxyFeed, PublicListener, read_error_pages
from mtgate.sandbox.closing import layers
from mtgate.service_manager import (
    DescriptorStore,
    feed_watchdog,
    tell_status,
    watchdog_seconds,
)
from mtgate.settings import Settings, TcpAddress
from mtgate.signals import Signals
from mtgate.sockets import Sockets
from mtgate.supervisor import handover, orphans
from mtgate.supervisor.cgroups import Cgroups
from mtgate.supervisor.desired import DesiredState
from mtgate.supervisor.events import Events
from mtgate.supervisor.handover import Handover, TenantRecord
from mtgate.supervisor.history import History
from mtgate.supervisor.isolation import WORDS, Isolation, search_path
from mtgate.supervisor.launcher import Launcher
from mtgate.supervisor.listeners import Sleepers
from mtgate.supervisor.process import Children, become_subreaper
from mtgate.supervisor.proxies import AccessLog, ProxyRoutes
from mtgate.supervisor.services import Services
from mtgate.supervisor.supervisor import Supervisor
from mtgate.supervisor.tenant import Tenant
from mtgate.supervisor.zygote import Zygote
from mtgate.tenantdir.complaint import InvalidFile

logger = logging.getLogger(__name__)

SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2)
ENDING = (signal.SIGTERM, signal.SIGINT)
OOM_SCORE = -500
#: For commands under way before the program is replaced.
LEAVE_SECONDS = 20.0


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
    # what must be closed says so in its mode; the folder of the sockets must be open to the proxies' user,
    # also where a service manager or a shell is stricter
    os.umask(0o022)
    file = log.LogFile(settings.paths.log / "mtgate.log", settings.log.max_bytes, settings.log.keep)
    log.set_up(settings.log.level, settings.log.format, file)
    left = handover.receive(os.environ)
    signal.signal(signal.SIGTTOU, signal.SIG_IGN)  # a line on a terminal that is another's must not stop us
    # signals that come while the daemon starts, or the program before us was replaced, wait until it has
    with Signals(SIGNALS) as signals, only_daemon(settings.paths.run, left) as lock:
        desired = DesiredState(settings.paths.state)
        desired.load()
        isolation = find_isolation(settings)
        raise_descriptor_limit()
        prefer_to_live()
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


async def _run(daemon: Daemon, left: Handover | None, signals: Signals) -> None:
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
        await feed.prepare()
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


async def _obey(daemon: Daemon, supervisor: Supervisor, feed: ProxyFeed, signals: Signals) -> None:
    """Signals, until one that ends the daemon has done so."""
    while True:
        number = await anext(signals)
        if number == signal.SIGUSR2 or (number == signal.SIGHUP and settings_changed(daemon)):
            await replace(daemon, supervisor, feed)
        elif number in ENDING:
            logger.info("%s: ending", number.name)
            await _end(daemon.settings, supervisor, signals)
            return


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
    """Executes the program anew in this process; returns only when that cannot be. Signals that come
    meanwhile wait, and are the new program's."""
    try:
        trial = await trio.run_process(
            [sys.executable, "-m", "mtgate.cli", "--help"], capture_stdout=True, check=False
        )
    except OSError as error:
        logger.error("not replaced: the new program cannot be tried: %s", error)
        return
    if trial.returncode != 0:
        logger.error("not replaced: the new program does not start (exit code %d)", trial.returncode)
        return
    tenants = await supervisor.leave(LEAVE_SECONDS)
    if tenants is None:
        logger.error("not replaced: a command did not end within %g s", LEAVE_SECONDS)
        return
    hand_over(daemon, feed, tenants)
    supervisor.stay(tenants)


def hand_over(daemon: Daemon, feed: ProxyFeed, tenants: dict[str, TenantRecord]) -> None:
    """Executes the new program with everything that is open; returns only when that cannot be."""
    left = Handover(
        lock=daemon.lock,
        control=daemon.sockets.control.fileno(),
        public={address: one.fileno() for address, one in daemon.sockets.public.items()},
        proxies=feed.leave(),
        tenants=tenants,
    )
    logger.info("replacing the program of pid %d", os.getpid())
    command = [sys.executable, *sys.orig_argv[1:]]
    try:
        handover.replace_program(left, sys.executable, command, os.environ)
    except OSError as error:
        logger.error("not replaced: %s", error)


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


def find_isolation(settings: Settings) -> Isolation:
    """What tenants can be kept in; TooWeak when the settings ask for more."""
    supervisor = settings.supervisor
    isolation = Isolation(
        settings.paths,
        layers(),
        supervisor.uid_base,
        orphans_stop=supervisor.orphans == "stop",
        uid_count=supervisor.uid_count,
    )
    logger.info("isolation: %s", isolation.sentence)
    least = supervisor.isolation
    if least in WORDS and WORDS.index(isolation.word) < WORDS.index(least):
        raise TooWeak(f'isolation = "{least}" is asked for, this machine gives: {isolation.sentence}')
    return isolation


async def _end(settings: Settings, supervisor: Supervisor, signals: Signals) -> None:
    """Drains and stops everything; another TERM or INT, or the time allowed, cuts that short."""
    async with trio.open_nursery() as nursery:

        async def cut_short() -> None:
            with trio.move_on_after(settings.supervisor.shutdown_timeout_seconds):
                async for number in signals:
                    if number in ENDING:
                        break
            supervisor.kill_all()

        nursery.start_soon(cut_short)
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


def give_memory_back() -> None:
    """What only the start needed goes back to the system, where the C library can do that (glibc)."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)


def prefer_to_live() -> None:
    """As root: where memory runs out, the kernel is to end others before us (proc(5), oom_score_adj)."""
    with contextlib.suppress(OSError):  # a container may not allow it
        if os.geteuid() == 0:
            Path("/proc/self/oom_score_adj").write_text(str(OOM_SCORE))


def raise_descriptor_limit() -> None:
    """Each tenant needs a descriptor: take as many as the hard limit allows."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
