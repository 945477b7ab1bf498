"""Folders in tenants/ that appear and vanish.

In charge of: looking, and what follows. Must not know: the control API, or how a tenant is made.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import trio

from mtgate.errors import GateError, words_of
from mtgate.supervisor import reconcile
from mtgate.supervisor.desired import Wanted
from mtgate.supervisor.roster import Roster
from mtgate.supervisor.services import Services
from mtgate.supervisor.tenant import Tenant
from mtgate.supervisor.unit import State
from mtgate.tenantdir.files import last_change
from mtgate.tenantdir.layout import is_tenant_id

logger = logging.getLogger(__name__)

#: Between two looks at the tenants' folder: one stat, whatever their number.
SCAN_SECONDS = 1.0
#: A folder that is being copied changes more often.
SETTLED_SECONDS = 1.0


class Folders:
    """One tenants/ folder, compared with the roster."""

    def __init__(self, services: Services, roster: Roster) -> None:
        self._services = services
        self._paths = services.paths
        self._roster = roster
        self._scanned_mtime = -1
        self._sockets_mtime = -1

    async def watch_forever(self) -> None:
        """Notices folders that appear in or vanish from tenants/, and sockets whose files vanish."""
        while True:
            await trio.sleep(SCAN_SECONDS)
            try:
                if _mtime(self._paths.tenants) != self._scanned_mtime:
                    await self.scan(SETTLED_SECONDS)
                if _mtime(self._paths.sockets) != self._sockets_mtime:
                    await self._look_at_sockets()
            except OSError as error:
                # a file system that is away for a moment is no reason to stop what runs
                logger.error("%s cannot be scanned: %s", self._paths.tenants, words_of(error))

    async def _look_at_sockets(self) -> None:
        async with self._roster.changing:
            seen = _mtime(self._paths.sockets)
            self._paths.sockets.mkdir(parents=True, exist_ok=True, mode=0o755)
            await self._roster.rebind_lost()
            self._sockets_mtime = seen

    async def scan(self, settled_seconds: float = 0.0) -> None:
        """Takes up what appeared and has not changed for so long: it may still be copied."""
        async with self._roster.changing:
            self._scanned_mtime = _mtime(self._paths.tenants)
            names = await trio.to_thread.run_sync(self._names)
            records = self._services.desired.tenants
            left = {name for name in names if name in records and records[name].desired == "removed"}
            for name in [name for name, wanted in records.items() if wanted.desired == "removed"]:
                if name not in names:
                    del records[name]
            difference = reconcile.compare(names - left, self._roster.tenants.keys())
            for tenant_id in difference.vanished:
                await self._vanished(self._roster.tenants[tenant_id])
            settled = [name for name in difference.appeared if await self._settled(name, settled_seconds)]
            if len(settled) < len(difference.appeared):
                self._scanned_mtime = -1  # look again
            unknown = [name for name in settled if name not in records or records[name].uid is None]
            next_uid = self._services.desired.next_uid
            made = [self._appeared(tenant_id) for tenant_id in settled]
            appeared = [tenant for tenant in made if tenant is not None]
            if unknown or difference.vanished:
                appeared = await self._recorded(appeared, unknown, next_uid)
        for tenant in appeared:
            self._take_up(tenant)

    async def _recorded(self, appeared: list[Tenant], unknown: list[str], next_uid: int) -> list[Tenant]:
        """Those whose record is on disk, before anything of theirs runs; the others wait."""
        try:
            await self._services.desired.commit()
        except OSError as error:
            logger.error("new tenants wait: %s", words_of(error))
        else:
            return appeared
        self._scanned_mtime, self._services.desired.next_uid = -1, next_uid
        for tenant in [tenant for tenant in appeared if tenant.id in unknown]:
            self._roster.unmake(tenant)
            tenant.wanted.uid = None
        return [tenant for tenant in appeared if tenant.id not in unknown]

    async def _settled(self, tenant_id: str, seconds: float) -> bool:
        """Whether nothing in a folder changed for so long."""
        if not seconds:
            return True
        changed = await trio.to_thread.run_sync(last_change, self._paths.tenant_dir(tenant_id))
        return abs(time.time() - changed) >= seconds  # the clock may have been put back

    def _names(self) -> set[str]:
        with os.scandir(self._paths.tenants) as entries:
            return {
                entry.name
                for entry in entries
                if is_tenant_id(entry.name) and entry.is_dir(follow_symlinks=False)
            }

    def _appeared(self, tenant_id: str) -> Tenant | None:
        wanted = self._services.desired.tenants.get(tenant_id) or Wanted()
        try:
            return self._roster.make(tenant_id, wanted)
        except GateError as error:
            logger.error("tenant %s not taken up: %s", tenant_id, error)
            return None

    def _take_up(self, tenant: Tenant) -> None:
        state = reconcile.first_state(tenant.wanted.desired, asleep=tenant.wanted.asleep)
        try:
            tenant.read_config()
        except GateError as error:
            logger.error("tenant %s: %s", tenant.id, error)
        record = self._roster.records.pop(tenant.id, None)
        if record is not None and (record.workers or state is not State.ACTIVATING):
            tenant.take_over(record)
            if state is State.INACTIVE and record.workers:  # of a start or stop that was cut short
                self._services.nursery.start_soon(self._quietly, tenant.id, "stop", tenant.stop)
            return
        tenant.take_up(State.INACTIVE if state is State.ACTIVATING else state)
        if state is State.ACTIVATING:
            self._services.nursery.start_soon(self._quietly, tenant.id, "start", tenant.start)

    async def _vanished(self, tenant: Tenant) -> None:
        logger.info("tenant %s: its folder vanished, it is removed", tenant.id)
        tenant.gone = True
        await tenant.remove()
        self._roster.unmake(tenant)
        del self._services.desired.tenants[tenant.id]
        self._services.events.tell("removed", tenant.id)

    async def _quietly(self, tenant_id: str, word: str, command: Callable[[], Awaitable[object]]) -> None:
        try:
            await command()
        except (GateError, OSError) as error:
            logger.error("tenant %s did not %s: %s", tenant_id, word, error)
        except Exception:  # the root of a unit's task: no tenant's folder may end the daemon
            logger.exception("tenant %s did not %s", tenant_id, word)


def _mtime(folder: Path) -> int:
    """-1 for one that is not there."""
    try:
        return os.stat(folder).st_mtime_ns
    except OSError:
        return -1
