"""One request on its way to a worker, and the response on its way back.

In charge of: the order of things on two connections, both bodies with backpressure, retries, upgrades. Must
not know: routing, listeners, how the gateway's own answers look. What to do about a failure decides
``exchange``; how heads are rewritten, ``rewrite``.

A body that is whole within ``BUFFER_BYTES`` is read before the worker is bothered: slow senders do not
occupy it, and it can be sent again. Larger bodies are streamed.
"""

from __future__ import annotations

import math
import time

import outcome
import trio

from mtgate.http1.connection import CutOff, Incoming
from mtgate.http1.framing import LAST_CHUNK, CloseReader, chunk, response_reader
from mtgate.http1.heads import RequestHead, ResponseHead
from mtgate.http1.stream import ByteStream, Stream, StreamBroken, StreamTimeout
from mtgate.http1.strict import Refusal
from mtgate.proxy import rewrite
from mtgate.proxy.exchange import Failure, Progress, Step, after
from mtgate.proxy.gateway import Gateway
from mtgate.proxy.rewrite import CHUNKED, Trace
from mtgate.proxy.tunnel import keep_probing, tunnel
from mtgate.proxy.upstream import ConnectFailed, Tenant, Upstream

BUFFER_BYTES = 64 * 1024
MAX_INTERIM = 10


class UpstreamFailed(Exception):
    """The worker's side failed, and the client is still to be told."""

    def __init__(self, failure: Failure, detail: str) -> None:
        super().__init__(detail)
        self.failure = failure
        self.detail = detail


class ClientCut(Exception):
    """The response broke off after its head.

    All that can be done is to end the client's connection at once.
    """


