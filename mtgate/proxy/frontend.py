"""One client's connection, from accept to close.

In charge of: TLS and PROXY protocol at its beginning, requests one after the other, refusals and the
gateway's own answers, how it ends. Must not know: workers; ``forward`` does what has to do with them.
"""

from __future__ import annotations

import logging
import socket
import ssl
import time
from collections.abc import Awaitable
from dataclasses import dataclass

import trio

from mtgate.http1.connection import CutOff, Incoming
from mtgate.http1.framing import LengthReader, request_reader
from mtgate.http1.heads import RequestHead
from mtgate.http1.message import status_line
from mtgate.http1.stream import Stream, StreamBroken, StreamTimeout, WatchedStream, client_of
from mtgate.http1.strict import Refusal
from mtgate.proxy import access, pages, rewrite
from mtgate.proxy.exchange import STATUSES, Failure
from mtgate.proxy.forward import ClientCut, Exchange, UpstreamFailed
from mtgate.proxy.gateway import Gateway
from mtgate.proxy.proxy_protocol import read_header
from mtgate.proxy.rewrite import Asker
from mtgate.proxy.shortcut import Sent, Shortcut
from mtgate.proxy.tls import TlsStream
from mtgate.proxy.upstream import Tenant, Unavailable

logger = logging.getLogger(__name__)

#: What a refused request left of its body is read up to here, to keep the connection.
LEFTOVER_BYTES = 64 * 1024
#: The client left before it had its answer: nobody sees this status but the log.
CLIENT_GONE = 499


@dataclass(slots=True)
class Own:
    """An answer of the gateway's own."""

    status: int
    code: str
    detail: str
    retry_after_seconds: float = 0.0


#: A client that has just connected is about to ask: the end of a process, or a shortage of connections, must
#: not close on it. A kept connection may be closed between requests (RFC 9112 9.5), its client asks again.
FIRST_REQUEST_SECONDS = 1.0


