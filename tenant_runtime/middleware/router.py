"""Routes that a tenant's code adds: ``@app.router.get("/ping")``.

In charge of: matching a path in express' path language and turning what a handler gives back into a response.
A handler is ``fn(request)`` or ``fn(request, response)``, plain or a coroutine; it gives back a WebResponse,
a text (HTML), bytes, or a JSON value; with a second argument it may fill that response and give back nothing.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from mtgate.http1.message import Response
from tenant_runtime.remoting.hooks import settle
from tenant_runtime.remoting.result import finish, json_response
from tenant_runtime.remoting.routes import decode_parameter, path_pattern
from tenant_runtime.web import Next, WebRequest, WebResponse

Handler = Callable[..., Any]


@dataclass(frozen=True, slots=True)
class RouterRoute:
    method: str  # upper-case, "" for all
    pattern: re.Pattern[str]
    handler: Handler
    takes_response: bool


class Router:
    """Tried in the order of registration; a request that matches nothing goes on."""

    def __init__(self) -> None:
        self._routes: list[RouterRoute] = []

    def __bool__(self) -> bool:
        return bool(self._routes)

    def route(self, method: str, path: str, handler: Handler | None = None) -> Any:
        """A handler for a method (empty: all) and a path; without the handler a decorator."""
        if handler is None:
            return lambda function: self.route(method, path, function)
        parameters = inspect.signature(handler).parameters
        takes_response = len(parameters) >= 2
        self._routes.append(RouterRoute(method, path_pattern(path, end=True), handler, takes_response))
        return handler

    def get(self, path: str, handler: Handler | None = None) -> Any:
        """``@app.router.get(path)``; it answers HEAD, too."""
        return self.route("GET", path, handler)

    def post(self, path: str, handler: Handler | None = None) -> Any:
        """``@app.router.post(path)``."""
        return self.route("POST", path, handler)

    def put(self, path: str, handler: Handler | None = None) -> Any:
        """``@app.router.put(path)``."""
        return self.route("PUT", path, handler)

    def patch(self, path: str, handler: Handler | None = None) -> Any:
        """``@app.router.patch(path)``."""
        return self.route("PATCH", path, handler)

    def delete(self, path: str, handler: Handler | None = None) -> Any:
        """``@app.router.delete(path)``."""
        return self.route("DELETE", path, handler)

    def all(self, path: str, handler: Handler | None = None) -> Any:
        """``@app.router.all(path)``: whatever the method."""
        return self.route("", path, handler)

    async def layer(self, request: WebRequest, next: Next) -> WebResponse:
        """The router as a layer of the pipeline."""
        for route in self._routes:
            if route.method not in ("", request.method) and (route.method, request.method) != ("GET", "HEAD"):
                continue
            match = route.pattern.match(request.raw_path)
            if match:
                found = match.groupdict()
                request.params = {k: decode_parameter(v) for k, v in found.items() if v is not None}
                return await call(route, request)
        return await next(request)


async def call(route: RouterRoute, request: WebRequest) -> WebResponse:
    if not route.takes_response:
        return as_response(await settle(route.handler(request)), request)
    response = WebResponse(200)
    value = await settle(route.handler(request, response))
    return response if value is None else as_response(value, request)


def as_response(value: Any, request: WebRequest) -> WebResponse:
    """What a handler gave back as a response; None is 204."""
    if isinstance(value, WebResponse):
        return value
    if isinstance(value, Response):
        return WebResponse(value.status, value.headers, value.body)
    if isinstance(value, str):
        return finish(
            request, WebResponse(200, [(b"content-type", b"text/html; charset=utf-8")], value.encode())
        )
    if isinstance(value, bytes):
        return finish(request, WebResponse(200, [(b"content-type", b"application/octet-stream")], value))
    return WebResponse(204) if value is None else json_response(value, request)
