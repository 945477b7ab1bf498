"""Restarts, crashes and the daemon's own death."""

from __future__ import annotations

import json
import os
import signal
import threading
from pathlib import Path

import pytest

from tests.end_to_end.harness import EXAMPLES, Gateway, alive, wait_for


def add_two(gateway: Gateway) -> None:
    for id in ("foo", "bar"):
        gateway.ctl("add", id)
    gateway.ctl("model", "foo:Customer", "--property", "name:string")
    gateway.ctl("restart", "foo")


def break_model(gateway: Gateway) -> Path:
    path = gateway.tenants / "foo/models/customer.json"
    text = path.read_text()
    path.write_text(text.replace('"type": "string"', '"type": "strng"'))
    return path


def test_a_restart_serves_the_edit_and_leaves_the_other_alone(own_gateway: Gateway) -> None:
    own_gateway.start()
    add_two(own_gateway)
    before_foo, before_bar = own_gateway.pids("foo"), own_gateway.pids("bar")

    def add_property(model: dict[str, dict[str, object]]) -> None:
        model["properties"]["vip"] = {"type": "boolean", "default": True}

    own_gateway.edit("foo", "models/customer.json", add_property)
    assert "foo: restarted in" in own_gateway.ctl("restart", "foo").output
    assert own_gateway.post("/foo/api/Customers", {"name": "Ada"}).json()["vip"] is True
    assert own_gateway.pids("foo") != before_foo
    assert own_gateway.pids("bar") == before_bar
    assert not any(map(alive, before_foo))


def test_a_broken_file_is_named_and_the_old_process_stays(own_gateway: Gateway) -> None:
    own_gateway.start()
    add_two(own_gateway)
    before = own_gateway.pids("foo")
    path = own_gateway.tenants / "foo/models/customer.json"
    good = path.read_text()
    path.write_text(good.replace('"properties": {', '"properties": {,'))
    line = good[: good.index('"properties": {')].count("\n") + 1
    errors = own_gateway.ctl("restart", "foo", code=6).errors
    assert f"models/customer.json:{line}" in errors
    assert own_gateway.pids("foo") == before
    assert own_gateway.post("/foo/api/Customers", {"name": "still here"}).status == 200
    path.write_text(good)
    own_gateway.ctl("restart", "foo")


def test_a_wrong_type_is_named_with_its_pointer(own_gateway: Gateway) -> None:
    own_gateway.start()
    add_two(own_gateway)
    break_model(own_gateway)
    errors = own_gateway.ctl("restart", "foo", code=6).errors
    assert "models/customer.json" in errors
    assert "/properties/name" in errors
    assert "strng" in errors


def test_a_failing_boot_script_shows_its_traceback(own_gateway: Gateway) -> None:
    own_gateway.start()
    add_two(own_gateway)
    before = own_gateway.pids("foo")
    script = own_gateway.tenants / "foo/boot/zz.py"
    script.write_text("def boot(app):\n    raise ValueError('no way')\n")
    ran = own_gateway.ctl("restart", "foo", code=None)
    assert ran.code in (1, 6)
    assert "boot/zz.py" in ran.errors
    assert "no way" in ran.errors
    assert own_gateway.pids("foo") == before


def test_a_crash_is_noticed_and_mended(own_gateway: Gateway) -> None:
    own_gateway.start()
    add_two(own_gateway)
    other = own_gateway.pids("bar")
    [pid] = own_gateway.pids("foo")
    os.kill(pid, signal.SIGKILL)
    wait_for("another process serves", lambda: own_gateway.pids("foo") not in ([], [pid]))
    assert own_gateway.get("/foo/").status == 200
    one = own_gateway.status("foo")
    assert one["restarts"] >= 1
    assert one["last_exit"]["signal"] == "SIGKILL"
    assert own_gateway.pids("bar") == other


