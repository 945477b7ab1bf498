"""Real LoopBack 3 clients from npm on a tenant: loopback-connector-remote and swagger-client.

They are tools of the tests, installed by npm into var/test-clients (or found in MTGATE_TEST_NODE_MODULES).
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mtgate.tenantdir.template import application
from tests.conformance.exchange import Target
from tests.conformance.workers import running
from tests.servers.server import PROJECT

HERE = Path(__file__).parent
MODELS = ("Customer", "Order", "Tag")


@pytest.fixture(scope="session")
def node_modules() -> Path:
    if found := os.environ.get("MTGATE_TEST_NODE_MODULES"):
        return Path(found)
    missing = [program for program in ("node", "npm") if shutil.which(program) is None]
    if missing:
        message = f"{' and '.join(missing)} not installed: apt-get install nodejs npm"
        pytest.fail(message) if os.environ.get("CI") else pytest.skip(message)
    folder = PROJECT / "var" / "test-clients"
    folder.mkdir(parents=True, exist_ok=True)
    wanted = (HERE / "package.json").read_text("utf-8")
    stamp = folder / "installed.json"
    if not stamp.exists() or stamp.read_text("utf-8") != wanted:
        shutil.copy(HERE / "package.json", folder)
        subprocess.run(
            ["npm", "install", "--no-audit", "--no-fund", "--ignore-scripts", "--loglevel=error"],
            cwd=folder,
            check=True,
        )
        stamp.write_text(wanted, "utf-8")
    return folder / "node_modules"


@pytest.fixture(params=["memory", "mysql", "mongodb"])
def tenant(request: pytest.FixtureRequest, database_of: Any, tmp_path: Path) -> Iterator[Target]:
    for name, text in application().items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
    shutil.copytree(HERE / "app" / "models", tmp_path / "models", dirs_exist_ok=True)
    config = json.loads((tmp_path / "model-config.json").read_text("utf-8"))
    config |= {name: {"dataSource": "db", "public": True} for name in MODELS}
    (tmp_path / "model-config.json").write_text(json.dumps(config), "utf-8")
    (tmp_path / "datasources.json").write_text(json.dumps({"db": database_of(request.param)}), "utf-8")
    with running(tmp_path, reset=request.param != "memory", tcp=True) as target:
        yield target


def run(script: str, address: str, node_modules: Path) -> dict[str, Any]:
    done = subprocess.run(
        ["node", str(HERE / script), address],
        env={**os.environ, "NODE_PATH": str(node_modules)},
        capture_output=True,
        timeout=90,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()
    results: dict[str, Any] = json.loads(done.stdout)
    return results


@pytest.mark.parametrize(("script", "path"), [("remote.js", "/api"), ("swagger.js", "/explorer")])
def test_client(script: str, path: str, tenant: Target, node_modules: Path) -> None:
    results = run(script, f"http://127.0.0.1:{tenant.port}{path}", node_modules)
    wrong = {name: trouble for name, trouble in results.items() if trouble is not True}
    assert not wrong, "\n".join(f"{name}: {trouble}" for name, trouble in wrong.items())
