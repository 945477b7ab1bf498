"""MySQL and MariaDB by PyMySQL: opening a connection, and what its errors mean.

What a client may see of an error is what the original's ``set-http-code`` lets it see: status, code, message.
"""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

import pymysql
from pymysql.connections import MAX_PACKET_LEN
from pymysql.constants import CLIENT, COMMAND, CR, ER
from pymysql.converters import escape_datetime

from tenant_runtime.connectors.base import ConnectorError, DuplicateKey, NeedsThread
from tenant_runtime.connectors.sql.driver import MAKE_TABLES, has_unread, unavailable
from tenant_runtime.connectors.sql.drivers import surrogates
from tenant_runtime.connectors.sql.drivers.mysql_rows import Reply
from tenant_runtime.connectors.sql.operations import Asked
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

QUERY = bytes([COMMAND.COM_QUERY])
RECEIVE_BYTES = 64 * 1024

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
    _force_close: Callable[[], None]
    _sock: socket.socket
    _result: Any
    encoders: dict[type, Callable[..., str]]

    def __init__(self, **arguments: Any) -> None:
        self.columns: dict[bytes, Any] = {}  # what ``Reply`` remembers of columns
        self._unread = b""  # of a reply with several results
        super().__init__(**arguments)

    def settle(self, query_seconds: float) -> None:
        """After connecting: statements may take longer, texts may hold surrogates."""
        self._read_timeout = self._write_timeout = query_seconds
        if self.encoding == "utf8":
            self.encoding = surrogates.ENCODING
        self.columns.clear()
        self.encoders[datetime] = literal

    def query(self, sql: str | bytes, unbuffered: bool = False) -> int:
        """A text that the column's character set cannot hold is written as the original writes it."""
        try:
            return int(super().query(sql, unbuffered))
        except pymysql.err.MySQLError as error:
            if not isinstance(sql, str) or not asks_again(error, [sql]):
                raise
            return int(super().query(surrogates.split(sql), unbuffered))

    def _read_query_result(self, unbuffered: bool = False) -> Any:
        if unbuffered:
            return super()._read_query_result(unbuffered)  # type: ignore[misc]
        self._result = None
        reply, data = Reply(self), self._unread
        try:
            while not reply.take(data):
                data = self._received()
        except BaseException:
            self._force_close()
            raise
        self._unread = reply.rest
        return self.understood(reply)

    def _received(self) -> bytes:
        try:
            data: bytes = self._sock.recv(RECEIVE_BYTES)
        except OSError as error:
            raise pymysql.err.OperationalError(CR.CR_SERVER_LOST, str(error)) from error
        if not data:
            raise pymysql.err.OperationalError(CR.CR_SERVER_LOST, "the server closed the connection")
        return data

    def understood(self, reply: Reply) -> int:
        """Takes note of a complete reply: the number of rows, or the server's error."""
        if reply.server_status is not None:
            self.server_status = reply.server_status
        if reply.error is not None:
            raise reply.error
        self._result = reply
        return reply.affected_rows


def literal(moment: datetime, mapping: Any = None) -> str:
    """As PyMySQL writes it; those of a model, which have no zone, in a fourth of the time."""
    return f"'{moment.isoformat(' ')}'" if moment.tzinfo is None else escape_datetime(moment)


class Conversation:
    """A connection whose statements are sent and answered on the event loop (``connectors.wire.Talk``)."""

    def __init__(self, connection: _Connection) -> None:
        self.connection = connection
        self.socket: socket.socket = connection._sock
        self.socket.setblocking(False)
        self._cursor = connection.cursor()  # it writes parameters into statements, and does nothing else
        self._reply = Reply(connection)

    def ask(self, question: Asked) -> bytes:
        try:
            data = self._cursor.mogrify(question.sql, question.parameters).encode(self.connection.encoding)
        except (TypeError, UnicodeError) as error:  # for the thread to report
            raise NeedsThread from error
        if len(data) + 1 >= MAX_PACKET_LEN:
            raise NeedsThread("the statement is longer than a packet")
        self._reply = Reply(self.connection)
        return (len(data) + 1).to_bytes(3, "little") + b"\0" + QUERY + data

    def take(self, data: bytes) -> bool:
        return self._reply.take(data)

    def answer(self) -> Reply:
        if self._reply.server_status is not None:
            self.connection.server_status = self._reply.server_status
        return self._reply

    def close(self) -> None:
        self.connection._force_close()


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


def conversation(target: Target) -> Conversation | None:
    """A new connection for the event loop; None when it is encrypted: TLS has its own way of not blocking."""
    connection = connect(target)
    if isinstance(connection._sock, ssl.SSLSocket):
        connection.close()
        return None
    return Conversation(connection)


def asks_again(error: Exception, parameters: Sequence[Any]) -> bool:
    """A column takes no four bytes for a character: they are written as two surrogates then."""
    texts = (value for value in parameters if isinstance(value, str))
    return error.args[:1] != () and error.args[0] in _WRONG_TEXT and any(map(surrogates.has_wide, texts))


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
