"""Values of MySQL's text protocol: the same as PyMySQL makes of them."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any

import pytest
from pymysql.constants import FIELD_TYPE
from pymysql.converters import convert_datetime, decoders
from pymysql.err import IntegrityError, OperationalError

from tenant_runtime.connectors.sql.drivers import mysql_rows, surrogates
from tenant_runtime.connectors.sql.drivers.mysql_rows import Reply, reader, values

LONG = {250: b"\xfa", 251: b"\xfc\xfb\x00", 70_000: b"\xfd\x70\x11\x01"}


@pytest.mark.parametrize("size", LONG)
def test_a_value_s_length_is_one_byte_or_up_to_eight_more(size: int) -> None:
    row = b"\x01a" + LONG[size] + b"x" * size + b"\xfb\x00\xfe" + (3).to_bytes(8, "little") + b"end"
    assert values(row, [(None, bytes)] * 5) == (b"a", b"x" * size, None, b"", b"end")
    assert values(row, [(str, bytes)] * 5) == ("a", "x" * size, None, "", "end")


@pytest.mark.parametrize(
    ("encoding", "convert", "raw", "value"),
    [
        ("ascii", int, b"-12", -12),
        ("ascii", float, b"1.5", 1.5),
        ("ascii", Decimal, b"1.50", Decimal("1.50")),
        ("ascii", convert_datetime, b"2020-01-02 03:04:05", datetime(2020, 1, 2, 3, 4, 5)),
        ("ascii", convert_datetime, b"2020-01-02 03:04:05.120", datetime(2020, 1, 2, 3, 4, 5, 120_000)),
        ("ascii", convert_datetime, b"0000-00-00 00:00:00", "0000-00-00 00:00:00"),
        (None, None, b"\xff", b"\xff"),
        ("latin1", None, b"\xe9", "é"),
        (surrogates.ENCODING, None, "é😀".encode(), "é😀"),
        (surrogates.ENCODING, None, surrogates.split("a😀"), "a😀"),
    ],
)
def test_readers(encoding: str | None, convert: Any, raw: bytes, value: Any) -> None:
    quick, read = reader(encoding, convert)
    found = [read(raw)] + ([quick(raw.decode())] if quick is not None and raw.isascii() else [])
    for one in (*found, *values(bytes([len(raw)]) + raw, [(quick, read)])):
        assert one == value and type(one) is type(value)


class Link:
    """What a reply needs of its connection."""

    def __init__(self) -> None:
        self.encoding = "utf8"
        self.decoders = decoders
        self.columns: dict[bytes, Any] = {}


def packets(*payloads: bytes, first: int = 1) -> bytes:
    numbered = enumerate(payloads, first)
    return b"".join(len(one).to_bytes(3, "little") + bytes([number & 0xFF]) + one for number, one in numbered)


def column(name: bytes, kind: int, charset: int = 63) -> bytes:
    texts = b"".join(bytes([len(text)]) + text for text in (b"def", b"d", b"t", b"t", name, name))
    return texts + b"\x0c" + charset.to_bytes(2, "little") + b"\x00\x00\x00\x00" + bytes([kind]) + b"\x00" * 5


END = b"\xfe\x00\x00\x02\x00"
MORE = b"\xfe\x00\x00\x0a\x00"
ROWS = packets(b"\x01", column(b"n", FIELD_TYPE.LONG), END, b"\x011", b"\xfb", b"\x0242", END)
DONE = packets(b"\x00\x03\xfc\x00\x01\x02\x00\x01\x00")
FAILED = packets(b"\xff\x26\x04#23000Duplicate entry")


@pytest.mark.parametrize("size", [1, 3, 7, 1000])
def test_rows_come_in_pieces_of_any_size(size: int) -> None:
    reply = Reply(Link())
    ends = [reply.take(ROWS[at : at + size]) for at in range(0, len(ROWS), size)]
    assert ends == [False] * (len(ends) - 1) + [True]
    assert reply.fetchall() == [(1,), (None,), (42,)]
    assert (reply.rowcount, reply.fetchone()) == (3, (1,))
    assert reply.description is not None and reply.description[0][0] == "n"


def test_a_statement_without_rows() -> None:
    reply = Reply(Link())
    assert reply.take(DONE)
    assert (reply.rowcount, reply.lastrowid, reply.server_status, reply.warning_count) == (3, 256, 2, 1)
    assert reply.fetchall() == [] and reply.fetchone() is None


def test_an_error_completes_a_reply() -> None:
    reply = Reply(Link())
    assert reply.take(FAILED)
    assert isinstance(reply.error, IntegrityError) and reply.error.args == (1062, "Duplicate entry")


def test_what_follows_a_result_is_left() -> None:
    first = packets(b"\x01", column(b"n", FIELD_TYPE.LONG), END, b"\x011", MORE)
    reply = Reply(Link())
    assert reply.take(first + DONE)
    assert reply.has_next and reply.rest == DONE


def test_a_payload_in_several_packets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mysql_rows, "MAX_PACKET_LEN", 4)
    text = column(b"s", FIELD_TYPE.VAR_STRING, charset=45)
    pieces = [text[at : at + 4] for at in range(0, len(text), 4)]
    payloads = [b"\x01", *pieces, *([b""] if len(text) % 4 == 0 else []), END[:4], END[4:]]
    payloads += [b"\x07abc", b"defg", b"", END[:4], END[4:]]
    reply = Reply(Link())
    assert reply.take(packets(*payloads))
    assert reply.fetchall() == [("abcdefg",)]


def test_a_packet_out_of_turn() -> None:
    with pytest.raises(OperationalError, match="a packet is missing"):
        Reply(Link()).take(packets(b"\x00", first=0))