class Exchange:
    """One exchange. Made with the client's side; ``run`` needs a tenant that has admitted it."""

    __slots__ = (
        "_admitted",
        "_body",
        "_client",
        "_forwarding",
        "_gateway",
        "_head",
        "_incoming",
        "_keep",
        "_progress",
        "_pump_fault",
        "_socket",
        "_stall",
        "_streaming",
        "_target",
        "_tenant",
        "received_bytes",
        "sent_bytes",
        "status",
        "trace",
        "upstream_seconds",
    )

    def __init__(
        self, gateway: Gateway, incoming: Incoming, sock: Stream, head: RequestHead, trace: Trace
    ) -> None:
        self.trace = trace
        self.status = 0
        self.received_bytes = 0
        self.sent_bytes = 0
        self.upstream_seconds: float | None = None
        self._gateway = gateway
        self._incoming = incoming
        self._client: ByteStream = incoming.stream
        self._socket = sock
        self._head = head
        self._stall = gateway.limits.write_timeout_seconds
        self._progress = Progress(head.method)
        self._pump_fault: Exception | None = None
        self._body = b""
        self._keep = False
        self._admitted = True
        self._streaming = False

    @property
    def retries(self) -> int:
        """Tries beyond the first."""
        return max(self._progress.tries - 1, 0)

    async def gather(self, limit_bytes: int | None) -> None:
        """Reads the body, up to BUFFER_BYTES. Raises Refusal, StreamTimeout, CutOff."""
        incoming, length = self._incoming, self._head.fields.framing.content_length
        if length is not None and limit_bytes is not None and length > limit_bytes:
            raise Refusal(413, f"a body may have at most {limit_bytes} bytes here")
        if self._head.expects_continue and not incoming.buffer:
            await self._client.send_all(b"HTTP/1.1 100 Continue\r\n\r\n", self._stall)
        if length is not None and length > BUFFER_BYTES:
            return
        pieces = []
        while not incoming.body_complete and self.received_bytes <= BUFFER_BYTES:
            piece = await incoming.body()
            pieces.append(piece)
            self.received_bytes += len(piece)
        self._body = b"".join(pieces)
        self._check_size(limit_bytes)

    def _check_size(self, limit_bytes: int | None) -> None:
        if limit_bytes is not None and self.received_bytes > limit_bytes:
            raise Refusal(413, f"a body may have at most {limit_bytes} bytes here")

    def leave(self, tenant: Tenant) -> None:
        """Gives back what the tenant has admitted.

        Once the answer streams only that is left to be counted.
        """
        if self._streaming:
            self._streaming = False
            tenant.streaming -= 1
        if self._admitted:
            self._admitted = False
            self._gateway.leave(tenant)
        else:
            self._gateway.check_drained(tenant.route.id)

    def _begin_streaming(self) -> None:
        self.leave(self._tenant)
        self._streaming = True
        self._tenant.streaming += 1

    async def run(self, tenant: Tenant, target: bytes, forwarding: bytes, keep: bool) -> bool:
        """Until the response is with the client. True when the client's connection can be used again.

        ``keep``: may it be? Raises UpstreamFailed, ClientCut, and what the client's side can raise.
        """
        self._tenant, self._target, self._forwarding, self._keep = tenant, target, forwarding, keep
        self._progress.replayable = self._incoming.body_complete
        return await self._tries()

    async def resume(
        self, tenant: Tenant, target: bytes, forwarding: bytes, body: bytes, upstream: Upstream
    ) -> bool:
        """As ``run``, when the request is already on its way on that connection, in use, and can be
        replayed.
        """
        self._tenant, self._target, self._forwarding, self._keep = tenant, target, forwarding, True
        self._body, self.received_bytes = body, len(body)
        self._progress.tries, self._progress.sent = 1, True
        try:
            return await self._finish(upstream)
        except UpstreamFailed as failed:
            self._consider(failed)
        return await self._tries()

    async def _tries(self) -> bool:
        while True:
            self._progress.tries += 1
            self._progress.sent = self._progress.received = False
            try:
                return await self._try()
            except UpstreamFailed as failed:
                self._consider(failed)

    def _consider(self, failed: UpstreamFailed) -> None:
        """Raises, unless it is to be tried again."""
        step = after(failed.failure, self._progress)
        if step is Step.CUT:
            raise ClientCut(failed.detail) from failed
        if step is Step.ANSWER:
            raise failed

    async def _try(self) -> bool:
        try:
            upstream = await self._tenant.connect(fresh=self._progress.wants_fresh_connection)
        except ConnectFailed as error:
            raise UpstreamFailed(Failure.CONNECT, str(error)) from error
        return await self._finish(upstream)

    async def _finish(self, upstream: Upstream) -> bool:
        """What is left of this try, on a connection in use."""
        reusable = False
        try:
            if not self._progress.replayable:
                keep, reusable = await self._stream(upstream)
            else:
                if not self._progress.sent:
                    await self._send_whole(upstream)
                keep, reusable = await self._answer(upstream)
        finally:
            if reusable:
                self._tenant.keep(upstream)
            else:
                self._tenant.drop(upstream)
        return keep

    # -- towards the worker

    def _request_head(self) -> bytes:
        head, length = self._head, None
        if head.has_body or self._body:
            framing = head.fields.framing
            length = len(self._body) if self._progress.replayable else framing.content_length
            length = CHUNKED if length is None else length
        elif head.fields.framing.content_length is not None or head.fields.framing.chunked:
            length = 0
        lines = rewrite.request_lines(head, self._forwarding, length)
        return rewrite.request_head(head.method, self._target, lines, self.trace)

    async def _send_whole(self, upstream: Upstream) -> None:
        try:
            await upstream.stream.send_all(self._request_head() + self._body, self._stall)
        except (StreamBroken, StreamTimeout) as error:
            raise UpstreamFailed(Failure.NOT_SENT, str(error)) from error
        self._progress.sent = True

    async def _stream(self, upstream: Upstream) -> tuple[bool, bool]:
        """Both directions at once: the worker may answer before it has read everything."""
        try:
            first = chunk(self._body) if self._body and self._head.fields.framing.chunked else self._body
            await upstream.stream.send_all(self._request_head() + first, self._stall)
        except (StreamBroken, StreamTimeout) as error:
            raise UpstreamFailed(Failure.NOT_SENT, str(error)) from error
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._pump, upstream)
            result = await outcome.acapture(self._answer, upstream)
            nursery.cancel_scope.cancel()
        if self._pump_fault is not None and not self._progress.answering:
            raise self._pump_fault
        return result.unwrap()

    async def _pump(self, upstream: Upstream) -> None:
        """The rest of the request's body. A fault of the client's ends the exchange; the worker's does not:
        it may have answered."""
        incoming, stream = self._incoming, upstream.stream
        chunked = self._head.fields.framing.chunked
        try:
            while piece := await incoming.body():
                self.received_bytes += len(piece)
                self._check_size(self._tenant.max_body_bytes)
                await self._push(stream, chunk(piece) if chunked else piece)
            if chunked:
                await self._push(stream, LAST_CHUNK)
            self._progress.sent = True
            stream.limit_reading(self._gateway.poller.now + self._tenant.upstream_timeout_seconds)
        except StreamBroken:
            pass
        except (Refusal, StreamTimeout, CutOff) as fault:
            self._pump_fault = fault
            stream.abort_reading(StreamBroken("the request's body is not whole"))

    async def _push(self, stream: Stream, data: bytes) -> None:
        try:
            await stream.send_all(data, self._stall)
        except StreamTimeout as error:
            stream.abort_reading(error)
            raise StreamBroken("the worker takes no more of the body") from error

    # -- towards the client

    async def _answer(self, upstream: Upstream) -> tuple[bool, bool]:
        """Reads the response and passes it on.

        Can the client's, and the worker's, connection be used again?
        """
        began = time.monotonic()
        with self._tenant.awaiting(upstream):
            response = await self._response_head(upstream)
        self.upstream_seconds = time.monotonic() - began
        self.status = response.status
        if response.status == 101:
            await self._upgrade(upstream, response)
            return False, False
        return await self._relay(upstream, response)

    async def _response_head(self, upstream: Upstream) -> ResponseHead:
        timeout = self._tenant.upstream_timeout_seconds
        deadline = self._gateway.poller.now + timeout if self._progress.sent else math.inf
        for _ in range(MAX_INTERIM):
            try:
                if not await upstream.incoming.begin(deadline):
                    raise UpstreamFailed(Failure.CLOSED, "the worker closed the connection")
                self._progress.received = True
                response = self._gateway.response_heads.parse(await upstream.incoming.head())
            except StreamTimeout as error:
                raise UpstreamFailed(Failure.TIMEOUT, f"no answer within {timeout:g} s") from error
            except (StreamBroken, CutOff) as error:
                raise UpstreamFailed(Failure.CLOSED, str(error)) from error
            except Refusal as refusal:
                raise UpstreamFailed(Failure.MALFORMED, refusal.reason) from refusal
            if response.status >= 200:
                return response
            if response.status == 101:
                if not rewrite.upgrades(self._head) or response.fields.upgrade is None:
                    raise UpstreamFailed(Failure.MALFORMED, "101 without a proposal to upgrade")
                return response
            await self._pass_interim(response)
        raise UpstreamFailed(Failure.MALFORMED, f"more than {MAX_INTERIM} interim answers")

    async def _pass_interim(self, response: ResponseHead) -> None:
        """All but 100, which the gateway says itself; HTTP/1.0 has none (RFC 9110 15.2)."""
        if response.status != 100 and self._head.http_version == b"1.1":
            await self._client.send_all(rewrite.response_head(response, None, b""), self._stall)

    async def _relay(self, upstream: Upstream, response: ResponseHead) -> tuple[bool, bool]:
        framing = response.fields.framing
        reader = response_reader(self._head.method, response.status, framing.content_length, framing.chunked)
        incoming = upstream.incoming
        incoming.begin_body(reader)
        length, must_close = rewrite.response_length(
            self._head.method, response, self._head.http_version == b"1.1"
        )
        chunked = length == CHUNKED
        keep = self._keep and not must_close and self._incoming.body_complete
        first = self._first_piece(incoming)
        self.sent_bytes = len(first)
        extra = self._extra(response) + self._head.connection_field(keep)
        data = rewrite.response_head(response, length, extra)
        data += chunk(first) if chunked and first else first
        if chunked and reader.complete:
            data += LAST_CHUNK
        self._progress.answering = True
        await self._client.send_all(data, self._stall)
        if not reader.complete:
            self._begin_streaming()
            await self._relay_rest(incoming, response, chunked)
        reusable = (
            not incoming.buffer
            and self._incoming.body_complete
            and self._progress.sent
            and not isinstance(reader, CloseReader)
            and response.http_version == b"1.1"
            and b"close" not in response.fields.connection
        )
        return keep, reusable

    def _first_piece(self, incoming: Incoming) -> bytes:
        try:
            return incoming.buffered_body()
        except Refusal as refusal:
            raise UpstreamFailed(Failure.MALFORMED, refusal.reason) from refusal

    async def _relay_rest(self, incoming: Incoming, response: ResponseHead, chunked: bool) -> None:
        events = _is_event_stream(response)
        if events:
            # Nothing may come for hours, and no client of events shuts one direction only.
            incoming.limits_pauses = False
            self._socket.leaves_by_half_close = True
        while piece := await self._next_piece(incoming):
            self.sent_bytes += len(piece)
            await self._client.send_all(chunk(piece) if chunked else piece, self._stall)
        if chunked:
            await self._client.send_all(LAST_CHUNK, self._stall)

    @staticmethod
    async def _next_piece(incoming: Incoming) -> bytes:
        try:
            return await incoming.body()
        except (Refusal, CutOff, StreamTimeout) as error:
            raise UpstreamFailed(Failure.CUT, str(error) or "no more of the answer came in time") from error

    def _extra(self, response: ResponseHead) -> bytes:
        return self._gateway.response_extra(response, self.trace.request_id, self.upstream_seconds or 0.0)

    async def _upgrade(self, upstream: Upstream, response: ResponseHead) -> None:
        self._progress.answering = True
        self._begin_streaming()
        await self._client.send_all(rewrite.switching_head(response, self._extra(response)), self._stall)
        keep_probing(self._socket.socket)
        self.sent_bytes += await tunnel(self._incoming, upstream.incoming, self._stall)


def _is_event_stream(response: ResponseHead) -> bool:
    return any(
        name == b"content-type" and value.lower().startswith(b"text/event-stream")
        for name, value in response.fields.headers
    )
