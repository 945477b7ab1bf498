"""One request of a scenario, over TCP or a Unix socket, a connection each (as recorded)."""

from __future__ import annotations

import gzip
import http.client
import json
import socket
import zlib
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

from tests.conformance.variables import Variables, as_text

SAFE = "~()*!.'-_"
TIMEOUT_SECONDS = 30.0


@dataclass(frozen=True)
class Target:
    """Where a tenant answers: a Unix socket, or a port with the tenant's prefix. ``pid`` is its worker's."""

    socket_path: Path | None = None
    port: int = 0
    prefix: str = ""
    pid: int = 0

    def connect(self) -> http.client.HTTPConnection:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=TIMEOUT_SECONDS)
        if self.socket_path is not None:
            connection.sock = socket.socket(socket.AF_UNIX)
            connection.sock.settimeout(TIMEOUT_SECONDS)
            connection.sock.connect(str(self.socket_path))
        return connection


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, str]  # names lower-case, repeated ones joined by ", "
    raw: bytes

    @property
    def body(self) -> Any:
        """JSON where the type says so, else text; None when empty."""
        text = self.raw.decode("utf-8", "replace")
        if "json" in self.headers.get("content-type", "") and text:
            try:
                return json.loads(text)
            except ValueError:
                return text
        return text or None


def path_of(step: dict[str, Any], variables: Variables) -> str:
    path = variables.fill_text(step["path"], lambda text: quote(text, safe=SAFE))
    for name, value in (step.get("query") or {}).items():
        filled = variables.fill(value)
        text = (
            filled
            if isinstance(filled, str)
            else json.dumps(filled, separators=(",", ":"), ensure_ascii=False)
        )
        path += f"{'&' if '?' in path else '?'}{quote(name, safe=SAFE)}={quote(text, safe=SAFE)}"
    return path


def headers_and_body(step: dict[str, Any], variables: Variables) -> tuple[dict[str, str], bytes | None]:
    headers = {"accept": "application/json", "accept-encoding": "identity"}
    body: bytes | None = None
    if "raw" in step:
        body = as_text(variables.fill(step["raw"])).encode()
    elif "body" in step:
        body = json.dumps(variables.fill(step["body"]), ensure_ascii=False).encode()
        headers["content-type"] = "application/json"
    for name, value in (step.get("headers") or {}).items():
        headers.pop(name.lower(), None)
        if value is not None:
            headers[name.lower()] = as_text(variables.fill(value))
    if body is not None or step["method"] in ("POST", "PUT", "PATCH"):
        headers.setdefault("content-length", str(len(body or b"")))
    return headers, body


def send(target: Target, step: dict[str, Any], variables: Variables) -> Answer:
    headers, body = headers_and_body(step, variables)
    connection = target.connect()
    try:
        connection.putrequest(
            step["method"], target.prefix + path_of(step, variables), skip_accept_encoding=True
        )
        for name, value in headers.items():
            connection.putheader(name, value.encode())
        connection.putheader("connection", "close")
        connection.endheaders()
        if body:
            # Refused by its length: the answer is there to be read all the same.
            with suppress(BrokenPipeError, ConnectionResetError):
                connection.send(body)
        response = connection.getresponse()
        found: dict[str, str] = {}
        for name, value in response.getheaders():
            name = name.lower()
            found[name] = f"{found[name]}, {value}" if name in found else value
        raw = b"" if step.get("stream") else decoded(response.read(), found.get("content-encoding"))
        return Answer(response.status, found, raw)
    finally:
        connection.close()


def decoded(raw: bytes, encoding: str | None) -> bytes:
    if encoding == "gzip":
        return gzip.decompress(raw)
    return zlib.decompress(raw) if encoding == "deflate" else raw


def shown(step: dict[str, Any], variables: Variables) -> str:
    """The request on one line, for people."""
    line = f"{step['method']} {unquote(path_of(step, variables))}"
    if "body" in step:
        line += " " + json.dumps(variables.fill(step["body"]), ensure_ascii=False)[:400]
    return line
