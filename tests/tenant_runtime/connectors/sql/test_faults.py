"""A database that is away, silent or refuses us: a 503 with the data source's name, never a secret."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tenant_runtime.connectors.base import DataSourceUnavailable
from tenant_runtime.connectors.sql.engine import SqlConnector
from tenant_runtime.filter.query import Query
from tests.servers.server import Server
from tests.tenant_runtime.connectors.sql.conftest import model, prop

THING = model("Thing", prop("name"))
SECRET = "s3cr3t-marker"


def refused(settings: dict[str, Any], folder: Path) -> str:
    """What is said when connecting fails; the chain of causes is the tenant's own log's business."""
    connector = SqlConnector("shop", settings | {"password": SECRET}, folder)
    connector.define(THING)
    with pytest.raises(DataSourceUnavailable) as caught:
        connector.connect()
    assert caught.value.status == 503
    message = str(caught.value)
    assert message.startswith('Data source "shop" is not available: ')
    assert SECRET not in message + repr(caught.value) + repr(connector.target)
    return message.partition("available: ")[2]


@pytest.fixture
def closed_port() -> Iterator[int]:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        yield sock.getsockname()[1]


@pytest.mark.parametrize("connector", ["mysql", "postgresql"])
def test_nobody_listens(connector: str, closed_port: int, tmp_path: Path) -> None:
    settings = {
        "connector": connector,
        "host": "127.0.0.1",
        "port": closed_port,
        "user": "u",
        "database": "d",
    }
    assert refused(settings, tmp_path) == "cannot connect"


@pytest.mark.parametrize("connector", ["mysql", "postgresql"])
def test_somebody_listens_and_stays_silent(connector: str, tmp_path: Path) -> None:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        sock.listen()
        port = sock.getsockname()[1]
        settings = {"connector": connector, "host": "127.0.0.1", "port": port, "user": "u", "database": "d"}
        started = time.monotonic()
        assert refused(settings | {"connectTimeout": 500}, tmp_path) == "timed out"
        assert time.monotonic() - started < 4  # libpq's least is two seconds


def test_wrong_password(mysql_database: dict[str, Any], tmp_path: Path) -> None:
    assert refused(mysql_database | {"user": "nobody-of-that-name"}, tmp_path) == "access denied"


def test_no_such_database(
    mysql_database: dict[str, Any], postgresql_database: dict[str, Any], tmp_path: Path
) -> None:
    for settings in (mysql_database, postgresql_database):
        connector = SqlConnector("shop", settings | {"database": "no_such_database"}, tmp_path)
        with pytest.raises(DataSourceUnavailable, match="unknown database"):
            connector.connect()


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    assert refused({"connector": "sqlite3", "file": "none/x.db"}, tmp_path) == "cannot open the file"


@pytest.mark.parametrize("kind", ["mysql", "postgresql"])
def test_a_server_that_dies_and_comes_back(
    kind: str, private_server: Callable[[str], Server], tmp_path: Path
) -> None:
    server = private_server(kind)
    connector = SqlConnector("shop", server.new_database(), tmp_path)
    connector.define(THING)
    connector.connect()
    connector.reset()
    for name in ("a", "b", "c"):
        connector.create("Thing", {"name": name})
    hold = [connector.begin() for _ in range(3)]  # so that the pool holds several connections
    for tx in hold:
        tx.rollback()
    server.stop()
    for _ in range(3):
        with pytest.raises(DataSourceUnavailable):
            connector.find("Thing", Query())
    server.start_again()
    connector.reset()  # the test's server keeps nothing through its death
    for number in range(5):
        connector.create("Thing", {"name": "d"})
        assert len(connector.find("Thing", Query())) == number + 1
    connector.disconnect()


def test_a_connection_that_the_server_ends_while_idle(mysql_database: dict[str, Any], tmp_path: Path) -> None:
    """As MySQL's ``wait_timeout`` does: the next request must not notice."""
    connector = SqlConnector("shop", mysql_database, tmp_path)
    connector.define(THING)
    connector.connect()
    connector.reset()
    [[mine]] = [list(row.values()) for row in connector.execute("SELECT CONNECTION_ID() AS id")]
    other = SqlConnector("killer", mysql_database, tmp_path)
    other.execute(f"KILL {mine}")
    connector.create("Thing", {"name": "a"})
    connector.disconnect()
    other.disconnect()


def test_a_statement_that_takes_too_long(mysql_database: dict[str, Any], tmp_path: Path) -> None:
    connector = SqlConnector("shop", mysql_database | {"queryTimeout": 300}, tmp_path)
    with pytest.raises(DataSourceUnavailable, match=r"timed out|lost"):
        connector.execute("SELECT SLEEP(5)")
    connector.disconnect()


def test_more_threads_than_connections_wait(mysql_database: dict[str, Any], tmp_path: Path) -> None:
    connector = SqlConnector("shop", mysql_database | {"connectionLimit": 1}, tmp_path)
    connector.define(THING)
    connector.connect()
    connector.reset()
    threads = [threading.Thread(target=connector.create, args=("Thing", {"name": "x"})) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert connector.count("Thing") == 20
    connector.disconnect()
