"""One tenant: its unit, its workers, the commands on it.

In charge of: one tenant's state, and nothing of another's. Commands are serialised by a lock; `stop` and
`remove` interrupt what is under way. Must not know: HTTP, or how a worker is made. A tenant that sleeps or is
stopped has no task: tasks exist while a worker, a command or a timer does.
"""

from __future__ import annotations

import logging
import random
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import trio

from mtgate import notify
from mtgate.control.schema import Isolation, LastExit, Result, ToolResult
from mtgate.errors import Conflict, GateError, InvalidConfiguration, NotRunning, StartFailed, UnknownTenant
from mtgate.paths import Paths
from mtgate.supervisor import crash_point, health, restart, spec
from mtgate.supervisor.desired import DesiredState, Wanted
from mtgate.supervisor.events import Events
from mtgate.supervisor.handover import TenantRecord
from mtgate.supervisor.history import History
from mtgate.supervisor.isolation import give_tree
from mtgate.supervisor.journal import Journal
from mtgate.supervisor.launcher import Launcher, Order, stop_worker
from mtgate.supervisor.listeners import Sleepers
from mtgate.supervisor.process import Children, Exit
from mtgate.supervisor.readiness import failure, wait_settled, watch_first_accept
from mtgate.supervisor.restart import Reason
from mtgate.supervisor.routes import Routes
from mtgate.supervisor.unit import Action, Event, State, decide
from mtgate.supervisor.watch import Signature, signature, wait_changed
from mtgate.supervisor.worker import Worker
from mtgate.supervisor.zygote import ForkFailed
from mtgate.tenantdir.complaint import InvalidFile
from mtgate.tenantdir.schema import TenantConfig, read_tenant_json

logger = logging.getLogger(__name__)

#: A worker that was told DRAIN answers at once; one that does not is stopped all the same.
DRAIN_ANSWER_SECONDS = 5.0
#: A start keeps its slot for so long; one that takes longer must not keep others from theirs.
SLOT_SECONDS = 3.0


@dataclass(slots=True)
class Services:
    """What all tenants share."""

    paths: Paths
    defaults: TenantConfig
    events: Events
    desired: DesiredState
    history: History
    launcher: Launcher
    children: Children
    sleepers: Sleepers
    routes: Routes
    starts: trio.CapacityLimiter
    nursery: trio.Nursery


