"""Tenants that are programs of their own: the examples in examples/commands."""

from __future__ import annotations

import importlib.util
import json
import shutil
import sys

import pytest

from tests.end_to_end.harness import EXAMPLES, Gateway


@pytest.mark.skipif(shutil.which("node") is None, reason="node is not installed")
def test_node(gateway: Gateway) -> None:
    gateway.ctl("add", "web", "--from", str(EXAMPLES / "commands" / "node"))
    said = gateway.get("/web/some/path?x=1").json()
    assert said == {"hello": "from Node", "path": "/some/path?x=1", "prefix": "/web"}
    before = gateway.pids("web")
    gateway.ctl("restart", "web")
    assert gateway.pids("web") != before
    assert gateway.get("/web/").status == 200
    gateway.ctl("remove", "web", "--yes")


def test_a_static_site(gateway: Gateway) -> None:
    gateway.ctl("add", "site", "--from", str(EXAMPLES / "commands" / "static"))
    assert b"A static tenant" in gateway.get("/site/").body
    assert gateway.get("/site/nothing").status == 404
    gateway.ctl("remove", "site", "--yes")


@pytest.mark.skipif(
    not all(map(importlib.util.find_spec, ("fastapi", "uvicorn"))),
    reason="fastapi and uvicorn are not installed",
)
def test_fastapi(gateway: Gateway) -> None:
    gateway.ctl("add", "api", "--from", str(EXAMPLES / "commands" / "fastapi"), "--no-start")
    path = gateway.tenants / "api" / "tenant.json"
    document = json.loads(path.read_text())
    document["command"][0] = sys.executable  # the tests' own environment has them
    path.write_text(json.dumps(document))
    gateway.ctl("start", "api")
    assert gateway.get("/api/items/7").json() == {"id": 7}
    assert '"/api/openapi.json"' in gateway.get("/api/docs").body.decode().replace("'", '"')
    gateway.ctl("remove", "api", "--yes")
