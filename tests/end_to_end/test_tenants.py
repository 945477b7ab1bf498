"""Adding, changing and removing tenants while the gateway runs."""

from __future__ import annotations

import json
import shutil
import time
from pathlib import Path

from tests.end_to_end.harness import EXAMPLES, Gateway, alive, wait_for


def test_add_scaffolds_and_serves(gateway: Gateway) -> None:
    said = gateway.ctl("add", "fresh").output
    assert "fresh: added in" in said
    assert "pid" in said
    assert gateway.get("/fresh/").json()["started"]
    assert gateway.get("/fresh/explorer/").status == 200
    assert gateway.get("/fresh/explorer/swagger.json").json()["basePath"] == "/fresh/api"
    assert gateway.ctl("add", "fresh").output.startswith("fresh: nothing to do")


def test_add_without_start(gateway: Gateway) -> None:
    gateway.ctl("add", "later", "--no-start")
    assert gateway.status("later")["state"] == "inactive"
    answer = gateway.get("/later/")
    assert answer.status == 503
    gateway.ctl("start", "later")
    assert gateway.get("/later/").status == 200


def test_add_copies_a_flat_app(gateway: Gateway) -> None:
    gateway.ctl("add", "copied", "--from", str(EXAMPLES / "embedded" / "bar"))
    assert gateway.get("/copied/api/Products").json() == []


def test_add_copies_a_loopback_project(gateway: Gateway, tmp_path: Path) -> None:
    flat = EXAMPLES / "embedded" / "bar"
    shutil.copytree(flat, tmp_path / "server")
    (tmp_path / "common").mkdir()
    shutil.move(tmp_path / "server" / "models", tmp_path / "common" / "models")
    (tmp_path / "package.json").write_text('{"name": "shop", "version": "1.2.3"}')
    gateway.ctl("add", "project", "--from", str(tmp_path))
    assert gateway.get("/project/api/Products").json() == []


def test_add_adopts_a_folder(gateway: Gateway, tmp_path: Path) -> None:
    prepared = tmp_path / "prepared"
    shutil.copytree(EXAMPLES / "embedded" / "bar", prepared)
    prepared.rename(
        gateway.tenants / "adopted"
    ) if prepared.stat().st_dev == gateway.tenants.stat().st_dev else (
        shutil.copytree(prepared, gateway.tenants / "adopted")
    )
    gateway.ctl("add", "adopted")
    assert gateway.get("/adopted/api/Products").json() == []


def test_ids_are_lower_cased(gateway: Gateway) -> None:
    gateway.ctl("add", "MiXed")
    assert gateway.status("mixed")["state"] == "active"
    assert gateway.get("/MIXED/").status == 404


def test_remove_deletes_and_keeps(gateway: Gateway) -> None:
    for id in ("gone", "kept"):
        gateway.ctl("add", id)
    pids = gateway.pids("gone") + gateway.pids("kept")
    assert "gone: removed" in gateway.ctl("remove", "gone", "--yes").output
    gateway.ctl("delete", "kept", "--yes", "--keep-files")
    assert not (gateway.tenants / "gone").exists()
    assert (gateway.tenants / "kept" / "config.json").exists()
    assert not any(map(alive, pids))
    assert {"gone", "kept"} & {one["id"] for one in gateway.ctl("status", "-o", "json").json()} == set()
    assert gateway.get("/gone/").status == 404
    assert 'there is no tenant "gone"' in gateway.ctl("remove", "gone", "--yes", code=5).errors


def test_model_is_served_after_a_restart(gateway: Gateway) -> None:
    gateway.ctl("add", "shop")
    said = gateway.ctl(
        "model", "shop:Customer", "--property", "name:string:required", "--property", "age:number"
    )
    assert "created models/customer.json" in said.output
    assert "created models/customer.py" in said.output
    assert "changed model-config.json" in said.output
    gateway.ctl("restart", "shop")
    made = gateway.post("/shop/api/Customers", {"name": "Ada", "age": 36})
    assert (made.status, made.json()) == (200, {"name": "Ada", "age": 36, "id": 1})
    assert gateway.get("/shop/api/Customers?filter=%7B%22where%22%3A%7B%22age%22%3A36%7D%7D").json() == [
        made.json()
    ]
    assert gateway.post("/shop/api/Customers", {"age": 1}).status == 422


