"""The words between a worker and its supervisor.

In charge of: their spelling. Must not know: sockets or processes. Upwards they are sd_notify(3) assignments,
one message each (several lines are allowed); downwards a single word.
"""

from __future__ import annotations

READY = "READY=1"
STOPPING = "STOPPING=1"
WATCHDOG = "WATCHDOG=1"
NOT_ACCEPTING = "MTGATE_ACCEPTING=0"

DRAIN = b"DRAIN"
STOP = b"STOP"

#: Environment variable with the number of the lifeline's descriptor.
LIFELINE_FD = "MTGATE_LIFELINE_FD"
#: Environment variable with the microseconds within which a beat is expected, sd_watchdog_enabled(3).
WATCHDOG_USEC = "WATCHDOG_USEC"

#: sysexits(3) EX_CONFIG: the tenant's files are wrong, a retry is of no use.
EXIT_CONFIGURATION = 78


def parse(message: bytes) -> dict[str, str]:
    """The assignments of one message; lines without ``=`` and bytes that are not UTF-8 are dropped."""
    assignments: dict[str, str] = {}
    for line in message.decode("utf-8", "replace").splitlines():
        name, separator, value = line.partition("=")
        if separator and name:
            assignments[name] = value
    return assignments


def status(text: str) -> str:
    """``STATUS=``: one line saying what the worker is doing."""
    return "STATUS=" + " ".join(text.split())


def error(document: str) -> str:
    """``MTGATE_ERROR=``: why it cannot start, as one line of JSON."""
    return "MTGATE_ERROR=" + document


def busy(reason: str) -> str:
    """``MTGATE_BUSY=``: why it must not be put to sleep; an empty reason takes that back."""
    return "MTGATE_BUSY=" + " ".join(reason.split())
