"""One tenant: the commands on it, and what its caretaker tells.

In charge of: what is done with one tenant, in which order, and nothing of another's. Commands are serialised
by a lock; `stop` and `remove` interrupt what is under way. Must not know: HTTP, or how a worker is made. A
tenant that sleeps or is stopped has no task: tasks exist while a worker, a command or a timer does.
"""

from __future__ import annotations

import logging
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager

import trio

from mtgate.control.schema import Result, ToolResult
from mtgate.errors import Conflict, GateError, NotRunning, UnknownTenant
from mtgate.supervisor import crash_point
from mtgate.supervisor.caretaker import Caretaker
from mtgate.supervisor.desired import Wanted
from mtgate.supervisor.generations import Generations
from mtgate.supervisor.handover import TenantRecord
from mtgate.supervisor.isolation import give_tree
from mtgate.supervisor.process import Exit
from mtgate.supervisor.recovery import Recovery
from mtgate.supervisor.restart import Reason
from mtgate.supervisor.services import Services
from mtgate.supervisor.tenant_state import TenantState
from mtgate.supervisor.unit import Action, Event, State, decide
from mtgate.supervisor.worker import Worker

logger = logging.getLogger(__name__)


class Tenant(TenantState):
    """The owner of one tenant's processes: its state, its generations, its recovery."""

    __slots__ = ("_care", "_generations", "_lock", "_recovery")

    def __init__(
        self, tenant_id: str, path: str, listener: socket.socket, wanted: Wanted, services: Services
    ) -> None:
        super().__init__(
            tenant_id,
            path,
            listener,
            wanted,
            services,
            woken=self.first_connection,
            ended=self._worker_ended,
        )
        self._lock = trio.Lock()
        self._care = Caretaker(self, services.nursery, path, self.directory)
        self._generations = Generations(self, self._care, services)
        self._recovery = Recovery(self, self._generations, self._care, self._lock, services.nursery)

    @property
    def at_rest(self) -> bool:
        """Whether nothing of it runs and nothing is being done."""
        resting = self.state in (State.INACTIVE, State.ASLEEP, State.FAILED)
        return resting and not self.retiring and not self._lock.locked() and not self._recovery.waits

    # -- commands --------------------------------------------------------------------------------------------

    async def start(self) -> Result:
        """Until it serves: `done`, or `already`; StartFailed or InvalidConfiguration says why not."""
        async with self._commanded(), self._wanting_to_run():
            return await self._step(Event.START)

    async def restart(self, *, hard: bool) -> Result:
        """Swaps generations; `hard` stops the old one first. The old one stays when the new one fails."""
        async with self._commanded():
            await self._want("running")
            if hard and self.state is State.ACTIVE:
                await self._generations.stop(State.INACTIVE)
            return await self._step(Event.RESTART)

    async def stop(self) -> Result:
        """Until nothing runs; what is being started is given up."""
        with self._halting("stopped"):
            async with self._commanded():
                await self._want("stopped")
                crash_point.passing("stop.after-state")
                return await self._step(Event.STOP)

    async def sleep(self) -> Result:
        """Stops the workers and waits for the first connection."""
        async with self._commanded():
            return await self._step(Event.SLEEP)

    async def wake(self) -> Result:
        """Starts a sleeping tenant."""
        async with self._commanded():
            return await self._step(Event.WAKE)

    async def reset_failed(self) -> Result:
        """Forgets its failures and tries again at once."""
        async with self._commanded():
            return await self._step(Event.RESET)

    async def rollback(self, to: int | None) -> Result:
        """Puts back the files of a revision, the one before the present when None, and swaps generations."""
        async with self._commanded():
            history = self._services.history
            numbers = await trio.to_thread.run_sync(history.numbers, self.id)
            number = to if to is not None else (numbers[-2] if len(numbers) > 1 else None)
            if number not in numbers:
                known = ", ".join(map(str, numbers)) or "none"
                raise Conflict(f"no such revision of {self.id}; there are: {known}", tenant=self.id)
            changed = await trio.to_thread.run_sync(history.restore, self.id, number, self.directory)
            self.journal.remark(f"rolled back to revision {number}: {len(changed)} files changed")
            if self.state is State.ACTIVE:
                await self._step(Event.RESTART)
            return "done" if changed else "already"

    async def run_tool(self, arguments: list[str]) -> ToolResult:
        """Runs `python -m arguments…` as this tenant."""
        self.read_config()
        await self._own_files()
        order = self.workforce.order(0, 0, self.config, self.wanted.uid)
        return await self._services.launcher.run_tool(order, arguments)

    async def scale(self, count: int) -> Result:
        """Sets the number of workers, live."""
        async with self._commanded():
            if count == self.worker_count:
                return "already"
            self.wanted.workers = count
            await self._services.desired.commit()
            if self.state is State.ACTIVE:
                await self._generations.resize()
            return "done"

    async def remove(self) -> None:
        """Stops what runs; nothing can be started any more."""
        with self._halting("removed"):
            async with self._lock:
                self._recovery.cancel_timer()
                await self._generations.stop(State.INACTIVE)

    async def shut_down(self) -> None:
        """Stops what runs and leaves what is wanted as it is: the daemon is ending."""
        asleep = self.wanted.asleep
        await self.remove()
        self.wanted.asleep = asleep

    async def leave(self) -> TenantRecord:
        """What the program that replaces us must know; afterwards no command is at work, and none begins."""
        await self._lock.acquire()
        return TenantRecord(
            listener=self.listener.fileno(),
            state=self.state.value,
            reason=self.reason,
            restarts=self.restarts,
            workers=self.workforce.records(),
        )

    def stay(self) -> None:
        """Takes `leave` back; by the task that left."""
        self._lock.release()
        self._recovery.settle()

    def take_over(self, record: TenantRecord) -> None:
        """Goes on where the program before us left off; workers that were being retired are stopped."""
        self.restarts = record.restarts
        self.workforce.take_over(record.workers)
        self.enter(State.ACTIVE if self.workers else State(record.state), record.reason)
        self._care.begin(self.workers, self.config)
        if self.retiring:
            self._services.nursery.start_soon(self.workforce.retire, list(self.retiring), self.config)

    def take_up(self, state: State) -> None:
        """The state in which the daemon finds it at its own start."""
        self.enter(state)

    async def rebind(self, bind: Callable[[], socket.socket]) -> None:
        """The file of its socket was removed: nobody reaches what serves, another generation takes over."""
        async with self._lock:
            if self.gone:
                return
            listener = bind()
            self._services.sleepers.remove(self.listener)
            self.listener.close()
            self.workforce.listener = listener
            if self.state is State.ASLEEP:
                self._services.sleepers.add(listener, self.first_connection)
        if self.state is State.ACTIVE:
            await self._quietly("restart", self._restart_softly)

    def first_connection(self) -> None:
        """Somebody connected to the socket of a tenant that sleeps."""
        self._services.nursery.start_soon(self._quietly, "wake", self.wake)

    def _worker_ended(self, worker: Worker, ended: Exit) -> None:
        self._recovery.worker_ended(worker, ended)

    # -- the lock, and what follows a command ----------------------------------------------------------------

    @asynccontextmanager
    async def _commanded(self) -> AsyncIterator[None]:
        async with self._lock:
            if self.gone:
                raise UnknownTenant(self.id)
            self._recovery.cancel_timer()
            try:
                yield
            finally:
                self._recovery.settle()

    @contextmanager
    def _halting(self, why: str) -> Iterator[None]:
        """Gives up the start that is under way, and what would be tried by itself."""
        with self._generations.halting(why):
            self._recovery.cancel_timer()
            yield

    async def _want(self, desired: str) -> None:
        """Desired state is on disk before anybody acts on it."""
        before = self._intend(desired)
        if before is not None:
            await self._write_intent(before)

    def _intend(self, desired: str) -> tuple[str, bool] | None:
        """Changes what is wanted, in memory; what was wanted before, None when it is the same."""
        if self.wanted.desired in ("removed", "removing"):
            raise UnknownTenant(self.id)
        self._recovery.forget()
        before = (self.wanted.desired, self.wanted.asleep)
        self.wanted.desired, self.wanted.asleep = desired, False
        return None if before == (desired, False) else before

    async def _write_intent(self, before: tuple[str, bool]) -> None:
        """What is wanted gets onto the disk; a disk that refuses leaves it as it was before."""
        try:
            await self._services.desired.commit()
        except OSError:
            self.wanted.desired, self.wanted.asleep = before
            raise

    @asynccontextmanager
    async def _wanting_to_run(self) -> AsyncIterator[None]:
        """The start inside and the disk do not wait for each other; what is wanted is on disk at the end.

        A disk that refuses undoes the start. Of a daemon that dies in between, its successor stops what the
        disk does not know (folders).
        """
        before = self._intend("running")
        if before is None:
            yield
            return
        written = trio.Event()
        refused: list[OSError] = []

        async def write() -> None:
            try:
                await self._write_intent(before)
                crash_point.passing("start.after-state")
            except OSError as error:
                refused.append(error)
            finally:
                written.set()

        self._services.nursery.start_soon(write)
        try:
            yield
        finally:
            await written.wait()
            if refused:
                self._recovery.cancel_timer()
                await self._generations.stop(State.ASLEEP if before[1] else State.INACTIVE)
        if refused:
            raise refused[0]

    async def _step(self, event: Event) -> Result:
        """Does what the table says; the result in the control API's words."""
        step = decide(self.state, event)
        if step.action is Action.ALREADY:
            return "already"
        if step.action is Action.REFUSE:
            raise NotRunning(
                f'tenant "{self.id}" is {self.state}', tenant=self.id, hint=f"mtctl start {self.id}"
            )
        if step.action is Action.SPAWN:
            self.restarts = 0
            if event is not Event.WAKE:
                await self._own_files()
            await self._recovery.activate()
            self._services.nursery.start_soon(self._record_revision)
        elif step.action is Action.SWAP:
            await self._own_files()
            await self._generations.swap()
            self._services.nursery.start_soon(self._record_revision)
        elif step.action is Action.STOP:
            await self._generations.stop(State.INACTIVE)
        elif step.action is Action.SLEEP:
            await self._generations.stop(State.ASLEEP)
        return "done"

    async def _record_revision(self) -> None:
        """What has just become ready can be come back to; costs the disk, never the tenant."""
        try:
            await trio.to_thread.run_sync(self._services.history.record, self.id, self.directory)
        except (OSError, ValueError) as error:
            logger.warning("tenant %s: no revision kept: %s", self.id, error)

    async def _own_files(self) -> None:
        """What the operator put into the folder becomes the tenant's own to read (its uid alone may)."""
        if self.wanted.uid is not None and self._services.launcher.isolation.uid_base is not None:
            await trio.to_thread.run_sync(give_tree, self.directory, self.wanted.uid)

    # -- what the caretaker tells ----------------------------------------------------------------------------

    def unwell(self, worker: Worker, reason: Reason) -> None:
        """A worker hangs or fails its probe."""
        self._services.nursery.start_soon(self._replace, worker, reason)

    async def sleep_if_idle(self, limit_seconds: float) -> None:
        """Goes to sleep unless something was asked meanwhile."""
        async with self._lock:
            idle = trio.current_time() - self.last_active >= limit_seconds
            if idle and decide(self.state, Event.IDLE).action is Action.SLEEP:
                await self._generations.stop(State.ASLEEP)

    async def files_changed(self) -> None:
        """Restarts when the runtime's check finds nothing wrong; a program of the tenant's own has none."""
        if self.config.command is None:
            found = await self.run_tool(["tenant_runtime.check", str(self.directory)])
            if found.exit_code != 0:
                self.journal.remark(f"changed, but not restarted: {found.output or found.errors}".strip())
                return
        await self._quietly("restart", self._restart_softly)

    async def _restart_softly(self) -> Result:
        return await self.restart(hard=False)

    async def _replace(self, worker: Worker, reason: Reason) -> None:
        """Another one beside it, then its end; when there can be no other one, its end alone."""
        async with self._lock:
            if worker not in self.workers or worker.process.exit is not None:
                return
            logger.warning("tenant %s: %s of worker %d, replacing it", self.id, reason, worker.process.pid)
            worker.blame = reason
            try:
                await self._generations.replace(worker, f"{reason}: worker {worker.process.pid} was replaced")
            except (GateError, OSError) as error:
                logger.warning("tenant %s: no replacement: %s", self.id, error)
            else:
                self.restarts += 1
                if reason is Reason.PROBE:  # its loop still turns: it finishes what it has accepted
                    self._services.nursery.start_soon(self.workforce.retire, [worker], self.config)
                    return
            worker.process.kill_tree()
            await worker.ended.wait()
            self._recovery.settle()

    async def _quietly(self, word: str, command: Callable[[], Awaitable[Result]]) -> None:
        """A command that nobody waits for with an answer to give."""
        try:
            await command()
        except (GateError, OSError) as error:
            self.journal.remark(f"{word} failed: {error}")
            logger.warning("tenant %s: %s failed: %s", self.id, word, error)
        except Exception:  # the root of a unit's task: no tenant's folder may end the daemon
            logger.exception("tenant %s: %s failed", self.id, word)
