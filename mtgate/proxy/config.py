"""What a proxy process is told about itself.

In charge of: the shape of the feed's ``settings`` and of a tenant's limits, with the defaults of
docs/gateway.md. Must not know: where they come from (``[server]`` in mtgate.toml, ``limits`` in
tenant.json). Pure.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Self

from mtgate.http1.connection import Limits
from mtgate.http1.strict import HeadLimits


class _FromJson:
    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Self:
        """What the document does not name keeps its default; what it names and we do not know is not ours."""
        known = {item.name for item in fields(cls)}  # type: ignore[arg-type]
        return cls(**{name: value for name, value in document.items() if name in known})


@dataclass(frozen=True, slots=True)
class ListenerSettings(_FromJson):
    """One inherited listener; ``fd`` is its number in the proxy process."""

    fd: int
    tls: bool = False
    proxy_protocol: bool = False


@dataclass(frozen=True, slots=True)
class TlsSettings(_FromJson):
    """One certificate: PEM texts, and the server names it is for. The first one is the default."""

    certificate: str
    key: str
    names: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class ProxySettings(_FromJson):
    """The whole of it. Names as under ``[server]``; ``None`` lifts a limit."""

    listeners: list[dict[str, Any]] = field(default_factory=list)
    tls: list[dict[str, Any]] = field(default_factory=list)
    processes: int = 1
    sandbox: dict[str, Any] | None = None
    header_timeout_seconds: float = 10.0
    body_timeout_seconds: float = 30.0
    write_timeout_seconds: float = 30.0
    idle_timeout_seconds: float = 60.0
    upstream_timeout_seconds: float = 60.0
    connect_timeout_seconds: float = 2.0
    drain_timeout_seconds: float = 30.0
    max_request_line_bytes: int = 8 * 1024
    max_head_bytes: int = 32 * 1024
    max_headers: int = 100
    max_body_bytes: int | None = 10 * 1024 * 1024
    max_connections: int = 2000
    max_requests_per_connection: int = 10_000
    trusted_proxies: list[str] = field(default_factory=list)
    access_log: str = "off"
    server_timing: bool = True
    error_pages: dict[str, str] = field(default_factory=dict)

    @property
    def head_limits(self) -> HeadLimits:
        """Of requests; responses get the same."""
        return HeadLimits(self.max_head_bytes, self.max_request_line_bytes, self.max_headers)

    @property
    def limits(self) -> Limits:
        """Of one client connection."""
        return Limits(
            self.head_limits,
            self.header_timeout_seconds,
            self.body_timeout_seconds,
            self.idle_timeout_seconds,
            self.write_timeout_seconds,
            self.max_requests_per_connection,
            self.max_connections,
        )


@dataclass(frozen=True, slots=True)
class TenantLimits(_FromJson):
    """``limits`` of tenant.json, as far as they are the gateway's.

    ``None``: the gateway's own, or no limit.
    """

    max_body_bytes: int | None = None
    max_in_flight: int = 100
    max_queue: int = 100
    queue_timeout_seconds: float = 5.0
    upstream_timeout_seconds: float | None = None
    requests_per_second: float | None = None
    client_requests_per_second: float | None = None
