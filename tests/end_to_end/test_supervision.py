"""Restarts, crashes and the daemon's own death."""

from __future__ import annotations

import json
import os
import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.end_to_end.harness import EXAMPLES, Gateway, alive, wait_for


@pytest.fixture
def pair(gateway: Gateway, request: pytest.FixtureRequest) -> Iterator[tuple[str, str]]:
    """Two tenants of this test; the first has a model Customer with a name."""
    number = abs(hash(request.node.name)) % 1_000_000
    foo, bar = f"foo{number}", f"bar{number}"
    for id in (foo, bar):
        gateway.ctl("add", id)
    gateway.ctl("model", f"{foo}:Customer", "--property", "name:string")
    gateway.ctl("restart", foo)
    yield foo, bar
    for id in (foo, bar):
        gateway.ctl("remove", id, "--yes")


def test_a_restart_serves_the_edit_and_leaves_the_other_alone(
    gateway: Gateway, pair: tuple[str, str]
) -> None:
    foo, bar = pair
    before_foo, before_bar = gateway.pids(foo), gateway.pids(bar)

    def add_property(model: dict[str, dict[str, object]]) -> None:
        model["properties"]["vip"] = {"type": "boolean", "default": True}

    gateway.edit(foo, "models/customer.json", add_property)
    assert f"{foo}: restarted in" in gateway.ctl("restart", foo).output
    assert gateway.post(f"/{foo}/api/Customers", {"name": "Ada"}).json()["vip"] is True
    assert gateway.pids(foo) != before_foo
    assert gateway.pids(bar) == before_bar
    wait_for("the old process is gone", lambda: not any(map(alive, before_foo)))


def broken_syntax(text: str) -> str:
    return text.replace('"properties": {', '"properties": {,')


def unknown_base(text: str) -> str:
    return text.replace('"base": "PersistedModel"', '"base": "PersistedModle"')


def wrong_shape(text: str) -> str:
    return text.replace('"relations": {}', '"relations": []')


@pytest.mark.parametrize(
    ("damage", "line_of", "words"),
    [
        (broken_syntax, '"properties"', "not valid JSON"),
        (unknown_base, '"base"', "PersistedModle"),
        (wrong_shape, '"relations"', "/relations"),
    ],
)
def test_a_broken_file_is_named_and_the_old_process_stays(
    gateway: Gateway, pair: tuple[str, str], damage: Callable[[str], str], line_of: str, words: str
) -> None:
    foo, _ = pair
    before = gateway.pids(foo)
    path = gateway.tenants / foo / "models/customer.json"
    good = path.read_text()
    path.write_text(damage(good))
    line = good[: good.index(line_of)].count("\n") + 1
    errors = gateway.ctl("restart", foo, code=6).errors
    assert f"models/customer.json:{line}" in errors
    assert words in errors
    assert gateway.pids(foo) == before
    assert gateway.post(f"/{foo}/api/Customers", {"name": "still here"}).status == 200
    assert gateway.status(foo)["state"] == "active"
    path.write_text(good)
    gateway.ctl("restart", foo)


def test_a_failing_boot_script_shows_its_traceback(gateway: Gateway, pair: tuple[str, str]) -> None:
    foo, _ = pair
    before = gateway.pids(foo)
    script = gateway.tenants / foo / "boot/zz.py"
    script.write_text("def boot(app):\n    raise ValueError('no way')\n")
    ran = gateway.ctl("restart", foo, code=None)
    assert ran.code in (1, 6)
    assert "boot/zz.py" in ran.errors
    assert "no way" in ran.errors
    assert gateway.pids(foo) == before


def test_a_crash_is_noticed_and_mended(gateway: Gateway, pair: tuple[str, str]) -> None:
    foo, bar = pair
    other = gateway.pids(bar)
    [pid] = gateway.pids(foo)
    os.kill(pid, signal.SIGKILL)
    wait_for("another process serves", lambda: gateway.pids(foo) not in ([], [pid]))
    assert gateway.get(f"/{foo}/").status == 200
    one = gateway.status(foo)
    assert one["restarts"] >= 1
    assert one["last_exit"]["signal"] == "SIGKILL"
    assert gateway.pids(bar) == other


