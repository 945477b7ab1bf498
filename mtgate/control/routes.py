"""Method and path → operation: the table of the control API.

In charge of: which operations there are, their role, query parameters and bodies. ``control.openapi`` and the
handlers read the same table. Pure.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from pydantic import BaseModel

from mtgate.control import schema
from mtgate.errors import MethodNotAllowed, NotFound

Role = Literal["admin", "operator"]

#: Media types of the two kinds of streams, besides JSON.
NDJSON = "application/x-ndjson"


@dataclass(frozen=True, slots=True)
class Query:
    """A query parameter."""

    name: str
    type: Literal["boolean", "integer", "number", "string"]
    description: str


@dataclass(frozen=True, slots=True)
class Operation:
    """One thing a client can ask for. ``path`` has ``{id}`` and ``{action}`` as variables."""

    name: str
    method: str
    path: str
    role: Role
    summary: str
    answer: type[BaseModel] | None
    body: type[BaseModel] | None = None
    many: bool = False
    stream: bool = False
    query: tuple[Query, ...] = ()

    @property
    def changes(self) -> bool:
        """Whether it is written to the audit log."""
        return self.method != "GET"


_TIMEOUT = Query("timeout_seconds", "number", "Answer 504 after so long; the work goes on.")
_ID = "/v1/tenants/{id}"


def _action(
    name: str, summary: str, body: type[BaseModel] | None = None, role: Role = "operator"
) -> Operation:
    return Operation(
        name,
        "POST",
        f"{_ID}/{name.replace('_', '-')}",
        role,
        summary,
        schema.Outcome,
        body,
        query=(_TIMEOUT,),
    )


OPERATIONS: tuple[Operation, ...] = (
    Operation("daemon", "GET", "/v1", "operator", "Who answers, and what the caller may do.", schema.Daemon),
    Operation("openapi", "GET", "/v1/openapi.json", "operator", "This document.", None),
    Operation("list", "GET", "/v1/tenants", "operator", "All tenants.", schema.TenantStatus, many=True),
    Operation(
        "add",
        "POST",
        "/v1/tenants",
        "admin",
        "Scaffold, copy or adopt a folder and start it.",
        schema.Outcome,
        schema.AddTenant,
        query=(_TIMEOUT,),
    ),
    Operation("status", "GET", _ID, "operator", "One tenant.", schema.TenantStatus),
    Operation(
        "remove",
        "DELETE",
        _ID,
        "admin",
        "Stop a tenant, delete its folder and state. Databases are never touched.",
        schema.Outcome,
        query=(Query("keep_files", "boolean", "Leave the folder."), _TIMEOUT),
    ),
    _action("start", "Want it running, and wait until it is ready."),
    _action("stop", "Want it stopped, drain and end it."),
    _action("restart", "Start a new generation beside the old one and switch.", schema.RestartTenant),
    _action("sleep", "End its processes until the next request."),
    _action("wake", "Start a sleeping tenant."),
    _action("scale", "Change the number of workers.", schema.ScaleTenant),
    _action("rollback", "Go back to an earlier revision of its folder.", schema.RollbackTenant, "admin"),
    _action("reset_failed", "Forget failures, so that it may start again."),
    Operation(
        "logs",
        "GET",
        f"{_ID}/logs",
        "operator",
        "A tenant's output, a line of JSON each.",
        schema.LogLine,
        stream=True,
        query=(
            Query("lines", "integer", "So many of the last lines, 100 when not given."),
            Query("follow", "boolean", "Go on with new lines as they come."),
        ),
    ),
    Operation(
        "model",
        "POST",
        f"{_ID}/models",
        "admin",
        "Add a model, or properties to one.",
        schema.FilesChanged,
        schema.AddModel,
    ),
    Operation(
        "schema",
        "POST",
        f"{_ID}/schema/{{action}}",
        "admin",
        "``plan``, ``apply``, ``reset`` or ``discover`` the database schema.",
        schema.ToolResult,
        schema.SchemaRequest,
        query=(_TIMEOUT,),
    ),
    Operation("routes", "GET", "/v1/routes", "operator", "What leads where.", schema.Route, many=True),
    Operation(
        "events",
        "GET",
        "/v1/events",
        "operator",
        "Changes of state from now on, a line of JSON each.",
        schema.Event,
        stream=True,
        query=(Query("tenant", "string", "Only this tenant's."),),
    ),
)

SCHEMA_ACTIONS = ("plan", "apply", "reset", "discover")


def match(method: str, path: str) -> tuple[Operation, dict[str, str]]:
    """The operation of a request and the variables of its path; NotFound, MethodNotAllowed."""
    allowed: set[str] = set()
    segments = path.rstrip("/").split("/")
    for operation in OPERATIONS:
        variables = _variables(operation.path.split("/"), segments)
        if variables is None:
            continue
        if operation.method == method:
            return operation, variables
        allowed.add(operation.method)
    if allowed:
        raise MethodNotAllowed(f"{path} takes {', '.join(sorted(allowed))}, not {method}")
    raise NotFound(f"the control API has no {path}", hint="GET /v1/openapi.json lists what there is")


def _variables(template: list[str], segments: list[str]) -> dict[str, str] | None:
    if len(template) != len(segments):
        return None
    found = {}
    for expected, given in zip(template, segments, strict=True):
        if expected.startswith("{"):
            found[expected[1:-1]] = given
        elif expected != given:
            return None
    return found
