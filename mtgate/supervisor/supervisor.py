"""All tenants of one daemon: who there is, and the operations of the control API.

In charge of: the table of tenants and the state file's records. Must not know: HTTP, or what happens inside a
unit. Operations run in the supervisor's own nursery: a client that goes away does not leave a command half
done.
"""

from __future__ import annotations

import gc
import logging
import os
import signal
import socket
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import trio

from mtgate.control.schema import Event as EventBody
from mtgate.control.schema import Outcome, Result, Route, TenantStatus, ToolResult
from mtgate.errors import GateError, ShuttingDown, SystemRefused, UnknownTenant, words_of
from mtgate.service_manager import tenant_name
from mtgate.supervisor import crash_point, reconcile
from mtgate.supervisor.desired import Wanted
from mtgate.supervisor.handover import TenantRecord
from mtgate.supervisor.journal import Journal
from mtgate.supervisor.listeners import PathTaken, bind_own
from mtgate.supervisor.services import Services
from mtgate.supervisor.status import tenant_status
from mtgate.supervisor.tenant import Tenant
from mtgate.supervisor.unit import State
from mtgate.tenantdir.files import last_change, remove_tree, sweep
from mtgate.tenantdir.layout import is_tenant_id

logger = logging.getLogger(__name__)

T = TypeVar("T")

#: Between two looks at the tenants' folder: one stat, whatever their number.
SCAN_SECONDS = 1.0
#: A folder that is being copied changes more often.
SETTLED_SECONDS = 1.0