class ClientConnection:
    """Owns the socket."""

    def __init__(
        self,
        gateway: Gateway,
        sock: socket.socket,
        address: object,
        tls: ssl.SSLContext | None,
        proxy_protocol: bool,
    ) -> None:
        self._gateway = gateway
        self._socket = Stream(gateway.poller, sock)
        self._stream: WatchedStream = self._socket
        self._tls = tls
        self._proxy_protocol = proxy_protocol
        self._address = client_of(sock, address)
        self._asker = self._asker_at(self._address)
        self._incoming = self._incoming_from(self._stream)
        self._shortcut: Shortcut | None = None
        self._requests = 0
        self._accepted = gateway.poller.now
        self._entry: tuple[RequestHead, Exchange, Tenant | None, float] | None = None
        self.idle = True

    def _incoming_from(self, stream: WatchedStream) -> Incoming:
        gateway = self._gateway
        return Incoming(gateway.poller, stream, gateway.limits, gateway.heads.check_line)

    def _asker_at(self, address: str) -> Asker:
        scheme = b"https" if self._tls else b"http"
        return Asker(address.encode("ascii", "replace"), scheme, self._gateway.trusts(address))

    def close_if_idle(self) -> bool:
        """Unless a request, or the beginning of one, has already arrived, or the first is on its way.

        True when it was closed.
        """
        busy = not self.idle or (self._shortcut is not None and self._shortcut.busy)
        fresh = self._requests + self._served == 0
        if fresh and self._gateway.poller.now < self._accepted + FIRST_REQUEST_SECONDS:
            return False
        if busy or self._incoming.buffer or self._socket.has_pending_bytes():
            return False
        self.abandon()
        return True

    def abandon(self) -> None:
        """Closes it at once."""
        self._socket.close()
        if self._shortcut is not None:
            self._shortcut.interrupt()

    async def run(self) -> None:
        """Until either end closes. A client that leaves for good cancels what is done for it."""
        with trio.CancelScope() as scope:
            self._socket.on_gone = scope.cancel
            try:
                await self._prepare()
                while await self._next():
                    pass
            except Refusal as refusal:
                await self._refuse(refusal)
            except StreamTimeout:
                await self._refuse(Refusal(408, "the request did not come in time"))
            except ClientCut as cut:
                self._log_entry(str(cut))
                self._socket.reset_on_close()
            except (CutOff, StreamBroken, ssl.SSLError) as error:
                self._log_entry(f"connection lost: {error}", CLIENT_GONE)
        if scope.cancelled_caught:
            self._log_entry("the client left", CLIENT_GONE)
        self._socket.close()

    async def _prepare(self) -> None:
        if self._proxy_protocol:
            await self._read_proxy_header()
        if self._tls is not None:
            deadline = self._gateway.poller.now + self._gateway.limits.header_timeout_seconds
            stream = TlsStream(self._socket, self._tls, self._incoming.buffer)
            await stream.handshake(deadline, self._gateway.limits.write_timeout_seconds)
            self._stream = stream
            self._incoming = self._incoming_from(stream)
        self._shortcut = Shortcut(self._gateway, self._stream, self._incoming, self._asker)

    async def _next(self) -> bool:
        """The next exchange that needs this task. True when the connection can be used again."""
        shortcut = self._shortcut
        assert shortcut is not None
        self.idle = True
        sent = await shortcut.wait()
        if shortcut.unsent is not None:
            self.idle = False
            await self._stream.send_all(shortcut.unsent, self._gateway.limits.write_timeout_seconds)
            shortcut.unsent = None
            return True
        return await self._exchange() if sent is None else await self._resume(sent)

    async def _read_proxy_header(self) -> None:
        deadline = self._gateway.poller.now + self._gateway.limits.header_timeout_seconds
        buffer = b""
        while (header := read_header(buffer)) is None:
            data = await self._socket.receive(deadline)
            if not data:
                raise CutOff("the connection ended within the PROXY protocol header")
            buffer += data
        address, length = header
        self._incoming.buffer = buffer[length:]
        if address is not None:
            self._address = address
            self._asker = self._asker_at(address)

    @property
    def _served(self) -> int:
        return self._shortcut.served if self._shortcut else 0

    # -- one request

    async def _exchange(self) -> bool:
        """One request and its response. True when the connection can be used again."""
        gateway, incoming = self._gateway, self._incoming
        self.idle = True
        try:
            if not await incoming.begin(gateway.poller.now + gateway.limits.idle_timeout_seconds):
                return False
        except StreamTimeout:
            return False
        self.idle = False
        incoming.skip_empty_line()
        head = gateway.heads.parse(await incoming.head())
        self._requests += 1
        framing = head.fields.framing
        incoming.begin_body(request_reader(framing.content_length, framing.chunked))
        trace = gateway.trace_of(head.fields) if self._asker.trusted else gateway.trace()
        exchange = Exchange(gateway, incoming, self._socket, head, trace)
        self._entry = (head, exchange, None, time.monotonic())
        keep = (
            head.keep_alive
            and not gateway.closing
            and self._requests + self._served < gateway.limits.requests_per_connection
        )
        keep = await self._serve(head, exchange, keep)
        self._log_entry("")
        if not keep:
            await incoming.linger()
        return keep

    async def _resume(self, sent: Sent) -> bool:
        """Goes on with what the shortcut began."""
        self.idle = False
        self._requests += 1
        head, tenant = sent.head, sent.course.tenant
        self._incoming.begin_body(LengthReader(0))
        exchange = Exchange(self._gateway, self._incoming, self._socket, head, sent.trace)
        self._entry = (head, exchange, tenant, sent.began)
        forwarding = rewrite.forwarding_fields(head, self._asker, sent.course.mount.prefix)
        forward = exchange.resume(tenant, sent.target, forwarding, sent.body, sent.upstream)
        keep = await self._forwarded(head, exchange, tenant, forward, True)
        self._log_entry("")
        if not keep:
            await self._incoming.linger()
        return keep

    async def _serve(self, head: RequestHead, exchange: Exchange, keep: bool) -> bool:
        gateway = self._gateway
        found = gateway.table.match(head.target, head.host)
        if found is None:
            return await self._answer_unrouted(head, exchange, keep)
        mount, target = found
        tenant = gateway.tenant(mount.route)
        self._entry = (head, exchange, tenant, time.monotonic())
        try:
            tenant.check_state()
            tenant.check_rate(self._asker.address)
            if head.has_body:
                await exchange.gather(tenant.max_body_bytes)
            await tenant.admit()
        except Unavailable as error:
            return await self._turn_away(head, exchange, tenant, error, keep)
        forwarding = rewrite.forwarding_fields(head, self._asker, mount.prefix)
        forward = exchange.run(tenant, target, forwarding, keep)
        return await self._forwarded(head, exchange, tenant, forward, keep)

    async def _forwarded(
        self, head: RequestHead, exchange: Exchange, tenant: Tenant, forward: Awaitable[bool], keep: bool
    ) -> bool:
        """Awaits an exchange that the tenant has admitted; what fails before the answer is answered here."""
        try:
            return await forward
        except UpstreamFailed as failed:
            status = STATUSES[failed.failure]
            detail = f'tenant "{tenant.route.id}": {failed.failure.value} ({failed.detail})'
            code = failed.failure.name.lower().replace("_", "-")
            keep = keep and failed.failure is not Failure.MALFORMED
            return await self._answer(head, exchange, Own(status, f"worker-{code}", detail, 1.0), keep)
        except Unavailable as error:
            return await self._turn_away(head, exchange, tenant, error, keep)
        finally:
            exchange.leave(tenant)

    # -- the gateway's own answers

    async def _turn_away(
        self, head: RequestHead, exchange: Exchange, tenant: Tenant, error: Unavailable, keep: bool
    ) -> bool:
        tenant.counters.refused += 1
        own = Own(error.status, error.code, error.detail, error.retry_after_seconds)
        return await self._answer(head, exchange, own, keep)

    async def _answer_unrouted(self, head: RequestHead, exchange: Exchange, keep: bool) -> bool:
        path = head.target.partition(b"?")[0]
        if head.target == b"*":
            return await self._send(head, exchange, 204, b"", b"", b"Allow: GET, HEAD, POST\r\n", keep)
        if path == b"/":
            content_type, body = pages.index(head.fields.value(b"accept"))
            return await self._send(head, exchange, 200, content_type, body, b"", keep)
        name = path[1:].partition(b"/")[0][:64].decode("ascii", "replace")
        own = Own(404, "unknown-tenant", f'there is no tenant "{name}" here')
        return await self._answer(head, exchange, own, keep)

    async def _answer(self, head: RequestHead, exchange: Exchange, own: Own, keep: bool) -> bool:
        """A problem document or a page; and when to come back."""
        content_type, body = pages.problem(
            own.status,
            own.code,
            own.detail,
            exchange.trace.request_id.decode("ascii"),
            head.fields.value(b"accept"),
            self._gateway.settings.error_pages,
        )
        extra = b""
        if own.retry_after_seconds:
            extra = b"Retry-After: %d\r\n" % max(1, round(own.retry_after_seconds + 0.5))
        return await self._send(head, exchange, own.status, content_type, body, extra, keep, own.detail)

    async def _send(
        self,
        head: RequestHead,
        exchange: Exchange,
        status: int,
        content_type: bytes,
        body: bytes,
        extra: bytes,
        keep: bool,
        reason: str = "",
    ) -> bool:
        # A client that waits for 100 may send its body or not, now that it gets another answer.
        keep = keep and not head.expects_continue and await self._skip_body()
        lines = status_line(status) + self._gateway.date()
        lines += b"X-Request-Id: %b\r\n%b" % (exchange.trace.request_id, extra)
        if status != 204:
            lines += b"Content-Type: %b\r\nContent-Length: %d\r\n" % (content_type, len(body))
        lines += head.connection_field(keep) + b"\r\n"
        exchange.status, exchange.sent_bytes = status, len(body)
        data = lines if head.method == b"HEAD" else lines + body
        await self._stream.send_all(data, self._gateway.limits.write_timeout_seconds)
        self._log_entry(reason)
        return keep

    async def _skip_body(self) -> bool:
        """Reads what is left of a body, to get at the next request. False when that is too much."""
        skipped = 0
        while not self._incoming.body_complete and skipped < LEFTOVER_BYTES:
            skipped += len(await self._incoming.body())
        return self._incoming.body_complete

    async def _refuse(self, refusal: Refusal) -> None:
        """Says why, and closes in order (the twelfth part of the gate's work)."""
        gateway = self._gateway
        if self._entry is None:
            gateway.unrouted.refused += 1
            gateway.unrouted.count(refusal.status, 0, 0, 0.0)
        request_id = gateway.trace().request_id
        content_type, body = pages.problem(
            refusal.status, "bad-request", refusal.reason, request_id.decode("ascii"), None, {}
        )
        lines = status_line(refusal.status) + gateway.date()
        lines += b"Content-Type: %b\r\nContent-Length: %d\r\n" % (content_type, len(body))
        lines += b"X-Request-Id: %b\r\nConnection: close\r\n\r\n" % request_id
        self._log_entry(refusal.reason, refusal.status)
        try:
            await self._stream.send_all(lines + body, gateway.limits.write_timeout_seconds)
            await self._incoming.linger()
        except (StreamBroken, StreamTimeout):
            pass

    # -- what happened

    def _log_entry(self, reason: str, status: int = 0) -> None:
        """Counts and logs the request that is under way, once."""
        if self._entry is None:
            return
        head, exchange, tenant, began = self._entry
        self._entry = None
        exchange.status = status or exchange.status
        counters = tenant.counters if tenant else self._gateway.unrouted
        counters.count(
            exchange.status,
            exchange.received_bytes,
            exchange.sent_bytes,
            exchange.upstream_seconds or 0.0,
        )
        counters.retries += exchange.retries
        if self._gateway.logs_access:
            self._gateway.log(self._describe(head, exchange, tenant, began, reason))

    def _describe(
        self, head: RequestHead, exchange: Exchange, tenant: Tenant | None, began: float, reason: str
    ) -> access.Entry:
        return access.Entry(
            when=time.time(),
            client=self._asker.address,
            head=head,
            tenant=tenant.route.id if tenant else None,
            status=exchange.status,
            received_bytes=exchange.received_bytes,
            sent_bytes=exchange.sent_bytes,
            duration_seconds=time.monotonic() - began,
            upstream_seconds=exchange.upstream_seconds,
            retries=exchange.retries,
            reason=reason,
            request_id=exchange.trace.request_id,
        )
