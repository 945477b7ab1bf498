"""The rows of a result, read from MySQL's packets in one pass each.

In charge of: what PyMySQL's ``MySQLResult`` does with the columns and rows of a text result, values the same.
PyMySQL makes an object of each packet and calls four methods for each value; that is most of the cost of
reading twenty rows (docs/performance.md). Must not know: statements, models.

Source: MySQL client/server protocol, "Text Resultset": each value is a length-encoded string, 0xFB is NULL.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

from pymysql.connections import TEXT_TYPES, MySQLResult
from pymysql.constants import FIELD_TYPE
from pymysql.converters import convert_datetime, through
from pymysql.protocol import FieldDescriptorPacket, MysqlPacket

from tenant_runtime.connectors.sql.drivers import surrogates

Read = Callable[[bytes], Any]

NULL = 0xFB
END = 0xFE
ERROR = 0xFF
#: Bytes of a length that does not fit into one, by the first.
WIDTHS = {0xFC: 2, 0xFD: 3, 0xFE: 8}
BINARY = 63  # the number of the character set of what is no text
#: Descriptions of columns that a connection keeps; statements that name their columns anew exceed it.
MAX_COLUMNS = 2000


def values(row: bytes, readers: Sequence[Read]) -> tuple[Any, ...]:
    """The values of one row's packet."""
    found: list[Any] = []
    start = 0
    for read in readers:
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
        found.append(read(row[start:end]))
        start = end
    return tuple(found)


def reader(encoding: str | None, convert: Callable[[Any], Any] | None) -> Read:
    """What makes a value of a column's bytes: ``convert`` takes text in that encoding (None: the bytes)."""
    if convert is int or convert is float:
        return convert  # they read digits of bytes as well
    if convert is convert_datetime:
        return _moment
    if convert is None or convert is through:
        if encoding is None:
            return bytes
        return _text if encoding == surrogates.ENCODING else lambda raw: raw.decode(encoding)
    if encoding is None:
        return convert
    return lambda raw: convert(raw.decode(encoding))


def _text(raw: bytes) -> str:
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return raw.decode(surrogates.ENCODING)


def _moment(raw: bytes) -> Any:
    text = raw.decode("ascii")
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


class Result(MySQLResult):
    """A result whose columns were mostly met before and whose rows are read by ``values``.

    The connection has ``payload()``, the next packet's bytes, and ``columns``, a dict for what is remembered.
    """

    # PyMySQL's own, which its published types leave out
    connection: Any
    field_count: int
    fields: list[Any]
    readers: list[Read]
    _check_packet_is_eof: Callable[[MysqlPacket], bool]

    def _get_descriptions(self) -> None:
        connection = self.connection
        known = connection.columns
        columns = []
        for _ in range(self.field_count):
            payload = connection.payload()
            column = known.get(payload)
            if column is None:
                if len(known) >= MAX_COLUMNS:
                    known.clear()
                column = known[payload] = self._described(payload)
            columns.append(column)
        connection.payload()  # the end of the columns
        self.fields = [field for field, _, _ in columns]
        self.description = tuple([description for _, description, _ in columns])
        self.readers = [read for _, _, read in columns]

    def _described(self, payload: bytes) -> tuple[Any, Any, Read]:
        connection = self.connection
        field: Any = FieldDescriptorPacket(payload, connection.encoding)
        encoding = encoding_of(field, connection.encoding)
        return field, field.description(), reader(encoding, connection.decoders.get(field.type_code))

    def _read_rowdata_packet(self) -> None:
        payload, readers = self.connection.payload, self.readers
        rows = []
        while True:
            row = payload()
            if row[0] == END and len(row) < 9:
                break
            rows.append(values(row, readers))
        self._check_packet_is_eof(MysqlPacket(row, self.connection.encoding))
        self.connection = None
        self.affected_rows = len(rows)
        self.rows = tuple(rows)
