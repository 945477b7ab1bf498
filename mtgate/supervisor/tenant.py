"""One tenant: its unit, its workers, the commands on it.

In charge of: one tenant's state, and nothing of another's. Commands are serialised by a lock; `stop` and
`remove` interrupt what is under way. Must not know: HTTP, or how a worker is made. A tenant that sleeps or is
stopped has no task: tasks exist while a worker, a command or a timer does.
"""

from __future__ import annotations

import logging
import random
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime, timedelta

import trio

from mtgate.control.schema import Isolation, LastExit, Result, ToolResult
from mtgate.errors import Conflict, GateError, InvalidConfiguration, NotRunning, UnknownTenant
from mtgate.supervisor import crash_point, restart, spec
from mtgate.supervisor.caretaker import Caretaker
from mtgate.supervisor.desired import Wanted
from mtgate.supervisor.handover import TenantRecord
from mtgate.supervisor.isolation import give_tree
from mtgate.supervisor.journal import Journal
from mtgate.supervisor.launcher import Order, stop_worker
from mtgate.supervisor.process import Exit
from mtgate.supervisor.restart import Reason
from mtgate.supervisor.services import Services
from mtgate.supervisor.unit import Action, Event, State, decide
from mtgate.supervisor.worker import Worker
from mtgate.supervisor.workforce import Workforce
from mtgate.tenantdir.complaint import InvalidFile
from mtgate.tenantdir.files import read_small
from mtgate.tenantdir.schema import read_tenant_json

logger = logging.getLogger(__name__)


