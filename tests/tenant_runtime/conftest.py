"""An app from a few files, and a client that calls it without sockets."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
import trio

from mtgate.http1.message import Body, Request
from tenant_runtime.app import App
from tenant_runtime.boot.start import boot
from tests.tenant_runtime.apps import Caller, write_app

AUTH_BOOT = "def boot(app):\n    app.enable_auth()\n"
REST_MIDDLEWARE = {
    "routes": {"loopback#rest": {"paths": ["${restApiRoot}"]}},
    "final": {"loopback#urlNotFound": {}},
    "final:after": {"strong-error-handler": {}},
}


class Reply:
    """Status, fields (lower-case names) and body of a response."""

    def __init__(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self.status = status
        self.headers = headers
        self.body = body

    @property
    def json(self) -> Any:
        return json.loads(self.body) if self.body else None

    @property
    def code(self) -> Any:
        """The error's code, its message when it has none."""
        error = self.json["error"]
        return error.get("code", error["message"])

    def __repr__(self) -> str:
        return f"<{self.status} {self.body[:500]!r}>"


class Client:
    """Calls an app's paths below ``/api`` or ``below``; ``token`` is sent as it stands in Authorization."""

    def __init__(self, app: App) -> None:
        self.app = app

    async def __call__(
        self,
        method: str,
        path: str,
        data: Any = None,
        *,
        token: str | None = None,
        below: str = "/api",
        **headers: str,
    ) -> Reply:
        fields = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
        raw = b"" if data is None else data if isinstance(data, bytes) else json.dumps(data).encode()
        if raw:
            fields.append((b"content-length", str(len(raw)).encode()))
            if "content_type" not in headers:
                fields.append((b"content-type", b"application/json"))
        if token is not None:
            fields.append((b"authorization", token.encode()))
        pieces = [raw] if raw else []

        async def receive() -> bytes:
            return pieces.pop() if pieces else b""

        body = Body(len(raw), receive)
        target = path if path.startswith("/api") else below + path
        response = await self.app.handle(Request(method, target, fields, "1.1", body, None, "127.0.0.1"))
        content = response.body
        if not isinstance(content, bytes):
            content = b"".join([piece async for piece in content])
        names = {name.decode(): value.decode() for name, value in response.headers}
        return Reply(response.status, names, content)

    async def login(self, path: str, **credentials: Any) -> str:
        reply = await self("POST", f"{path}/login", credentials)
        assert reply.status == 200, reply
        return str(reply.json["id"])


MakeApp = Callable[..., Awaitable[Client]]


@pytest.fixture
def make_app(tmp_path: Path) -> MakeApp:
    """``await make_app({"models/note.json": {…}, "boot/x.py": "…"}, Note={}, …)``.

    The keywords are model-config entries (with the data source ``db`` on memory, unless they say otherwise);
    the models that access control needs are always there.
    """

    async def make(
        files: dict[str, Any] | None = None, *, may_warn: bool = False, **models: dict[str, Any]
    ) -> Client:
        entries: dict[str, Any] = {
            "User": {"dataSource": "db"},
            **{
                name: {"dataSource": "db", "public": False}
                for name in ("AccessToken", "ACL", "RoleMapping", "Role")
            },
        }
        for name, entry in models.items():
            entries[name] = {"dataSource": "db", **entries.get(name, {}), **entry}
        written = {
            "config.json": {"restApiRoot": "/api"},
            "datasources.json": {"db": {"name": "db", "connector": "memory"}},
            "model-config.json": entries,
            "middleware.json": REST_MIDDLEWARE,
            "boot/authentication.py": AUTH_BOOT,
            **(files or {}),
        }
        for name, content in written.items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content if isinstance(content, str) else json.dumps(content))
        app, read = await boot(tmp_path)
        assert may_warn or not read.warnings, [str(warning) for warning in read.warnings]
        return Client(app)

    return make


@pytest.fixture
async def small_app(tmp_path: Path, nursery: trio.Nursery) -> AsyncIterator[Callable[..., Any]]:
    """``await small_app({"models/item.json": {…}})``: those files over ``apps.FILES``; no access control."""
    apps: list[App] = []

    async def make(files: dict[str, Any] | None = None) -> Caller:
        app, _ = await boot(write_app(tmp_path, files or {}))
        app.tasks = nursery
        apps.append(app)
        return Caller(app)

    yield make
    for app in apps:
        await app.close()
