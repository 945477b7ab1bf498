from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mtgate.http1.framing import ChunkedReader, CloseReader, LengthReader, chunk, response_reader
from mtgate.http1.strict import Refusal

GOOD = [
    (b"5\r\nhello\r\n0\r\n\r\n", b"hello"),
    (b"2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n", b"hello"),
    (b"A\r\n0123456789\r\n0\r\n\r\n", b"0123456789"),
    (b"005;a=b;c\r\n0\r\n\r\n\r\n0\r\n\r\n", b"0\r\n\r\n"),
    (b"0\r\n\r\n", b""),
    (b"5\r\nhello\r\n0\r\nX-Sum: 1\r\nHost: evil\r\n\r\n", b"hello"),
]
BAD = [
    b"\r\nhello",
    b"g\r\n",
    b"+5\r\nhello",
    b"-5\r\nhello",
    b"0x5\r\nhello",
    b"0_5\r\nhello",
    b"10000000000000005\r\n",
    b"5\nhello",
    b" 5\r\nhello",
    b"5 \r\nhello",
    b"5\r\nhelloX\r\n",
    b"5\r\nhell\r\n0\r\n\r\n",
    b"5\r\nhello\n",
    b"5;a\nb\r\n",
    b"5;a\rb\r\n",
    b"5;a=\x00\r\n",
    b'5;a="\n"\r\n',
    b"0\n\n",
    b"0\r\nX : y\r\n\r\n",
    b"0\r\nnonsense\r\n\r\n",
    b"0\r\nX: y\n\r\n",
    b"0" * 5000,
    b"5;" + b"a" * 5000,
    b"0" + b"\r\nX-T: yyyyyyyyyyyyyyyy" * 1000 + b"\r\n\r\n",
]


@pytest.mark.parametrize(("data", "body"), GOOD)
@pytest.mark.parametrize("step", [1, 2, 3, 1000])
def test_chunked(data: bytes, body: bytes, step: int) -> None:
    reader, tail, out, rest = ChunkedReader(), b"GET / HTTP/1.1", b"", b""
    whole = data + tail
    for at in range(0, len(whole), step):
        if reader.complete:
            rest += whole[at : at + step]
        else:
            out += reader.feed(whole[at : at + step])
            rest = reader.rest
    assert (out, rest, reader.complete) == (body, tail, True)


@pytest.mark.parametrize("data", BAD)
@pytest.mark.parametrize("step", [1, 7, 10_000])
def test_bad_chunks(data: bytes, step: int) -> None:
    reader = ChunkedReader()
    with pytest.raises(Refusal):
        for at in range(0, len(data), step):
            reader.feed(data[at : at + step])


@settings(deadline=None)
@given(st.lists(st.binary(min_size=1, max_size=50), max_size=5), st.integers(1, 20))
def test_what_we_chunk_we_read(pieces: list[bytes], step: int) -> None:
    data = b"".join(map(chunk, pieces)) + b"0\r\n\r\n"
    reader = ChunkedReader()
    out = b"".join(reader.feed(data[at : at + step]) for at in range(0, len(data), step))
    assert out == b"".join(pieces)
    assert reader.complete


def test_length() -> None:
    reader = LengthReader(5)
    assert reader.feed(b"hel") == b"hel"
    with pytest.raises(Refusal):
        reader.end_of_stream()
    assert reader.feed(b"loGET") == b"lo"
    assert (reader.complete, reader.rest) == (True, b"GET")
    assert LengthReader(0).complete


def test_cut_chunked_is_not_complete() -> None:
    reader = ChunkedReader()
    reader.feed(b"5\r\nhello\r\n")
    with pytest.raises(Refusal):
        reader.end_of_stream()


def test_close() -> None:
    reader = CloseReader()
    assert reader.feed(b"abc") == b"abc"
    reader.end_of_stream()
    assert reader.complete


@pytest.mark.parametrize(
    ("method", "status", "length", "chunked", "kind", "complete"),
    [
        (b"HEAD", 200, 5, False, LengthReader, True),
        (b"GET", 204, 5, False, LengthReader, True),
        (b"GET", 304, None, True, LengthReader, True),
        (b"GET", 100, None, False, LengthReader, True),
        (b"GET", 200, None, True, ChunkedReader, False),
        (b"GET", 200, 5, False, LengthReader, False),
        (b"GET", 200, None, False, CloseReader, False),
    ],
)
def test_response_bodies(
    method: bytes, status: int, length: int | None, chunked: bool, kind: type, complete: bool
) -> None:
    reader = response_reader(method, status, length, chunked)
    assert isinstance(reader, kind)
    assert reader.complete is complete