class Tenant:
    """The owner of one tenant's processes."""

    __slots__ = (
        "_care",
        "_failures",
        "_halts",
        "_journal",
        "_lock",
        "_scope",
        "_services",
        "_timer",
        "config",
        "directory",
        "gone",
        "id",
        "last_active",
        "last_exit",
        "reason",
        "restarts",
        "retry_at",
        "since",
        "socket_path",
        "state",
        "wanted",
        "workforce",
    )

    def __init__(
        self, tenant_id: str, path: str, listener: socket.socket, wanted: Wanted, services: Services
    ) -> None:
        self.id = tenant_id
        self.directory = directory = services.paths.tenant_dir(tenant_id)
        self.socket_path = path
        self.wanted = wanted
        self.config = services.defaults
        self.state = State.INACTIVE
        self.since = datetime.now(UTC)
        self.reason: str | None = None
        self.gone = False
        self.restarts = 0
        self.last_exit: LastExit | None = None
        self.retry_at: datetime | None = None
        self.last_active = 0.0
        self._services = services
        self._failures = restart.History()
        self._journal: Journal | None = None
        self._lock = trio.Lock()
        self._scope: trio.CancelScope | None = None
        self._halts = 0
        self._timer: trio.CancelScope | None = None
        self._care = Caretaker(self, services.nursery, path, directory)
        self.workforce = Workforce(
            tenant_id, directory, listener, services, lambda: self.journal, self._worker_ended
        )

    # -- what others may ask ---------------------------------------------------------------------------------

    @property
    def journal(self) -> Journal:
        """Its output; made when first asked for."""
        if self._journal is None:
            self._journal = Journal(self._services.paths.tenant_log(self.id), self.config.limits)
        return self._journal

    @property
    def listener(self) -> socket.socket:
        """Its socket, as old as the tenant."""
        return self.workforce.listener

    @property
    def workers(self) -> list[Worker]:
        """Those that serve."""
        return self.workforce.serving

    @property
    def retiring(self) -> list[Worker]:
        """Those that finish what they have accepted."""
        return self.workforce.retiring

    @property
    def worker_count(self) -> int:
        """Workers wanted: `mtctl scale` wins over tenant.json."""
        return self.wanted.workers or self.config.workers

    @property
    def at_rest(self) -> bool:
        """Whether nothing of it runs and nothing is being done."""
        resting = self.state in (State.INACTIVE, State.ASLEEP, State.FAILED)
        return resting and not self.retiring and not self._lock.locked() and self._timer is None

    @property
    def serving_generation(self) -> int:
        """The generation that serves; where none does, the one that will: the gateway drains what came
        before."""
        if self.state is State.ACTIVE and self.workers:
            return self.workers[0].generation
        return self.wanted.generation + 1

    @property
    def isolation(self) -> Isolation:
        """What keeps its workers from the others."""
        return self._services.launcher.isolation.word

    @property
    def busy(self) -> str | None:
        """Why it must not be put to sleep, as one of its workers says."""
        return next((worker.busy for worker in self.workers if worker.busy), None)

    def read_config(self) -> None:
        """Reads tenant.json anew; InvalidConfiguration leaves the settings that were in force."""
        path = f"{self.directory}/tenant.json"
        try:
            text = read_small(path)
        except FileNotFoundError:
            text = ""
        except (OSError, UnicodeDecodeError) as error:
            raise InvalidConfiguration(f"{path}: cannot be read: {error}", tenant=self.id) from error
        if text.strip() in ("", "{}"):  # most tenants: one object of defaults serves them all
            self.config = self._services.defaults
            return
        try:
            self.config = read_tenant_json(text, self._services.defaults)
        except InvalidFile as error:
            raise InvalidConfiguration(str(error), tenant=self.id, complaints=error.complaints) from error

    # -- commands --------------------------------------------------------------------------------------------

    async def start(self) -> Result:
        """Until it serves: `done`, or `already`; StartFailed or InvalidConfiguration says why not."""
        async with self._commanded():
            await self._want("running")
            crash_point.passing("start.after-state")
            return await self._step(Event.START)

    async def restart(self, *, hard: bool) -> Result:
        """Swaps generations; `hard` stops the old one first. The old one stays when the new one fails."""
        async with self._commanded():
            await self._want("running")
            if hard and self.state is State.ACTIVE:
                await self._stop(State.INACTIVE)
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
                await self._resize()
            return "done"

    async def remove(self) -> None:
        """Stops what runs; nothing can be started any more."""
        with self._halting("removed"):
            async with self._lock:
                self._cancel_timer()
                await self._stop(State.INACTIVE)

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
        self._settle()

    def take_over(self, record: TenantRecord) -> None:
        """Goes on where the program before us left off; workers that were being retired are stopped."""
        self.restarts = record.restarts
        self.workforce.take_over(record.workers)
        self._enter(State.ACTIVE if self.workers else State(record.state), record.reason)
        self._care.begin(self.workers, self.config)
        if self.retiring:
            self._services.nursery.start_soon(self.workforce.retire, list(self.retiring), self.config)

    def take_up(self, state: State) -> None:
        """The state in which the daemon finds it at its own start."""
        self._enter(state)

    def first_connection(self) -> None:
        """Somebody connected to the socket of a tenant that sleeps."""
        self._services.nursery.start_soon(self._quietly, "wake", self.wake)

    # -- the lock, and what follows a command ----------------------------------------------------------------

    @asynccontextmanager
    async def _commanded(self) -> AsyncIterator[None]:
        async with self._lock:
            if self.gone:
                raise UnknownTenant(self.id)
            self._cancel_timer()
            try:
                yield
            finally:
                self._settle()

    async def _want(self, desired: str) -> None:
        """Desired state is on disk before anybody acts on it."""
        if self.wanted.desired in ("removed", "removing"):
            raise UnknownTenant(self.id)
        self._failures.clear()
        if self.wanted.desired != desired or self.wanted.asleep:
            before = (self.wanted.desired, self.wanted.asleep)
            self.wanted.desired, self.wanted.asleep = desired, False
            try:
                await self._services.desired.commit()
            except OSError:
                self.wanted.desired, self.wanted.asleep = before
                raise

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
            await self._activate()
            self._services.nursery.start_soon(self._record_revision)
        elif step.action is Action.SWAP:
            await self._own_files()
            await self._swap()
            self._services.nursery.start_soon(self._record_revision)
        elif step.action is Action.STOP:
            await self._stop(State.INACTIVE)
        elif step.action is Action.SLEEP:
            await self._stop(State.ASLEEP)
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

    @contextmanager
    def _halting(self, why: str) -> Iterator[None]:
        """Gives up the start that is under way and, meanwhile, those that wait for their turn."""
        self._halts += 1
        if self._scope is not None:
            self.reason = why
            self._scope.cancel()
        self._cancel_timer()
        try:
            yield
        finally:
            self._halts -= 1

    def _enter(self, state: State, reason: str | None = None) -> None:
        services = self._services
        if state is not self.state:
            self.since = datetime.now(UTC)
        self.state, self.reason = state, reason
        if state is not State.ASLEEP:
            services.sleepers.remove(self.listener)
        services.routes.publish(self.id)
        services.events.tell("state", self.id, state, self.wanted.generation, reason)
        if state is State.ASLEEP:
            services.sleepers.add(self.listener, self.first_connection)

    # -- starting --------------------------------------------------------------------------------------------

    async def _activate(self) -> None:
        """Brings up a generation where none serves; on failure the restart policy takes over."""
        self._enter(State.ACTIVATING)
        try:
            self.read_config()
            workers = await self._bring_up(self.worker_count)
        except (GateError, OSError) as error:
            self._start_failed(error)
            raise
        self.workforce.serving = workers
        self._enter(State.ACTIVE)
        self._care.begin(workers, self.config)

    async def _bring_up(self, count: int) -> list[Worker]:
        """`count` ready workers of a new generation, or an error and none."""
        if self._halts:
            raise Conflict(f'tenant "{self.id}" is being stopped', tenant=self.id)
        self.wanted.generation += 1
        workers = await self._gather(range(count))
        crash_point.passing("start.after-ready")
        return workers

    async def _gather(self, numbers: Iterable[int]) -> list[Worker]:
        """Ready workers of the present generation; a stop interrupts that (Conflict)."""
        with trio.CancelScope() as self._scope:
            try:
                return await self.workforce.gather(self._orders(numbers))
            finally:
                self._scope = None
        raise Conflict(
            f'tenant "{self.id}": {self.reason or "stopped"} while it was starting', tenant=self.id
        )

    def _orders(self, numbers: Iterable[int]) -> list[Order]:
        """For workers of the present generation."""
        generation, config, uid = self.wanted.generation, self.config, self.wanted.uid
        return [self.workforce.order(generation, number, config, uid) for number in numbers]

    # -- swapping and stopping -------------------------------------------------------------------------------

    async def _swap(self) -> None:
        """New beside old, READY, switch, drain, stop; before READY any failure leaves the old one alone."""
        before = self.config
        try:
            self.read_config()
            fresh = await self._bring_up(self.worker_count)
        except (GateError, OSError):
            self.config = before
            raise
        crash_point.passing("swap.before-switch")
        old = self.workers
        with trio.CancelScope(shield=True):
            self.workforce.withdraw(old)
            self.workforce.serving = fresh
            await self.workforce.drain(old)
            crash_point.passing("swap.after-drain")
            self._enter(State.ACTIVE)
            self._care.begin(fresh, self.config)
            crash_point.passing("swap.after-switch")
        self._services.nursery.start_soon(self.workforce.retire, old, before)

    async def _stop(self, then: State) -> None:
        """Drains and stops every worker; afterwards the state is `then`."""
        self.wanted.asleep = then is State.ASLEEP
        self._care.end()
        workers = self.workers
        if then is State.ASLEEP:
            for worker in workers:
                await worker.unprobed.wait()  # else our own probe, left in the socket, would wake it
        self.workforce.withdraw(workers)
        self._enter(State.DEACTIVATING)
        with trio.CancelScope(shield=True):
            await self.workforce.drain(workers)
            await self.workforce.retire(workers, self.config)
            for worker in list(self.retiring):
                await stop_worker(worker, self.config.stop_timeout_seconds)
        crash_point.passing("stop.after-exit")
        if self._journal is not None:
            self._journal.close()
        self._enter(then)
        self._services.desired.commit_soon()

    async def _resize(self) -> None:
        """More workers of the generation that serves, or fewer."""
        surplus = self.workers[self.worker_count :]
        if surplus:
            self.workforce.withdraw(surplus)
            await self.workforce.drain(surplus)
            self._services.nursery.start_soon(self.workforce.retire, surplus, self.config)
        taken = {worker.number for worker in self.workers}
        missing = [number for number in range(self.worker_count) if number not in taken]
        if missing:
            added = await self._gather(missing)
            self.workers.extend(added)
            self._care.begin(added, self.config)
        self._enter(State.ACTIVE)

    # -- what the caretaker tells ----------------------------------------------------------------------------

    def unwell(self, worker: Worker, reason: Reason) -> None:
        """A worker hangs or fails its probe."""
        self._services.nursery.start_soon(self._replace, worker, reason)

    async def sleep_if_idle(self, limit_seconds: float) -> None:
        """Goes to sleep unless something was asked meanwhile."""
        async with self._lock:
            idle = trio.current_time() - self.last_active >= limit_seconds
            if idle and decide(self.state, Event.IDLE).action is Action.SLEEP:
                await self._stop(State.ASLEEP)

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
                fresh = await self._gather([worker.number])
            except (GateError, OSError) as error:
                logger.warning("tenant %s: no replacement: %s", self.id, error)
            else:
                self.restarts += 1
                self.workforce.withdraw([worker])
                self.workers.extend(fresh)
                self._enter(State.ACTIVE, f"{reason}: worker {worker.process.pid} was replaced")
                self._care.begin(fresh, self.config)
            worker.process.kill_tree()
            await worker.ended.wait()
            self._settle()

    # -- what happens by itself ------------------------------------------------------------------------------

    def _worker_ended(self, worker: Worker, ended: Exit) -> None:
        self._record_exit(worker, ended)
        if not self._lock.locked():
            self._settle()

    def _record_exit(self, worker: Worker, ended: Exit) -> None:
        reason = "Stopped" if worker.commanded else self._reason(worker, ended)
        self.last_exit = LastExit(
            reason=reason,
            code=ended.code,
            signal=None if ended.signal is None else str(ended).rpartition(" ")[2],
            at=datetime.now(UTC),
            log_tail=[] if worker.commanded else self.journal.recent(10, worker.generation),
        )
        self.journal.remark(f"{reason}: {ended}", worker.generation, worker.number)

    @staticmethod
    def _reason(worker: Worker, ended: Exit) -> Reason:
        return worker.blame or restart.exit_reason(
            ended.code,
            ended.signal,
            was_ready=worker.ready_time is not None,
            out_of_memory=worker.process.out_of_memory,
        )

    def _settle(self) -> None:
        """Looks whether workers that serve have ended; called when no command is under way."""
        if self.state is not State.ACTIVE:
            return
        lost = [worker for worker in self.workers if worker.process.exit is not None]
        if not lost:
            return
        self.workforce.serving = [worker for worker in self.workers if worker not in lost]
        worker = lost[-1]
        assert worker.process.exit is not None
        self.restarts += len(lost)
        healthy = trio.current_time() - (worker.ready_time or trio.current_time())
        self._try_again(self._reason(worker, worker.process.exit), healthy, str(worker.process.exit))

    def _start_failed(self, error: GateError | OSError) -> None:
        if isinstance(error, Conflict):
            self._enter(State.INACTIVE)
            return
        reason = Reason.CONFIGURATION if isinstance(error, InvalidConfiguration) else Reason.START_FAILED
        self.restarts += 1
        self._try_again(reason, 0.0, str(error))

    def _try_again(self, reason: Reason, healthy_seconds: float, detail: str) -> None:
        """The restart policy's answer to an uncommanded end."""
        policy = spec.restart_policy(self.config.restart)
        decision = restart.after_failure(
            policy, self._failures, trio.current_time(), healthy_seconds, reason, random.random()
        )
        text = f"{reason}: {detail}"
        logger.warning("tenant %s: %s; %s", self.id, text, decision.verdict)
        if self.workers:  # others still serve: the missing one is replaced beside them
            self._enter(State.ACTIVE, text)
        else:
            self._care.end()
            self._enter(decide(self.state, Event(decision.verdict)).state, text)
        self._cancel_timer()
        if decision.delay_seconds is not None:
            self.retry_at = datetime.now(UTC) + timedelta(seconds=decision.delay_seconds)
            self._timer = trio.CancelScope()
            self._services.nursery.start_soon(self._retry_after, decision.delay_seconds, self._timer)

    async def _retry_after(self, delay_seconds: float, timer: trio.CancelScope) -> None:
        with timer:
            await trio.sleep(delay_seconds)
            async with self._lock:
                self._timer = self.retry_at = None
                try:
                    if self.state is State.ACTIVE:
                        await self._resize()
                    elif (
                        self.state is State.ACTIVATING
                        or decide(self.state, Event.TIMER).action is Action.SPAWN
                    ):
                        await self._activate()
                except (GateError, OSError) as error:
                    logger.debug("tenant %s: retry failed: %s", self.id, error)
                finally:
                    self._settle()

    def _cancel_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = self.retry_at = None

    async def _quietly(self, word: str, command: Callable[[], Awaitable[Result]]) -> None:
        """A command that nobody waits for with an answer to give."""
        try:
            await command()
        except (GateError, OSError) as error:
            self.journal.remark(f"{word} failed: {error}")
            logger.warning("tenant %s: %s failed: %s", self.id, word, error)
