"""Fixtures of the whole suite: database servers; and how property tests run.

Compiled modules that are older than their sources would be tested in their place: the run is refused.

``mysql_database``, ``postgresql_database``, ``mongodb_database``: a fresh, empty database as an entry of
datasources.json, dropped after the test. ``private_server("mysql")``: a server of the test's own, to be
stopped and started again. Servers start in the background once the collected tests are known to want them.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

from tests.servers.kinds import KINDS
from tests.servers.running import RunningServers
from tests.servers.server import Server

# The same examples in each run, however slow the machine is. MTGATE_TEST_RANDOM=1 looks for new ones.
settings.register_profile(
    "mtgate",
    deadline=None,
    derandomize=os.environ.get("MTGATE_TEST_RANDOM") != "1",
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("mtgate")

ROOT = Path(__file__).resolve().parent.parent
CONNECTORS = tuple(KINDS)
SERVERS = pytest.StashKey[RunningServers]()


def pytest_configure(config: pytest.Config) -> None:
    config.stash[SERVERS] = RunningServers.joined()
    for package in ("mtgate", "mtctl", "tenant_runtime"):
        for compiled in (ROOT / package).rglob("*.so"):
            source = compiled.with_name(compiled.name.partition(".")[0] + ".py")
            if not source.exists() or source.stat().st_mtime > compiled.stat().st_mtime:
                raise pytest.UsageError(
                    f"{compiled} is older than {source.name}: compile anew with "
                    "`python setup.py build_ext --inplace`, or remove all *.so"
                )


def pytest_unconfigure(config: pytest.Config) -> None:
    config.stash[SERVERS].close()


def pytest_collection_finish(session: pytest.Session) -> None:
    if session.config.option.collectonly:
        return
    wanted = {name for item in session.items for name in getattr(item, "fixturenames", ())}
    # A test that runs on several connectors names them in its parameters.
    called = [item.callspec for item in session.items if hasattr(item, "callspec")]
    wanted |= {
        f"{value}_database" for call in called for value in call.params.values() if value in CONNECTORS
    }
    kinds = [kind for kind in KINDS if {f"{kind}_database", f"{kind}_server"} & wanted]
    session.config.stash[SERVERS].start(kinds)


@pytest.fixture(scope="session")
def servers(pytestconfig: pytest.Config) -> RunningServers:
    return pytestconfig.stash[SERVERS]


@pytest.fixture(scope="session")
def mysql_server(servers: RunningServers) -> Server:
    return servers.get("mysql")


@pytest.fixture(scope="session")
def postgresql_server(servers: RunningServers) -> Server:
    return servers.get("postgresql")


@pytest.fixture(scope="session")
def mongodb_server(servers: RunningServers) -> Server:
    return servers.get("mongodb")


def fresh(server: Server) -> Iterator[dict[str, Any]]:
    source = server.new_database()
    yield source
    server.drop_database(source["database"])


@pytest.fixture
def mysql_database(mysql_server: Server) -> Iterator[dict[str, Any]]:
    yield from fresh(mysql_server)


@pytest.fixture
def postgresql_database(postgresql_server: Server) -> Iterator[dict[str, Any]]:
    yield from fresh(postgresql_server)


@pytest.fixture
def mongodb_database(mongodb_server: Server) -> Iterator[dict[str, Any]]:
    yield from fresh(mongodb_server)


@pytest.fixture
def database_of(request: pytest.FixtureRequest) -> Callable[[str], dict[str, Any]]:
    """Connector's name → a fresh database as an entry of datasources.json, for tests that run on several."""

    def make(connector: str) -> dict[str, Any]:
        if connector in KINDS:
            source: dict[str, Any] = request.getfixturevalue(f"{connector}_database")
            return source
        return {"connector": connector, **({"file": "test.db"} if connector == "sqlite3" else {})}

    return make


@pytest.fixture
def private_server(servers: RunningServers) -> Iterator[Callable[[str], Server]]:
    made: list[Server] = []

    def make(kind: str) -> Server:
        made.append(servers.private(kind))
        return made[-1]

    yield make
    for server in made:
        server.stop()
