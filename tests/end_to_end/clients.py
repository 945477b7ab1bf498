"""Clients that go on asking while something happens to the daemon."""

from __future__ import annotations

import contextlib
import http.client
import socket
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from tests.end_to_end.harness import PATIENCE_SECONDS


class UnixConnection(http.client.HTTPConnection):
    """HTTP on a Unix socket, such as the control socket."""

    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=PATIENCE_SECONDS)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))


def control(root: Path, method: str, path: str, body: str | None = None) -> int:
    """A request on the control socket; the status. Costs no interpreter, as mtctl does."""
    connection = UnixConnection(root / "run/control.sock")
    try:
        connection.request(method, path, body)
        answer = connection.getresponse()
        answer.read()
        return answer.status
    finally:
        connection.close()


class Load:
    """GETs of one path, some on connections that are kept, some each on its own; outcomes are counted.

    A kept connection that was closed between two requests is no loss: clients ask once more on a new one
    (RFC 9110, 9.2.2). Anything else than an answer is counted under the error's name.
    """

    def __init__(self, port: int, path: str, pause_seconds: float) -> None:
        self.outcomes: Counter[str] = Counter()
        self._port, self._path, self._pause = port, path, pause_seconds
        self._done = threading.Event()
        self._threads = [threading.Thread(target=self._run, args=(kept,)) for kept in (True, False) * 2]

    def _run(self, kept: bool) -> None:
        connection: http.client.HTTPConnection | None = None
        while not self._done.is_set():
            reused = connection is not None
            if connection is None:
                connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=PATIENCE_SECONDS)
            outcome = self._ask(connection)
            if outcome != "200" or not kept:
                connection.close()
                connection = None
            if outcome == "200" or not reused:
                self.outcomes[outcome] += 1
                time.sleep(self._pause)
        if connection is not None:
            connection.close()

    def _ask(self, connection: http.client.HTTPConnection) -> str:
        try:
            connection.request("GET", self._path)
            answer = connection.getresponse()
            answer.read()
        except (OSError, http.client.HTTPException) as error:
            return type(error).__name__
        return str(answer.status)

    @property
    def failures(self) -> dict[str, int]:
        return {outcome: count for outcome, count in self.outcomes.items() if outcome != "200"}


@contextlib.contextmanager
def asking(port: int, path: str, pause_seconds: float = 0.02) -> Iterator[Load]:
    """Four clients, at most 4 / pause requests a second."""
    load = Load(port, path, pause_seconds)
    for thread in load._threads:
        thread.start()
    try:
        yield load
    finally:
        load._done.set()
        for thread in load._threads:
            thread.join()
