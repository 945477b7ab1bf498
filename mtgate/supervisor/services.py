"""What all tenants share. In charge of: nothing but holding it together."""

from __future__ import annotations

from dataclasses import dataclass, field

import trio

from mtgate.paths import Paths
from mtgate.service_manager import DescriptorStore
from mtgate.supervisor.desired import DesiredState
from mtgate.supervisor.events import Events
from mtgate.supervisor.history import History
from mtgate.supervisor.launcher import Launcher
from mtgate.supervisor.listeners import Sleepers
from mtgate.supervisor.process import Children
from mtgate.supervisor.routes import Routes
from mtgate.tenantdir.schema import TenantConfig


@dataclass(slots=True)
class Services:
    """One of each for the whole daemon; `starts` bounds how many tenants start at once."""

    paths: Paths
    defaults: TenantConfig
    events: Events
    desired: DesiredState
    history: History
    launcher: Launcher
    children: Children
    sleepers: Sleepers
    routes: Routes
    starts: trio.CapacityLimiter
    nursery: trio.Nursery
    store: DescriptorStore = field(default_factory=DescriptorStore)
