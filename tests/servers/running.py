"""The servers of one test run: one of each kind at most, started when first wanted, shared by its processes.

The run's folder is handed to child processes (xdist's workers) in the environment; whoever made the folder
owns the servers, which end with it.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from tests.servers.kinds import KINDS
from tests.servers.server import Server

FOLDER_VARIABLE = "MTGATE_TEST_SERVERS"
OWNER_VARIABLE = "MTGATE_TEST_SERVERS_OWNER"


class RunningServers:
    """Use as a context manager in the process that owns the run, or ``joined`` in its children."""

    def __init__(self, folder: Path, owner_pid: int) -> None:
        self.folder = folder
        self.owner_pid = owner_pid
        self._servers: dict[str, Server] = {}
        self._private = 0

    @classmethod
    def owned(cls) -> RunningServers:
        folder = Path(tempfile.mkdtemp(prefix="mtgate-servers-"))
        folder.chmod(0o755)  # the servers' own users must be able to go through it
        os.environ[FOLDER_VARIABLE] = str(folder)
        os.environ[OWNER_VARIABLE] = str(os.getpid())
        return cls(folder, os.getpid())

    @classmethod
    def joined(cls) -> RunningServers:
        """Those of the process that started this one, or our own when there are none."""
        if FOLDER_VARIABLE in os.environ:
            return cls(Path(os.environ[FOLDER_VARIABLE]), int(os.environ[OWNER_VARIABLE]))
        return cls.owned()

    def start(self, kinds: Iterable[str]) -> None:
        """Begin to start them, side by side; returns at once."""
        for kind in kinds:
            if kind not in self._servers:
                server = KINDS[kind](self.folder / kind)
                server.start(self.owner_pid)
                self._servers[kind] = server

    def get(self, kind: str) -> Server:
        """The server, ready."""
        self.start([kind])
        self._servers[kind].wait_ready()
        return self._servers[kind]

    def private(self, kind: str) -> Server:
        """One that nobody else uses, to be stopped and started again at will."""
        self._private += 1
        server = KINDS[kind](self.folder / f"{kind}-{os.getpid()}-{self._private}")
        server.start(self.owner_pid)
        server.wait_ready()
        return server

    def close(self) -> None:
        """Stop everything and delete the folder; only the owner does."""
        if os.getpid() != self.owner_pid:
            return
        for folder in self.folder.iterdir():
            KINDS[folder.name.split("-")[0]](folder).stop()
        shutil.rmtree(self.folder, ignore_errors=True)
        with suppress(KeyError):
            del os.environ[FOLDER_VARIABLE], os.environ[OWNER_VARIABLE]
