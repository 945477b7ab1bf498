"""The REST layer: a request below the API root becomes a call of a remote method.

In charge of: the routing table, parsing the body, the texts of "no such method". Must not know: how a method
works, middleware. The hot path is: match → bind arguments → call → encode.

Source: strong-remoting ``rest-adapter``, loopback ``server/middleware/rest.js``.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping
from typing import Any

from tenant_runtime.errors import LoopbackError
from tenant_runtime.remoting.body import ParserOptions, parse_body
from tenant_runtime.remoting.context import RemotingContext
from tenant_runtime.remoting.errors import ErrorOptions
from tenant_runtime.remoting.invocation import BoundMethod
from tenant_runtime.remoting.negotiate import RESULT_TYPES, RESULT_TYPES_WITHOUT_XML
from tenant_runtime.remoting.result import respond
from tenant_runtime.remoting.routes import ClassRoutes, Entry, RouteTable
from tenant_runtime.remoting.shared_class import SharedClass
from tenant_runtime.remoting.shared_method import SharedMethod
from tenant_runtime.web import UNRESOLVED, Next, WebRequest, WebResponse


class RestAdapter:
    """The ``loopback#rest`` layer of one app. ``rebuild`` is called when methods were added or disabled."""

    def __init__(self, app: Any, settings: Mapping[str, Any] | None) -> None:
        settings = settings or {}
        rest = settings.get("rest") or {}
        self.app = app
        self.json = ParserOptions.json(settings.get("json"))
        self.form = ParserOptions.form(settings.get("urlencoded"))
        self.normalize_path = bool(rest.get("normalizeHttpPath"))
        self.handles_unknown_paths = rest.get("handleUnknownPaths") is not False
        self.handles_errors = rest.get("handleErrors") is not False
        self.error_options = ErrorOptions.from_params(settings.get("errorHandler"))
        self.supported = supported_types(rest)
        self.delimiters = tuple(as_texts(rest.get("arrayItemDelimiters")))
        self._table: RouteTable[BoundMethod] | None = None

    def rebuild(self) -> None:
        self._table = None

    @property
    def table(self) -> RouteTable[BoundMethod]:
        """The routing table, built when it is first needed."""
        if self._table is None:
            self._table = self.build_table()
        return self._table

    def build_table(self) -> RouteTable[BoundMethod]:
        factories = {one.name.lower(): one.model for one in self.app.shared_classes if one.model is not None}
        return RouteTable(
            ClassRoutes(one.name, self.class_path(one), functools.partial(self.entries, one, factories))
            for one in self.app.shared_classes
        )

    def class_path(self, shared_class: SharedClass) -> str:
        """Where a class is mounted."""
        return self.spelt(shared_class, shared_class.http_path)

    def entries(self, shared_class: SharedClass, factories: dict[str, Any]) -> list[Entry[BoundMethod]]:
        """The routes of a class's methods, ready to be called."""
        entries = []
        for method in shared_class.methods():
            bound = BoundMethod(self.app, shared_class.model, method, factories, self.delimiters)
            for path, verb in full_routes(method):
                entries.append(Entry(verb, self.spelt(shared_class, path), bound))
        return entries

    def spelt(self, shared_class: SharedClass, path: str) -> str:
        """``normalizeHttpPath``: words in lower case with dashes, placeholders untouched."""
        normalize = (
            self.normalize_path if shared_class.normalize_path is None else shared_class.normalize_path
        )
        return re.sub(r"[^/]+", normalized_word, path) if normalize else path

    async def __call__(self, request: WebRequest, next: Next) -> WebResponse:
        """As a layer, mounted at the API root."""
        if request.access_token is UNRESOLVED and self.app.token_layer is not None:
            await self.app.token_layer.resolve(request)
        await parse_body(request, self.json, self.form)
        segments = request.raw_path.split("/")[1:]
        drop_empty(segments)
        found = self.table.find_class(segments)
        if found is None:
            if not self.handles_unknown_paths:
                return await next(request)
            raise not_found(f"There is no method to handle {request.method} {request.url}")
        routes, own = found
        rest = segments[own:]
        drop_empty(rest)
        below = "/" + "/".join(rest)
        if rest and rest[-1] == "":
            rest.pop()
        matched = routes.match(request.method, rest)
        if matched is None:
            if not self.handles_unknown_paths:
                return await next(request)
            query = f"?{request.query_string}" if "?" in request.original_url else ""
            raise not_found(
                f'Shared class "{routes.name}" has no method handling {request.method} {below}{query}'
            )
        bound, request.params = matched
        return await self.invoke(request, bound)

    async def invoke(self, request: WebRequest, bound: BoundMethod) -> WebResponse:
        """Call the method and make its result a response."""
        ctx = RemotingContext(self.app, bound.model, bound.method, request)
        content_type = request.header("content-type")
        is_json = content_type is not None and IS_JSON.match(content_type) is not None
        await bound.call(ctx, is_json)
        return respond(ctx, self.supported)


IS_JSON = re.compile(r"application/json\b")


def not_found(message: str) -> LoopbackError:
    """The 404 of a path that no method has."""
    return LoopbackError(message, status=404)


def drop_empty(segments: list[str]) -> None:
    """A mount takes one slash more than it needs: ``/api//Items`` is ``/api/Items``."""
    if len(segments) > 1 and segments[0] == "":
        del segments[0]


def full_routes(method: SharedMethod) -> list[tuple[str, str]]:
    """Path and verb of each route; those of instance methods start with ``/:id``."""
    routes = []
    for route in method.routes:
        path = route.path if route.path.startswith("/") else "/" + route.path
        if not method.is_static:
            path = "/:id" + ("" if path == "/" else path)
        routes.append((path, route.verb))
    return routes


def normalized_word(match: re.Match[str]) -> str:
    """As the npm package ``inflection`` spells: every capital begins a word (``URLs`` is ``u-r-ls``)."""
    word = match[0]
    if ":" in word:
        return word
    return re.sub(r"([A-Z])", r"_\1", word).lstrip("_").lower().replace("_", "-")


def supported_types(rest: Mapping[str, Any]) -> tuple[str, ...]:
    """The media types of the ``rest`` settings."""
    own = rest.get("supportedTypes")
    if own:
        return tuple(own)
    return RESULT_TYPES if rest.get("xml") else RESULT_TYPES_WITHOUT_XML


def as_texts(value: Any) -> list[str]:
    if not value:
        return []
    return [value] if isinstance(value, str) else [str(item) for item in value]
