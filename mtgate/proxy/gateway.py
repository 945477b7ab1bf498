"""What all connections of one proxy process share.

In charge of: the routing table and what follows from its changes, tenants, counters, ids of requests, the
access log. Must not know: how a request is read or forwarded, where reports go.
"""

from __future__ import annotations

import ipaddress
import re
import secrets
import struct
import time
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Any

from mtgate.http1.fields import Fields
from mtgate.http1.heads import RequestHeads, ResponseHead, ResponseHeads
from mtgate.http1.poller import Poller
from mtgate.http1.strict import HeadLimits
from mtgate.proxy import access, rewrite
from mtgate.proxy.config import ProxySettings
from mtgate.proxy.rewrite import Trace
from mtgate.proxy.routing import Route, RoutingTable
from mtgate.proxy.upstream import Counters, Tenant

Report = Callable[[dict[str, Any]], None]

_REQUEST_ID = re.compile(rb"[0-9A-Za-z._-]{1,128}\Z")
_TRACEPARENT = re.compile(rb"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}\Z")

#: Lines of the access log that are made at one go: so many take less than a millisecond.
LINES_AT_ONCE = 128
#: Ids that are drawn at one go.
TRACES_AT_ONCE = 256


class Gateway:
    """One for each proxy process; ``report`` sends a message to the daemon."""

    def __init__(self, poller: Poller, settings: ProxySettings, report: Report) -> None:
        self.poller = poller
        self.settings = settings
        self.limits = settings.limits
        self.report = report
        self.table = RoutingTable()
        self.heads = RequestHeads(settings.head_limits)
        self.response_heads = ResponseHeads(
            HeadLimits(settings.max_head_bytes, fields=2 * settings.max_headers)
        )
        self.closing = False
        self.connections = 0
        self.unrouted = Counters()
        self._tenants: dict[str, Tenant] = {}
        self._draining: set[tuple[str, int]] = set()
        #: Fresh ids for a request.
        self.trace = _traces().__next__
        self._entries: list[access.Entry] = []
        self._times = settings.server_timing
        self.logs_access = settings.access_log in access.FORMATS
        self._format = access.FORMATS.get(settings.access_log)
        self._trusted = _Trusted(settings.trusted_proxies)
        self._date = (0, b"")

    # -- routes

    def tenant(self, route: Route) -> Tenant:
        """The tenant of that route, made when first asked for."""
        tenant = self._tenants.get(route.id)
        if tenant is None:
            tenant = Tenant(route, self.poller, self.settings, self._wake)
            self._tenants[route.id] = tenant
        return tenant

    def set_route(self, route: Route) -> None:
        """Adds or changes a tenant; reports when nothing uses its old generation any more."""
        old = self.table.get(route.id)
        self.table.set(route)
        tenant = self._tenants.get(route.id)
        if tenant is not None:
            tenant.update(route)
        if old is not None and old.generation != route.generation:
            self._draining.add((route.id, old.generation))
            self.check_drained(route.id)

    def remove_route(self, tenant_id: str) -> None:
        """Requests under way are finished."""
        self.table.remove(tenant_id)
        tenant = self._tenants.pop(tenant_id, None)
        if tenant is not None:
            tenant.update(Route(tenant_id, tenant.route.socket, tenant.route.generation, "removed"))

    def snapshot(self, routes: list[Route]) -> None:
        """Exactly these are the routes."""
        for tenant_id in self.table.ids() - {route.id for route in routes}:
            self.remove_route(tenant_id)
        for route in routes:
            self.set_route(route)

    def check_drained(self, tenant_id: str) -> None:
        """Reports generations of that tenant that are not in use any more."""
        for waiting in [item for item in self._draining if item[0] == tenant_id]:
            tenant = self._tenants.get(tenant_id)
            if tenant is None or not tenant.pool.uses(waiting[1]):
                self._draining.discard(waiting)
                self.report({"op": "drained", "id": tenant_id, "generation": waiting[1]})

    def leave(self, tenant: Tenant) -> None:
        """Gives back the place of a request that the tenant has admitted."""
        tenant.leave()
        if self._draining:
            self.check_drained(tenant.route.id)

    def _wake(self, tenant_id: str) -> None:
        self.report({"op": "wake", "id": tenant_id})

    # -- what a request needs

    def trace_of(self, fields: Fields) -> Trace:
        """A trusted proxy's ids, as far as they are well-formed; else fresh ones."""
        fresh = self.trace()
        request_id = fields.value(b"x-request-id") or b""
        traceparent = fields.value(b"traceparent") or b""
        return Trace(
            request_id if _REQUEST_ID.match(request_id) else fresh.request_id,
            traceparent if _TRACEPARENT.match(traceparent) else fresh.traceparent,
        )

    def trusts(self, address: str) -> bool:
        """Are this peer's claims about who asked believed?"""
        return address in self._trusted

    def date(self) -> bytes:
        """The Date field, rendered once a second."""
        now = int(time.time())
        if now != self._date[0]:
            stamp = time.strftime("%a, %d %b %Y %H:%M:%S GMT", time.gmtime(now))
            self._date = (now, b"Date: " + stamp.encode("ascii") + b"\r\n")
        return self._date[1]

    def response_extra(self, response: ResponseHead, request_id: bytes, upstream_seconds: float) -> bytes:
        """Fields that the gateway adds to a worker's response."""
        timing = _server_timing(int(10_000 * upstream_seconds)) if self._times else b""
        date = b"" if rewrite.has_date(response.fields) else self.date()
        return b"".join((b"X-Request-Id: ", request_id, b"\r\n", timing, date))

    def log(self, entry: access.Entry) -> None:
        """One line, sent with the next flush, or with some hundred others."""
        if self._format is not None:
            self._entries.append(entry)
            if len(self._entries) >= LINES_AT_ONCE:
                self.flush_log()

    # -- now and then

    def flush_log(self) -> None:
        """Hands up the lines."""
        if self._format is not None and self._entries:
            lines = list(map(self._format, self._entries))
            self._entries.clear()
            self.report({"op": "access", "lines": lines})

    def report_activity(self) -> None:
        """Which tenants were asked for, or are at work, and what was counted."""
        counted: dict[str, Any] = {}
        active: dict[str, int] = {}
        for tenant_id, tenant in self._tenants.items():
            if tenant.counters.requests or tenant.in_flight or tenant.streaming:
                active[tenant_id] = tenant.counters.requests
            if tenant.counters.requests:
                counted[tenant_id] = _counters_to_json(tenant.counters)
                tenant.counters = Counters()
            tenant.trim()
        if active:
            self.report({"op": "activity", "ids": active})
        if counted or self.unrouted.requests:
            unrouted, self.unrouted = _counters_to_json(self.unrouted), Counters()
            self.report(
                {"op": "counters", "tenants": counted, "unrouted": unrouted, "connections": self.connections}
            )

    def forget(self) -> None:
        """Heads that were not seen lately."""
        self.heads.forget()
        self.response_heads.forget()
        rewrite.forget()
        access.forget()


