"""What a tenant's Python may do: every way in, sync and async, and the request's context everywhere."""

from __future__ import annotations

import logging
from typing import Any

import pytest

FAST = {"options": {"saltWorkFactor": 4}}
NOTE = {"name": "Note", "properties": {"text": "string", "by": "number", "seen": "number"}}
LOG = {"name": "Log", "properties": {"text": "string", "by": "number"}}


async def app_with(make_app: Any, code: str, **files: Any) -> Any:
    return await make_app(
        {"models/note.json": NOTE, "models/log.json": LOG, "models/note.py": code, **files},
        User=FAST,
        Note={},
        Log={},
    )


async def ann(api: Any) -> str:
    await api("POST", "/Users", {"email": "ann@example.com", "password": "x"})
    return str(await api.login("/Users", email="ann@example.com", password="x"))


async def test_operation_hooks_by_decorator_sync_and_async(make_app: Any) -> None:
    code = """
import trio

def setup(Note):
    @Note.observe("before save")
    async def sign(ctx):
        await trio.lowlevel.checkpoint()
        if ctx.is_new_instance:
            ctx.instance.by = ctx.options["accessToken"].userId

    @Note.observe("after save")
    def count(ctx):
        ctx.hookState["seen"] = True

    @Note.observe("before save", blocking=True)
    def slow(ctx):
        ctx.instance.seen = 1
"""
    api = await app_with(make_app, code)
    reply = await api("POST", "/Notes", {"text": "a"}, token=await ann(api))
    assert reply.json == {"text": "a", "by": 1, "seen": 1, "id": 1}


async def test_options_reach_hooks_of_other_models_without_being_passed(make_app: Any) -> None:
    code = """
def setup(Note):
    @Note.observe("after save")
    async def log(ctx):
        await Note.app.models.Log.create({"text": "saved"})
"""
    log = """
def setup(Log):
    @Log.observe("before save")
    def sign(ctx):
        token = ctx.options.get("accessToken")
        ctx.instance.by = None if token is None else token.userId
"""
    api = await app_with(make_app, code, **{"models/log.py": log})
    await api("POST", "/Notes", {"text": "a"}, token=await ann(api))
    await api.app.models.Log.create({"text": "by code"})
    assert [one.by for one in await api.app.models.Log.find()] == [1, None]


async def test_remote_hooks(make_app: Any) -> None:
    code = """
def setup(Note):
    @Note.before_remote("create")
    def upper(ctx):
        ctx.args["data"]["text"] = ctx.args["data"]["text"].upper()

    @Note.after_remote("**")
    async def stamp(ctx, result):
        ctx.response.set_header("X-Method", ctx.method_string)

    @Note.after_remote("prototype.*")
    def wrap(ctx):
        ctx.result = {"wrapped": ctx.result.to_json(), "was": ctx.instance.text}

    @Note.after_remote_error("find")
    def explain(ctx):
        ctx.error.message = "explained: " + ctx.error.message
"""
    api = await app_with(make_app, code)
    created = await api("POST", "/Notes", {"text": "a"})
    assert (created.json["text"], created.headers["x-method"]) == ("A", "Note.create")
    patched = await api("PATCH", "/Notes/1", {"text": "b"})
    assert patched.json["wrapped"]["text"] == "b"
    bad = await api("GET", '/Notes?filter={"limit":-1}')
    assert bad.json["error"]["message"].startswith("explained: ")


async def test_remote_methods_by_decorator_and_by_json(make_app: Any) -> None:
    code = """
def setup(Note):
    @Note.remote_method(
        "greet",
        accepts=[{"arg": "name", "type": "string", "required": True}, {"arg": "times", "type": "number"}],
        returns={"arg": "greeting", "type": "string"},
        http={"verb": "get", "path": "/greet"},
    )
    async def greet(name, times=1):
        return "hello " + " ".join([name] * times)

    @Note.remote_method("prototype.shout", returns={"arg": "note", "type": "Note", "root": True})
    def shout(note):
        note.text = note.text.upper()
        return note

    Note.define("total", lambda Note: Note.count())
"""
    total = {"returns": {"arg": "total", "type": "number"}, "http": {"verb": "get"}}
    api = await app_with(make_app, code, **{"models/note.json": {**NOTE, "methods": {"total": total}}})
    assert (await api("GET", "/Notes/greet?name=ann")).json == {"greeting": "hello ann"}
    assert (await api("GET", "/Notes/greet?name=ann&times=2")).json == {"greeting": "hello ann ann"}
    assert (await api("GET", "/Notes/greet")).json["error"]["message"] == "name is a required argument"
    assert (await api("GET", "/Notes/greet?name=a&times=x")).status == 400
    await api("POST", "/Notes", {"text": "a"})
    assert (await api("POST", "/Notes/1/shout")).json["text"] == "A"
    assert (await api("GET", "/Notes/total")).json == {"total": 1}


