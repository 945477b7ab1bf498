"""A recorded scenario, from its folder to its result, on a worker of its own."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.conformance.replay import Result, replay
from tests.conformance.scenario import Scenario
from tests.conformance.workers import TenantFailed, running
from tests.servers.running import RunningServers


def play(scenario: Scenario, connector: str, servers: RunningServers, *, keep: bool = False) -> Result:
    """Fresh databases, a fresh folder, a fresh worker; everything is gone afterwards unless ``keep``."""
    with temporary_folder(keep) as folder:
        settings, drop = databases(scenario, connector, servers)
        scenario.write(folder, settings)
        try:
            with running(folder, reset=connector != "memory") as target:
                return replay(scenario, connector, target)
        except TenantFailed as error:
            return Result(scenario, connector, trouble=str(error))
        finally:
            if not keep:
                drop()


@contextmanager
def temporary_folder(keep: bool) -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="conformance-"))
    try:
        yield folder
    finally:
        if not keep:
            shutil.rmtree(folder)


def databases(scenario: Scenario, connector: str, servers: RunningServers) -> tuple[dict[str, Any], Any]:
    """An empty database for each data source under test, and what drops them.

    One connection each, as recorded: array bodies are then inserted in order.
    """
    if connector == "memory":
        sources = scenario.files["datasources.json"]
        return {name: {"connector": "memory"} for name in sources}, lambda: None
    if connector == "sqlite3":  # files in the tenant's own folder
        names = scenario.databases(connector)
        return {name: {"connector": "sqlite3", "file": f"{name}.db"} for name in names}, lambda: None
    server = servers.get(connector)
    settings = {
        name: {**server.new_database(), "connectionLimit": 1} for name in scenario.databases(connector)
    }

    def drop() -> None:
        for entry in settings.values():
            server.drop_database(entry["database"])

    return settings, drop
