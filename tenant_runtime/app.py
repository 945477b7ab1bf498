"""The application of a tenant: what its code calls ``app``.

In charge of: settings, models, data sources, routes, events, jobs, and handing requests to the pipeline. Must
not know: files (``boot`` reads them), sockets (``worker`` serves).
"""

from __future__ import annotations

import html
import logging
import time
import traceback
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from mtgate.http1.message import Request, Response
from tenant_runtime.access.control import AccessControl, model_id_of
from tenant_runtime.access.role import Roles
from tenant_runtime.access.token import sweep
from tenant_runtime.errors import ConfigurationError
from tenant_runtime.jobs import Jobs
from tenant_runtime.middleware.asgi import asgi_layer
from tenant_runtime.middleware.pipeline import PHASES, ErrorHandler, Placed, compose, merge_phases
from tenant_runtime.middleware.router import Router
from tenant_runtime.middleware.token import TokenLayer
from tenant_runtime.model.javascript import iso_text
from tenant_runtime.model.registry import Registry
from tenant_runtime.remoting.change_stream import ChangeFeed
from tenant_runtime.remoting.context import RemotingContext
from tenant_runtime.remoting.errors import ErrorOptions, error_response, status_number
from tenant_runtime.remoting.hooks import RemoteHooks, settle
from tenant_runtime.remoting.rest_adapter import RestAdapter
from tenant_runtime.remoting.shared_class import SharedClass
from tenant_runtime.web import Layer, WebRequest, WebResponse

logger = logging.getLogger("tenant_runtime")

Listener = Callable[..., Any]

#: The models that ``enable_auth(data_source=…)`` attaches when the app has none of their kind.
AUTH_MODELS = ("User", "AccessToken", "ACL", "Role", "RoleMapping")

#: How often expired access tokens are swept, and when first; a tenant that sleeps in between is not woken.
SWEEP_SECONDS = 3600.0
SWEEP_FIRST_SECONDS = 60.0

