"""The components that come with the runtime, by the names that ``component-config.json`` uses.

Each is ``module:function`` with ``function(app, config)``, imported only when an app names it. A tenant's own
``components/*.py`` have a function ``setup(app, config)``.
"""

from __future__ import annotations

BUILT_IN: dict[str, str] = {
    "loopback-component-explorer": "tenant_runtime.explorer.page:setup",
    "loopback-content-range": "tenant_runtime.components.content_range:setup",
    "loopback-xtotalcount": "tenant_runtime.components.total_count:setup",
    "loopback3-xtotalcount": "tenant_runtime.components.total_count:setup",
}
