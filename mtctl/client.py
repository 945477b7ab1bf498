"""The control API, called synchronously over its Unix socket.

In charge of: one request on one connection, problems as exceptions. Must not know: commands or output.
No trio here: ``mtctl`` starts, asks once and ends.
"""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import h11

from mtgate.paths import MAX_SOCKET_PATH_BYTES

_RECEIVE_BYTES = 64 * 1024


class Unreachable(Exception):
    """No daemon answers at the socket."""


class Forbidden(Exception):
    """The file permissions of the socket keep this user out."""


class Refused(Exception):
    """The daemon answered with a problem document (RFC 9457)."""

    def __init__(self, problem: dict[str, Any]) -> None:
        super().__init__(problem.get("detail", "the command failed"))
        self.problem = problem

    @property
    def code(self) -> str:
        """The stable code."""
        return str(self.problem.get("code", "failed"))


class Control:
    """A daemon's control socket. ``timeout_seconds`` is how long an action may take; None: no limit."""

    def __init__(self, path: Path, timeout_seconds: float | None = None) -> None:
        self.path = path
        self._timeout_seconds = timeout_seconds

    def get(self, path: str, **query: Any) -> Any:
        """The JSON answer of a GET; Refused, Unreachable, Forbidden."""
        return self._exchange("GET", path, query, None)

    def act(self, method: str, path: str, body: dict[str, Any] | None = None, **query: Any) -> Any:
        """The JSON answer of a change that the daemon waits for."""
        if self._timeout_seconds is not None:
            query["timeout_seconds"] = f"{self._timeout_seconds:g}"
        return self._exchange(method, path, query, body)

    def lines(self, path: str, **query: Any) -> Iterator[dict[str, Any]]:
        """The objects of a stream of JSON lines, as they come."""
        with _Exchange(self.path, "GET", _target(path, query), None) as exchange:
            buffer = b""
            for piece in exchange.body():
                *whole, buffer = (buffer + piece).split(b"\n")
                for line in whole:
                    if line.strip():
                        yield json.loads(line)

    def _exchange(self, method: str, path: str, query: dict[str, Any], body: dict[str, Any] | None) -> Any:
        with _Exchange(self.path, method, _target(path, query), body) as exchange:
            return json.loads(b"".join(exchange.body()))


def tenant(tenant_id: str, action: str = "") -> str:
    """The path of a tenant, or of something that can be done with it."""
    return f"/v1/tenants/{quote(tenant_id.lower(), safe='')}" + (f"/{action}" if action else "")


def _target(path: str, query: dict[str, Any]) -> str:
    given = {name: value for name, value in query.items() if value is not None and value is not False}
    text = urlencode({name: "true" if value is True else value for name, value in given.items()})
    return f"{path}?{text}" if text else path


class _Exchange:
    """One request and its answer; raises Refused when the answer is an error."""

    def __init__(self, path: Path, method: str, target: str, body: dict[str, Any] | None) -> None:
        self._socket = _connect(path)
        self._parser = h11.Connection(h11.CLIENT)
        try:
            self._send(method, target, b"" if body is None else json.dumps(body).encode())
            response = self._next()
            if not isinstance(response, h11.Response):
                raise Unreachable(f"what listens at {path} does not speak HTTP")
            if response.status_code >= 400:
                raise Refused(self._problem(response.status_code))
        except (h11.RemoteProtocolError, OSError) as error:
            self._socket.close()
            raise Unreachable(f"the daemon at {path} closed the connection: {error}") from error
        except BaseException:
            self._socket.close()
            raise

    def __enter__(self) -> _Exchange:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def body(self) -> Iterator[bytes]:
        """The pieces of the answer's body."""
        try:
            while isinstance(event := self._next(), h11.Data):
                yield bytes(event.data)
        except (h11.RemoteProtocolError, OSError) as error:
            raise Unreachable(f"the daemon closed the connection: {error}") from error

    def _send(self, method: str, target: str, body: bytes) -> None:
        headers = [("host", "localhost"), ("accept", "application/json"), ("content-length", str(len(body)))]
        events = [h11.Request(method=method, target=target, headers=headers), h11.Data(data=body)]
        data = b"".join(self._parser.send(event) or b"" for event in [*events, h11.EndOfMessage()])
        self._socket.sendall(data)

    def _next(self) -> Any:
        while (event := self._parser.next_event()) is h11.NEED_DATA:
            self._parser.receive_data(self._socket.recv(_RECEIVE_BYTES))
        return event

    def _problem(self, status: int) -> dict[str, Any]:
        text = b"".join(self.body())
        try:
            problem = json.loads(text)
        except ValueError:
            problem = None
        if not isinstance(problem, dict) or "detail" not in problem:
            return {"detail": f"the daemon answered {status}: {text[:200]!r}", "code": "failed"}
        return problem


def _connect(path: Path) -> socket.socket:
    """A connection to the socket, also where its path is longer than connect(2) takes."""
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        if len(os.fsencode(path)) <= MAX_SOCKET_PATH_BYTES:
            connection.connect(str(path))
        else:
            folder = os.open(path.parent, os.O_PATH | os.O_DIRECTORY)
            try:
                connection.connect(f"/proc/self/fd/{folder}/{path.name}")
            finally:
                os.close(folder)
    except PermissionError as error:
        connection.close()
        raise Forbidden(f"the permissions of {path} do not let this user in") from error
    except OSError as error:
        connection.close()
        raise Unreachable(f"no daemon answers at {path}: {error.strerror}") from error
    return connection
