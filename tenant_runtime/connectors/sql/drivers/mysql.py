"""MySQL and MariaDB by PyMySQL: opening a connection, and what its errors mean.

What a client may see of an error is what the original's ``set-http-code`` lets it see: status, code, message.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pymysql
from pymysql.connections import MAX_PACKET_LEN
from pymysql.constants import CLIENT, CR, ER
from pymysql.protocol import MysqlPacket

from tenant_runtime.connectors.base import ConnectorError, DuplicateKey
from tenant_runtime.connectors.sql.driver import MAKE_TABLES, has_unread, unavailable
from tenant_runtime.connectors.sql.drivers import surrogates
from tenant_runtime.connectors.sql.drivers.mysql_rows import ERROR, Result
from tenant_runtime.connectors.sql.settings import Target

#: MySQL's error names by number, for ``code``: ER_DUP_ENTRY, ER_NO_SUCH_TABLE, …
_MYSQL_CODES = {
    number: "ER_" + name
    for name, number in vars(ER).items()
    if isinstance(number, int) and not name.startswith("ERROR")
}

#: MySQL: the connection is lost or cannot be made, and why, in words without names.
_MYSQL_AWAY = {
    CR.CR_CONNECTION_ERROR: "cannot connect",
    CR.CR_CONN_HOST_ERROR: "cannot connect",
    CR.CR_UNKNOWN_HOST: "unknown host",
    CR.CR_SERVER_GONE_ERROR: "the connection was lost",
    CR.CR_SERVER_LOST: "the connection was lost",
    ER.CON_COUNT_ERROR: "too many connections",
    ER.HANDSHAKE_ERROR: "bad handshake",
    ER.DBACCESS_DENIED_ERROR: "access denied",
    ER.ACCESS_DENIED_ERROR: "access denied",
    ER.BAD_DB_ERROR: "unknown database",
    ER.SERVER_SHUTDOWN: "the server is shutting down",
    1129: "the server blocks this host",
    1130: "the server refuses this host",
    1927: "the connection was killed",
    4031: "the connection was idle for too long",
}

#: A text does not fit the character set of its column.
_WRONG_TEXT = (ER.TRUNCATED_WRONG_VALUE_FOR_FIELD, ER.INVALID_CHARACTER_STRING)

#: Statuses that the MySQL connector gives, as texts; everything else is a 500.
_MYSQL_STATUS = {
    ER.DUP_ENTRY: "422",
    ER.CANT_CREATE_DB: "422",
    ER.DB_CREATE_EXISTS: "422",
    ER.TABLE_EXISTS_ERROR: "422",
    ER.DB_DROP_EXISTS: "404",
    ER.BAD_TABLE_ERROR: "404",
}


class _Connection(pymysql.connections.Connection):
    """PyMySQL's connection with its handshake limited (its own limit ends with TCP's), old emoji read, and
    its own quick way with results.
    """

    # PyMySQL's own, which its published types leave out
    _next_seq_id: int
    _read_bytes: Callable[[int], bytes]
    _force_close: Callable[[], None]

    def __init__(self, **arguments: Any) -> None:
        self.columns: dict[bytes, Any] = {}  # what ``Result`` remembers of columns
        super().__init__(**arguments)

    def settle(self, query_seconds: float) -> None:
        """After connecting: statements may take longer, texts may hold surrogates."""
        self._read_timeout = self._write_timeout = query_seconds
        if self.encoding == "utf8":
            self.encoding = surrogates.ENCODING
        self.columns.clear()

    def query(self, sql: str | bytes, unbuffered: bool = False) -> int:
        """A text that the column's character set cannot hold is written as the original writes it."""
        try:
            return int(super().query(sql, unbuffered))
        except pymysql.err.MySQLError as error:
            if error.args[0] not in _WRONG_TEXT or not isinstance(sql, str) or not surrogates.has_wide(sql):
                raise
            return int(super().query(surrogates.split(sql), unbuffered))

    def payload(self) -> bytes:
        """The next packet's bytes, put together where it came in parts; the server's error is raised."""
        data, size = b"", MAX_PACKET_LEN
        while size == MAX_PACKET_LEN:
            head = self._read_bytes(4)
            if head[3] != self._next_seq_id:
                self._force_close()
                raise pymysql.err.OperationalError(CR.CR_SERVER_LOST, "a packet is missing")
            self._next_seq_id = (head[3] + 1) & 0xFF
            size = head[0] | head[1] << 8 | head[2] << 16
            data += self._read_bytes(size)
        if data[0] == ERROR:
            MysqlPacket(data, self.encoding).raise_for_error()
        return data

    def _read_query_result(self, unbuffered: bool = False) -> Any:
        if unbuffered:
            return super()._read_query_result(unbuffered)  # type: ignore[misc]
        self._result = None
        result = Result(self)
        result.read()
        self._result = result
        if result.server_status is not None:
            self.server_status = result.server_status
        return result.affected_rows


def connect(target: Target) -> Any:
    connection = _Connection(
        **target.arguments,
        autocommit=True,
        client_flag=CLIENT.FOUND_ROWS,  # an update counts the rows that matched, as the original's driver
        read_timeout=target.connect_seconds,
        write_timeout=target.connect_seconds,
    )
    connection.settle(target.query_seconds)
    if target.create_database:
        name = target.database.replace("`", "``")
        with connection.cursor() as cursor:
            cursor.execute(f"CREATE DATABASE IF NOT EXISTS `{name}`")
        connection.select_db(target.database)
    return connection


def is_dead(connection: Any) -> bool:
    sock = getattr(connection, "_sock", None)
    return has_unread(sock.fileno() if sock is not None else -1)


def translate(data_source: str, error: Exception, connecting: bool) -> ConnectorError | None:
    arguments: tuple[Any, ...] = error.args
    number = arguments[0] if arguments and isinstance(arguments[0], int) else 0
    message = str(arguments[1]) if len(arguments) > 1 else str(error)
    if number in _MYSQL_AWAY:
        timed_out = "timed out" in message
        return unavailable(data_source, "timed out" if timed_out else _MYSQL_AWAY[number])
    if type(error).__name__ == "InterfaceError":
        return unavailable(data_source, "the connection was lost")
    if connecting:
        return None
    code = _MYSQL_CODES.get(number)
    text = f"{code}: {message}" if code else message
    if number == ER.DUP_ENTRY:
        return DuplicateKey(text, status=_MYSQL_STATUS[number], code=code, errno=number)
    found = ConnectorError(text + (MAKE_TABLES if number == ER.NO_SUCH_TABLE else ""), errno=number)
    found.code = code
    found.status = _MYSQL_STATUS.get(number, 500)
    return found
