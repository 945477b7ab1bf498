"""Operation hooks: who observes "before save" and the rest, and the context they get.

In charge of: registration, the order (base model first, then the model, in registration order, one after
another; juggler ``observer.js``) and the context's members with LoopBack's names. Must not know: what an
operation does; ``dao`` makes the contexts and reads the changes back.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Awaitable, Callable
from typing import Any

import trio

Observer = Callable[["HookContext"], Awaitable[None] | None]

OPERATIONS = (
    "access",
    "before save",
    "persist",
    "loaded",
    "after save",
    "before delete",
    "after delete",
)

_ALIASES = {
    "model": "Model",
    "current_instance": "currentInstance",
    "is_new_instance": "isNewInstance",
    "hook_state": "hookState",
}


class HookContext:
    """What an observer is given. Members that an operation does not have are None.

    ``hookState`` is one dict along one operation; ``options`` are those of the caller (``accessToken``,
    ``transaction``, …). Names in snake case (``is_new_instance``) are the same members.
    """

    __slots__ = (
        "Model",
        "currentInstance",
        "data",
        "hookState",
        "info",
        "instance",
        "isNewInstance",
        "options",
        "query",
        "where",
    )

    def __init__(
        self, Model: Any, options: dict[str, Any], hookState: dict[str, Any], **members: Any
    ) -> None:
        self.Model = Model
        self.options = options
        self.hookState = hookState
        self.instance: Any = members.get("instance")
        self.data: Any = members.get("data")
        self.where: Any = members.get("where")
        self.query: Any = members.get("query")
        self.currentInstance: Any = members.get("currentInstance")
        self.isNewInstance: bool | None = members.get("isNewInstance")
        self.info: Any = members.get("info")

    def __getattr__(self, name: str) -> Any:
        if name in _ALIASES:
            return getattr(self, _ALIASES[name])
        raise AttributeError(f"a hook context has no member {name!r}")

    def __setattr__(self, name: str, value: Any) -> None:
        object.__setattr__(self, _ALIASES.get(name, name), value)


class Hooks:
    """The observers of one model; those of its bases are asked first."""

    def __init__(self, base: Hooks | None = None) -> None:
        self._base = base
        self._derived: list[Hooks] = []
        self._observers: dict[str, list[Observer]] = {}
        self._active: dict[str, bool] = {}  # what ``active`` found, until somebody comes or goes
        if base is not None:
            base._derived.append(self)

    def observe(self, operation: str, observer: Observer, *, blocking: bool = False) -> None:
        """``blocking``: a synchronous observer that waits (files, HTTP) runs in a thread of trio's."""
        if blocking:
            observer = functools.partial(_in_thread, observer)
        self._observers.setdefault(operation, []).append(observer)
        self._forget()

    def remove_observer(self, operation: str, observer: Observer) -> None:
        if observer in self._observers.get(operation, ()):
            self._observers[operation].remove(observer)
            self._forget()

    def clear_observers(self, operation: str) -> None:
        self._observers.pop(operation, None)
        self._forget()

    def _forget(self) -> None:
        self._active.clear()
        for derived in self._derived:
            derived._forget()

    def active(self, operation: str) -> bool:
        """Whether anybody observes it: ``dao`` makes no context otherwise."""
        found = self._active.get(operation)
        if found is None:
            found = bool(self._observers.get(operation))
            found = found or (self._base is not None and self._base.active(operation))
            self._active[operation] = found
        return found

    async def notify(self, operation: str, context: HookContext) -> HookContext:
        """Call the observers; the first error ends the operation."""
        if self._base is not None:
            await self._base.notify(operation, context)
        for observer in tuple(self._observers.get(operation, ())):
            result = observer(context)
            if inspect.isawaitable(result):
                await result
        return context


async def _in_thread(observer: Observer, context: HookContext) -> None:
    await trio.to_thread.run_sync(observer, context)
