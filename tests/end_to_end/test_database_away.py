"""A tenant whose database is away: it starts, answers 503 and heals by itself."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tenant_runtime.connectors.sql.engine import SqlConnector
from tests.conformance.exchange import Answer, Target, send
from tests.conformance.variables import Variables
from tests.conformance.workers import running
from tests.servers.server import Server
from tests.tenant_runtime.apps import write_app
from tests.tenant_runtime.connectors.sql.conftest import model, prop


def get(target: Target, path: str) -> Answer:
    return send(target, {"method": "GET", "path": path}, Variables())


def wait_for(target: Target, path: str, status: int) -> Answer:
    """Ask until it answers so. After a failed try the data source lets half a second pass before the next."""
    deadline = time.monotonic() + 20
    while (answer := get(target, path)).status != status and time.monotonic() < deadline:
        pass
    assert answer.status == status
    return answer


def test_down_at_start_and_dying_in_the_middle(
    private_server: Callable[[str], Server], tmp_path: Path
) -> None:
    server = private_server("mysql")
    settings: dict[str, Any] = server.new_database()
    server.stop()
    files = {
        "datasources.json": {"shop": settings},
        "model-config.json": {"Item": {"dataSource": "shop"}},
    }
    folder = write_app(tmp_path, files)
    with running(folder, reset=False) as target:
        answer = get(target, "/api/Items")
        assert answer.status == 503
        assert answer.body["error"]["message"] == 'The data source "shop" is not available'
        assert settings["password"] not in json.dumps(answer.body)
        assert get(target, "/nothing").status == 404
        server.start_again()
        for _ in range(2):
            connector = SqlConnector("shop", settings, folder)
            connector.define(model("Item", prop("name", required=True)))
            connector.reset()
            connector.create("Item", {"name": "a"})
            connector.disconnect()
            assert wait_for(target, "/api/Items", 200).body == [{"name": "a", "id": 1}]
            server.stop()
            assert get(target, "/api/Items").status == 503
            server.start_again()
    log = (folder / "worker.log").read_text()
    assert settings["password"] not in log
    assert 'Request GET /api/Items failed: Data source "shop" is not available: cannot connect' in log
    assert "Traceback" not in log
