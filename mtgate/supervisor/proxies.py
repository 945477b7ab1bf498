"""The gateway as the tenants see it: their routes out, activity and wake-ups in.

In charge of: turning units into the proxies' routes. Must not know: how a request is proxied.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from pathlib import Path

import trio

from mtgate.proxy.config import TenantLimits
from mtgate.proxy.feed import ProxyFeed
from mtgate.proxy.routing import Route
from mtgate.supervisor.rotating import RotatingFile
from mtgate.supervisor.tenant import Tenant

logger = logging.getLogger(__name__)


class ProxyRoutes:
    """`Routes` by a feed of proxy processes; `find` gives the tenant of an id."""

    def __init__(self, feed: ProxyFeed, find: Callable[[str], Tenant | None]) -> None:
        self._feed = feed
        self._find = find

    def publish(self, tenant_id: str) -> None:
        """Tells every proxy the tenant's route as it is now."""
        tenant = self._find(tenant_id)
        if tenant is not None:
            self._feed.set(route(tenant))

    def forget(self, tenant_id: str) -> None:
        """The route goes away."""
        self._feed.remove(tenant_id)

    async def wait_drained(self, tenant_id: str, generation: int) -> None:
        """Until no proxy uses a connection to that generation."""
        await self._feed.wait_drained(tenant_id, generation)

    def wake(self, tenant_id: str) -> None:
        """A request waits at a proxy for a tenant that sleeps."""
        tenant = self._find(tenant_id)
        if tenant is not None:
            tenant.first_connection()

    def active(self, requests: Mapping[str, int]) -> None:
        """These tenants were asked, or are at work."""
        now = trio.current_time()
        for tenant_id in requests:
            tenant = self._find(tenant_id)
            if tenant is not None:
                tenant.last_active = now


_LIMITS = tuple(field.name for field in fields(TenantLimits))


def route(tenant: Tenant) -> Route:
    """What a proxy must know of one tenant."""
    limits = tenant.config.limits
    return Route(
        id=tenant.id,
        socket=tenant.socket_path,
        generation=tenant.serving_generation,
        state=tenant.state.value,
        hosts=tuple(tenant.config.hosts),
        reason=tenant.reason or "",
        limits=TenantLimits(**{name: getattr(limits, name) for name in _LIMITS}),
    )


class AccessLog:
    """Lines from all proxies, in one file; a full disk costs lines, not requests."""

    def __init__(self, path: Path, max_bytes: int, keep: int) -> None:
        self._file = RotatingFile(path, max_bytes, keep)

    def write(self, lines: Sequence[str]) -> None:
        """Appends whole lines."""
        try:
            self._file.write("".join(f"{line}\n" for line in lines).encode())
        except OSError as error:
            self._file.close()
            logger.warning("the access log cannot be written: %s", error.strerror)
