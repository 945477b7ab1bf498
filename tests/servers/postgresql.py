"""PostgreSQL from the distribution's package, run as an ordinary user when the tests are root."""

from __future__ import annotations

import signal
import subprocess
from pathlib import Path
from typing import Any

import psycopg

from tests.servers.server import Server, first_existing

USER = "tester"


class PostgreSQL(Server):
    kind = "postgresql"
    run_as = "postgres"
    stop_signal = signal.SIGQUIT  # "immediate": its children go with it

    def program(self) -> Path:
        versions = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"), reverse=True)
        return first_existing(versions, "postgres is not installed: apt-get install postgresql")

    def prepare(self) -> None:
        account = self.account()
        initdb = self.program().with_name("initdb")
        with open(self.log, "ab") as log:
            subprocess.run(
                [
                    str(initdb),
                    "--pgdata",
                    str(self.data),
                    "--username",
                    USER,
                    "--auth=trust",
                    "--encoding=UTF8",
                    "--locale=C.UTF-8",
                    "--no-sync",
                ],
                user=account and account[0],
                group=account and account[1],
                cwd=self.folder,
                stdout=log,
                stderr=log,
                check=True,
            )

    def command(self, port: int) -> list[str]:
        options = {
            "listen_addresses": "127.0.0.1",
            "port": port,
            "unix_socket_directories": str(self.folder),
            "timezone": "UTC",
            "max_connections": 300,
            # Nothing here outlives the run: no write has to reach the disk.
            "fsync": "off",
            "synchronous_commit": "off",
            "full_page_writes": "off",
        }
        command = [str(self.program()), "-D", str(self.data)]
        for name, value in options.items():
            command += ["-c", f"{name}={value}"]
        return command

    def _connect(self) -> psycopg.Connection[Any]:
        return psycopg.connect(
            host="127.0.0.1",
            port=self.port,
            user=USER,
            dbname="postgres",
            autocommit=True,
            connect_timeout=10,
        )

    def ask(self) -> None:
        self._run("SELECT 1")

    def _run(self, statement: str) -> None:
        with self._connect() as connection:
            connection.execute(statement.encode())

    def create_database(self, name: str) -> None:
        self._run(f'CREATE DATABASE "{name}"')

    def drop_database(self, name: str) -> None:
        self._run(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')

    def settings(self, database: str) -> dict[str, Any]:
        return {
            "connector": "postgresql",
            "host": "127.0.0.1",
            "port": self.port,
            "user": USER,
            "password": "any",
            "database": database,
        }
