"""``Content-Range``: which part of how many objects a list is (as npm's ``loopback-content-range``).

Configuration: ``pattern`` (``["*.find"]``), ``relatedModels`` (True: lists of relations too),
``defaultLimit``, ``maxLimit``.
"""

from __future__ import annotations

from typing import Any

_TO_MANY = ("hasMany", "hasAndBelongsToMany", "embedsMany", "referencesMany")


def setup(app: Any, config: dict[str, Any]) -> None:
    default_limit = int(config.get("defaultLimit") or 0)
    max_limit = int(config.get("maxLimit") or 0)

    async def before_find(ctx: Any) -> None:
        name = ctx.model.definition.plural or ctx.model.name
        await _set_range(ctx, ctx.model, name, default_limit, max_limit)

    async def before_related(ctx: Any) -> None:
        name = ctx.method.name.removeprefix("__get__")
        relation = ctx.model.relations.get(name)
        if name != ctx.method.name and relation is not None and relation.kind in _TO_MANY:
            await _set_range(ctx, ctx.instance.relation(name), name, default_limit, max_limit)

    given = config.get("pattern")
    for pattern in given if isinstance(given, list) else ["*.find"]:
        app.remote_hooks.add("before", pattern, before_find)
    if config.get("relatedModels", True):
        app.remote_hooks.add("before", "*.prototype.*", before_related)


async def _set_range(ctx: Any, counted: Any, name: str, default_limit: int, max_limit: int) -> None:
    """Puts the limit into the filter and the range into the response."""
    filter = ctx.args["filter"] = dict(ctx.args.get("filter") or {})
    limit = filter.get("limit")
    if not isinstance(limit, int) or isinstance(limit, bool):
        limit = default_limit
    if max_limit and (limit > max_limit or limit == 0):
        limit = max_limit
    if limit:
        filter["limit"] = limit
    offset = int(filter.get("offset") or filter.get("skip") or 0)
    count = await counted.count(filter.get("where"))
    last = min(offset + (limit or count), count)
    ctx.response.set_header("Access-Control-Expose-Headers", "Content-Range")
    ctx.response.set_header("Content-Range", f"{name.lower()} {offset}-{last}/{count}")
