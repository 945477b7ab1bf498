"""TLS on a stream, and the certificates.

In charge of: handshake, records in and out, which certificate a server name gets, changing them while
connections live. Must not know: HTTP.
"""

from __future__ import annotations

import contextlib
import math
import os
import ssl
from collections.abc import Callable, Sequence
from typing import TextIO

from mtgate.http1.stream import RECEIVE_BYTES, Stream, StreamBroken
from mtgate.proxy.config import TlsSettings


class TlsStream:
    """A WatchedStream.

    TLS, server side, on a Stream that it owns. ``received`` came before the handshake began.
    """

    def __init__(self, stream: Stream, context: ssl.SSLContext, received: bytes = b"") -> None:
        self._stream = stream
        self._in = ssl.MemoryBIO()
        self._out = ssl.MemoryBIO()
        self._ended = False
        self._in.write(received)
        self._tls = context.wrap_bio(self._in, self._out, server_side=True)

    async def handshake(self, deadline: float, stall_seconds: float) -> None:
        """Raises ssl.SSLError, StreamTimeout, StreamBroken."""
        while True:
            try:
                self._tls.do_handshake()
            except ssl.SSLWantReadError:
                await self._flush(stall_seconds)
                await self._fill(deadline, RECEIVE_BYTES)
            else:
                await self._flush(stall_seconds)
                return

    @property
    def readable(self) -> bool:
        """As Stream's: records may also have come and not been looked at."""
        return self._stream.readable or self._in.pending > 0

    async def receive(self, deadline: float, size: int = RECEIVE_BYTES) -> bytes:
        """As Stream's. The end of the TLS session and the end of the connection are both an end."""
        while (data := self._decrypted(size)) is None:
            if not await self._fill(deadline, size):
                return b""
        return data

    def receive_nowait(self, size: int = RECEIVE_BYTES) -> bytes | None:
        """As Stream's."""
        data = self._decrypted(size)
        if data is None and (received := self._stream.receive_nowait(size)) is not None:
            if not received:
                self._in.write_eof()
                return b""
            self._in.write(received)
            data = self._decrypted(size)
        return data

    def _decrypted(self, size: int) -> bytes | None:
        """What the records that have come hold, ``b""`` at the end of the session; None: none is whole."""
        pieces: list[bytes] = []
        try:
            while self._in.pending and sum(map(len, pieces)) < size and not self._ended:
                pieces.append(self._tls.read(size))
                self._ended = not pieces[-1]
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLError as error:
            raise StreamBroken(str(error)) from error
        return b"".join(pieces) if pieces or self._ended else None

    def send_nowait(self, data: bytes) -> bytes | None:
        """As Stream's; what is left is encrypted already and kept here."""
        self._encrypt(data)
        records = self._out.read()
        rest = self._stream.send_nowait(records)
        if rest is None:
            return None
        self._out.write(rest)
        return b""

    def watch(self, on_stir: Callable[[], object] | None, deadline: float = math.inf) -> None:
        """As Stream's."""
        self._stream.watch(on_stir, deadline)

    async def send_all(self, data: bytes | memoryview, stall_seconds: float) -> None:
        """As Stream's."""
        if data:
            self._encrypt(data)
        await self._flush(stall_seconds)

    def _encrypt(self, data: bytes | memoryview) -> None:
        try:
            self._tls.write(data)
        except ssl.SSLError as error:
            raise StreamBroken(str(error)) from error

    def send_end(self) -> None:
        """Shuts the sending side of the connection.

        A close_notify would need room in the socket; it is tried.
        """
        with contextlib.suppress(ssl.SSLError):
            self._tls.unwrap()
        rest = self._out.read()
        try:
            if rest:
                self._stream.socket.send(rest)
        except OSError:
            pass
        self._stream.send_end()

    def close(self) -> None:
        """Closes the connection."""
        self._stream.close()

    async def _fill(self, deadline: float, size: int) -> bool:
        data = await self._stream.receive(deadline, size)
        if not data:
            self._in.write_eof()
            return False
        self._in.write(data)
        return True

    async def _flush(self, stall_seconds: float) -> None:
        data = self._out.read()
        if data:
            await self._stream.send_all(data, stall_seconds)


class Certificates:
    """One outer context that all handshakes begin with; the server name chooses the inner one."""

    def __init__(self, settings: Sequence[TlsSettings]) -> None:
        self._by_name: dict[str, ssl.SSLContext] = {}
        self.context = _context()
        self.load(settings)

    def load(self, settings: Sequence[TlsSettings]) -> None:
        """Replaces all certificates, or none.

        Raises ssl.SSLError when one is not good. Handshakes from now on.
        """
        default = _context()
        names: dict[str, ssl.SSLContext] = {}
        for number, entry in enumerate(settings):
            context = default if number == 0 else _context()
            _load_pem(context, entry)
            for name in entry.names or _names_of(context, entry.certificate):
                names[name.lower()] = context
        default.sni_callback = self._choose
        self.context, self._by_name = default, names

    def _choose(self, tls: ssl.SSLObject, name: str | None, _: ssl.SSLContext) -> None:
        if name:
            chosen = self._by_name.get(name.lower()) or self._by_name.get(
                "*." + name.lower().partition(".")[2]
            )
            if chosen is not None:
                tls.context = chosen


def _context() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    return context


def _names_of(context: ssl.SSLContext, certificate: str) -> list[str]:
    """The DNS names that the certificate is for: those that a client is shown who trusts just this one.

    The ssl module reads a certificate's names at no other place. Empty for one that is not valid now.
    """
    trusting = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    trusting.check_hostname = False
    trusting.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    trusting.load_verify_locations(cadata=certificate)
    up, down = ssl.MemoryBIO(), ssl.MemoryBIO()
    client, server = trusting.wrap_bio(down, up), context.wrap_bio(up, down, server_side=True)
    for end in (client, server, client):
        try:
            end.do_handshake()
        except ssl.SSLWantReadError:
            continue
        except ssl.SSLCertVerificationError:
            return []
    shown = client.getpeercert() or {}
    return [str(item[1]) for item in shown.get("subjectAltName", ()) if item[0] == "DNS"]


def _load_pem(context: ssl.SSLContext, entry: TlsSettings) -> None:
    """From texts: the process may have no right to read the files, and never needs their paths."""
    with _memory_file(entry.certificate) as certificate, _memory_file(entry.key) as key:
        context.load_cert_chain(f"/proc/self/fd/{certificate.fileno()}", f"/proc/self/fd/{key.fileno()}")


def _memory_file(text: str) -> TextIO:
    file = os.fdopen(os.memfd_create("pem", os.MFD_CLOEXEC), "w+", encoding="utf-8")
    file.write(text)
    file.flush()
    return file
