"""The operations of the control API.

In charge of: what each operation asks of the supervisor and of ``tenantdir``. Must not know: HTTP; it gets
checked values and answers bodies. Raises the errors of ``mtgate.errors``.
"""

from __future__ import annotations

import functools
import os
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, TypeVar

import trio
from pydantic import BaseModel

from mtgate.control import openapi, schema
from mtgate.control.memory import measure
from mtgate.control.port import Supervising
from mtgate.control.routes import SCHEMA_ACTIONS
from mtgate.errors import (
    BadRequest,
    Conflict,
    InvalidConfiguration,
    NotFound,
    SystemRefused,
    UnknownTenant,
    is_shortage,
    words_of,
)
from mtgate.settings import Settings, TcpAddress
from mtgate.tenantdir.apps import NewModel, add_model, copy_app, scaffold
from mtgate.tenantdir.complaint import InvalidFile
from mtgate.tenantdir.layout import is_tenant_id, tenant_id

Answer = BaseModel | list[Any] | dict[str, Any] | AsyncIterator[bytes]
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Call:
    """One request, checked: path variables, query parameters of the table's types, the body's model."""

    role: str
    variables: dict[str, str]
    query: dict[str, Any] = field(default_factory=dict)
    body: Any = None

    @property
    def id(self) -> str:
        """The tenant of the path; UnknownTenant when it cannot be one."""
        text = self.variables["id"]
        if not is_tenant_id(text):
            raise UnknownTenant(text)
        return text


def mtgate_version() -> str:
    """The installed version."""
    try:
        return version("mtgate")
    except PackageNotFoundError:
        return "0+uninstalled"


