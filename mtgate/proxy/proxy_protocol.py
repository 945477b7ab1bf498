"""The PROXY protocol, versions 1 and 2: who really connected.

In charge of: its two headers (haproxy's proxy-protocol.txt, sections 2.1 and 2.2). Must not know: sockets.
Pure.
"""

from __future__ import annotations

import ipaddress

from mtgate.http1.strict import Refusal

SIGNATURE = b"\r\n\r\n\x00\r\nQUIT\n"
V1_BYTES = 107
_FAMILY_BYTES = {0x11: 4, 0x21: 16, 0x12: 4, 0x22: 16}


def read_header(buffer: bytes) -> tuple[str | None, int] | None:
    """The client's address (None: keep the one of the connection) and the header's length; None: more bytes
    needed.

    Raises Refusal for anything else: with the protocol asked for, a connection without it is not served.
    """
    if buffer[: len(SIGNATURE)] == SIGNATURE[: len(buffer)]:
        return _read_v2(buffer)
    if b"PROXY "[: len(buffer)] == buffer[:6]:
        return _read_v1(buffer)
    raise Refusal(400, "PROXY protocol header expected")


def _read_v1(buffer: bytes) -> tuple[str | None, int] | None:
    end = buffer.find(b"\r\n", 0, V1_BYTES)
    if end < 0:
        if len(buffer) >= V1_BYTES:
            raise Refusal(400, "PROXY protocol header too long")
        return None
    words = buffer[:end].decode("ascii", "replace").split(" ")
    if words[1:2] == ["UNKNOWN"]:
        return None, end + 2
    if len(words) != 6 or words[1] not in ("TCP4", "TCP6"):
        raise Refusal(400, "malformed PROXY protocol header")
    return _address(words[2], 4 if words[1] == "TCP4" else 6), end + 2


def _read_v2(buffer: bytes) -> tuple[str | None, int] | None:
    if len(buffer) < 16:
        return None
    command, family = buffer[12], buffer[13]
    length = int.from_bytes(buffer[14:16], "big")
    if command >> 4 != 2 or command & 15 > 1:
        raise Refusal(400, "malformed PROXY protocol header")
    if len(buffer) < 16 + length:
        return None
    size = _FAMILY_BYTES.get(family)
    if command & 15 == 0 or size is None:
        return None, 16 + length
    if length < 2 * size + 4:
        raise Refusal(400, "malformed PROXY protocol header")
    return str(ipaddress.ip_address(buffer[16 : 16 + size])), 16 + length


def _address(text: str, version: int) -> str:
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        raise Refusal(400, "malformed address in the PROXY protocol header") from None
    if address.version != version:
        raise Refusal(400, "malformed address in the PROXY protocol header")
    return str(address)
