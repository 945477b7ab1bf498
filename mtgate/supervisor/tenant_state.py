"""One tenant's state: what is shown of it, and who is told when it changes.

In charge of: the settings in force, the state and why, the workers that there are. Must not know: how a state
is reached, or what follows an end.
"""

from __future__ import annotations

import socket
from collections.abc import Callable
from datetime import UTC, datetime

from mtgate.control.schema import Isolation, LastExit
from mtgate.errors import InvalidConfiguration
from mtgate.supervisor.desired import Wanted
from mtgate.supervisor.journal import Journal
from mtgate.supervisor.process import Exit
from mtgate.supervisor.services import Services
from mtgate.supervisor.unit import State
from mtgate.supervisor.worker import Worker
from mtgate.supervisor.workforce import Workforce
from mtgate.tenantdir.complaint import InvalidFile
from mtgate.tenantdir.files import read_small
from mtgate.tenantdir.schema import read_tenant_json


class TenantState:
    """`woken` is called when somebody connects to a tenant that sleeps, `ended` with every worker's end."""

    __slots__ = (
        "_journal",
        "_services",
        "_woken",
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
        self,
        tenant_id: str,
        path: str,
        listener: socket.socket,
        wanted: Wanted,
        services: Services,
        *,
        woken: Callable[[], None],
        ended: Callable[[Worker, Exit], None],
    ) -> None:
        self.id = tenant_id
        self.directory = services.paths.tenant_dir(tenant_id)
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
        self._woken = woken
        self._journal: Journal | None = None
        self.workforce = Workforce(tenant_id, self.directory, listener, services, lambda: self.journal, ended)

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

    def close_journal(self) -> None:
        """Nothing of it runs; the next line opens the file again."""
        if self._journal is not None:
            self._journal.close()

    def enter(self, state: State, reason: str | None = None) -> None:
        """Takes on a state and tells the gateway and whoever listens; a sleeper's socket is watched."""
        services = self._services
        if state is not self.state:
            self.since = datetime.now(UTC)
        self.state, self.reason = state, reason
        if state is not State.ASLEEP:
            services.sleepers.remove(self.listener)
        services.routes.publish(self.id)
        services.events.tell("state", self.id, state, self.wanted.generation, reason)
        if state is State.ASLEEP:
            services.sleepers.add(self.listener, self._woken)
