"""Computed: properties whose values are worked out when an object is loaded, and never stored.

As npm's ``loopback-ds-computed-mixin``. Options: ``properties``: name → the model's method (static, sync or
async) that is given the loaded data.
"""

from __future__ import annotations

import inspect
import logging
from typing import Any

log = logging.getLogger("tenant")


def mixin(Model: Any, options: dict[str, Any]) -> None:
    properties = options.get("properties")
    wanted: dict[str, str] = properties if isinstance(properties, dict) else {}

    async def compute(ctx: Any) -> None:
        if ctx.isNewInstance:
            return
        for name, method in wanted.items():
            function = getattr(Model, method, None)
            if function is None:
                log.warning("%s: Computed property %s has no method %s", Model.name, name, method)
                continue
            value = function(ctx.data)
            ctx.data[name] = await value if inspect.isawaitable(value) else value

    def leave_out(ctx: Any) -> None:
        for name in wanted:
            if ctx.instance is not None:
                ctx.instance.unset_attribute(name)
            if ctx.data is not None:
                ctx.data.pop(name, None)

    Model.observe("loaded", compute)
    Model.observe("before save", leave_out)