def test_a_worker_that_hangs_is_replaced(gateway: Gateway, pair: tuple[str, str]) -> None:
    """Idle it beats often enough for a short watchdog; in an endless loop it does not beat at all."""
    foo, bar = pair
    (gateway.tenants / foo / "tenant.json").write_text('{"watchdog_seconds": 1}')
    (gateway.tenants / foo / "boot/loop.py").write_text(
        "def boot(app):\n"
        "    async def loop(request):\n"
        "        while True:\n"
        "            pass\n\n"
        '    app.router.post("/loop", loop)\n'
    )
    gateway.ctl("restart", foo)
    [pid], other = gateway.pids(foo), gateway.pids(bar)
    with ThreadPoolExecutor(1) as pool:
        looping = pool.submit(gateway.post, f"/{foo}/loop", {})
        wait_for("the worker is replaced", lambda: gateway.pids(foo) != [pid])
        assert looping.result().status == 502
    wait_for("it has ended", lambda: not alive(pid))
    assert gateway.get(f"/{foo}/").status == 200
    one = gateway.status(foo)
    assert (one["last_exit"]["reason"], one["restarts"]) == ("WatchdogTimeout", 1)
    assert gateway.pids(bar) == other


def test_a_request_in_flight_outlives_a_restart(gateway: Gateway, pair: tuple[str, str]) -> None:
    foo, _ = pair
    (gateway.tenants / foo / "boot/slow.py").write_text(
        "import trio\n\n\n"
        "def boot(app):\n"
        "    async def wait(request):\n"
        "        print('waiting')\n"
        "        await trio.sleep(1)\n"
        "        return {'done': True}\n\n"
        '    app.router.get("/wait", wait)\n'
    )
    gateway.ctl("restart", foo)
    answers: list[int] = []
    thread = threading.Thread(target=lambda: answers.append(gateway.get(f"/{foo}/wait").status))
    thread.start()
    wait_for("the request is being served", lambda: "waiting" in gateway.ctl("logs", foo).output)
    gateway.ctl("restart", foo)
    thread.join()
    assert answers == [200]


def test_a_crash_loop_ends_in_failed_and_start_clears_it(gateway: Gateway) -> None:
    folder = gateway.tenants / "loop"
    folder.mkdir()
    document = {
        "command": ["sh", "-c", "echo dying; exit 3"],
        "restart": {"burst": 3, "failed_retry_seconds": None},
    }
    (folder / "tenant.json").write_text(json.dumps(document))
    ran = gateway.ctl("add", "loop", code=1)
    assert "dying" in ran.errors
    wait_for("it is failed", lambda: gateway.status("loop")["state"] == "failed")
    assert gateway.get("/loop/").status == 503
    document["command"] = ["sleep", "1000"]
    (folder / "tenant.json").write_text(json.dumps(document))
    gateway.ctl("--timeout", "2", "start", "loop", code=75)
    assert gateway.status("loop")["state"] == "activating"


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


def test_the_embedded_examples(gateway: Gateway) -> None:
    for id in ("foo", "bar"):
        gateway.ctl("add", id, "--from", str(EXAMPLES / "embedded" / id), "--no-start")
        gateway.ctl("schema", "apply", id)
        gateway.ctl("start", id)
    ada = gateway.post("/foo/api/Customers", {"name": "Ada", "city": "London"}).json()
    order = gateway.post(f"/foo/api/Customers/{ada['id']}/orders", {"description": "engine", "amount": 3.5})
    assert order.json()["customerId"] == ada["id"]
    found = gateway.get('/foo/api/Customers?filter={"include":"orders"}'.replace('"', "%22")).json()
    assert [one["description"] for one in found[0]["orders"]] == ["engine"]
    product = gateway.post("/bar/api/Products", {"name": "lamp", "price": 12, "tags": ["a", "b"]}).json()
    reader = gateway.post("/bar/api/Customers", {"name": "Bo"}).json()
    review = {"stars": 5, "productId": product["id"], "customerId": reader["id"]}
    assert gateway.post("/bar/api/Reviews", review).status == 200
    found = gateway.get("/bar/api/Reviews?filter[include]=product&filter[include]=customer").json()
    assert (found[0]["product"]["name"], found[0]["customer"]["name"]) == ("lamp", "Bo")
    gateway.ctl("restart", "foo", "bar")
    assert gateway.get("/foo/api/Orders/count").json() == {"count": 1}
    assert gateway.get("/bar/api/Reviews/count").json() == {"count": 1}
