"""TimeStamp: when an object was created and last changed (as npm's ``loopback-ds-timestamp-mixin``).

Options: ``createdAt`` and ``updatedAt`` (property names), ``required`` (True), ``validateUpsert`` (False: the
model's own setting is switched off, since an upsert may lack both dates).
"""

from __future__ import annotations

import logging
from typing import Any

from tenant_runtime.model.construct import now
from tenant_runtime.model.definition import Property, PropertyType

log = logging.getLogger("tenant")


def mixin(Model: Any, options: dict[str, Any]) -> None:
    created = options.get("createdAt") or "createdAt"
    updated = options.get("updatedAt") or "updatedAt"
    required = options.get("required", True) is not False
    if not options.get("validateUpsert") and Model.settings.get("validateUpsert"):
        Model.settings["validateUpsert"] = False
        if not options.get("silenceWarnings"):
            log.warning("%s: TimeStamp switches validateUpsert off", Model.name)
    _define(Model, created, required, default_fn="now")
    _define(Model, updated, required)

    def stamp(ctx: Any) -> None:
        if ctx.options.get("skipUpdatedAt"):
            return
        holder = ctx.instance if ctx.instance is not None else ctx.data
        holder[updated] = now()

    Model.observe("before save", stamp)


def _define(Model: Any, name: str, required: bool, default_fn: str | None = None) -> None:
    raw: dict[str, Any] = {"type": "date", "required": required}
    if default_fn:
        raw["defaultFn"] = default_fn
    Model.define_property(
        Property(name, PropertyType("date"), required=required, default_fn=default_fn, raw=raw)
    )
