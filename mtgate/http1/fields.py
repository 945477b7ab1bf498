"""Field lines and blocks of them, and what h11 says of them, remembered by exact bytes.

In charge of: a block's lines → fields, and what they say about body and connection. Must not know: start
lines, sockets. h11's verdict on a field line is a pure function of the line, so it is remembered line by
line: of a head that was never seen, most lines were (a client sends the same ones again and again, but for an
id, a token, a length). What lines say together, the gate decides on its own (``strict.check_framing``), at
least as strictly as h11: a block whose lines h11 admits one by one, and the gate as a whole, h11 admits as a
whole (tests/mtgate/http1/test_agreement.py). Refusals are never remembered.

A block begins at the LF of the start line and ends with its empty line.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Generic, TypeVar

import h11

from mtgate.http1.message import Headers
from mtgate.http1.strict import Framing, HeadLimits, Refusal, check_framing, cut_field

V = TypeVar("V")

#: What these fields say concerns more than themselves.
_IN_MESSAGES = frozenset({b"content-length", b"transfer-encoding", b"connection", b"upgrade"})
_IN_REQUESTS = _IN_MESSAGES | {b"host", b"expect"}

#: Longer lines (large cookies) are judged anew when their block is.
_LINE_BYTES = 1024


class Memo(Generic[V]):
    """Bytes → value with two generations: when the younger is full, the older is dropped."""

    __slots__ = ("_entries", "_key_bytes", "_old", "_young")

    def __init__(self, entries: int = 2048, key_bytes: int = 4096) -> None:
        self._entries = entries
        self._key_bytes = key_bytes
        self._young: dict[bytes, V] = {}
        self._old: dict[bytes, V] = {}

    def get(self, key: bytes) -> V | None:
        """The value, or None."""
        value = self._young.get(key)
        if value is None and (value := self._old.get(key)) is not None:
            self.put(key, value)
        return value

    def put(self, key: bytes, value: V) -> None:
        """Keeps it, unless the key is too long."""
        if len(key) <= self._key_bytes:
            if len(self._young) >= self._entries:
                self.age()
            self._young[key] = value

    def age(self) -> None:
        """Drops what was not asked for since the last time; calling it twice forgets everything."""
        self._old = self._young
        self._young = {}


class Line:
    """One field line. ``name`` in lower case; ``text`` as it is sent on. Compared by identity: shared."""

    __slots__ = ("name", "special", "text", "value")

    def __init__(self, raw_name: bytes, value: bytes, special: frozenset[bytes]) -> None:
        self.name = raw_name.lower()
        # A coding's name is lower-case in h11's reading.
        self.value = value.lower() if self.name == b"transfer-encoding" else value
        self.text = b"%b: %b\r\n" % (raw_name, value)
        self.special = self.name in special


@dataclass(slots=True, eq=False)
class Control:
    """What a block says about the body and the connection.

    ``connection`` are the lower-case options of Connection; ``expects_continue``: it asks for 100, which
    counts from HTTP/1.1 on; ``upgrade`` in lower case, when Connection names it; ``whole_bytes``: the size
    of the body, 0 if none is announced, or -1 when it has no length, or the connection is to be closed or
    changed.
    """

    framing: Framing
    connection: frozenset[bytes]
    expects_continue: bool
    upgrade: bytes | None
    whole_bytes: int


class Fields:
    """One field block. Compared by identity: shared."""

    __slots__ = ("_headers", "connection", "control", "framing", "lines", "upgrade", "whole_bytes")

    def __init__(self, lines: list[Line], control: Control) -> None:
        self.lines = lines
        self.control = control
        self.framing = control.framing
        self.connection = control.connection
        self.upgrade = control.upgrade
        self.whole_bytes = control.whole_bytes
        self._headers: Headers | None = None

    @property
    def headers(self) -> Headers:
        """Names in lower case, and values."""
        if self._headers is None:
            self._headers = [(line.name, line.value) for line in self.lines]
        return self._headers

    def value(self, name: bytes) -> bytes | None:
        """Of that lower-case name; several lines are one list."""
        values = [line.value for line in self.lines if line.name == name]
        return b", ".join(values) if values else None


@lru_cache(maxsize=1024)
def _control(special: tuple[Line, ...]) -> Control:
    """Raises Refusal. Cached by the identity of the lines."""
    framing = check_framing((line.name, line.value) for line in special)
    options: set[bytes] = set()
    expects, upgrade = False, None
    for line in special:
        if line.name == b"connection":
            options.update(option.strip().lower() for option in line.value.split(b","))
        elif line.name == b"expect":
            if line.value.lower() != b"100-continue":
                raise Refusal(417, "only 100-continue can be expected")
            expects = True
        elif line.name == b"upgrade":
            upgrade = line.value.lower()
    options.discard(b"")
    if b"upgrade" not in options:
        upgrade = None
    whole_bytes = framing.content_length or 0
    if framing.chunked or expects or upgrade or b"close" in options:
        whole_bytes = -1
    return Control(framing, frozenset(options), expects, upgrade, whole_bytes)


class Blocks:
    """The reader of the field blocks of one direction."""

    def __init__(self, limits: HeadLimits, special: frozenset[bytes]) -> None:
        self._limits = limits
        self._special = special
        self._blocks: Memo[Fields] = Memo()
        self._lines: Memo[Line] = Memo(4096, _LINE_BYTES)

    def get(self, block: bytes) -> Fields | None:
        """A block that is known."""
        return self._blocks.get(block)

    def parse(self, block: bytes) -> Fields:
        """Raises Refusal."""
        fields = self._blocks.get(block)
        if fields is None:
            fields = self._read(block)
            self._blocks.put(block, fields)
        return fields

    def _read(self, block: bytes) -> Fields:
        if len(block) > self._limits.head_bytes:
            raise Refusal(431, f"the head is longer than {self._limits.head_bytes} bytes")
        texts = block[1:-4].split(b"\r\n") if len(block) > 4 else []
        if len(texts) > self._limits.fields:
            raise Refusal(431, f"more than {self._limits.fields} fields")
        known = list(map(self._lines.get, texts))
        fresh = iter(self._judge([text for text, line in zip(texts, known, strict=True) if line is None]))
        lines = [line or next(fresh) for line in known]
        return Fields(lines, _control(tuple([line for line in lines if line.special])))

    def _judge(self, texts: list[bytes]) -> list[Line]:
        """Lines that are not known yet. Raises Refusal."""
        if not texts:
            return []
        pairs = [cut_field(text) for text in texts]
        ask_h11(pairs)
        lines = [Line(name, value, self._special) for name, value in pairs]
        for text, line in zip(texts, lines, strict=True):
            self._lines.put(text, line)
        return lines

    def forget(self) -> None:
        """Call it now and then: what was not seen since the last time is dropped."""
        self._blocks.age()
        self._lines.age()


def ask_h11(pairs: Headers) -> None:
    """h11's verdict on fields, but for what it says of a message as a whole. Raises Refusal."""
    try:
        h11.Response(status_code=200, headers=pairs)
    except h11.LocalProtocolError as error:
        raise Refusal(400, str(error)) from error


def request_blocks(limits: HeadLimits) -> Blocks:
    """For requests."""
    return Blocks(limits, _IN_REQUESTS)


def response_blocks(limits: HeadLimits) -> Blocks:
    """For responses: Host and Expect mean nothing there."""
    return Blocks(limits, _IN_MESSAGES)
