"""What is shown of a tenant.

In charge of: turning units and workers into the control API's bodies. Must not know: how they came to be so.
"""

from __future__ import annotations

from mtgate.control.schema import TenantStatus, WorkerStatus
from mtgate.supervisor.tenant import Tenant
from mtgate.supervisor.unit import State
from mtgate.supervisor.worker import Worker


def tenant_status(tenant: Tenant) -> TenantStatus:
    """Everything known of one tenant."""
    running = [*tenant.workers, *tenant.retiring]
    return TenantStatus.model_validate(
        {
            "id": tenant.id,
            "state": tenant.state.value,
            "desired": "running" if tenant.wanted.desired == "running" else "stopped",
            "pids": [worker.process.pid for worker in tenant.workers],
            "generation": tenant.wanted.generation,
            "workers": tenant.worker_count,
            "restarts": tenant.restarts,
            "since": tenant.since,
            "reason": tenant.reason,
            "next_retry_at": tenant.retry_at,
            "last_exit": tenant.last_exit,
            "isolation": tenant.isolation if running else None,
            "busy": tenant.busy,
            "processes": [_worker_status(worker, tenant) for worker in running],
            "command": tenant.config.command,
            "directory": str(tenant.directory),
        }
    )


def _worker_status(worker: Worker, tenant: Tenant) -> WorkerStatus:
    state = State.ACTIVE if worker.ready else State.ACTIVATING
    return WorkerStatus(
        pid=worker.process.pid,
        worker=worker.number,
        generation=worker.generation,
        state="deactivating" if worker in tenant.retiring else state.value,
        started_at=worker.started_at,
        ready_at=worker.ready_at,
        status=worker.status,
    )
