"""A tenant's generations: brought up, swapped, stopped.

In charge of: the way from one state to the next. Must not know: who asked, or what follows a failure. Whoever
calls holds the tenant's lock; a stop may interrupt what is being brought up (`halting`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import trio

from mtgate import notify
from mtgate.errors import Conflict, GateError
from mtgate.supervisor import crash_point
from mtgate.supervisor.caretaker import Caretaker
from mtgate.supervisor.launcher import Order, stop_worker
from mtgate.supervisor.services import Services
from mtgate.supervisor.tenant_state import TenantState
from mtgate.supervisor.unit import State
from mtgate.supervisor.worker import Worker


class Generations:
    """Of one tenant."""

    __slots__ = ("_care", "_halts", "_scope", "_services", "_tenant")

    def __init__(self, tenant: TenantState, care: Caretaker, services: Services) -> None:
        self._tenant = tenant
        self._care = care
        self._services = services
        self._scope: trio.CancelScope | None = None
        self._halts = 0

    @contextmanager
    def halting(self, why: str) -> Iterator[None]:
        """Gives up the start that is under way and, meanwhile, those that wait for their turn."""
        self._halts += 1
        if self._scope is not None:
            self._tenant.reason = why
            self._scope.cancel()
        try:
            yield
        finally:
            self._halts -= 1

    async def activate(self) -> None:
        """Brings up a generation where none serves; on failure the state is left as `activating`."""
        tenant = self._tenant
        tenant.enter(State.ACTIVATING)
        tenant.read_config()
        workers = await self._bring_up(tenant.worker_count)
        tenant.workforce.serving = workers
        tenant.enter(State.ACTIVE)
        self._care.begin(workers, tenant.config)

    async def _bring_up(self, count: int) -> list[Worker]:
        """`count` ready workers of a new generation, or an error and none."""
        tenant = self._tenant
        if self._halts:
            raise Conflict(f'tenant "{tenant.id}" is being stopped', tenant=tenant.id)
        tenant.wanted.generation += 1
        workers = await self.gather(range(count))
        crash_point.passing("start.after-ready")
        return workers

    async def gather(self, numbers: Iterable[int]) -> list[Worker]:
        """Ready workers of the present generation; a stop interrupts that (Conflict)."""
        tenant = self._tenant
        with trio.CancelScope() as self._scope:
            try:
                return await tenant.workforce.gather(self._orders(numbers))
            finally:
                self._scope = None
        raise Conflict(
            f'tenant "{tenant.id}": {tenant.reason or "stopped"} while it was starting', tenant=tenant.id
        )

    def _orders(self, numbers: Iterable[int]) -> list[Order]:
        """For workers of the present generation."""
        tenant = self._tenant
        generation, config, uid = tenant.wanted.generation, tenant.config, tenant.wanted.uid
        return [tenant.workforce.order(generation, number, config, uid) for number in numbers]

    async def swap(self) -> None:
        """New beside old, READY, switch, drain, stop; before READY any failure leaves the old one alone."""
        tenant = self._tenant
        before = tenant.config
        try:
            tenant.read_config()
            fresh = await self._bring_up(tenant.worker_count)
        except (GateError, OSError):
            tenant.config = before
            raise
        crash_point.passing("swap.before-switch")
        old = tenant.workers
        with trio.CancelScope(shield=True):
            tenant.workforce.withdraw(old)
            tenant.workforce.serving = fresh
            await tenant.workforce.drain(old)
            crash_point.passing("swap.after-drain")
            tenant.enter(State.ACTIVE)
            self._care.begin(fresh, tenant.config)
            crash_point.passing("swap.after-switch")
        self._services.nursery.start_soon(tenant.workforce.retire, old, before)

    async def stop(self, then: State) -> None:
        """Drains and stops every worker; afterwards the state is `then`."""
        tenant = self._tenant
        tenant.wanted.asleep = then is State.ASLEEP
        self._care.end()
        workers = tenant.workers
        if then is State.ASLEEP:
            for worker in workers:
                await worker.unprobed.wait()  # else our own probe, left in the socket, would wake it
        tenant.workforce.withdraw(workers)
        tenant.enter(State.DEACTIVATING)
        with trio.CancelScope(shield=True):
            await tenant.workforce.drain(workers)
            await tenant.workforce.retire(workers, tenant.config)
            for worker in list(tenant.retiring):
                await stop_worker(worker, tenant.config.stop_timeout_seconds)
        crash_point.passing("stop.after-exit")
        tenant.close_journal()
        tenant.enter(then)
        self._services.desired.commit_soon()

    async def resize(self) -> None:
        """More workers of the generation that serves, or fewer."""
        tenant = self._tenant
        surplus = tenant.workers[tenant.worker_count :]
        if surplus:
            tenant.workforce.withdraw(surplus)
            await tenant.workforce.drain(surplus)
            self._services.nursery.start_soon(tenant.workforce.retire, surplus, tenant.config)
        taken = {worker.number for worker in tenant.workers}
        missing = [number for number in range(tenant.worker_count) if number not in taken]
        if missing:
            added = await self.gather(missing)
            tenant.workers.extend(added)
            self._care.begin(added, tenant.config)
        tenant.enter(State.ACTIVE)

    async def replace(self, worker: Worker, reason: str) -> None:
        """Another one beside it, which takes its place; it accepts no more, and is the caller's to end."""
        tenant = self._tenant
        fresh = await self.gather([worker.number])
        tenant.workforce.withdraw([worker])
        tenant.workers.extend(fresh)
        tenant.enter(State.ACTIVE, reason)
        self._care.begin(fresh, tenant.config)
        worker.tell(notify.DRAIN)
