"""A database server of our own for the tests: private folder, loopback port, thrown away afterwards.

In charge of: what the three kinds have in common. A server runs under ``tests.servers.keeper``, a small
process that stops it and deletes its folder when the test run that owns it is gone, however that run ended.
"""

from __future__ import annotations

import fcntl
import json
import os
import pwd
import select
import signal
import socket
import subprocess
import sys
import time
from abc import ABC, abstractmethod
from contextlib import suppress
from pathlib import Path
from typing import Any, ClassVar

START_SECONDS = 90.0  # two cores, three servers at once, and a laptop's disk
PROJECT = Path(__file__).resolve().parents[2]


class ServerMissing(RuntimeError):
    """The server's program is not installed; the message says what to install."""


class ServerFailed(RuntimeError):
    """The server did not start; the message ends with its log."""


class Server(ABC):
    """One server. ``start`` returns at once, ``wait_ready`` when it answers.

    The folder is the identity: processes that construct the same kind on the same folder share the server.
    """

    kind: ClassVar[str]  # the connector's name in datasources.json
    stop_signal: ClassVar[signal.Signals] = signal.SIGKILL  # its data is thrown away: nothing to save
    run_as: ClassVar[str] = "nobody"  # when we are root, which these servers refuse to be

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.data = folder / "data"
        self.log = folder / "server.log"
        self._databases = 0

    # -- what a kind defines --------------------------------------------------------------------------------

    @abstractmethod
    def program(self) -> Path:
        """The server's executable; ServerMissing when it is not installed."""

    @abstractmethod
    def prepare(self) -> None:
        """Fill ``self.data``. Runs in the keeper, once."""

    @abstractmethod
    def command(self, port: int) -> list[str]: ...

    @abstractmethod
    def ask(self) -> None:
        """Talk to the server; any exception means not ready."""

    @abstractmethod
    def settings(self, database: str) -> dict[str, Any]:
        """An entry of datasources.json for that database."""

    @abstractmethod
    def create_database(self, name: str) -> None: ...

    @abstractmethod
    def drop_database(self, name: str) -> None: ...

    # -- life -----------------------------------------------------------------------------------------------

    @property
    def port(self) -> int:
        return int(self._state()["port"])

    def start(self, owner_pid: int) -> None:
        """Start it unless some process of this run has; it lives no longer than process ``owner_pid``."""
        self.program()
        self.folder.mkdir(parents=True, exist_ok=True)
        with open(self.folder / "lock", "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not self._state_file.exists():
                self._state_file.write_text(json.dumps({"port": free_port(), "owner": owner_pid}))
                self._launch(owner_pid)

    def _launch(self, owner_pid: int) -> None:
        subprocess.run(
            [sys.executable, "-m", "tests.servers.keeper", self.kind, str(self.folder), str(owner_pid)],
            cwd=PROJECT,
            env={**os.environ, "TZ": "UTC", "PYTHONPATH": str(PROJECT)},
            check=True,
        )

    def wait_ready(self) -> None:
        deadline = time.monotonic() + START_SECONDS
        while True:
            try:
                self.ask()
                return
            except Exception as error:
                if (self.folder / "failed").exists() or time.monotonic() > deadline:
                    raise ServerFailed(f"{self.kind} did not start:\n{self.log_tail()}") from error
            time.sleep(0.05)

    def stop(self) -> None:
        """Stop it and keep its files, so that ``start_again`` finds the same data on the same port."""
        with suppress(ProcessLookupError, FileNotFoundError):
            keeper = os.pidfd_open(int((self.folder / "keeper.pid").read_text()))
            signal.pidfd_send_signal(keeper, signal.SIGTERM)
            wait_pidfd(keeper)

    def start_again(self) -> None:
        self._launch(int(self._state()["owner"]))
        self.wait_ready()

    def log_tail(self) -> str:
        if not self.log.exists():
            return "(no log)"
        return "\n".join(self.log.read_text("utf-8", "replace").splitlines()[-25:])

    def new_database(self) -> dict[str, Any]:
        """A fresh empty database with a name nobody else uses; its settings."""
        self._databases += 1
        name = f"t{os.getpid()}_{id(self) % 1000}_{self._databases}"
        self.create_database(name)
        return self.settings(name)

    @property
    def _state_file(self) -> Path:
        return self.folder / "state.json"

    def _state(self) -> dict[str, Any]:
        state: dict[str, Any] = json.loads(self._state_file.read_text())
        return state

    def account(self) -> tuple[int, int] | None:
        """The uid and gid to run as, None for our own."""
        if os.getuid() != 0:
            return None
        for name in (self.run_as, "nobody"):
            with suppress(KeyError):
                entry = pwd.getpwnam(name)
                return entry.pw_uid, entry.pw_gid
        raise ServerMissing(f"{self.kind} must not run as root and there is no user {self.run_as} or nobody")


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def wait_pidfd(pidfd: int) -> None:
    """Until that process has exited."""
    select.select([pidfd], [], [])
    os.close(pidfd)


def first_existing(candidates: list[Path], missing: str) -> Path:
    for path in candidates:
        if path.exists():
            return path
    raise ServerMissing(missing)
