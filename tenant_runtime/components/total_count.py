"""``X-Total-Count``: how many objects match, beside a page of them (as npm's ``loopback3-xtotalcount``).

Configuration: ``pattern``: the remote methods, ``["*.find"]`` when absent.
"""

from __future__ import annotations

from typing import Any


def setup(app: Any, config: dict[str, Any]) -> None:
    given = config.get("pattern")
    for pattern in given if isinstance(given, list) else ["*.find"]:
        app.remote_hooks.add("after", pattern, add_header)


async def add_header(ctx: Any) -> None:
    filter = ctx.args.get("filter")
    where = filter.get("where") if isinstance(filter, dict) else None
    ctx.response.set_header("X-Total-Count", str(await ctx.model.count(where)))
