"""A command's reply, read from MySQL's packets as they come, each in one pass.

In charge of: what PyMySQL's ``MySQLResult`` does with a result, values the same. PyMySQL makes an object of
each packet and calls four methods for each value; that is most of the cost of reading twenty rows
(docs/performance.md), and it waits for each packet. Must not know: sockets, statements, models.

Source: MySQL client/server protocol, "Text Resultset": each value is a length-encoded string, 0xFB is NULL.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, Protocol

from pymysql.connections import MAX_PACKET_LEN, TEXT_TYPES
from pymysql.constants import CR, FIELD_TYPE, SERVER_STATUS
from pymysql.converters import convert_datetime, through
from pymysql.err import MySQLError, OperationalError, raise_mysql_exception
from pymysql.protocol import FieldDescriptorPacket

from tenant_runtime.connectors.sql.drivers import surrogates

Read = Callable[[bytes], Any]
#: What makes a value of ASCII text (None: nothing does), and of bytes.
Reader = tuple[Callable[[str], Any] | None, Read]

NULL = 0xFB
END = 0xFE
ERROR = 0xFF
#: Bytes of a length that does not fit into one, by the first.
WIDTHS = {0xFC: 2, 0xFD: 3, 0xFE: 8}
BINARY = 63  # the number of the character set of what is no text
#: Descriptions of columns that a connection keeps; statements that name their columns anew exceed it.
MAX_COLUMNS = 2000


def values(row: bytes, readers: Sequence[Reader]) -> tuple[Any, ...]:
    """The values of one row's packet. Most are ASCII: the row is made a text, and they are cut from it."""
    found: list[Any] = []
    text = row.decode("latin-1")
    start = 0
    for quick, read in readers:
        size = row[start]
        start += 1
        if size >= NULL:
            if size == NULL:
                found.append(None)
                continue
            width = WIDTHS[size]
            size = int.from_bytes(row[start : start + width], "little")
            start += width
        end = start + size
        value = text[start:end]
        if quick is None or not value.isascii():
            found.append(read(row[start:end]))
        else:
            found.append(value if quick is str else quick(value))
        start = end
    return tuple(found)


def length(payload: bytes, start: int) -> tuple[int, int]:
    """A length-encoded integer, and where it ends."""
    size = payload[start]
    start += 1
    if size < NULL:
        return size, start
    end = start + WIDTHS[size]
    return int.from_bytes(payload[start:end], "little"), end


def reader(encoding: str | None, convert: Callable[[Any], Any] | None) -> Reader:
    """What makes a value of a column's bytes: ``convert`` takes text in that encoding (None: the bytes)."""
    if convert is convert_datetime:
        return _moment, lambda raw: _moment(raw.decode("ascii"))
    if convert is None or convert is through:
        if encoding is None:
            return None, bytes
        return str, _text if encoding == surrogates.ENCODING else lambda raw: raw.decode(encoding)
    if encoding is None:
        return None, convert
    return convert, lambda raw: convert(raw.decode(encoding))


def _text(raw: bytes) -> str:
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return raw.decode(surrogates.ENCODING)


def _moment(text: str) -> Any:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return convert_datetime(text)  # 0000-00-00: PyMySQL gives the text


def encoding_of(field: Any, encoding: str) -> str | None:
    """The encoding of a column's values on a connection with that one; None for bytes."""
    if field.type_code == FIELD_TYPE.JSON:
        return encoding
    if field.type_code in TEXT_TYPES:
        return None if field.charsetnr == BINARY else encoding
    return "ascii"


class Connection(Protocol):
    """What a reply needs to know of its connection. ``columns`` is for what is remembered of columns."""

    encoding: str
    decoders: dict[int, Any]
    columns: dict[bytes, Any]


