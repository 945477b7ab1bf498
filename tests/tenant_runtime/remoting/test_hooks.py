"""Which remote hooks run, and in which order."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from tenant_runtime.remoting.hooks import RemoteHooks, run_hooks

PATTERNS = [
    ("Order.find", "Order.find", True),
    ("Order.*", "Order.find", True),
    ("Order.*", "Order.prototype.save", False),
    ("Order.**", "Order.prototype.save", True),
    ("Order.prototype.*", "Order.prototype.save", True),
    ("*.find", "Order.find", True),
    ("**", "Order.prototype.save", True),
    ("Order.upsert", "Order.patchOrCreate", True),
    ("Order.prototype.updateAttributes", "Order.prototype.patchAttributes", True),
    ("Order.find", "Order.findOne", False),
    ("Order.prototype.__get__items", "Order.prototype.__get__items", True),
]


@pytest.mark.parametrize(("pattern", "method", "matches"), PATTERNS)
def test_patterns(pattern: str, method: str, matches: bool) -> None:
    hooks = RemoteHooks()
    hooks.add("before", pattern, lambda ctx: None)
    assert bool(hooks.find("before", method)) is matches
    assert not hooks.find("after", method)


async def test_exact_patterns_run_before_wildcards_then_in_order_of_registration() -> None:
    hooks, ran = RemoteHooks(), []

    def hook(name: str) -> Any:
        def run(ctx: Any, result: Any) -> None:
            ran.append(name)

        return run

    for name in ("**", "X.*", "X.find", "*.find", "X.find#2"):
        hooks.add("before", name.partition("#")[0], hook(name))
    await run_hooks(hooks.find("before", "X.find"), SimpleNamespace(result=None))
    assert ran == ["X.find", "X.find#2", "X.*", "*.find", "**"]


async def test_a_hook_may_be_a_coroutine_and_take_one_argument() -> None:
    hooks = RemoteHooks()
    ctx = SimpleNamespace(result=1)

    async def change(ctx: Any) -> None:
        ctx.result += 1

    hooks.add("after", "X.find", change)
    await run_hooks(hooks.find("after", "X.find"), ctx)
    assert ctx.result == 2
