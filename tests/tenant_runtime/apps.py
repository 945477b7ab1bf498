"""A small app without access control, in the test's own process: files in, answers out."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from mtgate.http1.message import EMPTY_BODY, Body, Request
from tenant_runtime.app import App

MIDDLEWARE = {
    "routes": {"loopback#rest": {"paths": ["${restApiRoot}"]}},
    "final": {"loopback#urlNotFound": {}},
    "final:after": {"strong-error-handler": {}},
}
FILES: dict[str, Any] = {
    "config.json": {"restApiRoot": "/api", "remoting": {"rest": {"handleErrors": False}}},
    "datasources.json": {"db": {"connector": "memory"}},
    "middleware.json": MIDDLEWARE,
    "model-config.json": {"Item": {"dataSource": "db"}},
    "models/item.json": {"name": "Item", "properties": {"name": {"type": "string", "required": True}}},
}


def write_app(folder: Path, files: dict[str, Any]) -> Path:
    """Files by name: text as it stands, anything else as JSON; None leaves one of ``FILES`` out."""
    for name, content in {**FILES, **files}.items():
        if content is None:
            continue
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content if isinstance(content, str) else json.dumps(content, indent=2))
    return folder


class Answer:
    def __init__(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self.status = status
        self.headers = headers
        self.body = body

    @property
    def json(self) -> Any:
        return json.loads(self.body)


def body_of(data: bytes) -> Body:
    pieces = [data[:3], data[3:], b""]

    async def receive() -> bytes:
        while pieces:
            piece = pieces.pop(0)
            if piece or not pieces:
                return piece
        return b""

    return Body(len(data), receive)


class Caller:
    """``await call("GET", "/api/Items")``; a body that is no bytes is sent as JSON."""

    def __init__(self, app: App) -> None:
        self.app = app

    async def __call__(self, method: str, target: str, body: Any = None, **fields: str) -> Answer:
        headers = [(name.replace("_", "-").encode(), value.encode()) for name, value in fields.items()]
        source = EMPTY_BODY
        if body is not None:
            data = body if isinstance(body, bytes) else json.dumps(body).encode()
            source = body_of(data)
            headers.append((b"content-length", str(len(data)).encode()))
            if "content_type" not in fields:
                headers.append((b"content-type", b"application/json"))
        response = await self.app.handle(Request(method, target, headers, "1.1", source, None, "192.0.2.1"))
        found = {name.decode(): value.decode("latin-1") for name, value in response.headers}
        if isinstance(response.body, bytes):
            return Answer(response.status, found, response.body)
        return Answer(response.status, found, b"".join([piece async for piece in response.body]))
