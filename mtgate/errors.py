"""Why the daemon says no.

Each class has a stable ``code`` (never reused) and the HTTP status of the control API; ``detail`` is for the
person who reads it and ``hint`` says what to do next. ``control.handlers`` makes the problem document.
"""

from __future__ import annotations

import errno
from typing import ClassVar

from mtgate.tenantdir.complaint import Complaint


class GateError(Exception):
    """Root of the errors that a command can end with."""

    code: ClassVar[str] = "failed"
    status: ClassVar[int] = 500
    title: ClassVar[str] = "The command failed"

    def __init__(
        self,
        detail: str,
        *,
        tenant: str | None = None,
        hint: str | None = None,
        complaints: tuple[Complaint, ...] = (),
        log_tail: tuple[str, ...] = (),
    ) -> None:
        super().__init__(detail)
        self.detail = detail
        self.tenant = tenant
        self.hint = hint
        self.complaints = complaints
        self.log_tail = log_tail


class UnknownTenant(GateError):
    """There is no tenant of that id."""

    code = "no-such-tenant"
    status = 404
    title = "No such tenant"

    def __init__(self, tenant: str, *, hint: str | None = None) -> None:
        super().__init__(
            f'there is no tenant "{tenant}"',
            tenant=tenant,
            hint=hint or f'"mtctl status" lists the tenants, "mtctl add {tenant}" makes one',
        )


class NotFound(GateError):
    """The control API has no such resource."""

    code = "not-found"
    status = 404
    title = "Not found"


class MethodNotAllowed(GateError):
    """The resource exists, the method does not."""

    code = "method-not-allowed"
    status = 405
    title = "Method not allowed"


class BadRequest(GateError):
    """The request does not say what it should."""

    code = "invalid-request"
    status = 400
    title = "Invalid request"


class TooLarge(GateError):
    """The body is larger than the control API takes."""

    code = "too-large"
    status = 413
    title = "Request too large"


class InvalidConfiguration(GateError):
    """A file of the tenant is wrong; ``complaints`` say where."""

    code = "invalid-configuration"
    status = 422
    title = "The configuration is invalid"


class StartFailed(GateError):
    """A worker did not become ready. Its last lines are in ``log_tail``."""

    code = "start-failed"
    status = 502
    title = "The tenant did not start"


class Timeout(GateError):
    """The wait ran out; the work goes on."""

    code = "timeout"
    status = 504
    title = "Timed out; the work goes on"


class Conflict(GateError):
    """Another command on the same tenant is at work, or what should be made exists."""

    code = "conflict"
    status = 409
    title = "Conflict"


class NotRunning(GateError):
    """The action needs a running tenant."""

    code = "not-running"
    status = 409
    title = "The tenant is not running"


class NotPermitted(GateError):
    """The caller's role does not allow it."""

    code = "not-permitted"
    status = 403
    title = "Not permitted"


class ShuttingDown(GateError):
    """The daemon is about to end and takes no changes."""

    code = "shutting-down"
    status = 503
    title = "The daemon is shutting down"


#: What the machine lacks, whatever is asked of it.
_SHORTAGES = {
    errno.ENOSPC,
    errno.EDQUOT,
    errno.EROFS,
    errno.EIO,
    errno.EMFILE,
    errno.ENFILE,
    errno.ENOMEM,
    errno.EAGAIN,
}


class SystemRefused(GateError):
    """The machine lacks something: room on the disk, the right to write, descriptors, memory."""

    code = "system-refused"
    status = 503
    title = "The system refused"

    @classmethod
    def by(cls, error: OSError, *, tenant: str | None = None) -> SystemRefused:
        """With the error's own words, and the file where it names one."""
        return cls(words_of(error), tenant=tenant, hint="nothing was changed; once that is mended, ask again")


def is_shortage(error: OSError) -> bool:
    """Whether the machine is at its end, and not the request wrong."""
    return error.errno in _SHORTAGES


def words_of(error: OSError) -> str:
    """`file: what is wrong`."""
    place = f"{error.filename}: " if error.filename else ""
    return f"{place}{error.strerror or error}"
