"""Emoji as the original's MySQL driver writes them unless a utf8mb4 collation is set.

It speaks MySQL's three-byte ``utf8`` and puts a character beyond that into two surrogates of three bytes each
(CESU-8), which then lie in the columns. Such texts must be read as what they mean, and a column that takes no
four bytes can still be written that way. Everything else is UTF-8.
"""

from __future__ import annotations

import codecs
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer as Buffer

#: The name of the encoding below, for ``connection.encoding``.
ENCODING = "utf8_or_surrogates"


def join(text: str) -> str:
    """Surrogate pairs as the characters that they stand for; lone ones as U+FFFD."""
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def split(text: str) -> bytes:
    """CESU-8: characters beyond U+FFFF as two surrogates."""
    units = text.encode("utf-16-le", "surrogatepass")
    pairs = (units[at : at + 2] for at in range(0, len(units), 2))
    return "".join(chr(int.from_bytes(unit, "little")) for unit in pairs).encode("utf-8", "surrogatepass")


def has_wide(text: str) -> bool:
    return bool(text) and max(text) > "\uffff"


def _decode(data: Buffer, errors: str = "strict", /) -> tuple[str, int]:
    try:
        return codecs.utf_8_decode(data, "strict", True)
    except UnicodeDecodeError:
        text, used = codecs.utf_8_decode(data, "surrogatepass", True)
        return join(text), used


def _encode(text: str, errors: str = "strict", /) -> tuple[bytes, int]:
    return codecs.utf_8_encode(text, errors)


def _find(name: str) -> codecs.CodecInfo | None:
    return codecs.CodecInfo(_encode, _decode, name=ENCODING) if name == ENCODING else None


codecs.register(_find)
