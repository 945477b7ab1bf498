"""An HTTP/1.1 server: one handler, any number of listeners.

In charge of: the life of connections and the order of responses on them. Must not know: what the handler
does. The workers and the control API serve with it. A response is one ``send``; a known head costs a
dictionary look-up.
"""

from __future__ import annotations

import json
import logging
import socket
from collections.abc import AsyncIterable, Awaitable, Callable

import trio

from mtgate.http1.accept import Acceptor
from mtgate.http1.connection import CutOff, Incoming, Limits
from mtgate.http1.framing import LAST_CHUNK, chunk, request_reader
from mtgate.http1.heads import RequestHead, RequestHeads
from mtgate.http1.message import EMPTY_BODY, Body, Peer, Request, Response, render_fields, status_line
from mtgate.http1.poller import Poller, poller_of_run
from mtgate.http1.stream import Stream, StreamBroken, StreamTimeout, client_of, peer_of
from mtgate.http1.strict import Refusal

logger = logging.getLogger(__name__)

Handler = Callable[[Request], Awaitable[Response]]

#: What a handler left of a body is read up to here, to keep the connection; beyond, it is closed.
LEFTOVER_BYTES = 64 * 1024
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
FORGET_SECONDS = 60.0

#: Ours to set.
_FRAMING = {b"connection", b"content-length", b"transfer-encoding", b"keep-alive", b"upgrade"}


class Server:
    """Serves listeners until cancelled, or until ``stop_accepting`` and its connections have ended."""

    poller: Poller  # of the run that it serves in

    def __init__(self, handler: Handler, limits: Limits | None = None) -> None:
        self.handler = handler
        self.limits = limits or Limits()
        self.in_flight = 0
        self.closing = False
        self.heads = RequestHeads(self.limits.head)
        self._accepting = True
        self._acceptors: list[Acceptor] = []
        self._connections: set[Connection] = set()
        self._changed = trio.Event()

    async def serve(
        self,
        listener: socket.socket | trio.socket.SocketType,
        *,
        task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
    ) -> None:
        """One call for each listener.

        Returns once ``stop_accepting`` was called and all connections have ended.
        """
        self.poller = poller_of_run()
        async with trio.open_nursery() as nursery:
            acceptor = Acceptor(
                listener,
                lambda sock, address: self._start(nursery, sock, address),
                self.limits.spare_descriptors,
            )
            if not self._accepting:
                acceptor.stop()
            if not self._acceptors:
                nursery.start_soon(self._forget_heads)
            self._acceptors.append(acceptor)
            task_status.started()
            await acceptor.run()
            await self.wait_drained()
            nursery.cancel_scope.cancel()

    def stop_accepting(self) -> None:
        """Nothing is accepted after this returned; what was accepted is served on."""
        self._accepting = False
        for acceptor in self._acceptors:
            acceptor.stop()
        self._notify()

    def close_idle(self) -> None:
        """Closes connections between two requests; the others close after the response they are at."""
        self.closing = True
        for connection in list(self._connections):
            connection.close_if_idle()

    async def wait_drained(self) -> None:
        """Until nothing is accepted any more and no connection is left."""
        while self._accepting or self._connections:
            await self._changed.wait()

    def _start(self, nursery: trio.Nursery, sock: socket.socket, address: object) -> None:
        if len(self._connections) >= self.limits.connections:
            sock.close()
            return
        connection = Connection(self, sock, address)
        self._connections.add(connection)
        nursery.start_soon(self._run, connection)

    async def _run(self, connection: Connection) -> None:
        try:
            await connection.run()
        except Exception:
            logger.exception("a connection failed")
        finally:
            connection.stream.close()
            self._connections.discard(connection)
            self._notify()

    def _notify(self) -> None:
        self._changed.set()
        self._changed = trio.Event()

    async def _forget_heads(self) -> None:
        while True:
            await trio.sleep(FORGET_SECONDS)
            self.heads.forget()


