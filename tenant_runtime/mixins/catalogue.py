"""The mixins that come with the runtime, by the names that models' ``mixins`` use.

Each module has ``mixin(Model, options)``, as a tenant's own ``mixins/*.py`` do, and is imported only when a
model names it.
"""

from __future__ import annotations

import importlib
from typing import Any

BUILT_IN: dict[str, str] = {
    "CascadeDelete": "tenant_runtime.mixins.cascade_delete",
    "Computed": "tenant_runtime.mixins.computed",
    "Counts": "tenant_runtime.mixins.counts",
    "SoftDelete": "tenant_runtime.mixins.soft_delete",
    "TimeStamp": "tenant_runtime.mixins.time_stamp",
}


def apply_mixin(name: str, model: Any, options: Any) -> bool:
    """Mixes it in; False when there is no such mixin. ``options`` are those of the model's JSON."""
    module = BUILT_IN.get(name)
    if module is None:
        return False
    importlib.import_module(module).mixin(model, options if isinstance(options, dict) else {})
    return True