def test_a_folder_that_appears_or_vanishes_is_noticed(gateway: Gateway) -> None:
    shutil.copytree(EXAMPLES / "embedded" / "bar", gateway.tenants / "arrived")
    wait_for("the new tenant serves", lambda: gateway.get("/arrived/api/Products").status == 200)
    pids = gateway.pids("arrived")
    (gateway.tenants / "arrived").rename(gateway.root / "moved")
    wait_for("the tenant is gone", lambda: gateway.get("/arrived/").status == 404)
    wait_for("its process is gone", lambda: not any(map(alive, pids)))


def test_status_and_logs(gateway: Gateway) -> None:
    gateway.ctl("add", "chatty", "--no-start")
    (gateway.tenants / "chatty/boot/talk.py").write_text(
        "import sys\n\n\ndef boot(app):\n"
        '    print("hello from boot")\n    print("trouble", file=sys.stderr)\n'
    )
    gateway.ctl("start", "chatty")
    one = gateway.status("chatty")
    assert (one["id"], one["state"], len(one["pids"])) == ("chatty", "active", 1)
    assert "chatty" in gateway.ctl("status").output
    assert f"pid {one['pids'][0]}" in gateway.ctl("status", "chatty").output
    wait_for(
        "the lines are in the journal", lambda: "hello from boot" in gateway.ctl("logs", "chatty").output
    )
    lines = [json.loads(line) for line in gateway.ctl("logs", "chatty", "-o", "json").output.splitlines()]
    streams = {line["text"]: line["stream"] for line in lines}
    assert streams["hello from boot"] == "stdout"
    assert streams["trouble"] == "stderr"
    assert len(gateway.ctl("logs", "chatty", "-n", "1").output.splitlines()) == 1


def test_tenant_json_refuses_unknown_keys(gateway: Gateway) -> None:
    gateway.ctl("add", "wrongkey", "--no-start")
    (gateway.tenants / "wrongkey/tenant.json").write_text('{\n  "worker": 2\n}')
    errors = gateway.ctl("start", "wrongkey", code=6).errors
    assert 'tenant.json:2 at /worker: unknown key "worker". Did you mean "workers"?' in errors


def test_workers_and_env(gateway: Gateway) -> None:
    gateway.ctl("add", "pair", "--no-start")
    (gateway.tenants / "pair/tenant.json").write_text('{"workers": 2, "env": {"GREETING": "hi"}}')
    (gateway.tenants / "pair/boot/env.py").write_text(
        'import os\n\n\ndef boot(app):\n    print("greeting", os.environ["GREETING"])\n'
    )
    gateway.ctl("start", "pair")
    assert len(gateway.pids("pair")) == 2
    wait_for("both have said it", lambda: gateway.ctl("logs", "pair").output.count("greeting hi") == 2)
    gateway.ctl("scale", "pair", "1")
    assert len(gateway.pids("pair")) == 1


def test_a_folder_that_is_still_being_copied_is_left_alone(gateway: Gateway) -> None:
    folder = gateway.tenants / "slowcopy"
    folder.mkdir()
    app = EXAMPLES / "embedded" / "bar"
    for path in sorted(app.rglob("*"), reverse=True):
        if path.is_file():
            (folder / path.relative_to(app)).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, folder / path.relative_to(app))
            time.sleep(0.15)  # a slow copy is what is tested
    wait_for("it serves", lambda: gateway.get("/slowcopy/api/Products").status == 200)
    assert gateway.status("slowcopy")["restarts"] == 0
