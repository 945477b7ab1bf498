"""LoopBack's middleware names and what they are here.

In charge of: name of ``middleware.json`` → layer. A name is ``module`` or ``module#fragment``; ``./path`` is
a Python file of the app; ``package.module:Name`` any ASGI middleware class or layer factory.
"""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable
from typing import Any, NamedTuple

from tenant_runtime.errors import ConfigurationError, LoopbackError
from tenant_runtime.middleware.asgi import asgi_middleware
from tenant_runtime.middleware.body_parser import PARSERS, body_parser
from tenant_runtime.middleware.compression import Compression
from tenant_runtime.middleware.cookies import CookieParser
from tenant_runtime.middleware.cors import Cors
from tenant_runtime.middleware.favicon import Favicon
from tenant_runtime.middleware.helmet import FIELDS, helmet
from tenant_runtime.middleware.morgan import morgan
from tenant_runtime.middleware.pipeline import ErrorHandler
from tenant_runtime.middleware.rate_limit import RateLimit
from tenant_runtime.middleware.router import as_response
from tenant_runtime.middleware.static import Static
from tenant_runtime.middleware.token import TokenLayer
from tenant_runtime.remoting.errors import ErrorOptions
from tenant_runtime.web import Layer, Next, WebRequest, WebResponse


class Made(NamedTuple):
    """What a name became: a layer, or an error handler."""

    layer: Layer | None = None
    error: ErrorHandler | None = None


Factory = Callable[[Any, list[Any]], Made]


def first(params: list[Any]) -> Any:
    """The first param, None when there is none."""
    return params[0] if params else None


def options_of(params: list[Any]) -> dict[str, Any]:
    """The first param, which must be an object where there is one."""
    options = first(params)
    if options is None:
        return {}
    if not isinstance(options, dict):
        raise ConfigurationError("params must be an object, or a list that starts with one")
    return options


async def url_not_found(request: WebRequest, next: Next) -> WebResponse:
    """``loopback#urlNotFound``: 404 for whatever comes here."""
    error = LoopbackError(f"Cannot {request.method} {request.url}", status=404)
    error.properties["status"] = 404  # as the original sets it; safeFields may show it
    raise error


async def pass_through(request: WebRequest, next: Next) -> WebResponse:
    """``loopback#context``: the request's context is always there."""
    return await next(request)


def error_handler(app: Any, params: list[Any]) -> Made:
    """``strong-error-handler``: errors of the layers before it become responses."""
    options = ErrorOptions.from_params(options_of(params))

    async def handle(request: WebRequest, error: Exception) -> WebResponse:
        return app.answer_error(request, error, options)  # type: ignore[no-any-return]

    return Made(error=handle)


def legacy_error_handler(app: Any, params: list[Any]) -> Made:
    """``loopback#errorHandler`` of LoopBack 2: ``includeStack: false`` is the default now."""
    options = options_of(params)
    return error_handler(app, [{"debug": bool(options.get("includeStack")), **options}])


def rest_layer(app: Any, params: list[Any]) -> Made:
    """``loopback#rest``: the remote methods."""
    adapter = app.adapter
    if not adapter.handles_errors:
        return Made(adapter)

    async def layer(request: WebRequest, next: Next) -> WebResponse:
        try:
            return await adapter(request, next)  # type: ignore[no-any-return]
        except Exception as error:
            return app.answer_error(request, error, adapter.error_options)  # type: ignore[no-any-return]

    return Made(layer)


def token_layer(app: Any, params: list[Any]) -> Made:
    """``loopback#token``: who is calling."""
    layer = TokenLayer(app, options_of(params))
    return Made(layer)


def status_layer(app: Any, params: list[Any]) -> Made:
    """``loopback#status``: since when the app runs."""

    async def layer(request: WebRequest, next: Next) -> WebResponse:
        return as_response(await app.status(request), request)

    return Made(layer)


def static_layer(app: Any, params: list[Any]) -> Made:
    """``loopback#static``: files of a folder of the app."""
    if not isinstance(first(params), str):
        raise ConfigurationError('needs a folder as its first param, for instance "$!../client"')
    return Made(Static(app.root / params[0], params[1] if len(params) > 1 else None))


