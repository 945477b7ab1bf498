"""Which tenant a request is for.

In charge of: routes, their table, and the words between daemon and proxy about them. Must not know: sockets,
connections, how a request is served. Pure.

The first path segment, as exact bytes, names the tenant; nothing is decoded. A host name that a tenant
claims leads to it with the whole path.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from typing import Any

from mtgate.proxy.config import TenantLimits

ACTIVE = "active"
ASLEEP = "asleep"
#: A tenant in one of these is about to serve, or may be: requests wait for it.
PENDING = frozenset({"activating", "auto-restart", "deactivating", ASLEEP})

#: No worker is left, and none will come by itself: nobody will answer what waits.
ENDED = frozenset({"inactive", "failed"})

#: Of a tenant that sets none; one for all of them.
NO_LIMITS = TenantLimits()


@dataclass(frozen=True, slots=True)
class Route:
    """One tenant as the proxies see it; ``state`` is a unit's, ``reason`` why it is not active."""

    id: str
    socket: str
    generation: int = 0
    state: str = ACTIVE
    hosts: tuple[str, ...] = ()
    reason: str = ""
    limits: TenantLimits = field(default_factory=TenantLimits)

    @property
    def serves(self) -> bool:
        """Can a request be sent now?"""
        return self.state == ACTIVE

    @property
    def ended(self) -> bool:
        """Is it of no use to wait for an answer any more?"""
        return self.state in ENDED

    @property
    def pending(self) -> bool:
        """May it serve soon?"""
        return self.state in PENDING


@dataclass(frozen=True, slots=True, eq=False)
class Mount:
    """Where a tenant is to be found: its route, and the prefix that is taken off a target (empty for a host).

    A change of the route makes a new one, so that what follows from a mount can be kept with it.
    """

    route: Route
    prefix: bytes


class RoutingTable:
    """All routes. One task changes it; a request keeps the mount it started with."""

    def __init__(self, routes: Iterable[Route] = ()) -> None:
        self._by_segment: dict[bytes, Mount] = {}
        self._by_host: dict[bytes, Mount] = {}
        for route in routes:
            self.set(route)

    def __len__(self) -> int:
        return len(self._by_segment)

    def get(self, tenant_id: str) -> Route | None:
        """The route of that tenant."""
        mount = self._by_segment.get(tenant_id.encode("ascii", "replace"))
        return mount.route if mount else None

    def ids(self) -> set[str]:
        """Of all tenants."""
        return {mount.route.id for mount in self._by_segment.values()}

    def set(self, route: Route) -> None:
        """Adds or replaces it. A host name goes to the tenant that claimed it last."""
        self._forget_hosts(route.id)
        segment = route.id.encode("ascii")
        self._by_segment[segment] = Mount(route, b"/" + segment)
        for host in route.hosts:
            self._by_host[host.lower().encode("ascii")] = Mount(route, b"")

    def remove(self, tenant_id: str) -> None:
        """Unknown ids are ignored."""
        self._forget_hosts(tenant_id)
        self._by_segment.pop(tenant_id.encode("ascii", "replace"), None)

    def _forget_hosts(self, tenant_id: str) -> None:
        old = self.get(tenant_id)
        for host in old.hosts if old else ():
            key = host.lower().encode("ascii")
            mount = self._by_host.get(key)
            if mount is not None and mount.route is old:
                del self._by_host[key]

    def match(self, target: bytes, host: bytes | None) -> tuple[Mount, bytes] | None:
        """For a target in origin form and the authority it was sent to: the mount, and what is left of the
        target.
        """
        if self._by_host and host:
            mount = self._by_host.get(host.rpartition(b":")[0].lower() or host.lower())
            mount = mount or self._by_host.get(host.lower())
            if mount is not None:
                return mount, target
        end = target.find(b"/", 1)
        mount = self._by_segment.get(target[1:end]) if end > 0 else None
        if mount is not None:
            return mount, target[end:]
        segment = first_segment(target)
        mount = self._by_segment.get(segment)
        return None if mount is None else (mount, b"/" + target[len(segment) + 1 :].removeprefix(b"/"))


def first_segment(target: bytes) -> bytes:
    """``/foo/x?y`` → ``foo``. Raw bytes up to the next slash or the query."""
    end = target.find(b"/", 1)
    segment = target[1:] if end < 0 else target[1:end]
    query = segment.find(b"?")
    return segment if query < 0 else segment[:query]


# -- the words of the feed


def route_to_json(route: Route) -> dict[str, Any]:
    """As it stands in the feed; limits that are the defaults are left out: most tenants have no others."""
    return {
        "id": route.id,
        "socket": route.socket,
        "generation": route.generation,
        "state": route.state,
        "hosts": route.hosts,
        "reason": route.reason,
        "limits": {} if route.limits == NO_LIMITS else asdict(route.limits),
    }


def route_from_json(document: dict[str, Any]) -> Route:
    """The inverse. Raises KeyError or TypeError for what is not a route."""
    limits = document.get("limits")
    return Route(
        id=document["id"],
        socket=document["socket"],
        generation=document.get("generation", 0),
        state=document.get("state", ACTIVE),
        hosts=tuple(document.get("hosts") or ()),
        reason=document.get("reason") or "",
        limits=TenantLimits.from_json(limits) if limits else NO_LIMITS,
    )


def encode(message: dict[str, Any]) -> bytes:
    """One line of the feed."""
    return json.dumps(message, separators=(",", ":")).encode("ascii") + b"\n"


class LineDecoder:
    """Bytes of the feed → messages."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> list[dict[str, Any]]:
        """The messages that are complete now. Raises ValueError for a line that is not JSON."""
        self._buffer += data
        *lines, rest = self._buffer.split(b"\n")
        self._buffer = bytearray(rest)
        return [json.loads(line) for line in lines]
