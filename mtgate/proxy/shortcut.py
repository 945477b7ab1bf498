"""The exchange that most are, without waking a task.

In charge of: requests that are there at once, whole and small, for a tenant that serves and has an idle
connection, with an answer that comes whole and in one piece. Both halves run in the poller's turn: no task
switch, no wait of its own. Must not know: anything difficult. Whatever is not as above is handed over to
the connection's task, which goes on from where the shortcut stands: before a request, or with the request
sent and whatever was received in the buffers.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

import trio

from mtgate.http1.connection import Incoming
from mtgate.http1.fields import Fields
from mtgate.http1.heads import RequestHead
from mtgate.http1.stream import StreamBroken, WatchedStream
from mtgate.http1.strict import Refusal
from mtgate.proxy import rewrite
from mtgate.proxy.access import Entry
from mtgate.proxy.gateway import Gateway
from mtgate.proxy.rewrite import Asker, Trace
from mtgate.proxy.routing import Mount
from mtgate.proxy.upstream import Tenant, Upstream

#: What takes longer is waited for by the task, with its deadlines.
PATIENCE_SECONDS = 1.0
MAX_BODY_BYTES = 32 * 1024


@dataclass(slots=True)
class Course:
    """What stays the same while a client sends the same field block to the same tenant.

    ``lines``: see ``rewrite.request_lines``.
    """

    fields: Fields
    mount: Mount
    tenant: Tenant
    lines: bytes


@dataclass(slots=True)
class Sent:
    """A request that is with a worker, and all that is needed to go on."""

    head: RequestHead
    body: bytes
    course: Course
    target: bytes
    upstream: Upstream
    trace: Trace
    began: float


class Shortcut:
    """One for each client connection. ``wait`` is the task's; the rest is called by the poller."""

    __slots__ = (
        "_asker",
        "_client",
        "_course",
        "_gateway",
        "_incoming",
        "_sent",
        "_task",
        "served",
        "unsent",
    )

    def __init__(self, gateway: Gateway, client: WatchedStream, incoming: Incoming, asker: Asker) -> None:
        #: Requests served here.
        self.served = 0
        #: What is left of an answer that the client did not take at once; the task's to send.
        self.unsent: bytes | None = None
        self._gateway = gateway
        self._client = client
        self._incoming = incoming
        self._asker = asker
        self._course: Course | None = None
        self._sent: Sent | None = None
        self._task: trio.lowlevel.Task | None = None

    @property
    def busy(self) -> bool:
        """Is a request with a worker?"""
        return self._sent is not None

    def interrupt(self) -> None:
        """Lets the task go on, if it waits here and no request is under way."""
        if self._sent is None and self._task is not None:
            self._hand_over()

    async def wait(self) -> Sent | None:
        """Serves until there is something for the task: a request to go on with, or None: look at the buffer.

        Cancelled, it leaves nothing in use.
        """
        self._client.watch(self._on_client, self._gateway.poller.now + PATIENCE_SECONDS)
        if self._incoming.buffer or (self._client.readable and not self._request_came()):
            self._client.watch(None)
            return None
        self._task = task = trio.lowlevel.current_task()

        def abort(_: object) -> trio.lowlevel.Abort:
            self._task = None
            self._gateway.poller.forget_wake(task)
            self._client.watch(None)
            if self._sent is not None:
                tenant = self._sent.course.tenant
                tenant.drop(self._sent.upstream)
                self._gateway.leave(tenant)
                self._sent = None
            return trio.lowlevel.Abort.SUCCEEDED

        await trio.lowlevel.wait_task_rescheduled(abort)
        sent, self._sent = self._sent, None
        return sent

    def _hand_over(self) -> None:
        self._client.watch(None)
        if self._sent is not None:
            self._sent.upstream.stream.watch(None)
        task, self._task = self._task, None
        if task is not None:
            self._gateway.poller.wake(task)

    # -- a request

    def _on_client(self) -> None:
        """Something came, or nothing for some time. During an exchange both can wait for its end."""
        if self._sent is None and not self._request_came():
            self._hand_over()

    def _request_came(self) -> bool:
        """Takes what has come and sends it on.

        False: it is the task's; what was received is in the buffer.
        """
        incoming, gateway = self._incoming, self._gateway
        try:
            data = self._client.receive_nowait()
        except StreamBroken:
            return False
        if not data:
            return False
        incoming.buffer = data
        end = data.find(b"\r\n\r\n") + 4
        if end < 4 or gateway.closing:
            return False
        try:
            head = gateway.heads.parse(data[:end])
        except Refusal:
            return False
        if head.whole_bytes != len(data) - end or head.whole_bytes > MAX_BODY_BYTES:
            return False
        found = gateway.table.match(head.target, head.host)
        if found is None or not self._send(head, data[end:], *found):
            return False
        incoming.buffer = b""
        return True

    def _send(self, head: RequestHead, body: bytes, mount: Mount, target: bytes) -> bool:
        gateway, course = self._gateway, self._course
        if course is None or course.fields is not head.fields or course.mount is not mount:
            course = self._take_course(head, mount)
        tenant = course.tenant
        if body and tenant.max_body_bytes is not None and len(body) > tenant.max_body_bytes:
            return False
        upstream = tenant.begin_nowait()
        if upstream is None:
            return False
        trace = gateway.trace_of(head.fields) if self._asker.trusted else gateway.trace()
        data = rewrite.request_head(head.method, target, course.lines, trace) + body
        try:
            unsent = upstream.stream.send_nowait(data)
        except StreamBroken:
            unsent = data
        if unsent is not None:
            # Nothing was answered and nothing complete was sent: the task begins anew on another connection.
            tenant.drop(upstream)
            gateway.leave(tenant)
            return False
        now = gateway.poller.now
        self._sent = Sent(head, body, course, target, upstream, trace, now)
        upstream.stream.watch(self._on_upstream, now + PATIENCE_SECONDS)
        return True

    def _take_course(self, head: RequestHead, mount: Mount) -> Course:
        forwarding = rewrite.forwarding_fields(head, self._asker, mount.prefix)
        lines = rewrite.request_lines(head, forwarding, head.fields.framing.content_length)
        self._course = Course(head.fields, mount, self._gateway.tenant(mount.route), lines)
        return self._course

    # -- its answer

    def _on_upstream(self) -> None:
        sent = self._sent
        if sent is None:
            return
        try:
            data = sent.upstream.stream.receive_nowait()
        except StreamBroken:
            data = None
        if not data or not self._answer(sent, data):
            if data:
                sent.upstream.incoming.buffer = data
            self._hand_over()
        elif self.unsent is not None or (self._client.readable and not self._request_came()):
            self._hand_over()

    def _answer(self, sent: Sent, data: bytes) -> bool:
        gateway = self._gateway
        end = data.find(b"\r\n\r\n") + 4
        if end < 4:
            return False
        try:
            response = gateway.response_heads.parse(data[:end])
        except Refusal:
            return False
        size = len(data) - end
        if response.whole_bytes != size:
            return False
        seconds = gateway.poller.now - sent.began
        extra = gateway.response_extra(response, sent.trace.request_id, seconds)
        answer = b"".join((rewrite.whole_response_head(response), extra, b"\r\n", data[end:]))
        self._sent = None
        tenant = sent.course.tenant
        tenant.keep(sent.upstream)
        gateway.leave(tenant)
        self.served += 1
        try:
            self.unsent = self._client.send_nowait(answer)
        except StreamBroken:
            self.unsent = answer  # The task finds out.
        tenant.counters.count(response.status, len(sent.body), size, seconds)
        if gateway.logs_access:
            gateway.log(self._describe(sent, response.status, size, seconds))
        return True

    def _describe(self, sent: Sent, status: int, size: int, seconds: float) -> Entry:
        return Entry(
            time.time(),
            self._asker.address,
            sent.head,
            sent.course.mount.route.id,
            status,
            len(sent.body),
            size,
            seconds,
            seconds,
            0,
            "",
            sent.trace.request_id,
        )
