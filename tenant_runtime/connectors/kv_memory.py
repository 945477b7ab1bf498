"""The kv-memory connector: keys, JSON values and times to live, in memory.

In charge of: what KeyValueModel needs (juggler ``connectors/kv-memory.js``). It has none of the eight
operations of other connectors: a model with rows cannot be attached to it. Must not know: HTTP.
"""

from __future__ import annotations

import fnmatch
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import orjson

from tenant_runtime.connectors.base import Capabilities, QueryRefused, Row, Transaction
from tenant_runtime.filter.query import Query, Where
from tenant_runtime.model.definition import ModelDefinition
from tenant_runtime.model.javascript import to_json_value


class KeyValueMemoryConnector:
    """See the module. An expired key is removed when it is next looked at."""

    name = "kv-memory"
    capabilities = Capabilities(inline=True)

    def __init__(self, name: str, settings: dict[str, Any], tenant_dir: Path) -> None:
        self._stores: dict[str, dict[str, tuple[bytes, float | None]]] = {}

    def define(self, model: ModelDefinition) -> None:
        self._stores.setdefault(model.name, {})

    def connect(self) -> None:
        """Nothing to connect to."""

    def disconnect(self) -> None:
        """Nothing is open."""

    def ping(self) -> None:
        """Always there."""

    def _live(self, model: str) -> dict[str, tuple[bytes, float | None]]:
        store = self._stores[model]
        now = time.monotonic()
        for key in [key for key, (_, end) in store.items() if end is not None and end <= now]:
            del store[key]
        return store

    def get_key(self, model: str, key: str) -> Any:
        """The value, None for an unknown key."""
        found = self._live(model).get(key)
        return None if found is None else orjson.loads(found[0])

    def set_key(self, model: str, key: str, value: Any, ttl_milliseconds: float | None = None) -> None:
        self._stores[model][key] = (orjson.dumps(to_json_value(value)), _end(ttl_milliseconds))

    def expire_key(self, model: str, key: str, ttl_milliseconds: float) -> bool:
        """False for an unknown key."""
        store = self._live(model)
        if key not in store:
            return False
        store[key] = (store[key][0], _end(ttl_milliseconds))
        return True

    def ttl_of_key(self, model: str, key: str) -> tuple[bool, float | None]:
        """Whether the key is known, and the milliseconds left (None: for ever)."""
        found = self._live(model).get(key)
        if found is None:
            return False, None
        return True, None if found[1] is None else round((found[1] - time.monotonic()) * 1000)

    def keys(self, model: str, match: str | None = None) -> list[str]:
        """``match`` is a glob with ``*``, ``?`` and ``[…]``."""
        keys = list(self._live(model))
        return [key for key in keys if fnmatch.fnmatchcase(key, match)] if match else keys

    def delete_keys(self, model: str, key: str | None = None) -> None:
        """One key, or all."""
        if key is None:
            self._stores[model].clear()
        else:
            self._stores[model].pop(key, None)

    def create(self, model: str, row: Row, tx: Transaction | None = None) -> Any:
        raise _no_rows()

    def find(self, model: str, query: Query, tx: Transaction | None = None) -> list[Row]:
        raise _no_rows()

    def count(self, model: str, where: Where, tx: Transaction | None = None) -> int:
        raise _no_rows()

    def update(self, model: str, where: Where, changes: Row, tx: Transaction | None = None) -> int:
        raise _no_rows()

    def replace(self, model: str, id: Any, row: Row, tx: Transaction | None = None) -> int:
        raise _no_rows()

    def delete(self, model: str, where: Where, tx: Transaction | None = None) -> int:
        raise _no_rows()

    def begin(self, isolation: str | None = None) -> Transaction:
        raise _no_rows()

    def execute(self, command: Any, parameters: Sequence[Any] = ()) -> Any:
        raise _no_rows()


def _end(ttl_milliseconds: float | None) -> float | None:
    return time.monotonic() + ttl_milliseconds / 1000 if ttl_milliseconds else None


def _no_rows() -> QueryRefused:
    return QueryRefused("The kv-memory connector holds keys and values only; its models extend KeyValueModel")
