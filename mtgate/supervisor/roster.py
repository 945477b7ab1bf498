"""The table of tenants: their records, their sockets.

In charge of: making a tenant known with its socket, and taking that back. Must not know: why one comes or
goes, or what happens inside a unit.
"""

from __future__ import annotations

import functools
import logging
import os
import socket
from pathlib import Path

import trio

from mtgate.errors import GateError, UnknownTenant
from mtgate.service_manager import tenant_name
from mtgate.supervisor import crash_point
from mtgate.supervisor.desired import Wanted
from mtgate.supervisor.handover import TenantRecord
from mtgate.supervisor.listeners import PathTaken, bind_own
from mtgate.supervisor.services import Services
from mtgate.supervisor.tenant import Tenant

logger = logging.getLogger(__name__)


class Roster:
    """`changing` is held by whoever adds or removes; `records` are what the program before us left."""

    def __init__(self, services: Services, tenants: dict[str, Tenant]) -> None:
        self._services = services
        self._paths = services.paths
        self._isolation = services.launcher.isolation
        self.tenants = tenants
        self.changing = trio.Lock()
        self.records: dict[str, TenantRecord] = {}

    def tenant(self, tenant_id: str) -> Tenant:
        """The tenant, or UnknownTenant."""
        try:
            return self.tenants[tenant_id]
        except KeyError:
            raise UnknownTenant(tenant_id) from None

    def make(self, tenant_id: str, wanted: Wanted) -> Tenant:
        """The record and its socket; nothing on disk but the socket and the folder's owner."""
        desired = self._services.desired
        crash_point.passing("add.before-socket")
        if wanted.uid is None and self._isolation.uid_base is not None:
            wanted.uid = self._next_uid(tenant_id)
        path = str(self._paths.tenant_socket(tenant_id))
        record = self.records.get(tenant_id)
        try:
            listener = self._listener(tenant_id, path, wanted.uid, record)
        except (OSError, PathTaken) as error:
            raise GateError(f"no socket for tenant {tenant_id}: {error}", tenant=tenant_id) from error
        tenant = Tenant(tenant_id, path, listener, wanted, self._services)
        self.tenants[tenant_id] = tenant
        desired.tenants[tenant_id] = wanted
        crash_point.passing("add.after-socket")
        return tenant

    def _next_uid(self, tenant_id: str) -> int:
        """Never one that was used: files of a removed tenant must not become another's."""
        desired = self._services.desired
        for number in range(desired.next_uid + 1, self._isolation.uid_count):
            uid = self._isolation.uid_of(number)
            if uid is not None:
                desired.next_uid = number
                return uid
        raise GateError(
            f"no user id is left for tenant {tenant_id}: all {self._isolation.uid_count} from "
            f"{self._isolation.uid_base} on have been used",
            tenant=tenant_id,
            hint="raise uid_count under [supervisor] in mtgate.toml",
        )

    def _listener(
        self, tenant_id: str, path: str, uid: int | None, record: TenantRecord | None
    ) -> socket.socket:
        """The one handed over, or kept by the service manager while its path is there, or a new one."""
        store, name = self._services.store, tenant_name(tenant_id)
        if record is not None:
            store.leave(name)
            return socket.socket(fileno=record.listener)
        number = store.take(name)
        if number is not None:
            kept = socket.socket(fileno=number)
            kept.setblocking(False)
            if kept.getsockname() == path and os.path.exists(path):
                return kept
            kept.close()
            store.drop(name)
        return self._bind(tenant_id, path, uid)

    def _bind(self, tenant_id: str, path: str, uid: int | None) -> socket.socket:
        listener = bind_own(path, uid, self._isolation.uid_base)
        self._services.store.keep(tenant_name(tenant_id), listener.fileno())
        return listener

    async def rebind_lost(self) -> None:
        """New sockets for tenants whose sockets' files somebody has removed."""
        for tenant in [one for one in self.tenants.values() if not os.path.lexists(one.socket_path)]:
            logger.warning("tenant %s: the file of its socket is gone, another is made", tenant.id)
            self._services.store.drop(tenant_name(tenant.id))
            bind = functools.partial(self._bind, tenant.id, tenant.socket_path, tenant.wanted.uid)
            await tenant.rebind(bind)

    def unmake(self, tenant: Tenant) -> None:
        """Takes back `make`, but for the record in the desired state."""
        del self.tenants[tenant.id]
        self._services.sleepers.remove(tenant.listener)
        self._services.routes.forget(tenant.id)
        self._services.store.drop(tenant_name(tenant.id))
        Path(tenant.socket_path).unlink(missing_ok=True)
        tenant.listener.close()
        tenant.journal.close()
