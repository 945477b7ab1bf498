"""KeyValueModel on kv-memory."""

from __future__ import annotations

from pathlib import Path

import pytest

from tenant_runtime.connectors.datasource import create_data_source
from tenant_runtime.errors import LoopbackError
from tenant_runtime.model.javascript import UNDEFINED
from tenant_runtime.model.key_value import KeyValueModelClass
from tests.tenant_runtime.registries import registry_of


@pytest.fixture
def cache() -> KeyValueModelClass:
    source = create_data_source("kv", {"connector": "kv-memory"}, Path())
    model = registry_of({"name": "Cache", "base": "KeyValueModel"}, source=source).Cache
    assert isinstance(model, KeyValueModelClass)
    return model


async def test_values_and_keys(cache: KeyValueModelClass) -> None:
    await cache.set("a:1", {"x": [1, None]})
    await cache.set("b:1", "text")
    assert await cache.get("a:1") == {"x": [1, None]}
    assert await cache.get("none") is None
    assert await cache.keys() == ["a:1", "b:1"]
    assert await cache.keys({"match": "a*"}) == ["a:1"]
    await cache.delete("a:1")
    assert await cache.keys() == ["b:1"]
    await cache.delete_all()
    assert await cache.keys() == []


async def test_times_to_live(cache: KeyValueModelClass, monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1000.0
    monkeypatch.setattr("tenant_runtime.connectors.kv_memory.time.monotonic", lambda: now)
    await cache.set("a", 1, {"ttl": 1000})
    await cache.set("b", 1)
    assert await cache.ttl("a") == 1000
    assert await cache.ttl("b") is UNDEFINED
    await cache.expire("b", 500)
    now = 1000.6
    assert await cache.keys() == ["a"]
    now = 1001.0
    assert await cache.get("a") is None


@pytest.mark.parametrize("operation", ["expire", "ttl"])
async def test_an_unknown_key(cache: KeyValueModelClass, operation: str) -> None:
    arguments = (10,) if operation == "expire" else ()
    with pytest.raises(LoopbackError, match='unknown key "x"') as caught:
        await getattr(cache, operation)("x", *arguments)
    assert caught.value.status == 404


async def test_bad_arguments(cache: KeyValueModelClass) -> None:
    for call in (
        cache.set("a", None),
        cache.set("", 1),
        cache.set("a", 1, {"ttl": -1}),
        cache.expire("a", 0),
    ):
        with pytest.raises(LoopbackError) as caught:
            await call
        assert (caught.value.status, caught.value.name) == (500, "AssertionError")


async def test_rows_need_another_connector(cache: KeyValueModelClass) -> None:
    model = registry_of({"name": "Cache", "base": "KeyValueModel"}).Cache
    with pytest.raises(LoopbackError, match="cannot hold keys"):
        await model.get("a")
