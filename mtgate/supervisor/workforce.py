"""The workers of one tenant: brought up together, drained, ended.

In charge of: who serves and who is being retired, and the way in and out. Must not know: the unit's state, or
why somebody comes or goes.
"""

from __future__ import annotations

import socket
from collections.abc import Callable
from pathlib import Path

import trio

from mtgate import notify
from mtgate.errors import StartFailed
from mtgate.supervisor.handover import WorkerRecord
from mtgate.supervisor.journal import Journal
from mtgate.supervisor.launcher import Order, stop_worker
from mtgate.supervisor.process import Exit
from mtgate.supervisor.readiness import failure, wait_settled, watch_first_accept
from mtgate.supervisor.restart import Reason
from mtgate.supervisor.services import Services
from mtgate.supervisor.worker import Worker
from mtgate.supervisor.zygote import ForkFailed
from mtgate.tenantdir.schema import TenantConfig

#: A worker that was told DRAIN answers at once; one that does not is stopped all the same.
DRAIN_ANSWER_SECONDS = 5.0
#: A start keeps its slot for so long; one that takes longer must not keep others from theirs.
SLOT_SECONDS = 3.0


class Workforce:
    """`serving` accept requests, `retiring` finish theirs. `ended` is told of every end, after the last
    words."""

    __slots__ = (
        "_directory",
        "_ended",
        "_journal",
        "_services",
        "_tenant",
        "listener",
        "retiring",
        "serving",
    )

    def __init__(
        self,
        tenant: str,
        directory: Path,
        listener: socket.socket,
        services: Services,
        journal: Callable[[], Journal],
        ended: Callable[[Worker, Exit], None],
    ) -> None:
        self._tenant = tenant
        self._directory = directory
        self._services = services
        self._journal = journal
        self._ended = ended
        self.listener = listener
        self.serving: list[Worker] = []
        self.retiring: list[Worker] = []

    def order(self, generation: int, number: int, config: TenantConfig, uid: int | None) -> Order:
        """What the launcher needs for one worker of this tenant."""
        return Order(self._tenant, self._directory, self.listener, generation, number, config, uid)

    async def gather(self, orders: list[Order]) -> list[Worker]:
        """A ready worker for each order; StartFailed or InvalidConfiguration, and none, when one is not."""
        workers: list[Worker] = []
        limit = orders[0].config.start_timeout_seconds
        try:
            async with self._services.starts:
                for order in orders:
                    workers.append(await self.launch(order))
                await wait_settled(workers, min(SLOT_SECONDS, limit))
            await wait_settled(workers, limit)
        finally:
            if len(workers) < len(orders) or not all(worker.ready for worker in workers):
                await self.discard(workers)
        for worker in workers:
            if not worker.ready:
                log_tail = self._journal().recent(20, worker.generation)
                raise failure(self._tenant, worker, orders[0].config, log_tail)
        return workers

    async def launch(self, order: Order) -> Worker:
        """A started worker, watched until its end."""
        services = self._services
        try:
            worker = await services.launcher.launch(order)
        except (ForkFailed, OSError) as error:
            raise StartFailed(f"no process could be made: {error}", tenant=self._tenant) from error
        services.nursery.start_soon(self._attend, worker)
        if not worker.listens:
            path = services.paths.tenant_socket(self._tenant)
            services.nursery.start_soon(watch_first_accept, worker, path, self.listener)
        else:
            worker.unprobed.set()
        return worker

    async def discard(self, workers: list[Worker]) -> None:
        """Ends workers that never served."""
        with trio.CancelScope(shield=True):
            for worker in workers:
                if worker.process.exit is None:
                    worker.blame = Reason.START_TIMEOUT
                    worker.process.kill_tree()
            for worker in workers:
                await worker.ended.wait()

    def withdraw(self, workers: list[Worker]) -> None:
        """From serving to retiring."""
        self.serving = [worker for worker in self.serving if worker not in workers]
        self.retiring.extend(workers)

    async def drain(self, workers: list[Worker]) -> None:
        """Asks them to accept nothing more, and waits until they have said so."""
        for worker in workers:
            worker.commanded = True
            if not worker.tell(notify.DRAIN):
                worker.not_accepting.set()
        with trio.move_on_after(DRAIN_ANSWER_SECONDS):
            for worker in workers:
                await worker.not_accepting.wait()

    async def retire(self, workers: list[Worker], config: TenantConfig) -> None:
        """Waits for the proxies to be through with a generation, then stops it."""
        for generation in {worker.generation for worker in workers}:
            with trio.move_on_after(config.drain_timeout_seconds):
                await self._drained(generation, workers)
        async with trio.open_nursery() as nursery:
            for worker in workers:
                nursery.start_soon(stop_worker, worker, config.stop_timeout_seconds)

    async def _drained(self, generation: int, workers: list[Worker]) -> None:
        """Until no proxy uses the generation, or its workers have ended all the same."""
        async with trio.open_nursery() as nursery:

            async def all_ended() -> None:
                for worker in workers:
                    await worker.ended.wait()
                nursery.cancel_scope.cancel()

            nursery.start_soon(all_ended)
            await self._services.routes.wait_drained(self._tenant, generation)
            nursery.cancel_scope.cancel()

    def records(self) -> list[WorkerRecord]:
        """For the program that replaces us."""
        workers = (*self.serving, *self.retiring)
        return [worker.record(serves=worker in self.serving) for worker in workers]

    def take_over(self, records: list[WorkerRecord]) -> None:
        """The workers that the program before us left."""
        for record in records:
            worker = Worker.from_record(record)
            self._services.launcher.recall(worker)
            self._services.children.own(record.pid)
            (self.serving if record.serves else self.retiring).append(worker)
            self._services.nursery.start_soon(self._attend, worker)

    async def _attend(self, worker: Worker) -> None:
        """Lives as long as the worker."""
        ended = await worker.run(self._journal())
        self._services.children.disown(worker.process.pid)
        self._services.launcher.forget(worker)
        if worker in self.retiring:
            self.retiring.remove(worker)
        if not self.serving and not self.retiring:
            self._services.children.kill_strangers(self._tenant)
        self._ended(worker, ended)
