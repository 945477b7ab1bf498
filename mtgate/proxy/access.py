"""A line for each request.

In charge of: the forms of the access log. Must not know: where lines go. Pure: the time is in the entry. What
repeats (the second, a client's field block) is rendered once.
"""

from __future__ import annotations

import json
import re
import time
from functools import lru_cache
from typing import NamedTuple

from mtgate.http1.fields import Fields
from mtgate.http1.heads import RequestHead


class Entry(NamedTuple):
    """What is known of one exchange once it is over. ``when`` by the clock on the wall; sizes are of bodies,
    times in seconds.
    """

    when: float
    client: bytes
    head: RequestHead
    tenant: str | None
    status: int
    received_bytes: int
    sent_bytes: int
    duration_seconds: float
    upstream_seconds: float | None
    retries: int
    reason: str
    request_id: bytes


_SECRETS = re.compile(r"([?&][^=&]*(?:token|password|secret|apikey|api_key)[^=&]*=)[^&]+", re.IGNORECASE)


def without_secrets(target: str) -> str:
    """LoopBack takes an access token in the query; it has no place in a log."""
    return _SECRETS.sub(r"\1***", target) if "?" in target else target


def _quoted(text: str) -> str:
    """No value can end its quotes or its line."""
    return text.replace("\\", "\\\\").replace('"', '\\"')


@lru_cache(maxsize=1024)
def _who(fields: Fields) -> tuple[str, str]:
    """Referer and User-Agent."""
    referer, agent = (fields.value(name) or b"" for name in (b"referer", b"user-agent"))
    return referer.decode("latin-1"), agent.decode("latin-1")


@lru_cache(maxsize=1024)
def _who_quoted(fields: Fields) -> str:
    referer, agent = _who(fields)
    return f'"{_quoted(referer) or "-"}" "{_quoted(agent) or "-"}"'


@lru_cache(maxsize=4)
def _stamp(form: str, second: int) -> str:
    return time.strftime(form, time.gmtime(second))


def forget() -> None:
    """Drops what is cached."""
    _who.cache_clear()
    _who_quoted.cache_clear()


def combined(entry: Entry) -> str:
    """The common combined form, then tenant, request id, duration, upstream time, retries, reason."""
    when, client, head, tenant, status, _, sent, duration, upstream, retries, reason, request_id = entry
    stamp = _stamp("%d/%b/%Y:%H:%M:%S +0000", int(when))
    target = without_secrets(head.target.decode("ascii"))
    return (
        f'{client.decode("ascii")} - - [{stamp}] "{head.method.decode("ascii")} {_quoted(target)} '
        f'HTTP/{head.http_version.decode("ascii")}" {status} {sent} {_who_quoted(head.fields)} '
        f"{tenant or '-'} {request_id.decode('ascii')} {duration:.4f} "
        f"{'-' if upstream is None else f'{upstream:.4f}'} {retries} "
        f'"{_quoted(reason) or "-"}"'
    )


def as_json(entry: Entry) -> str:
    """One JSON object."""
    head = entry.head
    referer, agent = _who(head.fields)
    stamp = _stamp("%Y-%m-%dT%H:%M:%S", int(entry.when))
    document = {
        "time": f"{stamp}.{int(entry.when % 1 * 1000):03d}Z",
        "client": entry.client.decode("ascii"),
        "tenant": entry.tenant,
        "method": head.method.decode("ascii"),
        "target": without_secrets(head.target.decode("ascii")),
        "http_version": head.http_version.decode("ascii"),
        "status": entry.status,
        "received_bytes": entry.received_bytes,
        "sent_bytes": entry.sent_bytes,
        "duration_seconds": round(entry.duration_seconds, 6),
        "upstream_seconds": None if entry.upstream_seconds is None else round(entry.upstream_seconds, 6),
        "retries": entry.retries,
        "reason": entry.reason or None,
        "request_id": entry.request_id.decode("ascii"),
        "referer": referer or None,
        "user_agent": agent or None,
    }
    return json.dumps(document)


FORMATS = {"combined": combined, "json": as_json}
