"""sleep, wake, scale, rollback, events, routes, follow: what is done to and seen of tenants that run."""

from __future__ import annotations

import json
import select
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.end_to_end.harness import Gateway, wait_for


@pytest.fixture(scope="module")
def tenant(gateway: Gateway) -> str:
    gateway.ctl("add", "live")
    return "live"


@contextmanager
def watching(gateway: Gateway, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """mtctl with a command that goes on until it is ended."""
    process = subprocess.Popen(
        [sys.executable, "-m", "mtctl.cli", "--root", str(gateway.root), *arguments],
        env=gateway.environ,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        process.terminate()
        process.communicate(timeout=60)


def test_a_sleeping_tenant_is_woken_by_a_request(gateway: Gateway, tenant: str) -> None:
    gateway.ctl("sleep", tenant)
    one = gateway.status(tenant)
    assert (one["state"], one["pids"]) == ("asleep", [])
    assert gateway.get(f"/{tenant}/").status == 200
    assert gateway.status(tenant)["state"] == "active"
    gateway.ctl("sleep", tenant)
    gateway.ctl("wake", tenant)
    assert len(gateway.pids(tenant)) == 1


def test_scale(gateway: Gateway, tenant: str) -> None:
    gateway.ctl("scale", tenant, "2")
    assert len(gateway.pids(tenant)) == 2
    assert gateway.ctl("scale", tenant, "2").output.startswith(f"{tenant}: nothing to do")
    gateway.ctl("scale", tenant, "1")
    assert len(gateway.pids(tenant)) == 1
    gateway.ctl("scale", tenant, "0", code=2)


def test_rollback(gateway: Gateway, tenant: str) -> None:
    gateway.ctl("model", f"{tenant}:Note", "--property", "text:string")
    gateway.ctl("restart", tenant)
    wait_for("the model is served", lambda: gateway.get(f"/{tenant}/api/Notes").status == 200)

    def rolled_back() -> bool:
        # the revision is kept a moment after the restart that made it
        return gateway.ctl("rollback", tenant, code=None).code == 0 and (
            gateway.get(f"/{tenant}/api/Notes").status == 404
        )

    wait_for("the model is gone", rolled_back)
    assert not (gateway.tenants / tenant / "models/note.json").exists()


def test_events(gateway: Gateway, tenant: str) -> None:
    with watching(gateway, "events", tenant, "-o", "json") as process:
        assert process.stdout is not None
        descriptor = process.stdout.fileno()

        def something_was_said() -> bool:
            gateway.ctl("restart", tenant)  # again, while the stream may not have begun yet
            return bool(select.select([descriptor], [], [], 0.5)[0])

        wait_for("an event", something_was_said)
        event = json.loads(process.stdout.readline())
        assert (event["tenant"], event["kind"]) == (tenant, "state")


def test_following_a_log(gateway: Gateway, tenant: str) -> None:
    with watching(gateway, "logs", tenant, "-f", "-n", "1") as process:
        assert process.stdout is not None
        process.stdout.readline()
        (gateway.tenants / tenant / "boot/say.py").write_text("def boot(app):\n    print('a new line')\n")
        gateway.ctl("restart", tenant)
        assert any("a new line" in line for line in process.stdout)


def test_routes(gateway: Gateway, tenant: str) -> None:
    routes = {one["id"]: one for one in gateway.ctl("routes", "-o", "json").json()}
    assert routes[tenant]["prefix"] == f"/{tenant}"
    assert f"/{tenant}" in gateway.ctl("routes").output


def test_changes_are_in_the_audit_log(gateway: Gateway, tenant: str) -> None:
    gateway.ctl("restart", "nobody", code=5)
    lines = [json.loads(line) for line in (gateway.root / "log/audit.log").read_text().splitlines()]
    assert {"add", "restart"} <= {line["action"] for line in lines}
    assert any(line["tenant"] == "nobody" and line["result"] == "no-such-tenant" for line in lines)