def test_a_crash_loop_ends_in_failed_and_start_clears_it(own_gateway: Gateway) -> None:
    own_gateway.start()
    folder = own_gateway.tenants / "loop"
    folder.mkdir()
    document = {
        "command": ["sh", "-c", "echo dying; exit 3"],
        "restart": {"burst": 3, "failed_retry_seconds": None},
    }
    (folder / "tenant.json").write_text(json.dumps(document))
    ran = own_gateway.ctl("add", "loop", code=1)
    assert "dying" in ran.errors
    wait_for("it is failed", lambda: own_gateway.status("loop")["state"] == "failed")
    assert own_gateway.get("/loop/").status == 503
    document["command"] = ["sleep", "1000"]
    (folder / "tenant.json").write_text(json.dumps(document))
    own_gateway.ctl("--timeout", "2", "start", "loop", code=75)
    assert own_gateway.status("loop")["state"] == "activating"


def test_desired_state_survives_kill_9_of_the_daemon(own_gateway: Gateway) -> None:
    own_gateway.start()
    for id in ("runs", "stopped"):
        own_gateway.ctl("add", id)
    own_gateway.ctl("stop", "stopped")
    own_gateway.kill()
    own_gateway.start()
    wait_for("runs serves again", lambda: own_gateway.get("/runs/").status == 200)
    assert own_gateway.status("stopped")["state"] == "inactive"
    assert own_gateway.get("/stopped/").status == 503


def test_a_request_in_flight_outlives_a_restart(own_gateway: Gateway) -> None:
    own_gateway.start()
    own_gateway.ctl("add", "slow", "--no-start")
    (own_gateway.tenants / "slow/boot/slow.py").write_text(
        "import trio\n\n\n"
        "def boot(app):\n"
        "    async def wait(request):\n"
        "        print('waiting', flush=True)\n"
        "        await trio.sleep(1)\n"
        "        return {'done': True}\n\n"
        '    app.router.get("/wait", wait)\n'
    )
    own_gateway.ctl("start", "slow")
    answers: list[int] = []
    thread = threading.Thread(target=lambda: answers.append(own_gateway.get("/slow/wait").status))
    thread.start()
    wait_for("the request is being served", lambda: "waiting" in own_gateway.ctl("logs", "slow").output)
    own_gateway.ctl("restart", "slow")
    thread.join()
    assert answers == [200]


@pytest.mark.parametrize("variant", ["embedded"])
def test_the_examples_run(own_gateway: Gateway, variant: str) -> None:
    own_gateway.start()
    for id in ("foo", "bar"):
        own_gateway.ctl("add", id, "--from", str(EXAMPLES / variant / id), "--no-start")
        own_gateway.ctl("schema", "apply", id)
        own_gateway.ctl("start", id)
    ada = own_gateway.post("/foo/api/Customers", {"name": "Ada", "city": "London"}).json()
    order = own_gateway.post(
        f"/foo/api/Customers/{ada['id']}/orders", {"description": "engine", "amount": 3.5}
    )
    assert order.json()["customerId"] == ada["id"]
    found = own_gateway.get('/foo/api/Customers?filter={"include":"orders"}'.replace('"', "%22")).json()
    assert [one["description"] for one in found[0]["orders"]] == ["engine"]
    product = own_gateway.post("/bar/api/Products", {"name": "lamp", "price": 12, "tags": ["a", "b"]}).json()
    reader = own_gateway.post("/bar/api/Customers", {"name": "Bo"}).json()
    review = {"stars": 5, "productId": product["id"], "customerId": reader["id"]}
    assert own_gateway.post("/bar/api/Reviews", review).status == 200
    found = own_gateway.get("/bar/api/Reviews?filter[include]=product&filter[include]=customer").json()
    assert (found[0]["product"]["name"], found[0]["customer"]["name"]) == ("lamp", "Bo")
    own_gateway.ctl("restart", "foo", "bar")
    assert own_gateway.get("/foo/api/Orders/count").json() == {"count": 1}
    assert own_gateway.get("/bar/api/Reviews/count").json() == {"count": 1}
