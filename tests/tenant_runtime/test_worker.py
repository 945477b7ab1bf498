"""The worker as a process: the lifeline's words, stopping without losing a request, exit codes."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from mtgate import notify
from tests.tenant_runtime.apps import write_app

TIMEOUT_SECONDS = 30

SLOW = """
import trio

def boot(app):
    @app.router.get("/slow")
    async def slow(request):
        await trio.sleep(0.5)
        return {"slow": True}

    @app.on("stopping")
    def stopping():
        print("stopping was told", flush=True)
"""


class Process:
    """A worker with its lifeline and its socket, as the supervisor holds them."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "tenant.sock"
        self.connections: list[http.client.HTTPConnection] = []
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(str(self.path))
        listener.listen()
        self.lifeline, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.lifeline.settimeout(TIMEOUT_SECONDS)
        script = (
            "import os, sys; os.dup2(int(sys.argv[1]), 3, inheritable=True); "
            "os.execv(sys.executable, [sys.executable, '-m', 'tenant_runtime.worker'])"
        )
        environment = os.environ | {
            "MTGATE_TENANT_DIR": str(folder),
            notify.LIFELINE_FD: str(theirs.fileno()),
            "PYTHONPATH": os.getcwd(),
        }
        self.log = folder / "log"
        with self.log.open("wb") as log:
            self.popen = subprocess.Popen(
                [sys.executable, "-c", script, str(listener.fileno())],
                pass_fds=(listener.fileno(), theirs.fileno()),
                env=environment,
                stdout=log,
                stderr=log,
            )
        listener.close()
        theirs.close()

    def wait_for(self, word: str) -> str:
        """Read the lifeline up to a message that starts so."""
        while message := self.lifeline.recv(65536).decode():
            if message.startswith(word):
                return message
        raise AssertionError(f"the worker ended without {word}: {self.log.read_text()}")

    def request(self, path: str) -> http.client.HTTPConnection:
        """Sent, not yet answered."""
        connection = http.client.HTTPConnection("localhost", timeout=TIMEOUT_SECONDS)
        self.connections.append(connection)
        connection.sock = socket.socket(socket.AF_UNIX)
        connection.sock.settimeout(TIMEOUT_SECONDS)
        connection.sock.connect(str(self.path))
        connection.request("GET", path)
        return connection

    def get(self, path: str) -> tuple[int, Any]:
        connection = self.request(path)
        response = connection.getresponse()
        body = response.read()
        connection.close()
        return response.status, json.loads(body)


@contextmanager
def started(folder: Path, files: dict[str, Any]) -> Iterator[Process]:
    process = Process(write_app(folder, files))
    try:
        yield process
    finally:
        for connection in process.connections:
            connection.close()
        process.lifeline.close()
        process.popen.kill()
        process.popen.wait()


def test_ready_serve_drain_stop(tmp_path: Path) -> None:
    with started(tmp_path, {"boot/slow.py": SLOW}) as worker:
        assert notify.status("serving") in worker.wait_for(notify.READY)
        worker.wait_for(notify.WATCHDOG)
        assert worker.get("/api/Items") == (200, [])
        slow = worker.request("/slow")
        assert worker.get("/api/Items")[0] == 200  # so the one before it was accepted, too
        worker.lifeline.send(notify.DRAIN)
        assert notify.status("draining") in worker.wait_for(notify.NOT_ACCEPTING)
        worker.request("/api/Items")  # queues in the kernel, for the next generation
        response = slow.getresponse()
        assert (response.status, json.loads(response.read())) == (200, {"slow": True})
        worker.lifeline.send(notify.STOP)
        assert notify.status("stopping") in worker.wait_for(notify.STOPPING)
        assert worker.popen.wait(TIMEOUT_SECONDS) == 0
        assert "stopping was told" in worker.log.read_text()


@pytest.mark.parametrize("how", ["TERM", "end of the lifeline"])
def test_requests_in_flight_are_finished(tmp_path: Path, how: str) -> None:
    with started(tmp_path, {"boot/slow.py": SLOW}) as worker:
        worker.wait_for(notify.READY)
        slow = worker.request("/slow")
        # The request must have been accepted before the end begins: a second one was answered after it.
        assert worker.get("/api/Items")[0] == 200
        if how == "TERM":
            worker.popen.send_signal(signal.SIGTERM)
        else:
            worker.lifeline.close()
        response = slow.getresponse()
        assert (response.status, json.loads(response.read())) == (200, {"slow": True})
        assert worker.popen.wait(TIMEOUT_SECONDS) == 0


def test_wrong_files_end_with_78_and_the_reason(tmp_path: Path) -> None:
    with started(tmp_path, {"models/item.json": '{"name": "Item",\n "properties": 5}'}) as worker:
        message = worker.wait_for("MTGATE_ERROR=")
        reason = json.loads(message.partition("=")[2])
        assert (reason["file"], reason["pointer"], reason["line"]) == ("models/item.json", "/properties", 2)
        assert worker.popen.wait(TIMEOUT_SECONDS) == notify.EXIT_CONFIGURATION


def test_scheduled_jobs_keep_the_tenant_awake(tmp_path: Path) -> None:
    code = "def boot(app):\n    @app.every(3600)\n    async def job():\n        pass\n"
    with started(tmp_path, {"boot/jobs.py": code}) as worker:
        assert worker.wait_for("MTGATE_BUSY=") == "MTGATE_BUSY=scheduled jobs"


def test_check_prints_problems_as_json(tmp_path: Path) -> None:
    def check() -> tuple[int, Any]:
        command = [sys.executable, "-m", "tenant_runtime.check", str(tmp_path)]
        done = subprocess.run(
            command,
            capture_output=True,
            timeout=TIMEOUT_SECONDS,
            env=os.environ | {"PYTHONPATH": os.getcwd()},
        )
        return done.returncode, json.loads(done.stdout)

    write_app(tmp_path, {"models/item.json": {"name": "Item", "propertys": {}}})
    code, result = check()
    assert (code, result["ok"], result["problems"][0]["pointer"]) == (0, True, "/propertys")
    write_app(tmp_path, {"config.json": "{"})
    code, result = check()
    assert (code, result["ok"], result["problems"][0]["file"]) == (78, False, "config.json")