def favicon(app: Any, params: list[Any]) -> Made:
    """``loopback#favicon``, with the app's own icon where params name one."""
    icon = first(params)
    return Made(Favicon(str(app.root / icon) if isinstance(icon, str) else None, *params[1:2]))


def parser(kind: str) -> Factory:
    """``body-parser#kind``."""
    return lambda app, params: Made(body_parser(kind, options_of(params)))


def helmet_layer(name: str) -> Factory:
    """``helmet#name``, and ``helmet`` itself for the empty name."""
    return lambda app, params: Made(helmet(name, params))


CATALOGUE: dict[str, Factory] = {
    "loopback#rest": rest_layer,
    "loopback#token": token_layer,
    "loopback#status": status_layer,
    "loopback#static": static_layer,
    "loopback#favicon": favicon,
    "loopback#urlNotFound": lambda app, params: Made(url_not_found),
    "loopback#errorHandler": legacy_error_handler,
    "loopback#context": lambda app, params: Made(pass_through),
    "loopback-context#per-request": lambda app, params: Made(pass_through),
    "errorhandler": error_handler,
    "strong-error-handler": error_handler,
    "serve-static": static_layer,
    "express.static": static_layer,
    "express#static": static_layer,
    "serve-favicon": favicon,
    "compression": lambda app, params: Made(Compression(options_of(params))),
    "cors": lambda app, params: Made(Cors(options_of(params))),
    "cookie-parser": lambda app, params: Made(CookieParser(first(params))),
    "morgan": lambda app, params: Made(morgan(*params[:2])),
    "express-rate-limit": lambda app, params: Made(RateLimit(options_of(params))),
    **{f"body-parser#{kind}": parser(kind) for kind in PARSERS},
    **{f"helmet#{name}": helmet_layer(name) for name in (*FIELDS, "hidePoweredBy")},
    "helmet": helmet_layer(""),
}

#: Known of the original, without a counterpart here: reported, and left out.
WITHOUT_COUNTERPART: dict[str, str] = {
    "express-session": "sessions are not kept; use access tokens",
    "cookie-session": "sessions are not kept; use access tokens",
    "method-override": "send the method itself",
    "csurf": "access tokens are not sent by browsers on their own",
    "serve-index": "folders are not listed",
    "multer": "read uploads in a remote method (docs/code.md)",
    "passport": "third-party logins are not supported",
}


def make(app: Any, name: str, params: list[Any]) -> Made | None:
    """The layer of a built-in or importable name; None for one of ``WITHOUT_COUNTERPART``.

    Raises ConfigurationError for a name that means nothing.
    """
    if name in CATALOGUE:
        return CATALOGUE[name](app, params)
    if name in WITHOUT_COUNTERPART:
        return None
    if ":" in name or ("." in name and "#" in name):
        return Made(imported(name.replace("#", ":"), params))
    raise ConfigurationError(f'unknown middleware "{name}"')


def imported(name: str, params: list[Any]) -> Layer:
    """``package.module:Name``: an ASGI middleware class, called with the app and the params as keywords."""
    module_name, _, attribute = name.partition(":")
    try:
        factory = getattr(importlib.import_module(module_name), attribute)
    except (ImportError, AttributeError, ValueError) as error:
        raise ConfigurationError(f'middleware "{name}" cannot be imported: {error}') from None
    return asgi_middleware(factory, options_of(params))


def from_code(function: Callable[..., Any], params: list[Any]) -> Made:
    """A factory of a local file: ``factory(*params)`` gives a layer ``(request, call_next)``, or an ASGI
    middleware.

    The layer may be a plain function that gives back a value; one with three parameters ``(error, request,
    call_next)`` handles errors, as express' four.
    """
    layer = function(*params)
    if not callable(layer):
        raise ConfigurationError("the factory gave back nothing that can be called")
    count = len(inspect.signature(layer).parameters)
    if count == 1:
        return Made(asgi_middleware(layer, {}))
    if count == 3:

        async def handle(request: WebRequest, error: Exception) -> WebResponse:
            value = layer(error, request, None)
            return as_response(await value if inspect.isawaitable(value) else value, request)

        return Made(error=handle)

    async def run(request: WebRequest, next: Next) -> WebResponse:
        value = layer(request, next)
        return as_response(await value if inspect.isawaitable(value) else value, request)

    return Made(run)
