"""A connection to a single MongoDB server for the event loop.

In charge of: opening it, and messages around documents. Only plain connections to one server are made: no
TLS, no accounts, no replica sets, which are pymongo's. Must not know: what a command is for.

Source: MongoDB wire protocol, ``OP_MSG``: a header of four numbers, flags, one section with a document.
"""

from __future__ import annotations

import socket
import struct
from itertools import count
from typing import Any

import bson
from bson.errors import BSONError

from tenant_runtime.connectors.base import NeedsThread
from tenant_runtime.connectors.mongodb.commands import Command
from tenant_runtime.connectors.mongodb.mapping import Document

OP_MSG = 2013
HEAD = struct.Struct("<iiiiIB")  # length, request, answer to, opcode, flags, kind of section
DOCUMENT_BYTES = 16 * 1024 * 1024  # the server's limit for a document; a command with one may be longer
RECEIVE_BYTES = 64 * 1024

Address = tuple[str, int | None]


class UnexpectedReply(ValueError):
    """What came is no reply to what was sent."""


class Conversation:
    """See the module (``connectors.base.Talk``). An answer is the bytes of the reply's document."""

    def __init__(self, sock: socket.socket) -> None:
        self.socket = sock
        self._numbers = count(1)
        self._pieces: list[bytes] = []
        self._size = 0
        self._wanted = HEAD.size

    def ask(self, question: Command) -> bytes:
        try:
            document = bson.encode(question.document)
        except (BSONError, OverflowError, UnicodeError) as error:  # for the thread to deal with
            raise NeedsThread from error
        if len(document) > DOCUMENT_BYTES:
            raise NeedsThread("the command may be too long")
        self._pieces, self._size, self._wanted = [], 0, HEAD.size
        return HEAD.pack(HEAD.size + len(document), next(self._numbers), 0, OP_MSG, 0, 0) + document

    def take(self, data: bytes) -> bool:
        self._pieces.append(data)
        self._size += len(data)
        if self._size < self._wanted:
            return False
        if self._wanted == HEAD.size:
            self._pieces = [b"".join(self._pieces)]
            self._wanted, _, _, opcode, _, kind = HEAD.unpack_from(self._pieces[0])
            if opcode != OP_MSG or kind != 0 or self._wanted <= HEAD.size:
                raise UnexpectedReply(f"opcode {opcode}, section of kind {kind}")
        if self._size > self._wanted:
            raise UnexpectedReply("more than one reply")
        return self._size == self._wanted

    def answer(self) -> bytes:
        return b"".join(self._pieces)[HEAD.size :]

    def close(self) -> None:
        self.socket.close()


def opened(address: Address, seconds: float) -> Conversation | None:
    """A new connection, greeted; None when the server wants more than that. Raises OSError."""
    sock = connected(address, seconds)
    try:
        talk = Conversation(sock)
        hello: Any = exchanged(talk, Command({"hello": 1, "$db": "admin"}, dict))
        if hello.get("ok") != 1 or "setName" in hello or hello.get("maxWireVersion", 0) < 6:
            talk.close()
            return None
    except BaseException:
        sock.close()
        raise
    sock.setblocking(False)
    return talk


def connected(address: Address, seconds: float) -> socket.socket:
    host, port = address
    if port is None:
        sock = socket.socket(socket.AF_UNIX)
        sock.settimeout(seconds)
        sock.connect(host)
        return sock
    sock = socket.create_connection((host, port), timeout=seconds)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    return sock


def exchanged(talk: Conversation, command: Command) -> Document:
    """A command's reply, waiting for it. Raises OSError."""
    talk.socket.sendall(talk.ask(command))
    while True:
        data = talk.socket.recv(RECEIVE_BYTES)
        if not data:
            raise ConnectionResetError("the server closed the connection")
        if talk.take(data):
            return bson.decode(talk.answer())
