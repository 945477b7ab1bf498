"""Order of layers, mounts, and where errors go."""

from __future__ import annotations

from typing import Any

from tenant_runtime.errors import LoopbackError
from tenant_runtime.middleware.pipeline import PHASES, Placed, compose, merge_phases
from tenant_runtime.web import Layer, Next, WebRequest, WebResponse


def request(target: str = "/", method: str = "GET") -> WebRequest:
    return WebRequest(None, method, target, [], None)


async def last(request: WebRequest) -> WebResponse:
    return WebResponse(404, [], b"nobody")


async def fallback(request: WebRequest, error: Exception) -> WebResponse:
    return WebResponse(500, [], f"fallback {error}".encode())


def noting(trail: list[str], name: str) -> Layer:
    async def layer(request: WebRequest, next: Next) -> WebResponse:
        trail.append(f"{name} {request.base_url}|{request.url}")
        return await next(request)

    return layer


async def failing(request: WebRequest, next: Next) -> WebResponse:
    raise LoopbackError("boom", status=418)


def place(*layers: tuple[str, Any] | tuple[str, Any, dict[str, Any]]) -> list[Placed]:
    placed = []
    for order, (phase, layer, *more) in enumerate(layers):
        placed.append(Placed(phase, layer, order=order, **(more[0] if more else {})))
    return placed


async def test_layers_run_by_phase_then_by_place() -> None:
    trail: list[str] = []
    layers = ["final:after", "routes", "initial:before", "routes:before", "auth", "routes"]
    pipeline = compose(
        place(*((phase, noting(trail, phase)) for phase in layers)), list(PHASES), last, fallback
    )
    assert (await pipeline(request("/x?y=1"))).body == b"nobody"
    names = [entry.split()[0] for entry in trail]
    assert names == ["initial:before", "auth", "routes:before", "routes", "routes", "final:after"]


async def test_a_mounted_layer_sees_the_rest_of_the_path_and_later_layers_the_whole() -> None:
    trail: list[str] = []
    pipeline = compose(
        place(("routes", noting(trail, "api"), {"paths": ("/api",)}), ("final", noting(trail, "end"))),
        list(PHASES),
        last,
        fallback,
    )
    for target in ("/api/items?a=1", "/API", "/apis", "/other"):
        await pipeline(request(target))
    assert trail == [
        "api /api|/items?a=1",
        "end |/api/items?a=1",
        "api /API|/",
        "end |/API",
        "end |/apis",
        "end |/other",
    ]


async def test_an_error_goes_to_the_first_handler_behind_it_and_passes_back_through_the_layers_before() -> (
    None
):
    async def handler(request: WebRequest, error: Exception) -> WebResponse:
        return WebResponse(418, [], b"handled")

    async def adding(request: WebRequest, next: Next) -> WebResponse:
        response = await next(request)
        response.add_header("x-outer", "1")
        return response

    placed = place(("initial", adding), ("routes", failing))
    placed.append(Placed("final:after", None, error=handler, order=9))
    response = await compose(placed, list(PHASES), last, fallback)(request())
    assert (response.status, response.body, response.header("x-outer")) == (418, b"handled", "1")

    before_only = [Placed("initial", None, error=handler, order=0), *place(("routes", failing))]
    assert (await compose(before_only, list(PHASES), last, fallback)(request())).body == b"fallback boom"


async def test_methods_restrict_a_layer() -> None:
    trail: list[str] = []
    placed = place(("routes", noting(trail, "r"), {"methods": frozenset({"POST"})}))
    pipeline = compose(placed, list(PHASES), last, fallback)
    await pipeline(request(method="GET"))
    await pipeline(request(method="POST"))
    assert len(trail) == 1


def test_new_phases_keep_both_orders() -> None:
    assert merge_phases(["initial", "routes", "final"], ["initial", "mine", "routes", "last", "final"]) == [
        "initial",
        "mine",
        "routes",
        "last",
        "final",
    ]
    assert merge_phases(["initial", "routes"], ["own"]) == ["own", "initial", "routes"]
