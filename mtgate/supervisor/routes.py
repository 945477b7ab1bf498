"""What a tenant asks of the gateway.

In charge of: the interface only. The daemon's feed of the proxies fulfils it; `Unrouted` serves a supervisor
without proxies.
"""

from __future__ import annotations

from typing import Protocol


class Routes(Protocol):
    """Told of every change; asked to wait for the proxies."""

    def publish(self, tenant_id: str) -> None:
        """The tenant's state, generation or configuration changed."""

    def forget(self, tenant_id: str) -> None:
        """The tenant is gone."""

    async def wait_drained(self, tenant_id: str, generation: int) -> None:
        """Returns when no proxy uses a connection to that generation any more."""


class Unrouted:
    """No proxies: nothing to tell, nothing to wait for."""

    def publish(self, tenant_id: str) -> None:
        """Nobody to tell."""

    def forget(self, tenant_id: str) -> None:
        """Nobody to tell."""

    async def wait_drained(self, tenant_id: str, generation: int) -> None:
        """Nobody to wait for."""