class Reply:
    """The answer to one command, taken in as it comes; then it is what PyMySQL's cursor makes of a result.

    ``error`` is the one that the server reports. Of several results it is the first; ``rest`` are the others'
    bytes.
    """

    unbuffered_active = False  # of another kind of result, which PyMySQL's connection asks about

    def __init__(self, connection: Connection, rest: bytes = b"") -> None:
        self.connection = connection
        self.complete = False
        self.error: Exception | None = None
        self.affected_rows = 0
        self.insert_id = 0
        self.server_status: int | None = None
        self.warning_count = 0
        self.has_next = 0
        self.fields: list[Any] = []
        self.description: tuple[Any, ...] | None = None
        self.rows: list[tuple[Any, ...]] | None = None
        self.rest = rest
        self._pieces: list[bytes] = [rest] if rest else []
        self._size = len(rest)
        self._wanted = 0  # bytes of the packet that has begun
        self._part = b""  # of a payload that comes in several packets
        self._sequence = 1
        self._columns: list[tuple[Any, Any, Reader]] = []
        self._readers: list[Reader] = []
        self._count = 0
        self._take: Callable[[bytes], None] = self._head

    def take(self, data: bytes) -> bool:
        """A part of the answer; True once it is complete. Raises PyMySQL's error for a packet out of turn."""
        self._pieces.append(data)
        self._size += len(data)
        if self._size >= self._wanted:
            self._read(self._pieces[0] if len(self._pieces) == 1 else b"".join(self._pieces))
        return self.complete

    def _read(self, data: bytes) -> None:
        start, end = 0, len(data)
        while not self.complete and start + 4 <= end:
            size = data[start] | data[start + 1] << 8 | data[start + 2] << 16
            stop = start + 4 + size
            if stop > end:
                break
            if data[start + 3] != self._sequence:
                raise OperationalError(CR.CR_SERVER_LOST, "a packet is missing")
            self._sequence = (self._sequence + 1) & 0xFF
            payload = data[start + 4 : stop]
            start = stop
            if size == MAX_PACKET_LEN:
                self._part += payload
            elif self._part:
                payload, self._part = self._part + payload, b""
                self._take(payload)
            else:
                self._take(payload)
        self.rest = data[start:]
        self._pieces, self._size = [self.rest], len(self.rest)
        self._wanted = 4 + int.from_bytes(self.rest[:3], "little") if len(self.rest) >= 3 else 4

    def _head(self, payload: bytes) -> None:
        """The first packet: an error, what a statement without rows did, or the number of columns."""
        first = payload[0]
        if first == ERROR:
            self._fail(payload)
        elif first == 0:
            self.affected_rows, start = length(payload, 1)
            self.insert_id, start = length(payload, start)
            self._status(payload[start + 2 : start + 4] + payload[start : start + 2])
            self.complete = True
        elif first == NULL:
            raise OperationalError(CR.CR_MALFORMED_PACKET, "the server asks for a local file")
        else:
            self._count, _ = length(payload, 0)
            self._take = self._column

    def _column(self, payload: bytes) -> None:
        columns = self._columns
        if len(columns) == self._count:  # the end of the columns
            self.fields = [field for field, _, _ in columns]
            self.description = tuple([description for _, description, _ in columns])
            self._readers = [read for _, _, read in columns]
            self.rows = []
            self._take = self._row
            return
        known = self.connection.columns
        column = known.get(payload)
        if column is None:
            if len(known) >= MAX_COLUMNS:
                known.clear()
            column = known[payload] = self._described(payload)
        columns.append(column)

    def _described(self, payload: bytes) -> tuple[Any, Any, Reader]:
        connection = self.connection
        field: Any = FieldDescriptorPacket(payload, connection.encoding)
        encoding = encoding_of(field, connection.encoding)
        return field, field.description(), reader(encoding, connection.decoders.get(field.type_code))

    def _row(self, payload: bytes) -> None:
        rows = self.rows
        assert rows is not None
        if payload[0] == END and len(payload) < 9:
            self._status(payload[1:5])
            self.affected_rows = len(rows)
            self.complete = True
        elif payload[0] == ERROR:
            self._fail(payload)
        else:
            rows.append(values(payload, self._readers))

    def _status(self, raw: bytes) -> None:
        """Warnings and flags, two bytes each."""
        self.warning_count = int.from_bytes(raw[:2], "little")
        self.server_status = int.from_bytes(raw[2:], "little")
        self.has_next = self.server_status & SERVER_STATUS.SERVER_MORE_RESULTS_EXISTS

    def _fail(self, payload: bytes) -> None:
        try:
            raise_mysql_exception(payload)
        except MySQLError as error:
            self.error = error
        self.complete = True

    # A cursor's members, for who asked without one.

    @property
    def rowcount(self) -> int:
        """Rows that matched."""
        return self.affected_rows

    @property
    def lastrowid(self) -> int:
        """The id that the database made."""
        return self.insert_id

    def fetchall(self) -> list[tuple[Any, ...]]:
        """All rows."""
        return self.rows or []

    def fetchone(self) -> tuple[Any, ...] | None:
        """The first row."""
        return self.rows[0] if self.rows else None
