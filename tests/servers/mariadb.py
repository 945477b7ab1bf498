"""MariaDB as the conformance recordings want it: utf8mb4_general_ci, strict mode, UTC."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Any

import pymysql

from tests.servers.server import Server, ServerMissing, first_existing

USER, PASSWORD = "tester", "tester-password"


class MariaDB(Server):
    kind = "mysql"
    run_as = "mysql"

    def program(self) -> Path:
        return first_existing(
            [Path("/usr/sbin/mariadbd"), Path("/usr/libexec/mariadbd"), Path("/usr/sbin/mysqld")],
            "mariadbd is not installed: apt-get install mariadb-server",
        )

    def prepare(self) -> None:
        install = shutil.which("mariadb-install-db") or shutil.which("mysql_install_db")
        if install is None:
            raise ServerMissing("mariadb-install-db is not installed: apt-get install mariadb-server")
        (self.folder / "init.sql").write_text(
            f"CREATE USER IF NOT EXISTS '{USER}'@'%' IDENTIFIED BY '{PASSWORD}';\n"
            f"GRANT ALL ON *.* TO '{USER}'@'%' WITH GRANT OPTION;\n"
            "DROP DATABASE IF EXISTS test;\n"
        )
        account = self.account()
        with open(self.log, "ab") as log:
            subprocess.run(
                [install, "--no-defaults", f"--datadir={self.data}", "--skip-test-db"],
                user=account and account[0],
                group=account and account[1],
                stdout=log,
                stderr=log,
                check=True,
            )

    def command(self, port: int) -> list[str]:
        return [
            str(self.program()),
            "--no-defaults",
            f"--datadir={self.data}",
            f"--tmpdir={self.data}",
            f"--socket={self.folder / 'server.sock'}",
            f"--pid-file={self.data / 'server.pid'}",
            f"--init-file={self.folder / 'init.sql'}",
            "--bind-address=127.0.0.1",
            f"--port={port}",
            "--character-set-server=utf8mb4",
            "--collation-server=utf8mb4_general_ci",
            "--default-time-zone=+00:00",
            "--sql-mode=STRICT_TRANS_TABLES,ERROR_FOR_DIVISION_BY_ZERO,NO_AUTO_CREATE_USER,NO_ENGINE_SUBSTITUTION",
            "--skip-name-resolve",
            "--max-connections=400",
            "--performance-schema=OFF",
            "--innodb-buffer-pool-size=64M",
            "--innodb-log-file-size=16M",
            # Nothing here outlives the run: no write has to reach the disk.
            "--innodb-flush-log-at-trx-commit=0",
            "--innodb-flush-method=nosync",
            "--innodb-doublewrite=OFF",
            "--skip-log-bin",
        ]

    def _connect(self) -> pymysql.connections.Connection[Any]:
        return pymysql.connect(
            host="127.0.0.1",
            port=self.port,
            user=USER,
            password=PASSWORD,
            autocommit=True,
            connect_timeout=10,
        )

    def ask(self) -> None:
        self._run("SELECT 1")

    def _run(self, statement: str) -> None:
        with self._connect() as connection, connection.cursor() as cursor:
            cursor.execute(statement)

    def create_database(self, name: str) -> None:
        self._run(f"CREATE DATABASE `{name}` CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci")

    def drop_database(self, name: str) -> None:
        self._run(f"DROP DATABASE IF EXISTS `{name}`")

    def settings(self, database: str) -> dict[str, Any]:
        return {
            "connector": "mysql",
            "host": "127.0.0.1",
            "port": self.port,
            "user": USER,
            "password": PASSWORD,
            "database": database,
        }
