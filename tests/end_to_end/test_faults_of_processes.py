"""Processes that are killed, stopped or sent signals, and a daemon that is asked to end."""

from __future__ import annotations

import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.end_to_end.clients import asking, control
from tests.end_to_end.harness import PATIENCE_SECONDS, Gateway, alive, wait_for

pytestmark = pytest.mark.timeout(300)

SLOW = """import trio

begun = 0


def boot(app):
    async def half(request):
        print("half")
        await trio.sleep(600)

    async def counted(request):
        global begun
        begun += 1
        print("counted", begun)
        await trio.sleep(600)

    async def slow(request):
        print("slow")
        await trio.sleep(2)
        return {"done": True}

    app.router.get("/half", half)
    app.router.post("/counted", counted)
    app.router.get("/slow", slow)
"""
#: A tenant's own program that stops in the middle of an answer.
HALF = """import socket
listener = socket.socket(fileno=3)
kept = []
while True:
    connection, _ = listener.accept()
    connection.recv(65536)
    connection.sendall(b"HTTP/1.1 200 OK\\r\\nContent-Length: 1000\\r\\n\\r\\nhalf")
    kept.append(connection)
"""


def tenant(gateway: Gateway, id: str, script: str = SLOW) -> str:
    gateway.ctl("add", id, "--no-start")
    (gateway.tenants / id / "boot/slow.py").write_text(script)
    gateway.ctl("start", id)
    return id


def said(gateway: Gateway, id: str, word: str) -> int:
    """How often a tenant has printed a line that begins so."""
    path = gateway.root / f"log/tenants/{id}.log"
    lines = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
    return sum(line["text"].startswith(word) for line in lines)


def children(pid: int) -> list[int]:
    """Of all its threads."""
    threads = Path(f"/proc/{pid}/task").iterdir()
    return [int(child) for thread in threads for child in (thread / "children").read_text().split()]


def zygotes(gateway: Gateway) -> list[int]:
    """Those that have been warm, oldest first."""
    return [int(pid) for pid in re.findall(r"zygote ready, pid (\d+)", gateway.log.read_text())]


@pytest.fixture
def foo(own_gateway: Gateway) -> Iterator[Gateway]:
    own_gateway.start()
    own_gateway.ctl("add", "foo")
    yield own_gateway


def test_a_worker_killed_before_its_answer_is_a_502_and_no_post_is_repeated(gateway: Gateway) -> None:
    """Fault matrix, row 2."""
    id = tenant(gateway, "killed")
    [pid] = gateway.pids(id)
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(gateway.post, f"/{id}/counted", {})
        wait_for("the request is being served", lambda: said(gateway, id, "counted") == 1)
        os.kill(pid, signal.SIGKILL)
        assert asked.result().status == 502
    wait_for("another worker serves", lambda: gateway.get(f"/{id}/").status == 200)
    assert said(gateway, id, "counted") == 1


def test_a_worker_killed_in_its_answer_is_a_cut_answer(gateway: Gateway) -> None:
    """Fault matrix, row 2: never one that looks whole."""
    folder = gateway.tenants / "halfway"
    folder.mkdir()
    (folder / "half.py").write_text(HALF)
    (folder / "tenant.json").write_text(json.dumps({"command": [sys.executable, "half.py"]}))
    gateway.ctl("add", "halfway")
    client = http.client.HTTPConnection("127.0.0.1", gateway.port, timeout=PATIENCE_SECONDS)
    client.request("GET", "/halfway/")
    answer = client.getresponse()
    assert (answer.status, answer.read(4)) == (200, b"half")
    os.kill(gateway.pids("halfway")[0], signal.SIGKILL)
    with pytest.raises((http.client.IncompleteRead, ConnectionError)):
        answer.read()
    client.close()
    gateway.ctl("remove", "halfway", "--yes")


def test_a_killed_zygote_costs_a_start_at_most(gateway: Gateway) -> None:
    """Fault matrix, row 4: idle, and while starts are under way."""
    id = tenant(gateway, "zygote")
    before = gateway.pids(id)
    wait_for("a zygote is warm", lambda: zygotes(gateway))
    os.kill(zygotes(gateway)[-1], signal.SIGKILL)
    gateway.ctl("restart", id)
    assert gateway.pids(id) != before
    for _ in range(3):
        count = len(zygotes(gateway))
        wait_for("another zygote is warm", lambda: alive(zygotes(gateway)[-1]))
        with ThreadPoolExecutor(1) as pool:
            restarting = pool.submit(control, gateway.root, "POST", f"/v1/tenants/{id}/restart")
            os.kill(zygotes(gateway)[-1], signal.SIGKILL)
            assert restarting.result() in (200, 502)
        wait_for("a new one comes", lambda count=count: len(zygotes(gateway)) > count)
        assert gateway.get(f"/{id}/").status == 200
    gateway.ctl("restart", id)


