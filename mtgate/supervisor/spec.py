"""What a child is started with: program, environment, timeouts.

In charge of: turning a tenant's settings into numbers and strings. Must not know: processes, files. Nothing
of the daemon's environment reaches a worker but the names in PASSED and those that tenant.json asks for.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mtgate import notify
from mtgate.supervisor.restart import Policy
from mtgate.tenantdir.schema import Restart, TenantConfig

#: Variables of the daemon that a worker sees: where programs and time zones are, nothing that could hold a
#: secret.
PASSED = ("PATH", "LANG", "LC_ALL", "TZ", "TZDIR")

#: Numbers of a worker's descriptors.
STDOUT, STDERR, LISTENER, LIFELINE = 1, 2, 3, 4


def environment(
    tenant: str,
    directory: str,
    generation: int,
    worker: int,
    config: TenantConfig,
    daemon_environment: Mapping[str, str],
) -> dict[str, str]:
    """A worker's whole environment; `LISTEN_PID` is added by the child, which alone knows it."""
    passed = (*PASSED, *config.pass_env)
    own = {name: daemon_environment[name] for name in passed if name in daemon_environment}
    own.update(
        MTGATE_TENANT=tenant,
        MTGATE_TENANT_DIR=directory,
        MTGATE_GENERATION=str(generation),
        MTGATE_WORKER=str(worker),
        HOME=directory,
        LISTEN_FDS="1",
        LISTEN_FDNAMES="http",
        PYTHONDONTWRITEBYTECODE="1",
    )
    own.update(config.env)
    if config.command is None:
        own[notify.LIFELINE_FD] = str(LIFELINE)
    if config.watchdog_seconds:
        own[notify.WATCHDOG_USEC] = str(int(config.watchdog_seconds * 1e6))
    return own


def request(
    config: TenantConfig,
    variables: dict[str, str],
    directory: str,
    parent: int,
    cgroup: str | None,
    sandbox: dict[str, Any],
) -> dict[str, Any]:
    """The zygote's request for one worker; descriptors go beside it in the order of `fds`."""
    fds = [STDOUT, STDERR, LISTENER] + ([] if config.command else [LIFELINE])
    return {
        "fds": fds,
        "argv": list(config.command or ()),
        "environment": variables,
        "directory": directory,
        "parent": parent,
        "cgroup": cgroup,
        "sandbox": sandbox,
    }


def restart_policy(restart: Restart) -> Policy:
    """The numbers of tenant.json's `restart`."""
    return Policy(
        mode=restart.policy,
        initial_seconds=restart.backoff_initial_seconds,
        maximum_seconds=restart.backoff_max_seconds,
        burst=restart.burst,
        window_seconds=restart.window_seconds,
        healthy_after_seconds=restart.healthy_after_seconds,
        slow_retry_seconds=restart.failed_retry_seconds or 0.0,
    )