@lru_cache(maxsize=1024)
def _server_timing(tenths: int) -> bytes:
    return b"Server-Timing: worker;dur=%d.%d\r\n" % divmod(tenths, 10)


def _traces() -> Iterator[Trace]:
    """Random ids without end (W3C Trace Context), drawn many at a time: a call for each costs more."""
    while True:
        drawn = secrets.token_hex(24 * TRACES_AT_ONCE).encode("ascii")
        for ids in struct.iter_unpack("32s16s", drawn):
            yield Trace(ids[0], b"-".join((b"00", *ids, b"01")))


def _counters_to_json(counters: Counters) -> dict[str, Any]:
    return {
        "requests": counters.requests,
        "received_bytes": counters.received_bytes,
        "sent_bytes": counters.sent_bytes,
        "retries": counters.retries,
        "refused": counters.refused,
        "upstream_seconds": counters.upstream_seconds,
        "statuses": {str(status): count for status, count in counters.statuses.items()},
    }


class _Trusted:
    """Addresses and networks; ``unix`` for peers on Unix sockets."""

    def __init__(self, texts: list[str]) -> None:
        self._local = "unix" in texts
        self._networks = [ipaddress.ip_network(text, strict=False) for text in texts if text != "unix"]

    def __contains__(self, address: str) -> bool:
        if address == "unix":
            return self._local
        if not self._networks:
            return False
        parsed = ipaddress.ip_address(address.partition("%")[0])
        return any(parsed in network for network in self._networks)
