"""The shape of ``tenant.json``: what the supervisor and the gateway must know of a tenant.

In charge of: keys, defaults, bounds, and the refusal of what is not known. Must not know: how a tenant is
run. The same keys stand under ``[defaults]`` in mtgate.toml, for all tenants. Pure.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from mtgate.tenantdir.complaint import Complaint, InvalidFile, findings, pointer
from mtgate.tenantdir.jsontext import line_of, parse
from mtgate.tenantdir.layout import TENANT_FILE

Seconds = Annotated[float, Field(gt=0, le=86_400 * 365)]
Count = Annotated[int, Field(ge=1)]


class Strict(BaseModel):
    """Base of everything an operator writes: immutable, unknown keys refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=False, use_attribute_docstrings=True)


class Limits(Strict):
    """What a tenant may use; ``null`` lifts a limit."""

    memory_bytes: Count | None = 512 * 1024 * 1024
    """Memory of one worker."""
    processes: Count | None = 64
    """Processes and threads of the tenant."""
    open_files: Count | None = 1024
    """File descriptors of one worker."""
    cpu_percent: Count | None = None
    """Processor time, 100 is one processor; needs a delegated cgroup."""
    log_bytes: Count = 10 * 1024 * 1024
    """Size at which the tenant's log is rotated."""
    log_files: Count = 5
    """Rotated logs that are kept."""
    log_lines_per_second: Count = 1000
    """Lines beyond are dropped and counted."""
    max_body_bytes: Count | None = None
    """Largest request body; the gateway's ``max_body_bytes`` when not set."""
    max_in_flight: Count = 100
    """Requests being served at once; more wait in the queue."""
    max_queue: Annotated[int, Field(ge=0)] = 100
    """Requests that wait for a free place or for the tenant to start; more are answered 503."""
    queue_timeout_seconds: Seconds = 5.0
    """How long a request waits for a free place before it is answered 503."""
    upstream_timeout_seconds: Seconds | None = None
    """Time to the first byte of an answer; the gateway's ``upstream_timeout_seconds`` when not set."""
    requests_per_second: Annotated[float, Field(gt=0)] | None = None
    """Rate of all requests; more are answered 429."""
    client_requests_per_second: Annotated[float, Field(gt=0)] | None = None
    """Rate of one client address; more are answered 429."""


class Restart(Strict):
    """When and how a worker that ended uncommanded is started again."""

    policy: Literal["always", "on-failure", "never"] = "always"
    """``on-failure`` leaves a worker that exited with 0 stopped."""
    backoff_initial_seconds: Seconds = 0.1
    """First delay; doubled each time, with jitter."""
    backoff_max_seconds: Seconds = 30.0
    """Longest delay."""
    healthy_after_seconds: Seconds = 30.0
    """A worker ready for so long starts the count anew."""
    burst: Count = 5
    """So many failures within ``window_seconds`` make the tenant failed."""
    window_seconds: Seconds = 60.0
    """The window of ``burst``."""
    failed_retry_seconds: Seconds | None = 300.0
    """A failed tenant is tried again so often; ``null`` leaves it failed."""


class Probe(Strict):
    """A request that a healthy worker answers with a status below 500."""

    path: Annotated[str, Field(pattern=r"^/")] = "/"
    """Path at the worker, without the tenant's prefix."""
    interval_seconds: Seconds = 10.0
    """Time from one probe to the next."""
    timeout_seconds: Seconds = 5.0
    """A later answer counts as a failure."""
    failures: Count = 3
    """So many in a row replace the worker."""


class TenantConfig(Strict):
    """``tenant.json``; every key is optional."""

    command: Annotated[list[str], Field(min_length=1)] | None = None
    """Program and arguments instead of ``tenant_runtime``. It inherits the tenant's listening socket as
    descriptor 3 (``LISTEN_FDS=1``)."""
    workers: Annotated[int, Field(ge=1, le=256)] = 1
    """Processes that share the tenant's socket."""
    env: dict[str, str] = Field(default_factory=dict)
    """Environment of the workers."""
    pass_env: list[str] = Field(default_factory=list)
    """Names taken over from the daemon's environment."""
    hosts: list[str] = Field(default_factory=list)
    """Host names that lead to this tenant beside its path prefix."""
    idle_timeout_seconds: Seconds | None = None
    """Without a request for so long the tenant is put to sleep; ``null``: never."""
    watch: bool = False
    """Restart when a file of the folder changes and the folder passes its check."""
    start_timeout_seconds: Seconds = 60.0
    """From the start to READY."""
    drain_timeout_seconds: Seconds = 30.0
    """Time for requests in flight at a stop."""
    stop_timeout_seconds: Seconds = 10.0
    """From TERM to KILL."""
    watchdog_seconds: Seconds | None = 30.0
    """A worker silent for so long is replaced; ``null``: never."""
    probe: Probe | None = None
    """Optional health check by HTTP."""
    restart: Restart = Field(default_factory=Restart)
    """What happens after a crash."""
    limits: Limits = Field(default_factory=Limits)
    """What the tenant may use."""

    @field_validator("hosts")
    @classmethod
    def _hosts_are_names(cls, hosts: list[str]) -> list[str]:
        for host in hosts:
            if not host or "/" in host or ":" in host or not host.isascii():
                raise ValueError(f'"{host}" is not a host name (no scheme, port or path)')
        return [host.lower() for host in hosts]

    @field_validator("env")
    @classmethod
    def _env_names_are_valid(cls, env: dict[str, str]) -> dict[str, str]:
        for name in env:
            if not name or "=" in name or "\0" in name + env[name]:
                raise ValueError(f'"{name}" cannot be the name of an environment variable')
        return env


def read_tenant_json(text: str, defaults: TenantConfig | None = None) -> TenantConfig:
    """The tenant's settings from the text of its ``tenant.json`` ("" when there is none).

    What the text does not set comes from ``defaults``. Raises InvalidFile with line and JSON pointer.
    """
    document = parse(text, TENANT_FILE) if text.strip() else {}
    if not isinstance(document, dict):
        raise InvalidFile(Complaint("must be a JSON object", TENANT_FILE, "", 1))
    base = defaults.model_dump(exclude_unset=True) if defaults else {}
    try:
        return TenantConfig.model_validate(_laid_over(base, document))
    except ValidationError as error:
        raise InvalidFile(
            *(
                Complaint(message, TENANT_FILE, pointer(path), line_of(text, path))
                for path, message in findings(error, TenantConfig)
            )
        ) from None


def _laid_over(base: dict[str, Any], document: dict[str, Any]) -> dict[str, Any]:
    """Objects merge, everything else of ``document`` replaces."""
    merged = dict(base)
    for key, value in document.items():
        below = merged.get(key)
        merged[key] = (
            _laid_over(below, value) if isinstance(below, dict) and isinstance(value, dict) else value
        )
    return merged