class Supervisor:
    """The daemon's table of tenants."""

    def __init__(self, services: Services, tenants: dict[str, Tenant]) -> None:
        self._services = services
        self._paths = services.paths
        self._tenants = tenants
        self._isolation = services.launcher.isolation
        self._changing = trio.Lock()
        self._ending = False
        self._scanned_mtime = -1
        self._records: dict[str, TenantRecord] = {}

    # -- the control API -------------------------------------------------------------------------------------

    async def add(
        self, tenant_id: str, *, start: bool, prepare: Callable[[], Awaitable[str]] | None = None
    ) -> Outcome:
        """Takes up the folder at tenants/<id>; `already` when it is a tenant.

        `prepare` makes the folder while nothing else is added, so that the scan does not take it up first,
        and says in words what it did.
        """
        return await self._own(self._add, tenant_id, start, prepare)

    async def remove(self, tenant_id: str, *, keep_files: bool) -> Outcome:
        """Stops it, deletes its folder unless told to keep it, and forgets it."""
        return await self._own(self._remove, tenant_id, keep_files)

    async def start(self, tenant_id: str) -> Outcome:
        """Until it serves."""
        return await self._command(tenant_id, Tenant.start)

    async def stop(self, tenant_id: str) -> Outcome:
        """Until nothing of it runs."""
        return await self._command(tenant_id, Tenant.stop)

    async def restart(self, tenant_id: str, *, hard: bool = False) -> Outcome:
        """Until the new generation serves."""
        return await self._command(tenant_id, lambda tenant: tenant.restart(hard=hard))

    async def sleep(self, tenant_id: str) -> Outcome:
        """Until its workers are gone and its socket is watched."""
        return await self._command(tenant_id, Tenant.sleep)

    async def wake(self, tenant_id: str) -> Outcome:
        """Until it serves."""
        return await self._command(tenant_id, Tenant.wake)

    async def scale(self, tenant_id: str, workers: int) -> Outcome:
        """Until so many workers serve."""
        return await self._command(tenant_id, lambda tenant: tenant.scale(workers))

    async def reset_failed(self, tenant_id: str) -> Outcome:
        """Forgets failures; a failed tenant is tried again."""
        return await self._command(tenant_id, Tenant.reset_failed)

    async def rollback(self, tenant_id: str, to: int | None) -> Outcome:
        """Until the revision's generation serves."""
        return await self._command(tenant_id, lambda tenant: tenant.rollback(to))

    async def run_tool(self, tenant_id: str, arguments: list[str]) -> ToolResult:
        """`python -m arguments…` as the tenant, in its sandbox."""
        return await self._own(self.tenant(tenant_id).run_tool, arguments)

    def status(self, tenant_id: str) -> TenantStatus:
        """Everything known of one tenant."""
        return tenant_status(self.tenant(tenant_id))

    def statuses(self) -> list[TenantStatus]:
        """Of all, by id."""
        return [tenant_status(tenant) for _, tenant in sorted(self._tenants.items())]

    def summary(self) -> str:
        """How many there are of each state, in one line."""
        states = Counter(tenant.state.value for tenant in self._tenants.values())
        counts = [f"{count} {state}" for state, count in sorted(states.items())]
        return ", ".join([f"{len(self._tenants)} tenants", *counts])

    def routes(self) -> list[Route]:
        """Where the gateway sends what."""
        return [
            Route(
                id=tenant.id,
                prefix=f"/{tenant.id}",
                hosts=list(tenant.config.hosts),
                socket=tenant.socket_path,
                state=tenant.state.value,
                generation=tenant.serving_generation,
            )
            for tenant in self._tenants.values()
        ]

    def events(self) -> trio.MemoryReceiveChannel[EventBody]:
        """Changes from now on."""
        return self._services.events.listen()

    def journal(self, tenant_id: str) -> Journal:
        """A tenant's output."""
        return self.tenant(tenant_id).journal

    def tenant(self, tenant_id: str) -> Tenant:
        """The tenant, or UnknownTenant."""
        try:
            return self._tenants[tenant_id]
        except KeyError:
            raise UnknownTenant(tenant_id) from None

    def tenants(self) -> list[Tenant]:
        """All, in no particular order."""
        return list(self._tenants.values())

    # -- the daemon's side -----------------------------------------------------------------------------------

    async def take_up_all(self, records: dict[str, TenantRecord]) -> None:
        """Makes a unit of every folder, as the state file and the folders say; starts run in the background.

        `records` are the tenants that the program before us left running.
        """
        self._records = records
        self._paths.tenants.mkdir(parents=True, exist_ok=True, mode=0o755)
        self._paths.sockets.mkdir(parents=True, exist_ok=True, mode=0o755)
        await trio.to_thread.run_sync(sweep, self._paths.tenants)
        await self._finish_removals()
        with _uncollected():
            await self._scan()
        self._services.store.drop_rest()
        for tenant_id, record in self._records.items():  # removed meanwhile
            logger.warning("tenant %s is gone, its workers end", tenant_id)
            for worker in record.workers:
                signal.pidfd_send_signal(worker.pidfd, signal.SIGKILL)
        self._records = {}

    async def leave(self, seconds: float) -> dict[str, TenantRecord] | None:
        """Everything that runs, for the program that replaces us; None when a command does not end in
        time."""
        self._ending = True
        records: dict[str, TenantRecord] = {}
        with trio.move_on_after(seconds):
            await self._changing.acquire()
            for tenant in self._tenants.values():
                records[tenant.id] = await tenant.leave()
            await self._commit_at_the_end()
            return records
        self.stay(records)
        return None

    def stay(self, records: dict[str, TenantRecord]) -> None:
        """Takes `leave` back."""
        self._ending = False
        if self._changing.statistics().owner is trio.lowlevel.current_task():
            self._changing.release()
        for tenant_id in records:
            self._tenants[tenant_id].stay()

    async def scan_forever(self) -> None:
        """Notices folders that appear in or vanish from tenants/."""
        while True:
            await trio.sleep(SCAN_SECONDS)
            if self._folder_mtime() == self._scanned_mtime:
                continue
            try:
                await self._scan(SETTLED_SECONDS)
            except OSError as error:
                # a file system that is away for a moment is no reason to stop what runs
                logger.error("%s cannot be scanned: %s", self._paths.tenants, error.strerror)

    async def shut_down(self) -> None:
        """Stops all workers, drained, in parallel; desired state stays as it is."""
        self._ending = True
        async with trio.open_nursery() as nursery:
            for tenant in self._tenants.values():
                if not tenant.at_rest:
                    nursery.start_soon(tenant.shut_down)
        await self._commit_at_the_end()

    def kill_all(self) -> None:
        """Makes `shut_down` end at once: what is being drained has no more time."""
        for tenant in self._tenants.values():
            for worker in (*tenant.workers, *tenant.retiring):
                worker.process.kill_tree()

    async def _commit_at_the_end(self) -> None:
        """Who sleeps, which is otherwise written a little later; what was commanded is on disk already."""
        try:
            await self._services.desired.commit()
        except OSError as error:
            logger.error("which tenants sleep could not be written: %s", words_of(error))

    # -- adding and removing ---------------------------------------------------------------------------------

    async def _add(
        self, tenant_id: str, start: bool, prepare: Callable[[], Awaitable[str]] | None
    ) -> Outcome:
        if not is_tenant_id(tenant_id):
            raise GateError(f'"{tenant_id}" is not a tenant id', tenant=tenant_id)
        async with self._changing:
            known = self._tenants.get(tenant_id)
            if known is None:
                message = await prepare() if prepare else ""
                tenant = await self._register(tenant_id, "running" if start else "stopped")
        if known is not None:
            return await self._add_again(known, start)
        if start:
            await tenant.start()
        return Outcome(result="done", tenant=tenant_status(tenant), message=message)

    async def _register(self, tenant_id: str, desired: str) -> Tenant:
        """A new record, on disk before anybody acts on it."""
        tenant = self._make(tenant_id, Wanted(desired=desired))
        try:
            await self._services.desired.commit()
        except OSError:
            self._unmake(tenant)
            del self._services.desired.tenants[tenant_id]
            raise
        crash_point.passing("add.after-state")
        tenant.take_up(State.INACTIVE)
        self._services.events.tell("added", tenant_id)
        return tenant

    async def _add_again(self, tenant: Tenant, start: bool) -> Outcome:
        """Adding what is a tenant already, such as one that the scan has just taken up."""
        result: Result = await tenant.start() if start else "already"
        return Outcome(result=result, tenant=tenant_status(tenant))

    def _make(self, tenant_id: str, wanted: Wanted) -> Tenant:
        """The record and its socket; nothing on disk but the socket and the folder's owner."""
        desired = self._services.desired
        crash_point.passing("add.before-socket")
        while wanted.uid is None and self._isolation.uid_base is not None:
            desired.next_uid += 1  # never reused: files of a removed tenant must not become another's
            wanted.uid = self._isolation.next_uid(desired.next_uid)
        path = str(self._paths.tenant_socket(tenant_id))
        record = self._records.get(tenant_id)
        try:
            listener = self._listener(tenant_id, path, wanted.uid, record)
        except (OSError, PathTaken) as error:
            raise GateError(f"no socket for tenant {tenant_id}: {error}", tenant=tenant_id) from error
        tenant = Tenant(tenant_id, path, listener, wanted, self._services)
        self._tenants[tenant_id] = tenant
        desired.tenants[tenant_id] = wanted
        crash_point.passing("add.after-socket")
        return tenant

    def _listener(
        self, tenant_id: str, path: str, uid: int | None, record: TenantRecord | None
    ) -> socket.socket:
        """The one handed over, or kept by the service manager while its path is there, or a new one."""
        store, name = self._services.store, tenant_name(tenant_id)
        if record is not None:
            store.leave(name)
            return socket.socket(fileno=record.listener)
        number = store.take(name)
        if number is not None:
            kept = socket.socket(fileno=number)
            kept.setblocking(False)
            if kept.getsockname() == path and os.path.exists(path):
                return kept
            kept.close()
            store.drop(name)
        listener = bind_own(path, uid, self._isolation.uid_base)
        store.keep(name, listener.fileno())
        return listener

    def _unmake(self, tenant: Tenant) -> None:
        """Takes back `_make`, but for the record in the desired state."""
        del self._tenants[tenant.id]
        self._services.sleepers.remove(tenant.listener)
        self._services.routes.forget(tenant.id)
        self._services.store.drop(tenant_name(tenant.id))
        Path(tenant.socket_path).unlink(missing_ok=True)
        tenant.listener.close()
        tenant.journal.close()

    async def _remove(self, tenant_id: str, keep_files: bool) -> Outcome:
        async with self._changing:
            tenant = self.tenant(tenant_id)
            before = tenant.wanted.desired
            tenant.gone = True  # what waits for its lock must not make it wanted again
            tenant.wanted.desired = "removed" if keep_files else "removing"
            try:
                await self._services.desired.commit()
            except OSError:
                tenant.gone, tenant.wanted.desired = False, before
                raise
            crash_point.passing("remove.after-state")
            await tenant.remove()
            crash_point.passing("remove.after-stop")
            self._unmake(tenant)
            if not keep_files:
                await self._delete(tenant_id)
            self._services.events.tell("removed", tenant_id)
        return Outcome(result="done")

    async def _delete(self, tenant_id: str) -> None:
        """Deletes the folder and the journal, then the record."""
        await trio.to_thread.run_sync(remove_tree, self._paths.tenant_dir(tenant_id))
        crash_point.passing("remove.after-delete")
        for path in self._paths.tenant_log(tenant_id).parent.glob(f"{tenant_id}.log*"):
            path.unlink(missing_ok=True)
        await trio.to_thread.run_sync(self._services.history.forget, tenant_id)
        self._services.desired.tenants.pop(tenant_id, None)
        await self._services.desired.commit()

    async def _finish_removals(self) -> None:
        for tenant_id, wanted in list(self._services.desired.tenants.items()):
            if wanted.desired == "removing":
                self._paths.tenant_socket(tenant_id).unlink(missing_ok=True)
                await self._delete(tenant_id)

    # -- folders ---------------------------------------------------------------------------------------------

    def _folder_mtime(self) -> int:
        try:
            return os.stat(self._paths.tenants).st_mtime_ns
        except OSError:
            return -1

    async def _scan(self, settled_seconds: float = 0.0) -> None:
        """Takes up what appeared and has not changed for so long: it may still be copied."""
        async with self._changing:
            self._scanned_mtime = self._folder_mtime()
            names = await trio.to_thread.run_sync(self._folders)
            records = self._services.desired.tenants
            left = {name for name in names if name in records and records[name].desired == "removed"}
            for name in [name for name, wanted in records.items() if wanted.desired == "removed"]:
                if name not in names:
                    del records[name]
            difference = reconcile.compare(names - left, self._tenants.keys())
            for tenant_id in difference.vanished:
                await self._vanished(self._tenants[tenant_id])
            settled = [name for name in difference.appeared if await self._settled(name, settled_seconds)]
            if len(settled) < len(difference.appeared):
                self._scanned_mtime = -1  # look again
            unknown = [name for name in settled if name not in records or records[name].uid is None]
            next_uid = self._services.desired.next_uid
            made = [self._appeared(tenant_id) for tenant_id in settled]
            appeared = [tenant for tenant in made if tenant is not None]
            if unknown or difference.vanished:
                appeared = await self._recorded(appeared, unknown, next_uid)
        for tenant in appeared:
            self._take_up(tenant)

    async def _recorded(self, appeared: list[Tenant], unknown: list[str], next_uid: int) -> list[Tenant]:
        """Those whose record is on disk, before anything of theirs runs; the others wait."""
        try:
            await self._services.desired.commit()
        except OSError as error:
            logger.error("new tenants wait: %s", words_of(error))
        else:
            return appeared
        self._scanned_mtime, self._services.desired.next_uid = -1, next_uid
        for tenant in [tenant for tenant in appeared if tenant.id in unknown]:
            self._unmake(tenant)
            tenant.wanted.uid = None
        return [tenant for tenant in appeared if tenant.id not in unknown]

    async def _settled(self, tenant_id: str, seconds: float) -> bool:
        """Whether nothing in a folder changed for so long."""
        if not seconds:
            return True
        changed = await trio.to_thread.run_sync(last_change, self._paths.tenant_dir(tenant_id))
        return time.time() - changed >= seconds

    def _folders(self) -> set[str]:
        with os.scandir(self._paths.tenants) as entries:
            return {
                entry.name
                for entry in entries
                if is_tenant_id(entry.name) and entry.is_dir(follow_symlinks=False)
            }

    def _appeared(self, tenant_id: str) -> Tenant | None:
        wanted = self._services.desired.tenants.get(tenant_id) or Wanted()
        try:
            return self._make(tenant_id, wanted)
        except GateError as error:
            logger.error("tenant %s not taken up: %s", tenant_id, error)
            return None

    def _take_up(self, tenant: Tenant) -> None:
        state = reconcile.first_state(tenant.wanted.desired, asleep=tenant.wanted.asleep)
        try:
            tenant.read_config()
        except GateError as error:
            logger.error("tenant %s: %s", tenant.id, error)
        record = self._records.pop(tenant.id, None)
        if record is not None and (record.workers or state is not State.ACTIVATING):
            tenant.take_over(record)
            return
        tenant.take_up(State.INACTIVE if state is State.ACTIVATING else state)
        if state is State.ACTIVATING:
            self._services.nursery.start_soon(self._start_quietly, tenant)

    async def _vanished(self, tenant: Tenant) -> None:
        logger.info("tenant %s: its folder vanished, it is removed", tenant.id)
        tenant.gone = True
        await tenant.remove()
        self._unmake(tenant)
        del self._services.desired.tenants[tenant.id]
        self._services.events.tell("removed", tenant.id)

    async def _start_quietly(self, tenant: Tenant) -> None:
        try:
            await tenant.start()
        except (GateError, OSError) as error:
            logger.error("tenant %s did not start: %s", tenant.id, error)

    # -- running commands ------------------------------------------------------------------------------------

    async def _command(self, tenant_id: str, operation: Callable[[Tenant], Awaitable[Result]]) -> Outcome:
        tenant = self.tenant(tenant_id)

        async def run() -> Outcome:
            result = await operation(tenant)
            return Outcome(result=result, tenant=tenant_status(tenant))

        return await self._own(run)

    async def _own(self, operation: Callable[..., Awaitable[T]], *arguments: object) -> T:
        """Runs it in our nursery: cancelling the caller cancels the wait, not the work."""
        if self._ending:
            raise ShuttingDown("the daemon is shutting down")
        done = trio.Event()
        outcome: list[T | BaseException] = []

        async def run() -> None:
            try:
                outcome.append(await operation(*arguments))
            except GateError as error:
                outcome.append(error)
            except OSError as error:
                outcome.append(SystemRefused.by(error))
            finally:
                done.set()

        self._services.nursery.start_soon(run)
        await done.wait()
        if not outcome:
            raise ShuttingDown("the daemon ended while the command was under way")
        if isinstance(outcome[0], BaseException):
            raise outcome[0]
        return outcome[0]


@contextmanager
def _uncollected() -> Iterator[None]:
    """Where thousands of records are made that stay: looking through them for garbage finds none."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
