"""The components that come with the runtime, by the names that ``component-config.json`` uses.

The explorer is not here: it is a layer of its own (``explorer``). A tenant's own ``components/*.py`` have a
function ``setup(app, config)``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tenant_runtime.components import content_range, total_count

Component = Callable[[Any, dict[str, Any]], None]

BUILTIN: dict[str, Component] = {
    "loopback3-xtotalcount": total_count.setup,
    "loopback-xtotalcount": total_count.setup,
    "loopback-content-range": content_range.setup,
}
