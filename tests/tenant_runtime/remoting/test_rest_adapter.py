"""The REST layer as a client sees it, where the recorded exchanges do not look."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from typing import Any

import pytest

Make = Callable[..., Any]

CODE = """
import contextvars

from tenant_runtime.errors import LoopbackError
from tenant_runtime.remoting.context import current_context

def setup(Model):
    @Model.remote_method("greet", accepts=[{"arg": "name", "type": "string", "required": True},
        {"arg": "times", "type": "number"},
        {"arg": "options", "type": "object", "http": "optionsFromRequest"}],
        returns={"arg": "text", "type": "string"}, http={"verb": "get", "path": "/greet"})
    async def greet(name, times=2):
        return f"hello {name}! " * times

    @Model.remote_method("prototype.shout", accepts={"arg": "mark", "type": "string"},
        returns={"arg": "text", "type": "string", "root": True}, http={"verb": "post"})
    def shout(instance, mark):
        return instance.name.upper() + (mark or "")

    @Model.remote_method("two", returns=[{"arg": "a", "type": "number"}, {"arg": "b", "type": "number"}])
    def two():
        return 1, 2

    @Model.remote_method("headed", returns=[{"arg": "code", "type": "number", "http": {"target": "status"}},
        {"arg": "kind", "type": "string", "http": {"target": "header", "header": "X-Kind"}},
        {"arg": "body", "type": "object", "root": True}], http={"verb": "get"})
    def headed():
        return 202, "k", {"x": 1}

    @Model.remote_method("raw", returns=[{"arg": "body", "type": "file", "root": True},
        {"arg": "kind", "type": "string", "http": {"target": "header", "header": "Content-Type"}}],
        http={"verb": "get"})
    def raw():
        return b"%PDF", "application/pdf"

    @Model.remote_method("stream", returns={"arg": "body", "type": "file", "root": True},
        http={"verb": "get"})
    async def stream():
        async def pieces():
            yield b"a"
            yield b"b"
        return pieces()

    @Model.remote_method("nothing", http={"verb": "post", "status": 201})
    def nothing():
        return None

    @Model.remote_method("fails", http={"verb": "get", "errorStatus": 418})
    def fails():
        raise LoopbackError("teapot")

    @Model.remote_method("breaks", http={"verb": "get"})
    def breaks():
        return 1 / 0

    @Model.remote_method("whoami", returns={"arg": "method", "type": "string"}, http={"verb": "get"})
    async def whoami():
        return current_context.get().method_string

    Model.disable_remote_method("deleteById")
"""


async def item_app(small_app: Make, **files: Any) -> Any:
    return await small_app({"models/item.py": CODE, **files})


async def test_custom_methods(small_app: Make) -> None:
    call = await item_app(small_app)
    await call("POST", "/api/Items", {"name": "pen"})
    assert (await call("GET", "/api/Items/greet?name=you")).json == {"text": "hello you! hello you! "}
    assert (await call("GET", "/api/items/GREET?name=you&times=1")).json == {"text": "hello you! "}
    missing = await call("GET", "/api/Items/greet")
    assert (missing.status, missing.json["error"]["message"]) == (400, "name is a required argument")
    bad = await call("GET", "/api/Items/greet?name=a&times=x")
    assert (bad.status, bad.json["error"]["message"]) == (400, "Value is not a number.")
    assert (await call("POST", "/api/Items/1/shout", {"mark": "!"})).json == "PEN!"
    assert (await call("POST", "/api/Items/9/shout")).json["error"]["code"] == "MODEL_NOT_FOUND"
    assert (await call("PATCH", "/api/Items/two")).status == 404
    assert (await call("POST", "/api/Items/two")).json == {"a": 1, "b": 2}
    assert (await call("GET", "/api/Items/whoami")).json == {"method": "Item.whoami"}


async def test_results_go_to_status_header_and_body(small_app: Make) -> None:
    call = await item_app(small_app)
    headed = await call("GET", "/api/Items/headed")
    assert (headed.status, headed.headers["x-kind"], headed.json) == (202, "k", {"x": 1})
    raw = await call("GET", "/api/Items/raw")
    assert (raw.body, raw.headers["content-type"]) == (b"%PDF", "application/pdf")
    assert (await call("GET", "/api/Items/stream")).body == b"ab"
    nothing = await call("POST", "/api/Items/nothing")
    assert (nothing.status, nothing.body) == (201, b"")


async def test_errors_of_methods(small_app: Make, caplog: pytest.LogCaptureFixture) -> None:
    call = await item_app(small_app)
    assert (await call("GET", "/api/Items/fails")).status == 418
    broken = await call("GET", "/api/Items/breaks")
    assert (broken.status, broken.json) == (
        500,
        {"error": {"statusCode": 500, "message": "Internal Server Error"}},
    )
    assert "ZeroDivisionError" in caplog.text
    assert "models/item.py" in caplog.text
    assert (await call("DELETE", "/api/Items/1")).status == 404


async def test_remote_hooks(small_app: Make) -> None:
    code = """
def setup(Model):
    @Model.before_remote("create")
    async def before(ctx):
        ctx.args["data"]["name"] += " before"

    @Model.after_remote("*.nope")
    def never(ctx):
        raise ValueError

    @Model.after_remote("**")
    def after(ctx, result):
        ctx.result = {"wrapped": result}
        ctx.response.set_header("X-After", ctx.method_string)

    @Model.after_remote_error("findById")
    def failed(ctx):
        ctx.error.message = "changed: " + ctx.error.message

    @Model.before_remote("findById")
    def refuse(ctx):
        from tenant_runtime.errors import LoopbackError
        raise LoopbackError("no", status=403)
