"""``nestRemoting``: the target's relation methods under the relation's own path.

In charge of: declarations such as ``prototype.__get__chapters__notes`` and reaching the item in between.

Source: loopback ``Model.nestRemoting``.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

from tenant_runtime.model.javascript import UNDEFINED
from tenant_runtime.remoting.context import RemotingContext
from tenant_runtime.remoting.relation_methods import MULTIPLE
from tenant_runtime.remoting.shared_method import Argument, Route, SharedMethod

RELATION_METHOD = re.compile(r"__([^_]+)__([^_]+)\Z")


def nested_methods(
    model: Any, relation: Any, target_methods: list[SharedMethod], path: str | None = None, key: str = "nk"
) -> list[SharedMethod]:
    """One method for each relation method of the target; ``/:id/books/:nk/chapters`` and the like."""
    path = path or str(relation.options.get("path") or relation.name)
    multiple = relation.kind in MULTIPLE
    below = "/" + (f"{path}/:{key}" if multiple else path).lstrip("/")
    nested = []
    for method in target_methods:
        match = RELATION_METHOD.match(method.name)
        if method.is_static or not match:
            continue
        nested.append(
            replace(
                method,
                name=f"__{match[1]}__{relation.name}__{match[2]}",
                accepts=[*([nested_key(relation, key)] if multiple else []), *method.accepts],
                routes=[Route(route.verb, below + route.path) for route in method.routes],
                function=through(relation, method, key if multiple else None),
                delegate_to=method,
                aliases=(),
                class_name=model.name,
            )
        )
    return nested


def nested_key(relation: Any, key: str) -> Argument:
    raw = {
        "arg": key,
        "type": "any",
        "http": {"source": "path"},
        "description": f"Foreign key for {relation.name}.",
        "required": True,
    }
    return Argument(key, "any", "path", required=True, raw=raw)


def through(relation: Any, method: SharedMethod, key: str | None) -> Any:
    """Find the item, then run the target's method on it as if it had been addressed itself."""
    assert method.function is not None
    function = method.function

    async def run(ctx: RemotingContext) -> Any:
        scope = ctx.instance.relation(relation.name)
        if key is not None:
            item = await scope.find_by_id(ctx.args[key], options=ctx.options)
        else:
            item = await scope.get()
        if item is None:
            return UNDEFINED if not method.returns else None
        outer, ctx.instance = ctx.instance, item
        try:
            return await function(ctx)
        finally:
            ctx.instance = outer

    return run
