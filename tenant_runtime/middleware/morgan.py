"""``morgan``: a line for each request, on the tenant's standard output.

In charge of: morgan's formats and tokens. An access token in a query is never written.
"""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Final

from tenant_runtime.model.javascript import iso_text
from tenant_runtime.web import Layer, Next, WebRequest, WebResponse

FORMATS: Final = {
    "combined": ':remote-addr - :remote-user [:date[clf]] ":method :url HTTP/:http-version" :status '
    ':res[content-length] ":referrer" ":user-agent"',
    "common": ':remote-addr - :remote-user [:date[clf]] ":method :url HTTP/:http-version" :status '
    ":res[content-length]",
    "dev": ":method :url :status :response-time ms - :res[content-length]",
    "short": ":remote-addr :remote-user :method :url HTTP/:http-version :status :res[content-length] - "
    ":response-time ms",
    "tiny": ":method :url :status :res[content-length] - :response-time ms",
}
FORMATS_DEFAULT: Final = (
    ':remote-addr - :remote-user [:date] ":method :url HTTP/:http-version" :status '
    ':res[content-length] ":referrer" ":user-agent"'
)
TOKEN = re.compile(r":([-\w]{2,})(?:\[([^\]]+)\])?")
SECRET = re.compile(r"((?:^|[?&])access_token=)[^&]*")

Entry = tuple[WebRequest, WebResponse, float]


def content_length(response: WebResponse) -> str | None:
    length = response.header("content-length")
    return length or (str(len(response.body)) if isinstance(response.body, bytes) else None)


def date_text(form: str | None) -> str:
    now = datetime.now(UTC)
    if form == "clf":
        return now.strftime("%d/%b/%Y:%H:%M:%S +0000")
    return iso_text(now) if form == "iso" else now.strftime("%a, %d %b %Y %H:%M:%S GMT")


TOKENS: dict[str, Callable[[Entry, str | None], str | None]] = {
    "method": lambda entry, _: entry[0].method,
    "url": lambda entry, _: SECRET.sub(r"\1…", entry[0].original_url),
    "status": lambda entry, _: str(entry[1].status),
    "response-time": lambda entry, digits: f"{entry[2] * 1000:.{int(digits or 3)}f}",
    "total-time": lambda entry, digits: f"{entry[2] * 1000:.{int(digits or 3)}f}",
    "remote-addr": lambda entry, _: entry[0].ip,
    "remote-user": lambda entry, _: None,
    "http-version": lambda entry, _: "1.1",
    "referrer": lambda entry, _: entry[0].header("referer"),
    "user-agent": lambda entry, _: entry[0].header("user-agent"),
    "date": lambda entry, form: date_text(form),
    "req": lambda entry, name: entry[0].header((name or "").lower()),
    "res": lambda entry, name: (
        content_length(entry[1]) if (name or "").lower() == "content-length" else entry[1].header(name or "")
    ),
}


def render(format: str, entry: Entry) -> str:
    def value(match: re.Match[str]) -> str:
        token = TOKENS.get(match[1])
        return (token(entry, match[2]) if token else None) or "-"

    return TOKEN.sub(value, format)


def morgan(format: Any = "default", options: Any = None) -> Layer:
    """``params``: the format's name or text."""
    text = FORMATS.get(str(format), FORMATS_DEFAULT if format in (None, "default") else str(format))

    async def layer(request: WebRequest, next: Next) -> WebResponse:
        begin = time.perf_counter()
        response = await next(request)
        line = render(text, (request, response, time.perf_counter() - begin))
        sys.stdout.write(line.replace("\n", " ") + "\n")
        sys.stdout.flush()
        return response

    return layer
