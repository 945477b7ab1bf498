"""A real daemon, its command lines, and a plain HTTP client, for the end-to-end tests."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mtgate import notify_socket

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "examples"
PATIENCE_SECONDS = 60.0


@dataclass(frozen=True)
class Answer:
    """An HTTP response."""

    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


@dataclass(frozen=True)
class Ran:
    """A command that has ended."""

    code: int
    output: str
    errors: str

    def json(self) -> Any:
        return json.loads(self.output)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def wait_for(what: str, condition: Callable[[], Any], seconds: float = PATIENCE_SECONDS) -> Any:
    """The first true answer of the condition; it is asked again and again, because nobody tells."""
    deadline = time.monotonic() + seconds
    while True:
        found = condition()
        if found:
            return found
        assert time.monotonic() < deadline, f"still not so after {seconds} s: {what}"
        time.sleep(0.02)


class Gateway:
    """One daemon with a root of its own."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.port = free_port()
        self.process: subprocess.Popen[bytes] | None = None
        # words before the daemon's command, for one that is to run with limits or mounts of its own
        self.wrapper: list[str] = []
        # nothing of the developer's own settings, and PYTHONPATH for a checkout that is not installed
        self.environ = {name: value for name, value in os.environ.items() if not name.startswith("MTGATE_")}
        self.environ["PYTHONPATH"] = str(ROOT)
        # gateways that run at a time must not share users: the limit of processes counts by user
        self.environ["MTGATE_SUPERVISOR_UID_BASE"] = str(200_000 + self.port * 100)

    @property
    def tenants(self) -> Path:
        return self.root / "tenants"

    @property
    def log(self) -> Path:
        return self.root / "daemon.output"

    def start(self, *options: str) -> None:
        """Run it in the foreground of a process of its own; returns when it says READY=1."""
        with tempfile.TemporaryDirectory() as folder, open(self.log, "ab") as output:
            path = Path(folder) / "notify"
            with notify_socket.listen(path) as listener:
                command = [*self.wrapper, sys.executable, "-m", "mtgate.cli", "--foreground"]
                command += ["--root", str(self.root)]
                self.process = subprocess.Popen(
                    [*command, "--listen", f"127.0.0.1:{self.port}", *options],
                    env={**self.environ, notify_socket.VARIABLE: str(path)},
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=output,
                )
                listener.settimeout(0.1)
                wait_for("the daemon says READY=1", lambda: self._ready(listener))

    def _ready(self, listener: socket.socket) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, self.log.read_text()
        try:
            return b"READY=1" in listener.recv(4096).splitlines()
        except TimeoutError:
            return False

    def stop(self) -> int:
        """TERM; answers the exit code."""
        return self._end(signal.SIGTERM)

    def kill(self) -> int:
        """KILL, as a crash would."""
        return self._end(signal.SIGKILL)

    def _end(self, number: int) -> int:
        assert self.process is not None
        self.process.send_signal(number)
        code = self.process.wait(PATIENCE_SECONDS)
        self.process = None
        return code

    def ctl(self, *arguments: str, code: int | None = 0, typed: str | None = None) -> Ran:
        """Run mtctl; it must end with ``code``, unless that is None."""
        return self._run("mtctl.cli", *arguments, code=code, typed=typed)

    def gate(self, *arguments: str, code: int = 0) -> Ran:
        """Run mtgate in the background or about one that runs; it must end with ``code``."""
        return self._run("mtgate.cli", *arguments, code=code, typed=None)

    def _run(self, module: str, *arguments: str, code: int | None, typed: str | None) -> Ran:
        done = subprocess.run(
            [*self._entry(), sys.executable, "-m", module, "--root", str(self.root), *arguments],
            env=self.environ,
            input=typed if typed is not None else "",
            capture_output=True,
            text=True,
            timeout=PATIENCE_SECONDS,
            check=False,
        )
        ran = Ran(done.returncode, done.stdout, done.stderr)
        assert code in (None, ran.code), (
            f"{module} {arguments} ended with {ran.code}\n{ran.output}\n{ran.errors}"
        )
        return ran

    def _entry(self) -> list[str]:
        """Words that lead a command to where the daemon is."""
        if self.wrapper[:1] != ["unshare"] or self.process is None:
            return []
        return ["nsenter", "--mount", f"--target={self.process.pid}"]

    def seen(self, path: Path) -> Path:
        """The path as the daemon sees it, for one with mounts of its own."""
        assert self.process is not None
        return Path(f"/proc/{self.process.pid}/root") / path.relative_to("/")

    def status(self, tenant: str) -> dict[str, Any]:
        """What ``mtctl status`` says of one tenant."""
        return next(one for one in self.ctl("status", "-o", "json").json() if one["id"] == tenant)

    def pids(self, tenant: str) -> list[int]:
        found: list[int] = self.status(tenant)["pids"]
        return found

    def request(
        self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None
    ) -> Answer:
        """One request on a connection of its own."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE_SECONDS)
        try:
            data = None if body is None else json.dumps(body).encode()
            given = {"Content-Type": "application/json"} if data is not None else {}
            connection.request(method, path, data, {**given, **(headers or {})})
            response = connection.getresponse()
            fields = {name.lower(): value for name, value in response.getheaders()}
            return Answer(response.status, fields, response.read())
        finally:
            connection.close()

    def get(self, path: str, **headers: str) -> Answer:
        return self.request("GET", path, None, headers)

    def post(self, path: str, body: Any) -> Answer:
        return self.request("POST", path, body)

    def edit(self, tenant: str, relative: str, change: Callable[[Any], Any]) -> None:
        """Change a JSON file of a tenant; ``change`` alters the document in place."""
        path = self.tenants / tenant / relative
        document = json.loads(path.read_text())
        change(document)
        path.write_text(json.dumps(document, indent=2))


@contextlib.contextmanager
def new_gateway() -> Iterator[Gateway]:
    """A gateway that has not been started, in a folder with a short path (Unix sockets); ended at last."""
    root = Path(tempfile.mkdtemp(prefix="mtg"))
    gateway = Gateway(root)
    try:
        yield gateway
    finally:
        if gateway.process is not None:
            gateway.process.send_signal(signal.SIGTERM)
            try:
                gateway.process.wait(PATIENCE_SECONDS)
            except subprocess.TimeoutExpired:
                gateway.process.kill()
                gateway.process.wait()
        shutil.rmtree(root, ignore_errors=True)


def alive(pid: int) -> bool:
    """Whether a process exists and is not a zombie."""
    try:
        return "State:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except FileNotFoundError:
        return False
