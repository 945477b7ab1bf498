"""The database servers of the suite start, heal, and do not outlive their owner."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pymongo
import pymysql
import pytest

from tests.servers.kinds import KINDS
from tests.servers.server import PROJECT, Server, ServerMissing, first_existing, wait_pidfd


def test_mysql_has_the_recordings_settings(mysql_database: dict[str, Any]) -> None:
    arguments = {key: mysql_database[key] for key in ("host", "port", "user", "password", "database")}
    with pymysql.connect(**arguments) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT @@collation_database, @@time_zone, @@sql_mode LIKE '%STRICT_TRANS%'")
        assert cursor.fetchone() == ("utf8mb4_general_ci", "+00:00", 1)


def test_every_test_gets_its_own_database(postgresql_server: Server) -> None:
    names = {postgresql_server.new_database()["database"] for _ in range(3)}
    assert len(names) == 3
    for name in names:
        postgresql_server.drop_database(name)


def test_a_private_server_keeps_its_data_over_a_stop(private_server: Callable[[str], Server]) -> None:
    server = private_server("mongodb")
    settings = server.settings("kept")
    with pymongo.MongoClient[dict[str, Any]](settings["host"], settings["port"]) as client:
        client["kept"]["things"].insert_one({"_id": 1}, comment="journaled")
        client.admin.command("fsync")
    server.stop()
    with pytest.raises(pymongo.errors.ServerSelectionTimeoutError):
        server.ask()
    server.start_again()
    with pymongo.MongoClient[dict[str, Any]](settings["host"], settings["port"]) as client:
        assert client["kept"]["things"].count_documents({}) == 1


def test_servers_end_with_their_owner() -> None:
    environment = {key: value for key, value in os.environ.items() if not key.startswith("MTGATE_TEST")}
    owner = subprocess.Popen(
        [sys.executable, "-m", "tests.servers", "mongodb"],
        cwd=PROJECT,
        env=environment,
        stdout=subprocess.PIPE,
    )
    assert owner.stdout is not None
    with owner, owner.stdout:
        port = json.loads(owner.stdout.readline())["port"]
        keepers = [pid for pid in processes("tests.servers.keeper") if parent_of_server(pid, port)]
        watched = [os.pidfd_open(pid) for pid in keepers]
        owner.send_signal(signal.SIGKILL)
        owner.wait()
    assert watched
    for keeper in watched:
        wait_pidfd(keeper)


def processes(text: str) -> list[int]:
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if text.encode() in path.read_bytes():
                found.append(int(path.parent.name))
        except OSError:
            continue
    return found


def parent_of_server(pid: int, port: int) -> bool:
    folder = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")[4]
    state = json.loads((Path(folder.decode()) / "state.json").read_text())
    return bool(state["port"] == port)


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_every_kind_finds_its_program(kind: str, tmp_path: Path) -> None:
    assert KINDS[kind](tmp_path).program().exists()


def test_a_missing_program_says_what_to_install(tmp_path: Path) -> None:
    with pytest.raises(ServerMissing, match="apt-get install mariadb-server"):
        first_existing([tmp_path / "mariadbd"], "mariadbd is not installed: apt-get install mariadb-server")
