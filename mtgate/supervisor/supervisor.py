"""All tenants of one daemon: who there is, and the operations of the control API.

In charge of: adding and removing, and what concerns all at once. Must not know: HTTP, or what happens inside
a unit. Operations run in the supervisor's own nursery: a client that goes away does not leave a command half
done.
"""

from __future__ import annotations

import gc
import logging
import signal
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

import trio

from mtgate.control.schema import Event as EventBody
from mtgate.control.schema import Outcome, Result, Route, TenantStatus, ToolResult
from mtgate.errors import GateError, ShuttingDown, SystemRefused, words_of
from mtgate.supervisor import crash_point
from mtgate.supervisor.desired import Wanted
from mtgate.supervisor.folders import Folders
from mtgate.supervisor.handover import TenantRecord
from mtgate.supervisor.journal import Journal
from mtgate.supervisor.roster import Roster
from mtgate.supervisor.services import Services
from mtgate.supervisor.status import tenant_status
from mtgate.supervisor.tenant import Tenant
from mtgate.supervisor.unit import State
from mtgate.tenantdir.files import remove_tree, sweep
from mtgate.tenantdir.layout import is_tenant_id

logger = logging.getLogger(__name__)

T = TypeVar("T")


class Supervisor:
    """The daemon's table of tenants."""

    def __init__(self, services: Services, tenants: dict[str, Tenant]) -> None:
        self._services = services
        self._paths = services.paths
        self._tenants = tenants
        self._roster = Roster(services, tenants)
        self._folders = Folders(services, self._roster)
        self._ending = False

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
        return self._roster.tenant(tenant_id)

    def tenants(self) -> list[Tenant]:
        """All, in no particular order."""
        return list(self._tenants.values())

    # -- the daemon's side -----------------------------------------------------------------------------------

    async def take_up_all(self, records: dict[str, TenantRecord]) -> None:
        """Makes a unit of every folder, as the state file and the folders say; starts run in the background.

        `records` are the tenants that the program before us left running.
        """
        self._roster.records = records
        self._paths.tenants.mkdir(parents=True, exist_ok=True, mode=0o755)
        self._paths.sockets.mkdir(parents=True, exist_ok=True, mode=0o755)
        await trio.to_thread.run_sync(sweep, self._paths.tenants)
        await self._finish_removals()
        with _uncollected():
            await self._folders.scan()
        self._services.store.drop_rest()
        for tenant_id, record in self._roster.records.items():  # removed meanwhile
            logger.warning("tenant %s is gone, its workers end", tenant_id)
            for worker in record.workers:
                signal.pidfd_send_signal(worker.pidfd, signal.SIGKILL)
        self._roster.records = {}

    async def leave(self, seconds: float) -> dict[str, TenantRecord] | None:
        """Everything that runs, for the program that replaces us; None when a command does not end in
        time."""
        self._ending = True
        records: dict[str, TenantRecord] = {}
        with trio.move_on_after(seconds):
            await self._roster.changing.acquire()
            for tenant in self._tenants.values():
                records[tenant.id] = await tenant.leave()
            await self._commit_at_the_end()
            return records
        self.stay(records)
        return None

    def stay(self, records: dict[str, TenantRecord]) -> None:
        """Takes `leave` back."""
        self._ending = False
        if self._roster.changing.statistics().owner is trio.lowlevel.current_task():
            self._roster.changing.release()
        for tenant_id in records:
            self._tenants[tenant_id].stay()

    async def scan_forever(self) -> None:
        """Notices folders that appear in or vanish from tenants/."""
        await self._folders.watch_forever()

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
        async with self._roster.changing:
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
        tenant = self._roster.make(tenant_id, Wanted(desired=desired))
        try:
            await self._services.desired.commit()
        except OSError:
            self._roster.unmake(tenant)
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

    async def _remove(self, tenant_id: str, keep_files: bool) -> Outcome:
        async with self._roster.changing:
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
            self._roster.unmake(tenant)
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
            except Exception:  # the root of a command: no tenant's folder may end the daemon
                logger.exception("a command failed")
                outcome.append(
                    GateError("an error in mtgate itself", hint="the daemon's log has the traceback")
                )
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
