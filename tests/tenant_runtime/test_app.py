"""What a tenant's code does with ``app``, seen from outside."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

Make = Callable[..., Any]

BOOT = """
import trio

from tenant_runtime.errors import LoopbackError
from tenant_runtime.middleware.cookies import set_cookie
from tenant_runtime.web import WebResponse


async def wiki(scope, receive, send):
    text = f"{scope['root_path']} {scope['path']}".encode()
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/plain")]})
    await send({"type": "http.response.body", "body": text})


async def stamp(request, call_next):
    response = await call_next(request)
    response.set_header("X-Stamp", "1")
    return response


def boot(app):
    @app.router.get("/json/:name")
    def json(request):
        return {"name": request.params["name"], "q": request.query, "prefix": request.prefix}

    @app.router.get("/text")
    async def text(request):
        return "<b>text</b>"

    @app.router.get("/filled")
    def filled(request, response):
        response.status = 202
        response.set_header("Location", request.prefix + "/x")
        set_cookie(request, response, "c", "a b", max_age_seconds=5)

    @app.router.get("/whole")
    def whole(request):
        return WebResponse(418, [(b"x-a", b"1")], b"teapot")

    @app.router.get("/refused")
    def refused(request):
        raise LoopbackError("no", status=403, code="NO")

    @app.router.get("/grouped")
    async def grouped(request):
        async with trio.open_nursery():
            raise LoopbackError("no", status=409, code="GROUPED")

    @app.router.get("/broken")
    def broken(request):
        return {}["missing"]

    @app.router.all("/any")
    def any(request):
        return None

    app.use("/wiki", wiki)
    app.middleware("initial", stamp)
    app.middleware("routes", app.adapter, paths=("/also",))

    @app.on("booted")
    async def booted():
        app.set("was", "booted")
"""


@pytest.fixture
async def call(small_app: Make) -> Any:
    return await small_app({"boot/a.py": BOOT})


async def test_routes(call: Any) -> None:
    named = await call("GET", "/json/a%20b?x=1", x_forwarded_prefix="/foo")
    assert named.json == {"name": "a b", "q": {"x": "1"}, "prefix": "/foo"}
    assert named.headers["x-stamp"] == "1"
    assert (await call("HEAD", "/JSON/x/")).status == 200
    text = await call("GET", "/text")
    assert (text.headers["content-type"], text.body) == ("text/html; charset=utf-8", b"<b>text</b>")
    filled = await call("GET", "/filled", x_forwarded_prefix="/foo", x_forwarded_proto="https")
    assert (filled.status, filled.headers["location"]) == (202, "/foo/x")
    assert filled.headers["set-cookie"] == "c=a%20b; Path=/foo/; Max-Age=5; HttpOnly; Secure; SameSite=Lax"
    assert (await call("GET", "/whole")).status == 418
    assert (await call("DELETE", "/any")).status == 204
    assert (await call("POST", "/text")).json["error"]["message"] == "Cannot POST /text"


async def test_errors_of_routes(call: Any, caplog: pytest.LogCaptureFixture) -> None:
    assert (await call("GET", "/refused")).json["error"]["code"] == "NO"
    assert (await call("GET", "/grouped")).json["error"]["code"] == "GROUPED"
    assert (await call("GET", "/broken?access_token=SECRET")).status == 500
    assert "KeyError" in caplog.text
    assert "SECRET" not in caplog.text
    assert (await call("GET", "/json/%E0%A4%A")).status == 400


async def test_asgi_applications_are_mounted(call: Any) -> None:
    answer = await call("GET", "/wiki/page", x_forwarded_prefix="/foo")
    assert answer.body == b"/foo/wiki /foo/wiki/page"


async def test_the_rest_layer_may_be_mounted_by_code(call: Any) -> None:
    assert (await call("POST", "/also/items", {"name": "a"})).json == {"name": "a", "id": 1}
    assert (await call("GET", "/api/Items/1")).json == {"name": "a", "id": 1}


async def test_events_and_hooks_by_method_string(call: Any) -> None:
    app = call.app
    assert app.get("was") == "booted"
    seen = []

    @app.remotes().before("Item.*")
    def before(ctx: Any) -> None:
        seen.append((ctx.method_string, ctx.methodString, ctx.req is ctx.request))

    await call("GET", "/api/Items")
    assert seen == [("Item.find", "Item.find", True)]


async def test_an_app_without_an_error_handler_answers_all_the_same(small_app: Make) -> None:
    call = await small_app({"middleware.json": {"routes": {"loopback#rest": {"paths": ["/api"]}}}})
    assert (await call("GET", "/api/Items/9")).json["error"]["code"] == "MODEL_NOT_FOUND"
    missing = await call("GET", "/<x>?y=1")
    assert missing.status == 404
    assert b"<pre>Cannot GET /&lt;x&gt;</pre>" in missing.body


async def test_an_app_without_middleware_json_is_served(small_app: Make) -> None:
    call = await small_app({"middleware.json": None, "config.json": {"restApiRoot": "/v1"}})
    assert (await call("GET", "/v1/Items")).json == []
    assert (await call("GET", "/nothing")).json["error"]["message"] == "Cannot GET /nothing"
