"""What follows an end that nobody asked for.

In charge of: the exit that is shown, the restart policy's answer, the timer of the next try. Must not know:
how a generation is brought up. A command clears the timer and, when it wants the tenant to run, the past
failures.
"""

from __future__ import annotations

import logging
import random
from datetime import UTC, datetime, timedelta

import trio

from mtgate.control.schema import LastExit
from mtgate.errors import Conflict, GateError, InvalidConfiguration
from mtgate.supervisor import restart, spec
from mtgate.supervisor.caretaker import Caretaker
from mtgate.supervisor.generations import Generations
from mtgate.supervisor.process import Exit
from mtgate.supervisor.restart import Reason
from mtgate.supervisor.tenant_state import TenantState
from mtgate.supervisor.unit import Action, Event, State, decide
from mtgate.supervisor.worker import Worker

logger = logging.getLogger(__name__)


class Recovery:
    """Of one tenant; `lock` is the one that its commands hold."""

    __slots__ = ("_care", "_failures", "_generations", "_lock", "_nursery", "_tenant", "_timer")

    def __init__(
        self,
        tenant: TenantState,
        generations: Generations,
        care: Caretaker,
        lock: trio.Lock,
        nursery: trio.Nursery,
    ) -> None:
        self._tenant = tenant
        self._generations = generations
        self._care = care
        self._lock = lock
        self._nursery = nursery
        self._failures = restart.History()
        self._timer: trio.CancelScope | None = None

    @property
    def waits(self) -> bool:
        """Whether it is tried again by itself."""
        return self._timer is not None

    def forget(self) -> None:
        """A command by a person starts the count anew."""
        self._failures.clear()

    async def activate(self) -> None:
        """Brings up a generation where none serves; on failure the restart policy takes over."""
        try:
            await self._generations.activate()
        except (GateError, OSError) as error:
            self._start_failed(error)
            raise

    def worker_ended(self, worker: Worker, ended: Exit) -> None:
        """Called once for each worker, after its last words."""
        self._record_exit(worker, ended)
        if not self._lock.locked():
            self.settle()

    def _record_exit(self, worker: Worker, ended: Exit) -> None:
        tenant = self._tenant
        commanded = worker.commanded and worker.blame is None
        reason = "Stopped" if commanded else self._reason(worker, ended)
        tenant.last_exit = LastExit(
            reason=reason,
            code=ended.code,
            signal=None if ended.signal is None else str(ended).rpartition(" ")[2],
            at=datetime.now(UTC),
            log_tail=[] if commanded else tenant.journal.recent(10, worker.generation),
        )
        tenant.journal.remark(f"{reason}: {ended}", worker.generation, worker.number)

    @staticmethod
    def _reason(worker: Worker, ended: Exit) -> Reason:
        return worker.blame or restart.exit_reason(
            ended.code,
            ended.signal,
            was_ready=worker.ready_time is not None,
            out_of_memory=worker.process.out_of_memory,
        )

    def settle(self) -> None:
        """Looks whether workers that serve have ended; called when no command is under way."""
        tenant = self._tenant
        if tenant.state is not State.ACTIVE:
            return
        lost = [worker for worker in tenant.workers if worker.process.exit is not None]
        if not lost:
            return
        tenant.workforce.serving = [worker for worker in tenant.workers if worker not in lost]
        worker = lost[-1]
        assert worker.process.exit is not None
        tenant.restarts += len(lost)
        healthy = trio.current_time() - (worker.ready_time or trio.current_time())
        self._try_again(self._reason(worker, worker.process.exit), healthy, str(worker.process.exit))

    def _start_failed(self, error: GateError | OSError) -> None:
        tenant = self._tenant
        if isinstance(error, Conflict):
            tenant.enter(State.INACTIVE)
            return
        reason = Reason.CONFIGURATION if isinstance(error, InvalidConfiguration) else Reason.START_FAILED
        tenant.restarts += 1
        self._try_again(reason, 0.0, str(error))

    def _try_again(self, reason: Reason, healthy_seconds: float, detail: str) -> None:
        """The restart policy's answer to an uncommanded end."""
        tenant = self._tenant
        policy = spec.restart_policy(tenant.config.restart)
        decision = restart.after_failure(
            policy, self._failures, trio.current_time(), healthy_seconds, reason, random.random()
        )
        text = f"{reason}: {detail}"
        logger.warning("tenant %s: %s; %s", tenant.id, text, decision.verdict)
        if tenant.workers:  # others still serve: the missing one is replaced beside them
            tenant.enter(State.ACTIVE, text)
        else:
            self._care.end()
            tenant.enter(decide(tenant.state, Event(decision.verdict)).state, text)
        self.cancel_timer()
        if decision.delay_seconds is not None:
            tenant.retry_at = datetime.now(UTC) + timedelta(seconds=decision.delay_seconds)
            self._timer = trio.CancelScope()
            self._nursery.start_soon(self._retry_after, decision.delay_seconds, self._timer)

    async def _retry_after(self, delay_seconds: float, timer: trio.CancelScope) -> None:
        tenant = self._tenant
        with timer:
            await trio.sleep(delay_seconds)
            async with self._lock:
                self._timer = tenant.retry_at = None
                try:
                    if tenant.state is State.ACTIVE:
                        await self._generations.resize()
                    elif (
                        tenant.state is State.ACTIVATING
                        or decide(tenant.state, Event.TIMER).action is Action.SPAWN
                    ):
                        await self.activate()
                except (GateError, OSError) as error:
                    logger.debug("tenant %s: retry failed: %s", tenant.id, error)
                finally:
                    self.settle()

    def cancel_timer(self) -> None:
        """Nothing is tried by itself until the next failure."""
        tenant = self._tenant
        if self._timer is not None:
            self._timer.cancel()
            self._timer = tenant.retry_at = None