async def test_files_and_streams(make_app: Any) -> None:
    code = """
def setup(Note):
    @Note.remote_method(
        "export",
        returns=[
            {"arg": "body", "type": "file", "root": True},
            {"arg": "Content-Type", "type": "string", "http": {"target": "header"}},
        ],
        http={"verb": "get"},
    )
    async def export():
        async def lines():
            for note in await Note.find():
                yield note.text.encode() + b"\\n"
        return lines(), "text/csv"
"""
    api = await app_with(make_app, code)
    for text in "ab":
        await api("POST", "/Notes", {"text": text})
    reply = await api("GET", "/Notes/export")
    assert (reply.body, reply.headers["content-type"]) == (b"a\nb\n", "text/csv")


async def test_validators_in_code(make_app: Any) -> None:
    code = """
def setup(Note):
    Note.validates_length_of("text", min=2, message={"min": "is too short"})

    def not_admin(note, err):
        if note.text == "admin":
            err()

    Note.validate("text", not_admin, message="is reserved")

    async def rare(note, err):
        if await Note.count({"text": note.text}) > 0:
            err()

    Note.validate_async("text", rare, message="was said already")
"""
    api = await app_with(make_app, code)
    assert (await api("POST", "/Notes", {"text": "ok"})).status == 200
    messages = [
        (await api("POST", "/Notes", {"text": text})).json["error"]["details"]["messages"]["text"]
        for text in ("a", "admin", "ok")
    ]
    assert messages == [["is too short"], ["is reserved"], ["was said already"]]


async def test_events_routes_middleware_and_app_hooks(make_app: Any) -> None:
    boot = """
def boot(app):
    seen = []

    @app.on("booted")
    def booted():
        seen.append("booted")

    @app.router.get("/ping/:name")
    def ping(request):
        return {"pong": request.params["name"], "seen": seen}

    @app.remotes().before("Note.find")
    def note_find(ctx):
        seen.append(ctx.methodString)

    @app.every(60)
    async def job():
        pass
"""
    middleware = """
def factory(params):
    async def layer(request, call_next):
        response = await call_next(request)
        response.set_header("X-Layer", params["name"])
        return response
    return layer
"""
    phases = {
        "initial": {"./middleware/layer": {"params": {"name": "mine"}}},
        "routes": {"loopback#rest": {"paths": ["${restApiRoot}"]}},
        "final:after": {"strong-error-handler": {}},
    }
    api = await app_with(
        make_app,
        "def setup(Note):\n    pass\n",
        **{"boot/ping.py": boot, "middleware/layer.py": middleware, "middleware.json": phases},
    )
    await api("GET", "/Notes")
    assert (await api("GET", "/Nothing")).headers["x-layer"] == "mine"
    reply = await api("GET", "/ping/x", below="")
    assert reply.json == {"pong": "x", "seen": ["booted", "Note.find"]}
    assert api.app.jobs


async def test_an_exception_is_that_requests_500_and_is_logged(
    make_app: Any, caplog: pytest.LogCaptureFixture
) -> None:
    code = """
def setup(Note):
    @Note.observe("before save")
    def fail(ctx):
        raise ZeroDivisionError("by zero")
"""
    api = await app_with(make_app, code)
    with caplog.at_level(logging.ERROR):
        reply = await api("POST", "/Notes", {"text": "a"})
    assert reply.json == {"error": {"statusCode": 500, "message": "Internal Server Error"}}
    assert "ZeroDivisionError: by zero" in caplog.text
    assert "models/note.py" in caplog.text
    assert (await api("GET", "/Notes")).status == 200


async def test_raw_access_and_transactions(make_app: Any) -> None:
    sources = {"db": {"name": "db", "connector": "sqlite3", "file": ":memory:"}}
    api = await app_with(make_app, "def setup(Note):\n    pass\n", **{"datasources.json": sources})
    source = api.app.data_sources["db"]
    await source.automigrate()
    Note = api.app.models.Note
    with pytest.raises(ZeroDivisionError):
        async with source.transaction() as transaction:
            await Note.create({"text": "a"}, {"transaction": transaction})
            raise ZeroDivisionError
    await Note.create({"text": "b"})
    rows = await source.execute("SELECT text FROM Note WHERE text <> ?", ["x"])
    assert [row["text"] for row in rows] == ["b"]
