"""SoftDelete: deleted objects are marked and no longer found (as npm's ``loopback-softdelete-mixin``).

Options: ``deletedAt`` and ``_isDeleted`` (property names), ``scrub`` (True, or a list of properties that
are set to null). A filter with ``"deleted": true`` finds the marked ones too. Unlike the package, deleting
still runs the delete hooks, so that CascadeDelete works on such models.
"""

from __future__ import annotations

from typing import Any

from tenant_runtime.model.construct import now
from tenant_runtime.model.definition import Property, PropertyType


def mixin(Model: Any, options: dict[str, Any]) -> None:
    deleted_at = options.get("deletedAt") or "deletedAt"
    is_deleted = options.get("_isDeleted") or "_isDeleted"
    scrubbed = _scrubbed(Model, options.get("scrub"), is_deleted)
    date = Property(deleted_at, PropertyType("date"), raw={"type": "date"})
    flag = Property(
        is_deleted,
        PropertyType("boolean"),
        required=True,
        has_default=True,
        default=False,
        raw={"type": "boolean", "required": True, "default": False},
    )
    Model.define_property(date)
    Model.define_property(flag)
    not_deleted = {"or": [{is_deleted: False}, {is_deleted: None}]}

    def narrow(ctx: Any) -> None:
        # A derived model has this observer twice, its base's and its own: the first one takes the wish.
        wanted = ctx.hookState.setdefault("withDeleted", bool(ctx.query.pop("deleted", False)))
        if not wanted:
            where = ctx.query.get("where")
            ctx.query["where"] = {"and": [where, not_deleted]} if where else not_deleted

    Model.observe("access", narrow)
    Model.deletion_marks = lambda: {**dict.fromkeys(scrubbed), deleted_at: now(), is_deleted: True}


def _scrubbed(Model: Any, scrub: Any, is_deleted: str) -> list[str]:
    if not scrub:
        return []
    if isinstance(scrub, list):
        return [str(name) for name in scrub]
    properties = Model.definition.properties
    return [name for name, prop in properties.items() if not prop.is_id and name != is_deleted]