class Tenant:
    """The owner of one tenant's processes."""

    __slots__ = (
        "_failures",
        "_halts",
        "_idle",
        "_journal",
        "_lock",
        "_scope",
        "_services",
        "_timer",
        "_watch",
        "config",
        "directory",
        "gone",
        "id",
        "last_active",
        "last_exit",
        "listener",
        "reason",
        "restarts",
        "retiring",
        "retry_at",
        "since",
        "state",
        "wanted",
        "workers",
    )

    def __init__(
        self, tenant_id: str, directory: Path, listener: socket.socket, wanted: Wanted, services: Services
    ) -> None:
        self.id = tenant_id
        self.directory = directory
        self.listener = listener
        self.wanted = wanted
        self.config = services.defaults
        self.state = State.INACTIVE
        self.since = datetime.now(UTC)
        self.reason: str | None = None
        self.workers: list[Worker] = []
        self.retiring: list[Worker] = []
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
        self._idle: trio.CancelScope | None = None
        self._watch: trio.CancelScope | None = None

    # -- what others may ask ---------------------------------------------------------------------------------

    @property
    def journal(self) -> Journal:
        """Its output; made when first asked for."""
        if self._journal is None:
            self._journal = Journal(self._services.paths.tenant_log(self.id), self.config.limits)
        return self._journal

    @property
    def worker_count(self) -> int:
        """Workers wanted: `mtctl scale` wins over tenant.json."""
        return self.wanted.workers or self.config.workers

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
        path = self.directory / "tenant.json"
        try:
            text = path.read_text("utf-8")
        except FileNotFoundError:
            text = ""
        except (OSError, UnicodeDecodeError) as error:
            raise InvalidConfiguration(f"{path}: cannot be read: {error}", tenant=self.id) from error
        try:
            self.config = read_tenant_json(text, self._services.defaults) if text else self._services.defaults
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
        order = Order(self.id, self.directory, self.listener, 0, 0, self.config, self.wanted.uid)
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
            workers=[
                worker.record(serves=worker in self.workers) for worker in (*self.workers, *self.retiring)
            ],
        )

    def stay(self) -> None:
        """Takes `leave` back; by the task that left."""
        self._lock.release()
        self._settle()

    def take_over(self, record: TenantRecord) -> None:
        """Goes on where the program before us left off; workers that were being retired are stopped."""
        self.restarts = record.restarts
        for entry in record.workers:
            worker = Worker.from_record(entry)
            self._services.launcher.recall(worker, self.id)
            self._services.children.own(entry.pid)
            (self.workers if entry.serves else self.retiring).append(worker)
            self._services.nursery.start_soon(self._attend, worker)
        self._enter(State.ACTIVE if self.workers else State(record.state), record.reason)
        self._look_after(self.workers)
        if self.retiring:
            self._services.nursery.start_soon(self._retire, list(self.retiring), self.config)

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
        self.workers = workers
        self._enter(State.ACTIVE)
        self._look_after(workers)

    async def _bring_up(self, count: int) -> list[Worker]:
        """`count` ready workers of a new generation, or an error and none."""
        if self._halts:
            raise Conflict(f'tenant "{self.id}" is being stopped', tenant=self.id)
        generation = self.wanted.generation + 1
        workers: list[Worker] = []
        with trio.CancelScope() as self._scope:
            try:
                async with self._services.starts:
                    self.wanted.generation = generation
                    for number in range(count):
                        workers.append(await self._launch(generation, number))
                    await wait_settled(workers, min(SLOT_SECONDS, self.config.start_timeout_seconds))
                await wait_settled(workers, self.config.start_timeout_seconds)
                crash_point.passing("start.after-ready")
            finally:
                self._scope = None
                if not workers or not all(worker.ready for worker in workers):
                    await self._discard(workers)
            self._raise_failure(workers)
            return workers
        raise Conflict(
            f'tenant "{self.id}": {self.reason or "stopped"} while it was starting', tenant=self.id
        )

    def _raise_failure(self, workers: list[Worker]) -> None:
        for worker in workers:
            if not worker.ready:
                raise failure(self.id, worker, self.config, self.journal.recent(20, worker.generation))

    async def _launch(self, generation: int, number: int) -> Worker:
        order = Order(
            self.id, self.directory, self.listener, generation, number, self.config, self.wanted.uid
        )
        try:
            worker = await self._services.launcher.launch(order)
        except (ForkFailed, OSError) as error:
            raise StartFailed(f"no process could be made: {error}", tenant=self.id) from error
        services = self._services
        services.nursery.start_soon(self._attend, worker)
        if not worker.listens:
            path = services.paths.tenant_socket(self.id)
            services.nursery.start_soon(watch_first_accept, worker, path, self.listener)
        return worker

    async def _discard(self, workers: list[Worker]) -> None:
        with trio.CancelScope(shield=True):
            for worker in workers:
                if worker.process.exit is None:
                    worker.blame = Reason.START_TIMEOUT
                    worker.process.kill_tree()
            for worker in workers:
                await worker.ended.wait()

    # -- swapping and stopping -------------------------------------------------------------------------------

    async def _swap(self) -> None:
        """New beside old, READY, switch, drain, stop; before READY any failure leaves the old one as it
        is."""
        before = self.config
        try:
            self.read_config()
            fresh = await self._bring_up(self.worker_count)
        except (GateError, OSError):
            self.config = before
            raise
        crash_point.passing("swap.before-switch")
        with trio.CancelScope(shield=True):
            old, self.workers = self.workers, fresh
            self.retiring.extend(old)
            await self._drain(old)
            crash_point.passing("swap.after-drain")
            self._enter(State.ACTIVE)
            self._look_after(fresh)
            crash_point.passing("swap.after-switch")
        self._services.nursery.start_soon(self._retire, old, before)

    async def _drain(self, workers: list[Worker]) -> None:
        """Asks them to accept nothing more, and waits until they have said so."""
        for worker in workers:
            worker.commanded = True
            if not worker.tell(notify.DRAIN):
                worker.not_accepting.set()
        with trio.move_on_after(DRAIN_ANSWER_SECONDS):
            for worker in workers:
                await worker.not_accepting.wait()

    async def _retire(self, workers: list[Worker], config: TenantConfig) -> None:
        """Waits for the proxies to be through with a generation, then stops it."""
        for generation in {worker.generation for worker in workers}:
            with trio.move_on_after(config.drain_timeout_seconds):
                await self._services.routes.wait_drained(self.id, generation)
        async with trio.open_nursery() as nursery:
            for worker in workers:
                nursery.start_soon(stop_worker, worker, config.stop_timeout_seconds)

    async def _stop(self, then: State) -> None:
        """Drains and stops every worker; afterwards the state is `then`."""
        self.wanted.asleep = then is State.ASLEEP
        workers, self.workers = self.workers, []
        self.retiring.extend(workers)
        self._enter(State.DEACTIVATING)
        with trio.CancelScope(shield=True):
            await self._drain(workers)
            await self._retire(workers, self.config)
            for worker in list(self.retiring):
                await stop_worker(worker, self.config.stop_timeout_seconds)
        crash_point.passing("stop.after-exit")
        if self._journal is not None:
            self._journal.close()
        self._enter(then)
        self._services.desired.commit_soon()

    async def _resize(self) -> None:
        """More workers of the generation that serves, or fewer."""
        missing = self.worker_count - len(self.workers)
        if missing <= 0:
            surplus = self.workers[self.worker_count :]
            del self.workers[self.worker_count :]
            self.retiring.extend(surplus)
            await self._drain(surplus)
            self._services.nursery.start_soon(self._retire, surplus, self.config)
        else:
            taken = {worker.number for worker in self.workers}
            numbers = [number for number in range(self.worker_count) if number not in taken]
            added = [await self._launch(self.wanted.generation, number) for number in numbers]
            await wait_settled(added, self.config.start_timeout_seconds)
            self.workers.extend(worker for worker in added if worker.ready)
            self._look_after([worker for worker in added if worker.ready])
            await self._discard([worker for worker in added if not worker.ready])
            self._raise_failure(added)
        self._enter(State.ACTIVE)

    # -- looking after what serves --------------------------------------------------------------------------

    def _look_after(self, workers: list[Worker]) -> None:
        """Heartbeat and probe for each, idleness for all."""
        nursery, config = self._services.nursery, self.config
        self.last_active = trio.current_time()
        for worker in workers:
            if config.watchdog_seconds is not None:
                nursery.start_soon(health.watch_heartbeat, worker, config.watchdog_seconds, self._unwell)
            if config.probe is not None:
                path = self._services.paths.tenant_socket(self.id)
                nursery.start_soon(health.watch_probe, worker, config.probe, path, self._unwell)
        if self._idle is not None:
            self._idle.cancel()
            self._idle = None
        if self._watch is not None:
            self._watch.cancel()
            self._watch = None
        if config.watch:
            self._watch = trio.CancelScope()
            nursery.start_soon(self._restart_when_changed, self._watch, signature(self.directory))
        if config.idle_timeout_seconds is not None:
            self._idle = trio.CancelScope()
            nursery.start_soon(self._sleep_when_idle, config.idle_timeout_seconds, self._idle)

    async def _sleep_when_idle(self, limit_seconds: float, scope: trio.CancelScope) -> None:
        with scope:
            while True:
                await health.watch_idle(
                    lambda: self.last_active, lambda: self.busy is not None, limit_seconds
                )
                async with self._lock:
                    scope.shield = True  # from here on it is a command like any other
                    if trio.current_time() - self.last_active >= limit_seconds:
                        self._idle = None
                        if decide(self.state, Event.IDLE).action is Action.SLEEP:
                            await self._stop(State.ASLEEP)
                        return
                    scope.shield = False

    async def _restart_when_changed(self, scope: trio.CancelScope, seen: Signature) -> None:
        """After each change that passes the folder's check; a restart that succeeds starts its own watch."""
        with scope:
            while True:
                seen = await wait_changed(self.directory, seen)
                if await self._passes_check():
                    done = trio.Event()
                    self._services.nursery.start_soon(self._quietly, "restart", self._restart_softly, done)
                    await done.wait()

    async def _passes_check(self) -> bool:
        """Whether the runtime's check finds nothing wrong; a program of the tenant's own has none."""
        if self.config.command is not None:
            return True
        found = await self.run_tool(["tenant_runtime.check", str(self.directory)])
        if found.exit_code != 0:
            self.journal.remark(f"changed, but not restarted: {found.output or found.errors}".strip())
        return found.exit_code == 0

    async def _restart_softly(self) -> Result:
        return await self.restart(hard=False)

    def _unwell(self, worker: Worker, reason: Reason) -> None:
        """A worker hangs or fails its probe."""
        self._services.nursery.start_soon(self._replace, worker, reason)

    async def _replace(self, worker: Worker, reason: Reason) -> None:
        """Another one beside it, then its end; when there can be no other one, its end alone."""
        async with self._lock:
            if worker not in self.workers or worker.process.exit is not None:
                return
            logger.warning("tenant %s: %s of worker %d, replacing it", self.id, reason, worker.process.pid)
            worker.blame = reason
            try:
                fresh = await self._launch(worker.generation, worker.number)
                await wait_settled([fresh], self.config.start_timeout_seconds)
                if fresh.ready:
                    self.restarts += 1
                    self.workers[self.workers.index(worker)] = fresh
                    self.retiring.append(worker)
                    self._enter(State.ACTIVE, f"{reason}: worker {worker.process.pid} was replaced")
                    self._look_after([fresh])
                else:
                    await self._discard([fresh])
            except (GateError, ValueError) as error:
                logger.warning("tenant %s: no replacement: %s", self.id, error)
            worker.process.kill_tree()
            await worker.ended.wait()
            self._settle()

    # -- what happens by itself ------------------------------------------------------------------------------

    async def _attend(self, worker: Worker) -> None:
        """Lives as long as the worker."""
        ended = await worker.run(self.journal)
        self._services.children.disown(worker.process.pid)
        self._services.launcher.forget(worker)
        if worker in self.retiring:
            self.retiring.remove(worker)
        if not self.workers and not self.retiring:
            self._services.children.kill_strangers(self.id)
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
        self.workers = [worker for worker in self.workers if worker not in lost]
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

    async def _quietly(
        self, word: str, command: Callable[[], Awaitable[Result]], done: trio.Event | None = None
    ) -> None:
        """A command that nobody waits for with an answer to give."""
        try:
            await command()
        except (GateError, OSError) as error:
            self.journal.remark(f"{word} failed: {error}")
            logger.warning("tenant %s: %s failed: %s", self.id, word, error)
        finally:
            if done is not None:
                done.set()
