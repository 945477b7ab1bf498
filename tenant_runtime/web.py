"""The request and the response as the runtime's layers see them (middleware, REST adapter, explorer, routes).

In charge of: their shape, reading header fields, the query and the path. Must not know: sockets, the server,
models. A request is a value with a body to read; a layer is ``async (request, next) -> response``.

Sources: express 4's ``req.url``/``req.path``/``req.query`` (a mounted layer sees the path without its mount).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Protocol
from urllib.parse import unquote

from mtgate.http1.message import Headers as Headers
from mtgate.http1.message import Response
from tenant_runtime.querystring import parse_query


class BodySource(Protocol):
    """A request's body as the server hands it over (``mtgate.http1.message.Body``)."""

    content_length: int | None

    async def read(self, limit_bytes: int) -> bytes: ...

    def __aiter__(self) -> Any: ...


class WebRequest:
    """One request. ``url`` is the target below the current mount, ``original_url`` the whole of it.

    ``prefix`` is the gateway's path prefix (``X-Forwarded-Prefix``): what a client must be told in front of
    any path of this app. ``state`` carries what layers tell each other; ``body_value`` is UNPARSED until a
    body parser has run.
    """

    __slots__ = (
        "_cookies",
        "_fields",
        "_query",
        "access_token",
        "app",
        "base_url",
        "body",
        "body_value",
        "client",
        "headers",
        "method",
        "original_url",
        "params",
        "query_string",
        "raw_path",
        "state",
    )

    def __init__(
        self, app: Any, method: str, target: str, headers: Headers, body: BodySource | None, client: str = ""
    ) -> None:
        self.app = app
        self.method = method
        self.original_url = target
        self.raw_path, _, self.query_string = target.partition("?")
        self.base_url = ""
        self.headers = headers
        self.body = body
        self.client = client
        self.params: dict[str, Any] = {}
        self.access_token: Any = UNRESOLVED
        self.body_value: Any = UNPARSED
        self.state: dict[str, Any] = {}
        self._fields: dict[str, str] | None = None
        self._query: dict[str, Any] | None = None
        self._cookies: dict[str, str] | None = None

    def header(self, name: str) -> str | None:
        """A field's value; the first one of several. Names are compared in lower case."""
        fields = self._fields
        if fields is None:
            fields = self._fields = {
                field.decode("latin-1"): value.decode("latin-1") for field, value in reversed(self.headers)
            }
        return fields.get(name)

    def forget_fields(self) -> None:
        """After ``headers`` was replaced."""
        self._fields = self._cookies = None

    @property
    def url(self) -> str:
        """Path and query below the current mount, as express' ``req.url``."""
        return f"{self.raw_path}?{self.query_string}" if "?" in self.original_url else self.raw_path

    @property
    def path(self) -> str:
        """The path below the current mount, percent-decoded."""
        return unquote(self.raw_path)

    @property
    def query(self) -> dict[str, Any]:
        """The query, parsed when it is first asked for."""
        if self._query is None:
            self._query = parse_query(self.query_string)
        return self._query

    @property
    def cookies(self) -> dict[str, str]:
        """Cookies as sent, percent-decoded; signed ones still carry their signature."""
        if self._cookies is None:
            self._cookies = parse_cookies(self.header("cookie") or "")
        return self._cookies

    @property
    def prefix(self) -> str:
        """What the gateway took off the path; links must have it again."""
        return (self.header("x-forwarded-prefix") or "").rstrip("/")

    @property
    def protocol(self) -> str:
        """http or https, as the client used it."""
        return (self.header("x-forwarded-proto") or "http").split(",")[0].strip()

    @property
    def host(self) -> str:
        """The authority that the client asked."""
        forwarded = self.header("x-forwarded-host")
        return (forwarded or self.header("host") or "").split(",")[0].strip()

    @property
    def ip(self) -> str:
        """The client's address: the first of ``X-Forwarded-For``, which the gateway has cleaned."""
        forwarded = self.header("x-forwarded-for")
        return forwarded.split(",")[0].strip() if forwarded else self.client

    def mounted(self, length: int) -> tuple[str, str]:
        """Move the first ``length`` characters of the path to ``base_url``; returns what to give
        ``restore``.
        """
        before = (self.base_url, self.raw_path)
        self.base_url += self.raw_path[:length].rstrip("/")
        self.raw_path = self.raw_path[length:]
        if not self.raw_path.startswith("/"):
            self.raw_path = "/" + self.raw_path
        return before

    def restore(self, before: tuple[str, str]) -> None:
        """Undo ``mounted``."""
        self.base_url, self.raw_path = before


class _Mark:
    __slots__ = ("name",)

    def __init__(self, name: str) -> None:
        self.name = name

    def __repr__(self) -> str:
        return self.name

    def __bool__(self) -> bool:
        return False


#: ``access_token`` before any token layer ran.
UNRESOLVED = _Mark("UNRESOLVED")
#: ``body_value`` before any body parser ran.
UNPARSED = _Mark("UNPARSED")


class WebResponse(Response):
    """Status, fields and a body: bytes, or an async iterable of bytes. Field names are lower case."""

    __slots__ = ()

    def header(self, name: str) -> str | None:
        """The first value of a field; names in any case."""
        wanted = name.lower().encode("latin-1")
        for field, value in self.headers:
            if field == wanted:
                return value.decode("latin-1")
        return None

    def set_header(self, name: str, value: str) -> None:
        """Replace every field of that name."""
        field = name.lower().encode("latin-1")
        self.headers = [pair for pair in self.headers if pair[0] != field]
        self.headers.append((field, field_value(value)))

    def add_header(self, name: str, value: str) -> None:
        """Another field, whether or not there is one of that name."""
        self.headers.append((name.lower().encode("latin-1"), field_value(value)))

    def vary(self, name: str) -> None:
        """Add a name to ``Vary`` unless it is there already."""
        added = name.encode("latin-1")
        current = None
        for field, value in self.headers:
            if field == b"vary":
                current = value
                break
        if current is None:
            self.headers.append((b"vary", added))
        elif added.lower() not in [part.strip() for part in current.lower().split(b",")]:
            self.headers = [pair for pair in self.headers if pair[0] != b"vary"]
            self.headers.append((b"vary", current + b", " + added))


Next = Callable[[WebRequest], Awaitable[WebResponse]]
Layer = Callable[[WebRequest, Next], Awaitable[WebResponse]]


def field_value(value: str) -> bytes:
    """A field's value as bytes; line breaks cannot get into a head."""
    return value.replace("\r", " ").replace("\n", " ").encode("latin-1", "replace")


def parse_cookies(text: str) -> dict[str, str]:
    """The ``Cookie`` field; the first of two equal names wins, as in the npm package ``cookie``."""
    cookies: dict[str, str] = {}
    for pair in text.split(";"):
        name, separator, value = pair.partition("=")
        name, value = name.strip(), value.strip()
        if not separator or not name or name in cookies:
            continue
        if value[:1] == '"':
            value = value[1:-1]
        cookies[name] = unquote(value) if "%" in value else value
    return cookies