#: express' own page for a path that no layer answers.
NOT_FOUND_PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>Error</title>
</head>
<body>
<pre>{}</pre>
</body>
</html>
"""


class App:
    """One per worker. ``handle`` answers a request once ``boot`` has finished it."""

    def __init__(
        self, root: Path, settings: dict[str, Any] | None = None, environment: str = "development"
    ) -> None:
        self.root = root
        self.environment = environment
        self.settings: dict[str, Any] = dict(settings or {})
        self.registry = Registry(self)
        self.data_sources: dict[str, Any] = {}
        self.package: dict[str, Any] = {}
        self.shared_classes: list[SharedClass] = []
        self.remote_hooks = RemoteHooks()
        self.router = Router()
        self.roles = Roles(self.registry)
        self.access: AccessControl | None = None
        self.token_layer: TokenLayer | None = None
        self.jobs = Jobs()
        self.tasks: Any = None  # the worker's nursery, while it serves
        self.started_at = datetime.now(UTC)
        self._started = time.monotonic()
        self._listeners: dict[str, list[Listener]] = {}
        self.placed: list[Placed] = []
        self._phases = list(PHASES)
        self._feeds: dict[str, ChangeFeed] = {}
        self._adapter: RestAdapter | None = None
        self._handle: Callable[[WebRequest], Awaitable[WebResponse]] | None = None

    # Settings

    def get(self, key: str) -> Any:
        """A setting of config.json, or one set by code; None when there is none."""
        return self.settings.get(key)

    def set(self, key: str, value: Any) -> None:
        """Change a setting while the app runs; files stay as they are."""
        self.settings[key] = value

    @property
    def models(self) -> Registry:
        """The registry: a model by attribute or by ``get(name)``."""
        return self.registry

    # Code's ways in

    def on(self, event: str, listener: Listener | None = None) -> Any:
        """``@app.on("started")``; events: booted, started, stopping, and what code emits."""
        if listener is None:
            return lambda function: self.on(event, function)
        self._listeners.setdefault(event, []).append(listener)
        return listener

    async def emit(self, event: str, *arguments: Any) -> bool:
        """Call the listeners one after another; False when there are none."""
        listeners = tuple(self._listeners.get(event, ()))
        for listener in listeners:
            await settle(listener(*arguments))
        return bool(listeners)

    def use(self, path: str | Any, asgi: Any = None) -> None:
        """Mount an ASGI application below a path, or for everything, at the start of the routes phase."""
        if asgi is None:
            path, asgi = "/", path
        self.place("routes:before", asgi_layer(asgi), paths=(path,))

    def middleware(self, phase: str, layer: Layer, paths: tuple[str, ...] = ()) -> None:
        """``app.middleware("auth:after", fn)`` with ``async fn(request, call_next)``."""
        self.place(phase, layer, paths=paths)

    def role(self, name: str, resolver: Listener | None = None) -> Any:
        """``@app.role("$teamMember")`` registers ``async (role, context) -> bool``."""
        if resolver is None:
            return lambda function: self.role(name, function)
        self.roles.register(name, resolver)
        return resolver

    def every(self, seconds: float, function: Listener | None = None, *, name: str = "") -> Any:
        """``@app.every(60)``: call it again and again, the first time after ``seconds``; keeps the tenant
        awake.
        """
        if function is None:
            return lambda given: self.every(seconds, given, name=name)
        self.jobs.add(seconds, function, name)
        return function

    def remotes(self) -> App:
        """LoopBack's ``app.remotes()``: hooks by ``Model.method`` (before, after, after_error)."""
        return self

    def _remote_hook(self, when: Any, pattern: str, function: Listener | None) -> Any:
        if function is None:
            return lambda given: self._remote_hook(when, pattern, given)
        self.remote_hooks.add(when, pattern, function)
        return function

    def before(self, pattern: str, function: Listener | None = None) -> Any:
        """A hook before every remote method whose name matches the pattern."""
        return self._remote_hook("before", pattern, function)

    def after(self, pattern: str, function: Listener | None = None) -> Any:
        """A hook after every remote method whose name matches the pattern."""
        return self._remote_hook("after", pattern, function)

    def after_error(self, pattern: str, function: Listener | None = None) -> Any:
        """A hook for errors of every remote method whose name matches the pattern."""
        return self._remote_hook("afterError", pattern, function)

    async def status(self, request: WebRequest) -> dict[str, Any]:
        """A handler for the router: when the app started and how many seconds ago (``loopback#status``)."""
        return {"started": iso_text(self.started_at), "uptime": round(time.monotonic() - self._started, 3)}

    # Access control

    def enable_auth(self, data_source: str | None = None) -> None:
        """Check access from now on; with ``data_source``, attach the missing models of the built-in kinds."""
        if data_source is not None:
            self._attach_auth_models(data_source)
        self.access = AccessControl(self, self.roles)
        if self.token_layer is None:
            self.token_layer = TokenLayer(self)
        self.jobs.add(SWEEP_SECONDS, self._sweep_tokens, first_seconds=SWEEP_FIRST_SECONDS, keeps_awake=False)

    async def _sweep_tokens(self) -> None:
        """Removes tokens that expired long ago; the original keeps them for ever."""
        tokens = self.registry.by_type("AccessToken")
        if tokens is not None and tokens.data_source is not None:
            await sweep(tokens, now=datetime.now(UTC))

    def _attach_auth_models(self, data_source: str) -> None:
        source = self.data_sources.get(data_source)
        if source is None:
            raise ConfigurationError(f'enable_auth names an unknown data source "{data_source}"')
        for name in AUTH_MODELS:
            if any(
                model.extends(name) and model.data_source for model in map(self.registry.get, self.registry)
            ):
                continue
            model = self.registry.get(name)
            self.registry.attach(model, source)
            model.settings["public"] = name == "User"
        self.registry.resolve()

    async def authorize_call(self, ctx: RemotingContext) -> None:
        """Raises the refusal, when access control is on and the caller may not."""
        assert self.access is not None
        request = ctx.request
        await self.access.authorize(
            ctx.model,
            ctx.method,
            token=request.access_token or None,
            model_id=model_id_of(ctx.instance, request.params, request.body_value, request.query),
            remoting=ctx,
        )

    @property
    def authorize(self) -> Callable[[RemotingContext], Awaitable[None]] | None:
        """What checks a call; None while access control is off."""
        return self.authorize_call if self.access is not None else None

    # Requests

    @property
    def adapter(self) -> RestAdapter:
        """The REST layer; made when it is first needed, from the settings as they are then."""
        if self._adapter is None:
            self._adapter = RestAdapter(self, self.get("remoting"))
        return self._adapter

    def change_feed(self, model: Any) -> ChangeFeed:
        """The changes of a model, for whoever streams them."""
        if model.name not in self._feeds:
            self._feeds[model.name] = ChangeFeed(model)
        return self._feeds[model.name]

    def end_streams(self) -> None:
        """End the change streams, which would otherwise hold up a stop for ever."""
        for feed in self._feeds.values():
            feed.end()

    def define_phases(self, phases: list[str]) -> None:
        """Weave phases of middleware.json into those that there are."""
        self._phases = merge_phases(self._phases, phases)

    def place(
        self,
        phase: str,
        layer: Layer | None,
        *,
        paths: tuple[str, ...] = (),
        methods: frozenset[str] = frozenset(),
        error: ErrorHandler | None = None,
        name: str = "",
    ) -> None:
        """Put a layer, or an error handler, into the pipeline."""
        self.placed.append(Placed(phase, layer, paths, methods, error, name, len(self.placed)))

    def finish(self) -> None:
        """Compose the pipeline; nothing is placed after this."""
        if self.router:
            self.placed.insert(0, Placed("routes:before", self.router.layer, name="router", order=-1))
        self._handle = compose(self.placed, self._phases, express_not_found, self.last_resort)

    async def handle(self, request: Request) -> Response:
        """Answer one request of the server."""
        assert self._handle is not None, "the app was not finished"
        web = WebRequest(self, request.method, request.target, request.headers, request.body, request.client)
        return await self._handle(web)

    async def close(self) -> None:
        """Tell the code (``stopping``), then close the data sources."""
        await self.emit("stopping")
        for source in self.data_sources.values():
            await source.disconnect()

    async def last_resort(self, request: WebRequest, error: Exception) -> WebResponse:
        """Errors of an app whose middleware.json places no error handler."""
        return self.answer_error(request, error, ErrorOptions())

    def answer_error(self, request: WebRequest, error: Exception, options: ErrorOptions) -> WebResponse:
        """Log an error as far as the options say, and make its response."""
        while isinstance(error, ExceptionGroup) and len(error.exceptions) == 1:
            error = error.exceptions[0]  # a nursery of tenant code wraps what was raised in it
        self.log_error(request, error, options)
        return error_response(error, request, options)

    def log_error(self, request: WebRequest, error: Exception, options: ErrorOptions) -> None:
        """5xx with a traceback, unless ``log`` is false; 4xx in one line where ``log`` is true.

        A store that is away is no fault of the code: one line with the reason.
        """
        if options.log is False:
            return
        path = request.original_url.partition("?")[0]  # a query may hold an access token
        if getattr(error, "code", None) == "DATASOURCE_UNAVAILABLE":
            logger.error("Request %s %s failed: %s", request.method, path, error.__cause__ or error)
        elif (
            getattr(error, "errors", None) is not None or status_number(getattr(error, "status", 500)) >= 500
        ):
            text = "".join(traceback.format_exception(error)).rstrip()
            logger.error("Request %s %s failed: %s", request.method, path, text)
        elif options.log:
            logger.warning("Request %s %s failed: %s", request.method, path, error)


async def express_not_found(request: WebRequest) -> WebResponse:
    """What express answers when no layer did (an app without ``loopback#urlNotFound``)."""
    text = html.escape(f"Cannot {request.method} {request.original_url.partition('?')[0]}")
    headers = [
        (b"content-security-policy", b"default-src 'none'"),
        (b"x-content-type-options", b"nosniff"),
        (b"content-type", b"text/html; charset=utf-8"),
    ]
    return WebResponse(404, headers, NOT_FOUND_PAGE.format(text).encode())
