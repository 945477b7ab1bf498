"""KeyValueModel at run time: get, set, expire, ttl, keys.

In charge of: these operations and LoopBack's errors about keys. Must not know: HTTP, a store's kind.
"""

from __future__ import annotations

import json
from typing import Any

from tenant_runtime.errors import LoopbackError
from tenant_runtime.model.javascript import UNDEFINED
from tenant_runtime.model.model_class import ModelClass

Options = dict[str, Any] | None


class KeyValueModelClass(ModelClass):
    """A model whose objects are values under keys."""

    async def get(self, key: str, options: Options = None) -> Any:
        """The value, None for an unknown key."""
        return await self._run("get_key", _checked(key))

    async def set(self, key: str, value: Any, options: Any = None) -> None:
        """``options`` may hold ``ttl`` in milliseconds, or be it."""
        ttl = options if isinstance(options, int | float) else (options or {}).get("ttl")
        if value is None:
            raise _assertion("value must be defined and not null")
        if ttl is not None and not _positive(ttl):
            raise _assertion("options.ttl must be a positive number")
        await self._run("set_key", _checked(key), value, ttl)

    async def expire(self, key: str, ttl: float, options: Options = None) -> None:
        if not _positive(ttl):
            raise _assertion("ttl must be a positive integer")
        if not await self._run("expire_key", _checked(key), ttl):
            raise LoopbackError(f"Cannot expire unknown key {json.dumps(key)}", status=404)

    async def ttl(self, key: str, options: Options = None) -> Any:
        """Milliseconds left; ``UNDEFINED`` for a key that stays."""
        known, left = await self._run("ttl_of_key", _checked(key))
        if not known:
            raise LoopbackError(f"Cannot get TTL for unknown key {json.dumps(key)}", status=404)
        return UNDEFINED if left is None else left

    async def keys(self, filter: dict[str, Any] | None = None, options: Options = None) -> list[str]:
        """``filter`` may hold ``match``, a glob."""
        match = (filter or {}).get("match")
        found: list[str] = await self._run("keys", match if isinstance(match, str) else None)
        return found

    async def delete(self, key: str, options: Options = None) -> None:
        await self._run("delete_keys", _checked(key))

    async def delete_all(self, where: Any = None, options: Options = None) -> dict[str, int]:
        await self._run("delete_keys")
        return {}

    async def _run(self, operation: str, *arguments: Any) -> Any:
        source = self.source()
        if not hasattr(source.connector, operation):
            raise LoopbackError(
                f'The data source "{source.name}" cannot hold keys: {self.name} needs one with kv-memory'
            )
        return await source.run(operation, self.name, *arguments)

    deleteAll = delete_all


def _positive(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and value > 0


def _checked(key: Any) -> str:
    if not isinstance(key, str) or not key:
        raise _assertion("key must be a non-empty string")
    return key


def _assertion(message: str) -> LoopbackError:
    return LoopbackError(message, name="AssertionError")
