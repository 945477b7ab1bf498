"""Exit codes: what a script may rely on. Pure."""

from __future__ import annotations

DONE = 0
FAILED = 1
USAGE = 2
NOT_PERMITTED = 4
NO_SUCH_TENANT = 5
INVALID_CONFIGURATION = 6
NOT_RUNNING = 7
UNREACHABLE = 69
TIMED_OUT = 75

_BY_CODE = {
    "invalid-request": USAGE,
    "not-permitted": NOT_PERMITTED,
    "no-such-tenant": NO_SUCH_TENANT,
    "invalid-configuration": INVALID_CONFIGURATION,
    "not-running": NOT_RUNNING,
    "shutting-down": UNREACHABLE,
    "timeout": TIMED_OUT,
}


def of_problem(code: str) -> int:
    """The exit code of a problem's stable code."""
    return _BY_CODE.get(code, FAILED)