class Connection:
    """One client's connection: requests one after the other, each answered before the next is looked at."""

    def __init__(self, server: Server, sock: socket.socket, address: object) -> None:
        self.stream = Stream(server.poller, sock)
        self._server = server
        self._limits = server.limits
        self._incoming = Incoming(server.poller, self.stream, server.limits, server.heads.check_line)
        self._peer: Peer | None = peer_of(sock)
        self._client = client_of(sock, address)
        self._idle = True
        self._continue_wanted = False

    def close_if_idle(self) -> None:
        """Unless a request, or the beginning of one, has already arrived."""
        if self._idle and not self._incoming.buffer and not self.stream.has_pending_bytes():
            self.stream.close()

    async def run(self) -> None:
        """Until either end closes. A client that leaves for good cancels the handler that works for it."""
        with trio.CancelScope() as scope:
            self.stream.on_gone = scope.cancel
            try:
                while await self._exchange():
                    pass
            except Refusal as refusal:
                await self._refuse(refusal)
            except StreamTimeout:
                await self._refuse(Refusal(408, "the request did not come in time"))
            except (CutOff, StreamBroken):
                pass

    async def _exchange(self) -> bool:
        """One request and its response. True when the connection can be used again."""
        self._idle = True
        try:
            if not await self._incoming.begin(self._server.poller.now + self._limits.idle_timeout_seconds):
                return False
        except StreamTimeout:
            return False
        self._idle = False
        self._incoming.skip_empty_line()
        head = self._server.heads.parse(await self._incoming.head())
        self._server.in_flight += 1
        try:
            response = await self._server.handler(self._request(head))
            keep = head.keep_alive and not self._server.closing and not self._continue_wanted
            if isinstance(response.body, bytes):
                keep = keep and await self._skip_body()
            # A streamed response may be made of the request's body: what it leaves is looked at afterwards.
            keep = await self._send(head, response, keep) and await self._skip_body()
        except (Refusal, StreamTimeout, CutOff, StreamBroken):
            raise
        except Exception:
            logger.exception("the handler failed: %s", head.method.decode())
            raise Refusal(500, "internal error") from None
        finally:
            self._server.in_flight -= 1
        if not keep:
            await self._incoming.linger()
        return keep

    def _request(self, head: RequestHead) -> Request:
        framing = head.fields.framing
        body = EMPTY_BODY
        self._continue_wanted = False
        if head.has_body:
            self._incoming.begin_body(request_reader(framing.content_length, framing.chunked))
            self._continue_wanted = head.expects_continue
            body = Body(framing.content_length, self._receive_body)
        return Request(
            head.method.decode("ascii"),
            head.target.decode("ascii"),
            head.fields.headers,
            head.http_version.decode("ascii"),
            body,
            self._peer,
            self._client,
        )

    async def _receive_body(self) -> bytes:
        if self._continue_wanted:
            self._continue_wanted = False
            await self.stream.send_all(CONTINUE, self._limits.write_timeout_seconds)
        return await self._incoming.body()

    async def _skip_body(self) -> bool:
        """Reads what the handler left, to get at the next request. False when that is too much."""
        skipped = 0
        while not self._incoming.body_complete and skipped < LEFTOVER_BYTES:
            skipped += len(await self._incoming.body())
        return self._incoming.body_complete

    async def _send(self, head: RequestHead, response: Response, keep: bool) -> bool:
        """True when the connection can be used again: not after a body that only its end could end."""
        body, stall = response.body, self._limits.write_timeout_seconds
        fields = [item for item in response.headers if item[0] not in _FRAMING]
        length = b""
        bodiless = head.method == b"HEAD" or response.status in (204, 304)
        chunked = False
        if not isinstance(body, bytes):
            announced = [item for item in response.headers if item[0] == b"content-length"]
            chunked = not announced and head.http_version == b"1.1" and not bodiless
            fields += [(b"transfer-encoding", b"chunked")] if chunked else announced
            keep = keep and (chunked or bool(announced) or bodiless)
        elif response.status not in (204, 304):
            length = b"content-length: %d\r\n" % len(body)
        written = status_line(response.status) + render_fields(fields) + length
        lines = written + head.connection_field(keep) + b"\r\n"
        if isinstance(body, bytes):
            await self.stream.send_all(lines if bodiless else lines + body, stall)
        else:
            await self.stream.send_all(lines, stall)
            await self._send_pieces(body, chunked, bodiless)
        return keep

    async def _send_pieces(self, body: AsyncIterable[bytes], chunked: bool, bodiless: bool) -> None:
        stall = self._limits.write_timeout_seconds
        if not bodiless:
            async for piece in body:
                if piece:
                    await self.stream.send_all(chunk(piece) if chunked else piece, stall)
        if chunked:
            await self.stream.send_all(LAST_CHUNK, stall)

    async def _refuse(self, refusal: Refusal) -> None:
        """Says why, and closes in order."""
        document = {"title": refusal.reason, "status": refusal.status}
        body = json.dumps(document).encode()
        fields = [(b"content-type", b"application/problem+json"), (b"content-length", b"%d" % len(body))]
        head = status_line(refusal.status) + render_fields(fields) + b"Connection: close\r\n\r\n"
        try:
            await self.stream.send_all(head + body, self._limits.write_timeout_seconds)
            await self._incoming.linger()
        except (StreamBroken, StreamTimeout):
            self.stream.close()