"""
    call = await small_app({"models/item.py": code})
    created = await call("POST", "/api/Items", {"name": "a"})
    assert created.json == {"wrapped": {"name": "a before", "id": 1}}
    assert created.headers["x-after"] == "Item.create"
    refused = await call("GET", "/api/Items/1")
    assert (refused.status, refused.json["error"]["message"]) == (403, "changed: no")


async def test_bodies(small_app: Make) -> None:
    remoting = {"json": {"limit": "1kb", "strict": False}, "rest": {"handleErrors": False}}
    call = await small_app({"config.json": {"remoting": remoting}})
    form = await call("POST", "/api/Items", b"name=a+b", content_type="application/x-www-form-urlencoded")
    assert form.json["name"] == "a b"
    zipped = gzip.compress(b'{"name": "z"}')
    packed = await call(
        "POST", "/api/Items", zipped, content_encoding="gzip", content_type="application/json"
    )
    assert packed.json["name"] == "z"
    bomb = gzip.compress(b'{"name": "' + b"z" * 5000 + b'"}')
    refused = await call("POST", "/api/Items", bomb, content_encoding="gzip", content_type="application/json")
    assert (refused.status, refused.json["error"]["name"]) == (413, "PayloadTooLargeError")
    large = await call("POST", "/api/Items", {"name": "x" * 2000})
    assert (large.status, large.json["error"]["message"]) == (413, "request entity too large")
    coding = await call("POST", "/api/Items", b"x", content_encoding="br", content_type="application/json")
    assert coding.status == 415
    charset = await call("POST", "/api/Items", b"{}", content_type="application/json; charset=latin1")
    assert charset.status == 415
    broken = await call("POST", "/api/Items", b'{"name": ', content_type="application/json")
    assert (broken.status, broken.json["error"]["name"]) == (400, "SyntaxError")
    text = await call("POST", "/api/Items", b"name", content_type="text/plain")
    assert text.status == 422
    deep = await call("POST", "/api/Items", b"[" * 100_000, content_type="application/json")
    assert deep.status in (400, 413)


async def test_conditional_requests(small_app: Make) -> None:
    call = await small_app()
    await call("POST", "/api/Items", {"name": "a"})
    first = await call("GET", "/api/Items/1")
    assert first.headers["etag"] == 'W/"13-7Rc1lnTUAlYnip2iLAsRpdS/cY0"'
    again = await call("GET", "/api/Items/1", if_none_match=first.headers["etag"])
    assert (again.status, again.body, "content-type" in again.headers) == (304, b"", False)
    changed = await call("PATCH", "/api/Items/1", {"name": "b"})
    assert (await call("GET", "/api/Items/1", if_none_match=first.headers["etag"])).status == 200
    assert changed.headers["etag"] != first.headers["etag"]


async def test_jsonp(small_app: Make) -> None:
    call = await small_app()
    answer = await call("GET", "/api/Items?callback=my.cb[0](", accept="application/javascript")
    assert answer.body == b"/**/ typeof my.cb[0] === 'function' && my.cb[0]([]);"
    assert answer.headers["content-type"] == "text/javascript; charset=utf-8"


async def test_switches_in_both_files(small_app: Make) -> None:
    call = await small_app(
        {
            "config.json": {"remoting": {"sharedMethods": {"*": False}}},
            "model-config.json": {
                "Item": {
                    "dataSource": "db",
                    "options": {"remoting": {"sharedMethods": {"find": True, "destroyAll": True}}},
                }
            },
        }
    )
    assert (await call("GET", "/api/Items")).status == 200
    assert (await call("DELETE", "/api/Items")).json == {"count": 0}
    assert (await call("POST", "/api/Items", {"name": "a"})).status == 404


async def test_paths_unknown_to_the_rest_layer_may_go_on(small_app: Make) -> None:
    call = await small_app(
        {"config.json": {"remoting": {"rest": {"handleUnknownPaths": False, "handleErrors": False}}}}
    )
    assert (await call("GET", "/api/nothing?x=1")).json["error"]["message"] == "Cannot GET /api/nothing?x=1"


async def test_change_streams(small_app: Make) -> None:
    call = await small_app()
    feed = call.app.change_feed(call.app.models.Item)
    changes = aiter(feed.open())
    import trio

    async with trio.open_nursery() as nursery:

        async def write() -> None:
            while not feed.streams:
                await trio.lowlevel.checkpoint()
            created = await call("POST", "/api/Items", {"name": "a"})
            await call("PATCH", f"/api/Items/{created.json['id']}", {"name": "b"})
            await call("DELETE", f"/api/Items/{created.json['id']}")

        nursery.start_soon(write)
        seen = [await anext(changes) for _ in range(3)]
    feed.end()
    assert await anext(changes, None) is None
    assert [change["type"] for change in seen] == ["create", "update", "remove"]
    assert seen[0] == {"type": "create", "target": 1, "data": {"name": "a", "id": 1}}
    assert not feed.streams


@pytest.mark.parametrize(("strict", "without", "empty"), [(False, 500, 200), (True, 400, 400)])
async def test_updates_of_everything(small_app: Make, strict: bool, without: int, empty: int) -> None:
    call = await small_app({"config.json": {"strict": strict, "remoting": {"rest": {"handleErrors": False}}}})
    assert (await call("POST", "/api/Items/update", {"name": "x"})).status == without
    assert (await call("POST", "/api/Items/update?where={}", {"name": "x"})).status == empty
