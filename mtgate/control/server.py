"""The control API as HTTP: requests in, JSON out.

In charge of: who asks, limits, checking queries and bodies, problem documents (RFC 9457), the audit log. Must
not know: what an operation does.
"""

from __future__ import annotations

import json
import logging
import math
import os
import socket
from collections import defaultdict
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, nullcontext
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import trio
from pydantic import BaseModel, ValidationError

from mtgate.control import roles
from mtgate.control.audit import AuditLog
from mtgate.control.handlers import Answer, Call, Handlers, mtgate_version
from mtgate.control.port import Supervising
from mtgate.control.routes import NDJSON, Operation, match
from mtgate.control.schema import Finding, Problem
from mtgate.errors import BadRequest, GateError, NotPermitted, SystemRefused, Timeout, TooLarge
from mtgate.http1.connection import Limits
from mtgate.http1.message import BodyTooLarge, Headers, Peer, Request, Response
from mtgate.http1.server import Server
from mtgate.settings import Settings
from mtgate.tenantdir.complaint import InvalidFile, findings, pointer
from mtgate.tenantdir.jsontext import parse

logger = logging.getLogger(__name__)

MAX_BODY_BYTES = 1024 * 1024
#: At work at a time; more of one user wait.
CHANGES_PER_USER = 16
_LIMITS = Limits(
    header_timeout_seconds=5.0,
    body_timeout_seconds=5.0,
    idle_timeout_seconds=5.0,
    write_timeout_seconds=5.0,
    connections=256,
    spare_descriptors=16,
)
_BROWSER_FIELDS = {b"origin", b"sec-fetch-site"}


def control_server(supervisor: Supervising, settings: Settings) -> ControlServer:
    """The control API of a daemon."""
    return ControlServer(
        Handlers(supervisor, settings),
        roles.configured(settings.control, os.geteuid()),
        AuditLog(settings.paths.log / "audit.log"),
    )


class ControlServer:
    """Serves the control socket."""

    def __init__(self, handlers: Handlers, rules: roles.Roles, audit: AuditLog) -> None:
        self._handlers = handlers
        self._rules = rules
        self._audit = audit
        self._turns = defaultdict[int, trio.Semaphore](lambda: trio.Semaphore(CHANGES_PER_USER))
        self._server = Server(self.handle, _LIMITS)

    async def serve(
        self, listener: socket.socket, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED
    ) -> None:
        """Until cancelled."""
        await self._server.serve(listener, task_status=task_status)

    async def handle(self, request: Request) -> Response:
        """One request; every error of ours becomes a problem document."""
        try:
            return await self._answer(request)
        except GateError as error:
            return _problem(error)
        except OSError as error:
            return _problem(SystemRefused.by(error))
        except Exception:
            logger.exception("control: %s %s failed", request.method, request.target)
            return _problem(GateError("an error in mtgate itself", hint="the daemon's log has the traceback"))

    async def _answer(self, request: Request) -> Response:
        role = self._role(request)
        url = urlsplit(request.target)
        began, operation, tenant, result = trio.current_time(), None, None, "failed"
        try:
            operation, variables = match(request.method, url.path)
            tenant = variables.get("id")
            _check_role(operation, role)
            body = await _read_body(request, operation)
            tenant = tenant or getattr(body, "id", None)
            call = Call(role, variables, _read_query(operation, url.query), body)
            async with self._turn(request.peer, operation):
                answer = await self._within(call, operation)
            result = getattr(answer, "result", "done")
        except GateError as error:
            result = error.code
            raise
        finally:
            if operation is not None and operation.changes:
                ms = (trio.current_time() - began) * 1000
                self._write_audit(request.peer, role, operation.name, tenant, result, ms)
        return _response(answer, operation)

    def _turn(self, peer: Peer | None, operation: Operation) -> AbstractAsyncContextManager[object]:
        """Changes by one user wait for each other beyond CHANGES_PER_USER; who only looks does not."""
        return self._turns[peer.uid if peer else -1] if operation.changes else nullcontext()

    async def _within(self, call: Call, operation: Operation) -> Answer:
        """Run the operation, at most as long as the client wants to wait."""
        seconds = call.query.get("timeout_seconds", math.inf)
        with trio.move_on_after(seconds) as scope:
            answer: Answer = await self._handlers.run(operation.name, call)
        if scope.cancelled_caught:
            raise Timeout(
                f"not finished after {seconds:g} s; the work goes on",
                tenant=call.variables.get("id"),
                hint='"mtctl status" shows how far it is',
            )
        return answer

    def _role(self, request: Request) -> roles.Role:
        """What the peer may do; NotPermitted for browsers and tenants' processes."""
        if any(name in _BROWSER_FIELDS for name, _ in request.headers):
            raise NotPermitted("requests by a browser are refused")
        peer = request.peer
        if peer is None:
            raise NotPermitted("the kernel does not say who is asking")
        if self._descends(peer.pid):
            raise NotPermitted("a tenant's process may not control mtgate")
        return self._rules.of(peer.uid, roles.groups_of(peer))

    def _descends(self, pid: int) -> bool:
        return roles.descends_from_daemon(pid, self._handlers.worker_pids)

    def _write_audit(
        self, peer: Peer | None, role: str, action: str, tenant: str | None, result: str, ms: float
    ) -> None:
        try:
            self._audit.write(peer, role, action, tenant, result, ms)
        except OSError as error:
            logger.error("the audit log cannot be written: %s", error.strerror)


