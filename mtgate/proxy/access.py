"""A line for each request.

In charge of: the forms of the access log. Must not know: where lines go. Pure: the time is a parameter.
"""

from __future__ import annotations

import json
import re
import time
from dataclasses import dataclass


@dataclass(slots=True)
class Entry:
    """What is known of one exchange once it is over. Sizes are of bodies, times in seconds."""

    client: str
    method: str
    target: str
    http_version: str
    tenant: str | None
    status: int
    received_bytes: int
    sent_bytes: int
    duration_seconds: float
    upstream_seconds: float | None
    retries: int
    reason: str
    request_id: str
    referer: str
    user_agent: str


_SECRETS = re.compile(r"([?&][^=&]*(?:token|password|secret|apikey|api_key)[^=&]*=)[^&]+", re.IGNORECASE)


def without_secrets(target: str) -> str:
    """LoopBack takes an access token in the query; it has no place in a log."""
    return _SECRETS.sub(r"\1***", target) if "?" in target else target


def _quoted(text: str) -> str:
    """No value can end its quotes or its line."""
    return text.replace("\\", "\\\\").replace('"', '\\"')


def combined(entry: Entry, now: float) -> str:
    """The common combined form, then tenant, request id, duration, upstream time, retries, reason."""
    when = time.strftime("%d/%b/%Y:%H:%M:%S +0000", time.gmtime(now))
    upstream = "-" if entry.upstream_seconds is None else f"{entry.upstream_seconds:.4f}"
    request = f"{entry.method} {_quoted(without_secrets(entry.target))} HTTP/{entry.http_version}"
    return (
        f'{entry.client} - - [{when}] "{request}" {entry.status} {entry.sent_bytes} '
        f'"{_quoted(entry.referer) or "-"}" "{_quoted(entry.user_agent) or "-"}" '
        f"{entry.tenant or '-'} {entry.request_id} {entry.duration_seconds:.4f} {upstream} {entry.retries} "
        f'"{_quoted(entry.reason) or "-"}"'
    )


def as_json(entry: Entry, now: float) -> str:
    """One JSON object."""
    document = {
        "time": time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(now)) + f".{int(now % 1 * 1000):03d}Z",
        "client": entry.client,
        "tenant": entry.tenant,
        "method": entry.method,
        "target": without_secrets(entry.target),
        "http_version": entry.http_version,
        "status": entry.status,
        "received_bytes": entry.received_bytes,
        "sent_bytes": entry.sent_bytes,
        "duration_seconds": round(entry.duration_seconds, 6),
        "upstream_seconds": None if entry.upstream_seconds is None else round(entry.upstream_seconds, 6),
        "retries": entry.retries,
        "reason": entry.reason or None,
        "request_id": entry.request_id,
        "referer": entry.referer or None,
        "user_agent": entry.user_agent or None,
    }
    return json.dumps(document)


FORMATS = {"combined": combined, "json": as_json}