class Handlers:
    """One method for each operation of the table, of the same name."""

    def __init__(self, supervisor: Supervising, settings: Settings) -> None:
        self._supervisor = supervisor
        self._settings = settings
        self._since = datetime.now(UTC)

    async def run(self, name: str, call: Call) -> Answer:
        """The operation of that name; a tenant in its outcome gets its address."""
        answer: Answer = await getattr(self, name)(call)
        if isinstance(answer, schema.Outcome) and answer.tenant is not None:
            self._with_url(answer.tenant)
        return answer

    def worker_pids(self) -> set[int]:
        """Process ids of all tenants' workers."""
        return {pid for status in self._supervisor.statuses() for pid in status.pids}

    async def daemon(self, call: Call) -> Answer:
        """Who answers."""
        counts: dict[str, int] = {}
        statuses = self._supervisor.statuses()
        for status in statuses:
            counts[status.state] = counts.get(status.state, 0) + 1
        return schema.Daemon(
            version=mtgate_version(),
            pid=os.getpid(),
            since=self._since,
            listen=self._settings.server.listen,
            root=str(self._settings.paths.tenants),
            isolation=next((status.isolation for status in statuses if status.isolation), None),
            tenants=counts,
            role=call.role,
        )

    async def openapi(self, call: Call) -> Answer:
        """The API's own description."""
        return openapi.document(mtgate_version())

    def _with_url(self, status: schema.TenantStatus) -> schema.TenantStatus:
        """Where the first TCP listener serves it."""
        server = self._settings.server
        address = next((one for one in server.addresses if isinstance(one, TcpAddress)), None)
        if address is not None:
            scheme = "https" if server.tls else "http"
            status.url = f"{scheme}://{address}/{status.id}/"
        return status

    async def list(self, call: Call) -> Answer:
        """All tenants by id."""
        statuses = [self._with_url(status) for status in self._supervisor.statuses()]
        await trio.to_thread.run_sync(measure, statuses)
        return statuses

    async def status(self, call: Call) -> Answer:
        """One tenant."""
        status = self._with_url(self._supervisor.status(call.id))
        await trio.to_thread.run_sync(measure, [status])
        return status

    async def routes(self, call: Call) -> Answer:
        """What leads where."""
        return sorted(self._supervisor.routes(), key=lambda route: route.id)

    async def add(self, call: Call) -> Answer:
        """Make the folder where there is none, then register it."""
        body: schema.AddTenant = call.body
        try:
            id = tenant_id(body.id)
        except ValueError as error:
            raise BadRequest(str(error)) from None
        folder = self._settings.paths.tenant_dir(id)
        if body.source is not None and folder.exists():
            raise Conflict(
                f"{folder} exists already; it was not overwritten",
                tenant=id,
                hint=f'"mtctl add {id}" without --from adopts it as it is',
            )
        prepare = functools.partial(self._make_folder, id, body.source)
        return await self._supervisor.add(id, start=body.start, prepare=prepare)

    async def _make_folder(self, id: str, source: str | None) -> str:
        """Scaffold or copy; answers what was done, in words."""
        tenants = self._settings.paths.tenants
        if source is None and (tenants / id).exists():
            return "adopted the folder that was there"
        if source is None:
            await _in_thread(id, scaffold, tenants, id)
            return "a new application"
        if not os.path.isabs(source):
            raise BadRequest(f'"{source}" is not an absolute path', tenant=id)
        left_out = await _in_thread(id, copy_app, Path(source), tenants, id)
        return f"copied from {source}" + (f"; left out: {', '.join(left_out)}" if left_out else "")

    async def remove(self, call: Call) -> Answer:
        """Stop, forget, delete."""
        return await self._supervisor.remove(call.id, keep_files=bool(call.query.get("keep_files")))

    async def start(self, call: Call) -> Answer:
        """Want it running."""
        return await self._supervisor.start(call.id)

    async def stop(self, call: Call) -> Answer:
        """Want it stopped."""
        return await self._supervisor.stop(call.id)

    async def restart(self, call: Call) -> Answer:
        """A new generation."""
        body: schema.RestartTenant = call.body
        return await self._supervisor.restart(call.id, hard=body.hard)

    async def sleep(self, call: Call) -> Answer:
        """No process until the next request."""
        return await self._supervisor.sleep(call.id)

    async def wake(self, call: Call) -> Answer:
        """Start a sleeping tenant."""
        return await self._supervisor.wake(call.id)

    async def scale(self, call: Call) -> Answer:
        """Another number of workers."""
        body: schema.ScaleTenant = call.body
        return await self._supervisor.scale(call.id, body.workers)

    async def rollback(self, call: Call) -> Answer:
        """An earlier revision."""
        body: schema.RollbackTenant = call.body
        return await self._supervisor.rollback(call.id, body.to)

    async def reset_failed(self, call: Call) -> Answer:
        """Forget failures."""
        return await self._supervisor.reset_failed(call.id)

    async def model(self, call: Call) -> Answer:
        """Add a model to the tenant's folder; it is served after a restart."""
        body: schema.AddModel = call.body
        directory = self._directory(call.id)
        model = NewModel(
            body.name,
            {one.name: _definition(one) for one in body.properties},
            body.base,
            body.plural,
            body.data_source,
            body.public,
        )
        changes = await _in_thread(call.id, add_model, directory, model)
        nothing = not changes.created and not changes.changed
        message = "it is there already" if nothing else f'"mtctl restart {call.id}" serves it'
        return schema.FilesChanged(created=changes.created, changed=changes.changed, message=message)

    def _directory(self, id: str) -> Path:
        """The folder of a tenant that the supervisor knows; UnknownTenant."""
        self._supervisor.status(id)
        return self._settings.paths.tenant_dir(id)

    async def schema(self, call: Call) -> Answer:
        """Run the schema tool as the tenant."""
        action = call.variables["action"]
        if action not in SCHEMA_ACTIONS:
            raise NotFound(f'there is no schema action "{action}": {", ".join(SCHEMA_ACTIONS)}')
        directory = self._directory(call.id)
        arguments = ["tenant_runtime.schema", str(directory), action, *_schema_options(call.body)]
        return await self._supervisor.run_tool(call.id, arguments)

    async def logs(self, call: Call) -> Answer:
        """The last lines, then new ones as they come."""
        journal = self._supervisor.journal(call.id)
        count = call.query.get("lines", 100)
        if count < 0:
            raise BadRequest("lines must not be negative")

        async def lines() -> AsyncIterator[bytes]:
            follow = journal.follow() if call.query.get("follow") else None
            for line in await trio.to_thread.run_sync(journal.tail, count):
                yield line.to_json().encode() + b"\n"
            if follow is not None:
                async with follow:
                    async for line in follow:
                        yield line.to_json().encode() + b"\n"

        return lines()

    async def events(self, call: Call) -> Answer:
        """Changes of state from now on."""
        wanted = call.query.get("tenant")
        channel = self._supervisor.events()

        async def lines() -> AsyncIterator[bytes]:
            async with channel:
                yield b"\n"  # sends the head at once: the client knows from here on it misses nothing
                async for event in channel:
                    if wanted is None or event.tenant == wanted:
                        yield event.model_dump_json().encode() + b"\n"

        return lines()


def _definition(one: schema.ModelProperty) -> dict[str, Any]:
    """A LoopBack property definition."""
    definition: dict[str, Any] = {"type": one.type}
    if one.required:
        definition["required"] = True
    if one.default is not None:
        definition["default"] = one.default
    return definition


def _schema_options(body: schema.SchemaRequest) -> list[str]:
    """Arguments of the schema tool."""
    options = [f"--model={name}" for name in body.models]
    options += [f"--table={name}" for name in body.tables]
    if body.data_source:
        options.append(f"--datasource={body.data_source}")
    return [*options, "--drop"] if body.drop else options


async def _in_thread(id: str, work: Callable[..., T], *arguments: Any) -> T:
    """Run file work in a thread, translating its errors."""
    try:
        return await trio.to_thread.run_sync(functools.partial(work, *arguments))
    except InvalidFile as error:
        complaints = error.complaints
        raise InvalidConfiguration(str(complaints[0]), tenant=id, complaints=complaints) from error
    except FileExistsError as error:
        raise Conflict(str(error), tenant=id) from error
    except OSError as error:
        if is_shortage(error):
            raise SystemRefused.by(error, tenant=id) from error
        raise InvalidConfiguration(words_of(error), tenant=id) from error
