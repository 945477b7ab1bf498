"""Real LoopBack 3 clients from npm on a tenant: loopback-connector-remote and swagger-client.

They are tools of the tests, installed by npm into var/test-clients (or found in MTGATE_TEST_NODE_MODULES).
Where npm cannot get them the tests are skipped, or fail if MTGATE_TEST_CLIENTS=required says so.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NoReturn

import pytest

from mtgate.tenantdir.template import application
from tests.conformance.exchange import Target
from tests.conformance.workers import running
from tests.servers.server import PROJECT

HERE = Path(__file__).parent
MODELS = ("Customer", "Order", "Tag")


def absent(reason: str) -> NoReturn:
    """The clients are not there: a reason to skip, or to fail where somebody relies on them."""
    if os.environ.get("MTGATE_TEST_CLIENTS") == "required":
        pytest.fail(f"MTGATE_TEST_CLIENTS=required, but {reason}")
    pytest.skip(reason)


@pytest.fixture(scope="session")
def node_modules() -> Path:
    if found := os.environ.get("MTGATE_TEST_NODE_MODULES"):
        return Path(found)
    if missing := [program for program in ("node", "npm") if shutil.which(program) is None]:
        absent(f"{' and '.join(missing)} not installed: apt-get install nodejs npm")
    folder = PROJECT / "var" / "test-clients"
    folder.mkdir(parents=True, exist_ok=True)
    wanted = (HERE / "package.json").read_text("utf-8")
    stamp = folder / "installed.json"
    if not stamp.exists() or stamp.read_text("utf-8") != wanted:
        shutil.copy(HERE / "package.json", folder)
        options = ["--no-audit", "--no-fund", "--ignore-scripts", "--loglevel=error"]
        done = subprocess.run(
            ["npm", "install", *options], cwd=folder, capture_output=True, text=True, check=False
        )
        if done.returncode:
            absent(f"npm cannot install the clients: {done.stderr[-500:]}")
        stamp.write_text(wanted, "utf-8")
    return folder / "node_modules"


@pytest.fixture(params=["memory", "mysql", "mongodb"])
def connector(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def tenant(connector: str, database_of: Any, tmp_path: Path) -> Iterator[Target]:
    for name, text in application().items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
    shutil.copytree(HERE / "app" / "models", tmp_path / "models", dirs_exist_ok=True)
    config = json.loads((tmp_path / "model-config.json").read_text("utf-8"))
    config |= {name: {"dataSource": "db", "public": True} for name in MODELS}
    (tmp_path / "model-config.json").write_text(json.dumps(config), "utf-8")
    (tmp_path / "datasources.json").write_text(json.dumps({"db": database_of(connector)}), "utf-8")
    with running(tmp_path, reset=connector != "memory", tcp=True) as target:
        yield target


def run(script: str, arguments: list[str], node_modules: Path) -> dict[str, Any]:
    done = subprocess.run(
        ["node", str(HERE / script), *arguments],
        env={**os.environ, "NODE_PATH": str(node_modules)},
        capture_output=True,
        timeout=90,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()
    results: dict[str, Any] = json.loads(done.stdout)
    return results


def assert_all(results: dict[str, Any]) -> None:
    wrong = {name: trouble for name, trouble in results.items() if trouble is not True}
    assert not wrong, "\n".join(f"{name}: {trouble}" for name, trouble in wrong.items())


def test_loopback_connector_remote(connector: str, tenant: Target, node_modules: Path) -> None:
    id_type = ["string"] if connector == "mongodb" else []
    assert_all(run("remote.js", [f"http://127.0.0.1:{tenant.port}/api", *id_type], node_modules))


def test_swagger_client(tenant: Target, node_modules: Path) -> None:
    assert_all(run("swagger.js", [f"http://127.0.0.1:{tenant.port}/explorer"], node_modules))