def test_mtctl_killed_at_any_moment_leaves_nothing_half_done(gateway: Gateway) -> None:
    """Fault matrix, row 11: what was asked is done or not, and the next command finds order."""
    words = (
        ("add", "torn"),
        ("restart", "torn"),
        ("stop", "torn"),
        ("start", "torn"),
        ("remove", "torn", "--yes"),
    )
    for number in range(15):
        arguments = words[number % len(words)]
        command = [sys.executable, "-m", "mtctl.cli", "--root", str(gateway.root), *arguments]
        process = subprocess.Popen(
            command, env=gateway.environ, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        time.sleep(0.03 * number)  # the moment itself is what is tried
        process.kill()
        process.wait()

    def settled() -> bool:
        found = {one["id"]: one for one in gateway.ctl("status", "-o", "json").json()}
        if "torn" not in found:
            return not (gateway.tenants / "torn").exists()
        one = found["torn"]
        return (one["desired"], one["state"], len(one["pids"])) in (
            ("running", "active", 1),
            ("stopped", "inactive", 0),
        )

    wait_for("it is whole or not there", settled)
    gateway.ctl("add", "torn")
    assert gateway.get("/torn/").status == 200
    gateway.ctl("remove", "torn", "--yes")


def test_one_of_two_daemons_started_together_runs(own_gateway: Gateway) -> None:
    """Fault matrix, row 20."""
    for _ in range(5):
        command = [sys.executable, "-m", "mtgate.cli", "--foreground", "--root", str(own_gateway.root)]
        command += ["--listen", "127.0.0.1:0"]
        daemons = [
            subprocess.Popen(command, env=own_gateway.environ, stderr=subprocess.PIPE, text=True)
            for _ in range(2)
        ]
        try:
            ended = wait_for(
                "one gives up", lambda daemons=daemons: [one for one in daemons if one.poll() is not None]
            )
            assert len(ended) == 1
            [holder] = [one for one in daemons if one is not ended[0]]
            assert ended[0].returncode == 69
            assert ended[0].stderr is not None
            assert f"already running (pid {holder.pid})" in ended[0].stderr.read()
        finally:
            for one in daemons:
                one.kill()
                one.communicate()


def test_term_finishes_what_was_begun(own_gateway: Gateway) -> None:
    """Fault matrix, row 24: no new connections, 50 answers come whole, exit code 0, no process is left."""
    own_gateway.start()
    id = tenant(own_gateway, "slow")
    process = own_gateway.process
    assert process is not None
    [worker] = own_gateway.pids(id)
    with ThreadPoolExecutor(50) as pool:
        asked = [pool.submit(own_gateway.get, f"/{id}/slow") for _ in range(50)]
        wait_for("all are being served", lambda: said(own_gateway, id, "slow") == 50)
        process.send_signal(signal.SIGTERM)
        assert [one.result().status for one in asked] == [200] * 50
    assert process.wait(PATIENCE_SECONDS) == 0
    assert not alive(worker)
    with pytest.raises(ConnectionError), socket.create_connection(("127.0.0.1", own_gateway.port)):
        pass


def test_a_second_term_cuts_short(own_gateway: Gateway) -> None:
    """Fault matrix, row 24."""
    own_gateway.start()
    id = tenant(own_gateway, "slow")
    process = own_gateway.process
    assert process is not None
    [worker] = own_gateway.pids(id)
    client = http.client.HTTPConnection("127.0.0.1", own_gateway.port, timeout=PATIENCE_SECONDS)
    client.request("GET", f"/{id}/half")
    wait_for("it is being served", lambda: said(own_gateway, id, "half") == 1)
    process.send_signal(signal.SIGTERM)
    wait_for("it is ending", lambda: "SIGTERM: ending" in own_gateway.log.read_text())
    assert process.poll() is None
    process.send_signal(signal.SIGINT)
    began = time.monotonic()
    assert process.wait(PATIENCE_SECONDS) == 0
    assert time.monotonic() - began < 20, "the drain's own limit is 30 s"
    wait_for("its worker has ended", lambda: not alive(worker))
    client.close()


def test_hup_storms_and_a_wrong_file_change_nothing(own_gateway: Gateway) -> None:
    """Fault matrix, row 25."""
    own_gateway.start()
    id = tenant(own_gateway, "foo")
    before = own_gateway.pids(id)
    process = own_gateway.process
    assert process is not None
    with asking(own_gateway.port, f"/{id}/") as load:
        for _ in range(1000):
            process.send_signal(signal.SIGHUP)
        (own_gateway.root / "mtgate.toml").write_text("[server]\nlisen = []\n")
        process.send_signal(signal.SIGHUP)
        wait_for("it says why", lambda: "the settings stay as they are" in own_gateway.log.read_text())
        assert 'unknown key "lisen"' in own_gateway.log.read_text()
        (own_gateway.root / "mtgate.toml").write_text("[defaults]\nstop_timeout_seconds = 9\n")
        process.send_signal(signal.SIGHUP)
        wait_for(
            "the new ones hold", lambda: own_gateway.log.read_text().count(f" ready, pid {process.pid},") == 2
        )
        assert own_gateway.pids(id) == before
    assert load.failures == {} and load.outcomes["200"] > 0


def test_term_while_the_daemon_is_being_replaced_is_obeyed(foo: Gateway) -> None:
    """Fault matrix, rows 24 and 40: the signal waits for the new program."""
    process = foo.process
    assert process is not None
    process.send_signal(signal.SIGUSR2)
    wait_for("it is being replaced", lambda: "replacing the program" in foo.log.read_text())
    process.send_signal(signal.SIGTERM)
    assert process.wait(PATIENCE_SECONDS) == 0
    assert "SIGTERM: ending" in foo.log.read_text()


def test_signals_that_mean_nothing_do_nothing(own_gateway: Gateway) -> None:
    """Fault matrix, row 26: 10,000 of each, to the daemon, its proxies, the zygote and a worker."""
    own_gateway.start()
    id = tenant(own_gateway, "foo")
    process = own_gateway.process
    assert process is not None
    wait_for("the zygote is warm", lambda: zygotes(own_gateway))
    everyone = [process.pid, *children(process.pid)]
    before = own_gateway.pids(id)
    assert set(before) <= set(everyone) and zygotes(own_gateway)[0] in everyone
    storm = (signal.SIGPIPE, signal.SIGCHLD, signal.SIGUSR1, signal.SIGWINCH, signal.SIGTTOU)
    with asking(own_gateway.port, f"/{id}/") as load:
        for number in storm:
            for _ in range(10_000):
                for pid in everyone:
                    os.kill(pid, number)
    assert load.failures == {} and load.outcomes["200"] > 0
    assert [pid for pid in everyone if not alive(pid)] == []
    assert (own_gateway.pids(id), own_gateway.status(id)["restarts"]) == (before, 0)
    own_gateway.ctl("restart", id)


def test_a_hundred_restarts_under_load(foo: Gateway) -> None:
    """Fault matrix, row 39: good and broken code by turns; nobody sees an error."""
    script = foo.tenants / "foo/boot/zz.py"
    with asking(foo.port, "/foo/") as load:
        for number in range(100):
            broken = number % 2
            script.write_text(
                "def boot(app):\n    " + ("raise ValueError('no way')" if broken else "pass") + "\n"
            )
            serving = foo.pids("foo") if number == 1 else []
            assert control(foo.root, "POST", "/v1/tenants/foo/restart") == (422 if broken else 200)
            if serving:
                assert foo.pids("foo") == serving
    assert load.failures == {} and load.outcomes["200"] > 100
    one = foo.status("foo")
    assert (one["state"], one["restarts"]) == ("active", 0)


def test_the_daemon_is_replaced_under_load(foo: Gateway) -> None:
    """Fault matrix, row 40: the same process, the same workers, nobody is refused."""
    before = foo.pids("foo")
    with asking(foo.port, "/foo/") as load:
        for _ in range(2):
            served = load.outcomes["200"]
            assert "replaced in place" in foo.gate("restart").output
            wait_for("clients are served", lambda served=served: load.outcomes["200"] > served)
    assert load.failures == {}
    assert foo.pids("foo") == before
    assert foo.process is not None and foo.process.poll() is None
