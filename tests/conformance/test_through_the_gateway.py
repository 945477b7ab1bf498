"""Some recorded applications behind a real gateway, set up by mtctl: prefix, redirects, streams, bodies."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conformance import setup_tenant
from tests.conformance.exchange import Target
from tests.conformance.play import databases
from tests.conformance.replay import replay
from tests.conformance.scenario import RECORDINGS, read
from tests.end_to_end.harness import Gateway, new_gateway
from tests.servers.running import RunningServers

CASES = [
    ("crud-note-basic", "memory"),
    ("crud-note-basic", "mysql"),
    ("crud-note-basic", "mongodb"),
    ("crud-unicode", "memory"),
    ("http-not-found", "memory"),
    ("http-gzip", "memory"),
    ("changes-stream", "memory"),
    ("swagger-library", "mongodb"),
    ("user-login-logout", "mysql"),
]


@pytest.fixture(scope="module")
def gateway() -> Iterator[Gateway]:
    with new_gateway() as one:
        one.start()
        yield one


@pytest.mark.parametrize(("name", "connector"), CASES, ids=[f"{name}-{on}" for name, on in CASES])
def test_scenario(
    name: str, connector: str, gateway: Gateway, servers: RunningServers, tmp_path: Path
) -> None:
    scenario = read(RECORDINGS / f"{name}.json")
    tenant = f"{name.replace('-', '')}{connector}"
    settings, drop = databases(scenario, connector, servers)
    scenario.write(tmp_path, settings)
    names = [entry["database"] for entry in settings.values()] if connector != "memory" else []
    try:
        assert setup_tenant.up(str(gateway.root), tenant, tmp_path, connector, names) == 0
        result = replay(scenario, connector, Target(port=gateway.port, prefix=f"/{tenant}"))
    finally:
        setup_tenant.down(str(gateway.root), tenant, connector, names)
        drop()
    assert not result.failed_steps
