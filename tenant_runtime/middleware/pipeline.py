"""The middleware pipeline: layers by phase, and where errors go.

In charge of: the order of layers, mounting them at paths, restricting them to methods, giving errors to the
error handlers behind. Must not know: what any layer does.

Source: loopback ``server-app.js``, express 4. A layer is ``async (request, next) -> response``; an error
handler is ``async (request, error) -> response``. An error goes to the first handler *after* the layer that
raised it, as in express, and its response passes back through the layers before it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import Any, Final

from tenant_runtime.remoting.routes import path_pattern
from tenant_runtime.web import Layer, Next, WebRequest, WebResponse

PHASES: Final = ("initial", "session", "auth", "parse", "routes", "files", "final")

ErrorHandler = Callable[[WebRequest, Exception], Awaitable[WebResponse]]


@dataclass(slots=True)
class Placed:
    """A layer and where it stands. Without ``paths`` it sees every request; ``error``: it handles errors."""

    phase: str
    layer: Layer | None
    paths: tuple[str, ...] = ()
    methods: frozenset[str] = frozenset()
    error: ErrorHandler | None = None
    name: str = ""
    order: int = field(default=0)


def merge_phases(known: Iterable[str], wanted: Iterable[str]) -> list[str]:
    """``wanted`` woven into ``known``: new names go in front of the next known one, both orders kept."""
    merged: list[str] = list(known)
    position = 0
    for name in wanted:
        if name in merged:
            position = max(position, merged.index(name) + 1)
            continue
        merged.insert(position, name)
        position += 1
    return merged


def base_phase(phase: str) -> str:
    return phase.removesuffix(":before") if phase.endswith(":before") else phase.removesuffix(":after")


def phase_rank(phase: str, phases: list[str]) -> float:
    base = base_phase(phase)
    rank = phases.index(base) * 3 + 1
    return rank - 1 if phase.endswith(":before") else rank + 1 if phase.endswith(":after") else rank


def mounted(layer: Layer, paths: tuple[str, ...]) -> Layer:
    """The layer for requests below one of ``paths`` (express paths); it sees the rest of the path."""
    if any(path == "/" or not path for path in paths):
        return layer
    patterns = [path_pattern(path, end=False) for path in paths]

    async def run(request: WebRequest, next: Next) -> WebResponse:
        for pattern in patterns:
            match = pattern.match(request.raw_path)
            if match:
                break
        else:
            return await next(request)
        request.params |= match.groupdict()
        before = request.mounted(match.end())

        async def onwards(request: WebRequest) -> WebResponse:
            inner = (request.base_url, request.raw_path)
            request.restore(before)
            try:
                return await next(request)
            finally:
                request.restore(inner)

        try:
            return await layer(request, onwards)
        finally:
            request.restore(before)

    return run


def restricted(layer: Layer, methods: frozenset[str]) -> Layer:
    async def run(request: WebRequest, next: Next) -> WebResponse:
        if request.method in methods:
            return await layer(request, next)
        return await next(request)

    return run


def compose(placed: Iterable[Placed], phases: list[str], last: Next, fallback: ErrorHandler) -> Next:
    """One function for the whole pipeline. ``fallback`` answers errors that no handler was placed for."""
    ordered = joined(sorted(placed, key=lambda one: (phase_rank(one.phase, phases), one.order)))
    onwards, handler = guarded_last(last, fallback), fallback
    for one in reversed(ordered):
        if one.error is not None:
            handler = chained(one.error, handler)
            continue
        assert one.layer is not None
        layer = one.layer
        if one.methods:
            layer = restricted(layer, one.methods)
        if one.paths:
            layer = mounted(layer, one.paths)
        onwards = linked(layer, onwards, handler)
    return onwards


def joined(ordered: list[Placed]) -> list[Placed]:
    """Layers for every request that can be one with their neighbour (they have ``around``) are made one."""
    result: list[Placed] = []
    for one in ordered:
        last = result[-1] if result else None
        if last is not None and not any((*last.paths, *one.paths, *last.methods, *one.methods)):
            around = getattr(last.layer, "around", None)
            layer = around(one.layer) if around is not None and one.layer is not None else None
            if layer is not None:
                result[-1] = replace(last, layer=layer, name=f"{last.name}, {one.name}")
                continue
        result.append(one)
    return result


def linked(layer: Layer, next: Next, on_error: ErrorHandler) -> Next:
    async def run(request: WebRequest) -> WebResponse:
        try:
            return await layer(request, next)
        except Exception as error:
            return await on_error(request, error)

    return run


def guarded_last(last: Next, on_error: ErrorHandler) -> Next:
    async def run(request: WebRequest) -> WebResponse:
        try:
            return await last(request)
        except Exception as error:
            return await on_error(request, error)

    return run


def chained(first: ErrorHandler, then: ErrorHandler) -> ErrorHandler:
    """An error handler may raise: its error goes to the next one."""

    async def run(request: WebRequest, error: Exception) -> WebResponse:
        try:
            return await first(request, error)
        except Exception as another:
            return await then(request, another)

    return run


def as_methods(value: Any) -> frozenset[str]:
    """``methods``/``verbs`` of an entry; ``all`` means no restriction."""
    if not isinstance(value, list):
        return frozenset()
    names = frozenset(str(name).upper() for name in value if name)
    return frozenset() if "ALL" in names else names
