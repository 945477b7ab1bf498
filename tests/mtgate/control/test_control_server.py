"""The control API over a real Unix socket, with a supervisor of the tests' own."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import trio

from mtgate.control import roles
from mtgate.control.audit import AuditLog
from mtgate.control.handlers import Handlers
from mtgate.control.routes import OPERATIONS, match
from mtgate.control.schema import Event, Outcome, Route, TenantStatus, ToolResult
from mtgate.control.server import ControlServer
from mtgate.errors import GateError, MethodNotAllowed, NotFound, StartFailed, UnknownTenant
from mtgate.http1.client import Client
from mtgate.settings import ControlSettings, Flags, load
from mtgate.tenantdir.complaint import Complaint

NOW = datetime(2026, 1, 2, tzinfo=UTC)


class Line:
    def __init__(self, text: str) -> None:
        self.text = text

    def to_json(self) -> str:
        return json.dumps({"text": self.text})


class FakeJournal:
    def __init__(self) -> None:
        self.lines = [Line("one"), Line("two")]

    def tail(self, count: int) -> list[Line]:
        return self.lines[len(self.lines) - count :] if count < len(self.lines) else self.lines

    def follow(self) -> trio.MemoryReceiveChannel[Line]:
        self.send, receive = trio.open_memory_channel[Line](1)
        self.send.send_nowait(Line("three"))
        return receive


class FakeSupervisor:
    """Keeps tenants in a dictionary and remembers the calls."""

    def __init__(self) -> None:
        self.tenants: dict[str, TenantStatus] = {}
        self.calls: list[tuple[Any, ...]] = []
        self.send_event, self.receive_event = trio.open_memory_channel[Event](10)

    def status(self, tenant_id: str) -> TenantStatus:
        if tenant_id not in self.tenants:
            raise UnknownTenant(tenant_id)
        return self.tenants[tenant_id]

    def statuses(self) -> list[TenantStatus]:
        return list(self.tenants.values())

    def routes(self) -> list[Route]:
        return [
            Route(id=tenant_id, prefix=f"/{tenant_id}", socket="s", state="active")
            for tenant_id in self.tenants
        ]

    def events(self) -> trio.MemoryReceiveChannel[Event]:
        return self.receive_event

    def journal(self, tenant_id: str) -> FakeJournal:
        self.status(tenant_id)
        return FakeJournal()

    async def run_tool(self, tenant_id: str, arguments: list[str]) -> ToolResult:
        self.calls.append(("run_tool", tenant_id, arguments))
        return ToolResult(exit_code=0, output="CREATE TABLE")

    async def add(
        self, tenant_id: str, *, start: bool, prepare: Callable[[], Awaitable[str]] | None = None
    ) -> Outcome:
        if tenant_id in self.tenants:
            return Outcome(result="already", tenant=self.tenants[tenant_id])
        message = await prepare() if prepare else ""
        self.tenants[tenant_id] = TenantStatus(
            id=tenant_id, state="active", desired="running", since=NOW, pids=[1]
        )
        return Outcome(result="done", tenant=self.tenants[tenant_id], message=message)

    async def remove(self, tenant_id: str, *, keep_files: bool) -> Outcome:
        self.status(tenant_id)
        del self.tenants[tenant_id]
        self.calls.append(("remove", tenant_id, keep_files))
        return Outcome(result="done")

    async def _act(self, name: str, tenant_id: str, *arguments: Any) -> Outcome:
        self.calls.append((name, tenant_id, *arguments))
        return Outcome(result="done", tenant=self.status(tenant_id))

    async def start(self, tenant_id: str) -> Outcome:
        if tenant_id == "slow":
            await trio.sleep_forever()
        if tenant_id == "broken":
            complaint = Complaint("unknown type", "models/a.json", "/properties/x", 3)
            raise StartFailed(
                "it is wrong", tenant=tenant_id, complaints=(complaint,), log_tail=("last line",)
            )
        return await self._act("start", tenant_id)

    async def stop(self, tenant_id: str) -> Outcome:
        raise ZeroDivisionError("secret")

    async def restart(self, tenant_id: str, *, hard: bool = False) -> Outcome:
        return await self._act("restart", tenant_id, hard)

    async def sleep(self, tenant_id: str) -> Outcome:
        return await self._act("sleep", tenant_id)

    async def wake(self, tenant_id: str) -> Outcome:
        return await self._act("wake", tenant_id)

    async def scale(self, tenant_id: str, workers: int) -> Outcome:
        return await self._act("scale", tenant_id, workers)

    async def rollback(self, tenant_id: str, to: int | None) -> Outcome:
        return await self._act("rollback", tenant_id, to)

    async def reset_failed(self, tenant_id: str) -> Outcome:
        return await self._act("reset_failed", tenant_id)


class Api:
    """A client of a served API."""

    def __init__(self, path: Path, supervisor: FakeSupervisor, root: Path) -> None:
        self.path, self.supervisor, self.root = path, supervisor, root

    async def __call__(
        self, method: str, target: str, body: Any = None, headers: list[tuple[bytes, bytes]] | None = None
    ) -> tuple[int, Any]:
        client = Client(await trio.open_unix_socket(str(self.path)))
        data = b"" if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
        answer, text = await client.exchange(method, target, headers or [], data)
        await client.aclose()
        return answer.status, json.loads(text)

    def audit(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in (self.root / "audit.log").read_text().splitlines()]


ADMIN = roles.configured(ControlSettings(), os.getuid())


@pytest.fixture
async def api(tmp_path: Path, nursery: trio.Nursery) -> AsyncIterator[Api]:
    async with serving(tmp_path, nursery, ADMIN) as one:
        yield one


@asynccontextmanager
async def serving(tmp_path: Path, nursery: trio.Nursery, rules: roles.Roles) -> AsyncIterator[Api]:
    supervisor = FakeSupervisor()
    handlers = Handlers(supervisor, load(Flags(root=str(tmp_path)), {}, 1000))
    server = ControlServer(handlers, rules, AuditLog(tmp_path / "audit.log"))
    # the tests' own process serves, and would refuse itself as a descendant of the daemon
    server._descends = lambda pid: False  # type: ignore[method-assign]
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "c.sock"))
        listener.listen()
        await nursery.start(server.serve, listener)
        yield Api(tmp_path / "c.sock", supervisor, tmp_path)
        nursery.cancel_scope.cancel()


async def test_who_answers(api: Api) -> None:
    status, daemon = await api("GET", "/v1")
    assert (status, daemon["name"], daemon["pid"], daemon["role"]) == (200, "mtgate", os.getpid(), "admin")


async def test_add_scaffolds_and_adopts(api: Api) -> None:
    status, outcome = await api("POST", "/v1/tenants", {"id": "Foo"})
    assert (status, outcome["result"], outcome["tenant"]["id"]) == (200, "done", "foo")
    assert (api.root / "tenants/foo/config.json").exists()
    assert outcome["message"] == "a new application"
    status, outcome = await api("POST", "/v1/tenants", {"id": "foo"})
    assert outcome["result"] == "already"
    (api.root / "tenants/bar").mkdir()
    _, outcome = await api("POST", "/v1/tenants", {"id": "bar"})
    assert (outcome["result"], outcome["message"]) == ("done", "adopted the folder that was there")
    status, problem = await api("POST", "/v1/tenants", {"id": "foo", "source": "/somewhere"})
    assert (status, problem["code"]) == (409, "conflict")


async def test_add_copies(api: Api) -> None:
    (api.root / "app").mkdir()
    (api.root / "app/config.json").write_text("{}")
    status, _ = await api("POST", "/v1/tenants", {"id": "bar", "source": str(api.root / "app")})
    assert status == 200
    assert (api.root / "tenants/bar/config.json").exists()
    status, problem = await api("POST", "/v1/tenants", {"id": "baz", "source": str(api.root / "none")})
    assert (status, problem["code"], problem["tenant"]) == (422, "invalid-configuration", "baz")
    assert problem["errors"][0]["detail"] == "there is no such folder"


async def test_models(api: Api) -> None:
    await api("POST", "/v1/tenants", {"id": "foo"})
    body = {"name": "Customer", "properties": [{"name": "age", "type": "number", "required": True}]}
    status, files = await api("POST", "/v1/tenants/foo/models", body)
    assert status == 200
    assert files["created"] == ["models/customer.json", "models/customer.py"]
    assert files["changed"] == ["model-config.json"]
    model = json.loads((api.root / "tenants/foo/models/customer.json").read_text())
    assert model["properties"] == {"age": {"type": "number", "required": True}}
    assert (await api("POST", "/v1/tenants/gone/models", body))[0] == 404


async def test_every_action_reaches_the_supervisor(api: Api) -> None:
    await api("POST", "/v1/tenants", {"id": "foo"})
    for path, body in (
        ("restart", {"hard": True}),
        ("sleep", None),
        ("wake", None),
        ("scale", {"workers": 3}),
        ("rollback", {"to": 2}),
        ("reset-failed", None),
    ):
        assert (await api("POST", f"/v1/tenants/foo/{path}", body))[0] == 200
    assert [call[0] for call in api.supervisor.calls] == [
        "restart",
        "sleep",
        "wake",
        "scale",
        "rollback",
        "reset_failed",
    ]
    _, tool = await api("POST", "/v1/tenants/foo/schema/plan", {"models": ["A"], "drop": True})
    assert tool["output"] == "CREATE TABLE"
    assert api.supervisor.calls[-1][2][2:] == ["plan", "--model=A", "--drop"]
    assert (await api("DELETE", "/v1/tenants/foo?keep_files=true"))[1]["result"] == "done"
    assert ("remove", "foo", True) in api.supervisor.calls


async def test_problems_say_why_and_where(api: Api) -> None:
    status, problem = await api("POST", "/v1/tenants/broken/start")
    assert (status, problem["code"], problem["type"]) == (
        502,
        "start-failed",
        "urn:mtgate:problem:start-failed",
    )
    assert problem["errors"] == [
        {"detail": "unknown type", "file": "models/a.json", "line": 3, "pointer": "/properties/x"}
    ]
    assert problem["log_tail"] == ["last line"]


async def test_a_wait_can_run_out(api: Api) -> None:
    status, problem = await api("POST", "/v1/tenants/slow/start?timeout_seconds=0.05")
    assert (status, problem["code"]) == (504, "timeout")


async def test_our_own_faults_tell_nothing(api: Api) -> None:
    status, problem = await api("POST", "/v1/tenants/foo/stop")
    assert (status, problem["code"]) == (500, "failed")
    assert "secret" not in json.dumps(problem)


@pytest.mark.parametrize(
    ("method", "target", "body", "status", "detail"),
    [
        ("GET", "/v1/tenants/foo", None, 404, 'there is no tenant "foo"'),
        ("GET", "/v1/tenants/a-b", None, 404, "there is no tenant"),
        ("GET", "/v2", None, 404, "the control API has no /v2"),
        ("PUT", "/v1/tenants", None, 405, "/v1/tenants takes GET, POST, not PUT"),
        ("POST", "/v1/tenants", {"id": "a-b"}, 400, '"a-b" is not a tenant id'),
        ("POST", "/v1/tenants", {"id": "a", "sorce": "x"}, 400, 'Did you mean "source"?'),
        ("POST", "/v1/tenants", b"{", 400, "the body is not valid JSON"),
        ("POST", "/v1/tenants", b"[" * 1000, 400, "nested more than"),
        ("POST", "/v1/tenants", b"x" * 1_100_000, 413, "larger than"),
        ("POST", "/v1/tenants", {}, 400, "/id: field required"),
        ("POST", "/v1/tenants/foo/scale", {"workers": 0}, 400, "/workers: input should be greater"),
        ("POST", "/v1/tenants/foo/schema/drop", None, 404, 'there is no schema action "drop"'),
        ("GET", "/v1/tenants/foo/logs?lines=x", None, 400, '"x" is not a integer (lines)'),
        ("GET", "/v1/tenants?limit=1", None, 400, 'unknown query parameter "limit"'),
    ],
)
async def test_refusals(api: Api, method: str, target: str, body: Any, status: int, detail: str) -> None:
    got, problem = await api(method, target, body)
    assert (got, detail in problem["detail"]) == (status, True), problem


async def test_browsers_are_refused(api: Api) -> None:
    status, problem = await api("GET", "/v1", None, [(b"origin", b"http://evil.example")])
    assert (status, problem["code"]) == (403, "not-permitted")


async def test_operators_may_not_change_files(tmp_path: Path, nursery: trio.Nursery) -> None:
    rules = roles.Roles(-1, frozenset(), frozenset({os.getuid()}), None, None)
    if os.getuid() == 0:
        rules = OperatorRoot()
    async with serving(tmp_path, nursery, rules) as api:
        api.supervisor.tenants["foo"] = TenantStatus(id="foo", state="active", desired="running", since=NOW)
        assert (await api("POST", "/v1/tenants/foo/restart"))[0] == 200
        status, problem = await api("POST", "/v1/tenants", {"id": "x"})
        assert (status, problem["detail"]) == (403, 'this needs the role "admin"')
        assert [(line["action"], line["result"]) for line in api.audit()] == [
            ("restart", "done"),
            ("add", "not-permitted"),
        ]
        assert api.audit()[0]["uid"] == os.getuid()


class OperatorRoot(roles.Roles):
    """Rules under which even root is only an operator, for tests that run as root."""

    def __init__(self) -> None:
        super().__init__(-1, frozenset(), frozenset(), None, None)

    def of(self, uid: int, gids: Any) -> roles.Role:
        return "operator"


async def test_logs_and_events_are_streams(api: Api) -> None:
    await api("POST", "/v1/tenants", {"id": "foo"})
    client = Client(await trio.open_unix_socket(str(api.path)))
    answer = await client.start("GET", "/v1/tenants/foo/logs?lines=1&follow=true")
    assert answer.header(b"content-type") == b"application/x-ndjson"
    received = b""
    while received.count(b"\n") < 2:
        received += await client.piece()
    assert [json.loads(line)["text"] for line in received.splitlines()] == ["two", "three"]
    await client.aclose()

    client = Client(await trio.open_unix_socket(str(api.path)))
    await client.start("GET", "/v1/events?tenant=foo")
    assert await client.piece() == b"\n"
    for tenant in ("bar", "foo"):
        await api.supervisor.send_event.send(Event(serial=1, time=NOW, kind="state", tenant=tenant))
    assert json.loads(await client.piece())["tenant"] == "foo"
    await client.aclose()


async def test_the_openapi_document_names_every_operation(api: Api) -> None:
    _, document = await api("GET", "/v1/openapi.json")
    assert document["openapi"] == "3.1.0"
    named = {one["operationId"] for path in document["paths"].values() for one in path.values()}
    assert named == {operation.name for operation in OPERATIONS}
    text = json.dumps(document)
    schemas = document["components"]["schemas"]
    for reference in {part.split('"')[0] for part in text.split("#/components/schemas/")[1:]}:
        assert reference in schemas


def test_roles() -> None:
    rules = roles.Roles(500, frozenset({600}), frozenset({700}), 10, 20)
    table: list[tuple[int, set[int], str]] = [
        (0, set(), "admin"),
        (500, set(), "admin"),
        (600, set(), "admin"),
        (700, set(), "operator"),
        (800, {10, 20}, "admin"),
        (800, {20}, "operator"),
        (800, {30}, "none"),
    ]
    assert [rules.of(uid, gids) for uid, gids, _ in table] == [role for *_, role in table]
    nobody = roles.Roles(500, frozenset(), frozenset(), None, None)
    assert nobody.of(800, {1}) == "none"


def test_a_childs_process_descends_from_the_daemon() -> None:
    assert roles.descends_from_daemon(os.getpid(), set)
    assert not roles.descends_from_daemon(1, set)
    assert not roles.descends_from_daemon(2**22 + 1, set)


def test_matching() -> None:
    operation, variables = match("POST", "/v1/tenants/foo/schema/plan")
    assert (operation.name, variables) == ("schema", {"id": "foo", "action": "plan"})
    assert match("GET", "/v1/")[0].name == "daemon"
    for error, method, path in ((NotFound, "GET", "/"), (MethodNotAllowed, "POST", "/v1")):
        with pytest.raises(error):
            match(method, path)


def test_codes_are_distinct() -> None:
    codes = [error.code for error in GateError.__subclasses__()]
    assert len(codes) == len(set(codes))
