"""The bodies of the control API.

In charge of: their members. The OpenAPI document is made of these models. Must not know: who sends them.
Pure.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

State = Literal["inactive", "activating", "active", "deactivating", "auto-restart", "failed", "asleep"]
Desired = Literal["running", "stopped"]
Isolation = Literal["strong", "reduced", "weak"]
Result = Literal["done", "already", "conflict"]


class Body(BaseModel):
    """Base of all bodies: unknown members are refused in requests, times are RFC 3339 in UTC."""

    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)


class LastExit(Body):
    """How a worker ended last."""

    reason: str
    """``Crashed``, ``StartFailed``, ``OOMKilled``, ``WatchdogTimeout``, ``ProbeFailed``, ``Stopped``…"""
    code: int | None = None
    """Exit status; null when a signal ended it."""
    signal: str | None = None
    """Name of the signal that ended it."""
    at: datetime
    """When it ended."""
    log_tail: list[str] = Field(default_factory=list)
    """Its last lines."""


class WorkerStatus(Body):
    """One process of a tenant."""

    pid: int
    worker: int = 0
    """Number among the tenant's workers."""
    generation: int
    """Which start of the tenant it belongs to."""
    state: State
    started_at: datetime
    ready_at: datetime | None = None
    memory_bytes: int | None = None
    """Memory that it shares with nobody; null where there are too many processes to measure."""
    status: str = ""
    """What it says of itself (``STATUS=``)."""


class TenantStatus(Body):
    """Everything known of a tenant."""

    id: str
    state: State
    desired: Desired
    pids: list[int] = Field(default_factory=list)
    """Processes that serve, newest generation first."""
    generation: int = 0
    """Counts the starts that became ready."""
    workers: int = 1
    """Workers wanted."""
    restarts: int = 0
    """Uncommanded ends since the last command."""
    since: datetime
    """When the state was entered."""
    reason: str | None = None
    """Why it is in that state, in one sentence."""
    next_retry_at: datetime | None = None
    """When it is started again by itself."""
    last_exit: LastExit | None = None
    isolation: Isolation | None = None
    """What keeps it from the others; null while nothing runs."""
    busy: str | None = None
    """Why it is not put to sleep."""
    processes: list[WorkerStatus] = Field(default_factory=list)
    command: list[str] | None = None
    """Its own program, where ``tenant.json`` names one."""
    directory: str = ""
    """Its folder."""
    url: str | None = None
    """Where the gateway serves it."""


class Outcome(Body):
    """What a command did."""

    result: Result
    """``already``: nothing had to be done."""
    tenant: TenantStatus | None = None
    """The tenant afterwards; null when it was removed."""
    message: str = ""
    """One sentence for a person."""


class AddTenant(Body):
    """POST /v1/tenants."""

    id: str
    start: bool = True
    """Start it and wait until it is ready."""
    source: str | None = None
    """Absolute path of an application to copy; a new one is scaffolded when not given."""


class RestartTenant(Body):
    """POST /v1/tenants/{id}/restart."""

    hard: bool = False
    """Stop the old process before the new one starts."""


class ScaleTenant(Body):
    """POST /v1/tenants/{id}/scale."""

    workers: Annotated[int, Field(ge=1, le=256)]


class RollbackTenant(Body):
    """POST /v1/tenants/{id}/rollback."""

    to: Annotated[int, Field(ge=1)] | None = None
    """Revision; the one before the current when not given."""


class ModelProperty(Body):
    """A property of a new model."""

    name: Annotated[str, Field(min_length=1, max_length=128)]
    type: Any = "string"
    """A LoopBack type: a name, or a list with one for an array."""
    required: bool = False
    default: Any = None
    """Left out when null."""


class AddModel(Body):
    """POST /v1/tenants/{id}/models."""

    name: str
    base: str = "PersistedModel"
    plural: str | None = None
    data_source: str | None = None
    """Name in datasources.json; ``db`` or the only one when not given."""
    public: bool = True
    """Serve it over REST."""
    properties: list[ModelProperty] = Field(default_factory=list)


class FilesChanged(Body):
    """What a change of a tenant's folder wrote."""

    created: list[str] = Field(default_factory=list)
    """Paths relative to the tenant's folder."""
    changed: list[str] = Field(default_factory=list)
    message: str = ""


class SchemaRequest(Body):
    """POST /v1/tenants/{id}/schema/{action}."""

    models: list[str] = Field(default_factory=list)
    """Only these; all when empty."""
    tables: list[str] = Field(default_factory=list)
    """For ``discover``: only these tables."""
    data_source: str | None = None
    drop: bool = False
    """For ``plan`` and ``apply``: also drop what the models no longer have."""


class ToolResult(Body):
    """Output of a program that ran as the tenant."""

    exit_code: int
    output: str
    errors: str = ""


class Event(Body):
    """A change of state, as the event stream tells it."""

    serial: int
    time: datetime
    kind: str
    """``added``, ``removed``, ``state``, ``crashed``, ``ready``…"""
    tenant: str | None = None
    state: State | None = None
    generation: int | None = None
    reason: str | None = None


class LogLine(Body):
    """A line of a tenant's journal."""

    time: datetime
    stream: Literal["stdout", "stderr", "supervisor"]
    text: str
    generation: int = 0
    worker: int = 0


class Route(Body):
    """Where the gateway sends what."""

    id: str
    prefix: str
    hosts: list[str] = Field(default_factory=list)
    socket: str
    state: State
    generation: int = 0


class Daemon(Body):
    """GET /v1: who answers."""

    name: Literal["mtgate"] = "mtgate"
    version: str
    pid: int
    since: datetime
    api: Literal["v1"] = "v1"
    listen: list[str]
    root: str
    """Folder of the tenants."""
    isolation: Isolation | None = None
    tenants: dict[str, int] = Field(default_factory=dict)
    """Number of tenants by state."""
    role: str
    """What the caller may do: ``admin``, ``operator`` or ``none``."""


class Finding(Body):
    """One complaint about a file."""

    detail: str
    file: str = ""
    line: int | None = None
    pointer: str = ""


class Problem(Body):
    """RFC 9457: why a command failed. ``code`` is stable."""

    type: str
    """``urn:mtgate:problem:<code>``."""
    title: str
    status: int
    detail: str
    code: str
    tenant: str | None = None
    hint: str | None = None
    errors: list[Finding] = Field(default_factory=list)
    log_tail: list[str] = Field(default_factory=list)
