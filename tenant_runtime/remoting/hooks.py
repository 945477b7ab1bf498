"""Remote hooks: what runs before and after remote methods.

In charge of: patterns, their order, and calling. Must not know: requests, models. A pattern is a method
string with ``*`` for one part and ``**`` for any number: ``Order.find``, ``Order.prototype.*``, ``**``.

Order, as in the original's listener tree: exact parts before ``*`` before ``**``, from the left; then
registration.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from typing import Any, Literal

When = Literal["before", "after", "afterError"]
Hook = Callable[..., Any]

#: Old names of methods; the original lets hooks on them silently never fire.
ALIASES = {
    "upsert": "patchOrCreate",
    "updateOrCreate": "patchOrCreate",
    "updateAttributes": "patchAttributes",
    "destroyById": "deleteById",
    "removeById": "deleteById",
    "update": "updateAll",
    "patchOrCreateWithWhere": "upsertWithWhere",
}


def canonical(pattern: str) -> str:
    head, _, last = pattern.rpartition(".")
    return f"{head}.{ALIASES.get(last, last)}" if head else pattern


def pattern_regex(pattern: str) -> re.Pattern[str]:
    parts = [{"*": r"[^.]+", "**": r".+"}.get(part, re.escape(part)) for part in pattern.split(".")]
    return re.compile(r"\.".join(parts) + r"\Z")


def specificity(pattern: str) -> tuple[int, ...]:
    return tuple({"*": 1, "**": 2}.get(part, 0) for part in pattern.split("."))


class RemoteHooks:
    """Registered hooks; the ones of a method are looked up once and kept until another is added."""

    def __init__(self) -> None:
        self._hooks: list[tuple[When, str, re.Pattern[str], Hook]] = []
        self._found: dict[tuple[When, str], tuple[Hook, ...]] = {}

    def add(self, when: When, pattern: str, hook: Hook) -> None:
        pattern = canonical(pattern)
        self._hooks.append((when, pattern, pattern_regex(pattern), accepting_two(hook)))
        self._found.clear()

    def find(self, when: When, method_string: str) -> tuple[Hook, ...]:
        key = (when, method_string)
        found = self._found.get(key)
        if found is None:
            matching = [
                (specificity(pattern), index, hook)
                for index, (kind, pattern, regex, hook) in enumerate(self._hooks)
                if kind == when and regex.match(method_string)
            ]
            found = self._found[key] = tuple(
                hook for _, _, hook in sorted(matching, key=lambda item: item[:2])
            )
        return found


def accepting_two(hook: Hook) -> Hook:
    """``fn(ctx)`` may be given where ``fn(ctx, result)`` is called."""
    try:
        parameters = inspect.signature(hook).parameters.values()
    except (TypeError, ValueError):
        return hook
    positional = [p for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    if len(positional) >= 2 or any(p.kind is p.VAR_POSITIONAL for p in parameters):
        return hook
    return lambda ctx, result: hook(ctx)


async def settle(value: Any) -> Any:
    """The value of a function that may have been asynchronous."""
    return await value if inspect.isawaitable(value) else value


async def run_hooks(hooks: tuple[Hook, ...], ctx: Any) -> None:
    for hook in hooks:
        await settle(hook(ctx, ctx.result))