def _check_role(operation: Operation, role: roles.Role) -> None:
    if role == "admin" or role == operation.role:
        return
    raise NotPermitted(
        f'this needs the role "{operation.role}"',
        hint="roles: root, the daemon's user, and the users and groups under [control] in mtgate.toml",
    )


async def _read_body(request: Request, operation: Operation) -> Any:
    """The body as the operation's model, with its defaults when it is empty; BadRequest, TooLarge."""
    try:
        data = await request.body.read(MAX_BODY_BYTES)
    except BodyTooLarge:
        raise TooLarge(f"the body is larger than {MAX_BODY_BYTES} bytes") from None
    if operation.body is None:
        return None
    try:
        document = parse(data.decode("utf-8"), "") if data.strip() else {}
        return operation.body.model_validate(document)
    except UnicodeDecodeError:
        raise BadRequest("the body is not UTF-8") from None
    except InvalidFile as error:
        raise BadRequest(f"the body is {error.first.message}") from None
    except ValidationError as error:
        path, message = findings(error, operation.body)[0]
        raise BadRequest(f"{pointer(path) or 'the body'}: {message}") from None


def _read_query(operation: Operation, text: str) -> dict[str, Any]:
    """The query parameters in their types; BadRequest for unknown ones."""
    known = {query.name: query.type for query in operation.query}
    read: dict[str, Any] = {}
    for name, value in parse_qsl(text, keep_blank_values=True):
        if name not in known:
            raise BadRequest(f'unknown query parameter "{name}"')
        try:
            read[name] = _READERS[known[name]](value)
        except ValueError:
            raise BadRequest(f'"{value}" is not a {known[name]} ({name})') from None
    return read


_BOOLEANS = {"true": True, "1": True, "": True, "false": False, "0": False}


def _boolean(text: str) -> bool:
    if text not in _BOOLEANS:
        raise ValueError(text)
    return _BOOLEANS[text]


def _seconds(text: str) -> float:
    value = float(text)
    if not value > 0:
        raise ValueError(text)
    return value


_READERS: dict[str, Callable[[str], Any]] = {
    "boolean": _boolean,
    "integer": int,
    "number": _seconds,
    "string": str,
}


def _response(answer: Answer, operation: Operation) -> Response:
    if isinstance(answer, AsyncIterator):
        return Response(200, _headers(NDJSON), answer)
    if isinstance(answer, BaseModel):
        data = answer.model_dump_json().encode()
    elif isinstance(answer, list):
        data = b"[" + b",".join(item.model_dump_json().encode() for item in answer) + b"]"
    else:
        data = json.dumps(answer).encode()
    return Response(200, _headers("application/json"), data)


def _headers(content_type: str) -> Headers:
    return [
        (b"content-type", content_type.encode()),
        (b"mtgate-version", mtgate_version().encode()),
        (b"cache-control", b"no-store"),
    ]


def _problem(error: GateError) -> Response:
    """RFC 9457."""
    problem = Problem(
        type=f"urn:mtgate:problem:{error.code}",
        title=error.title,
        status=error.status,
        detail=error.detail,
        code=error.code,
        tenant=error.tenant,
        hint=error.hint,
        errors=[
            Finding(detail=one.message, file=one.file, line=one.line, pointer=one.pointer)
            for one in error.complaints
        ],
        log_tail=list(error.log_tail),
    )
    return Response(error.status, _headers("application/problem+json"), problem.model_dump_json().encode())
