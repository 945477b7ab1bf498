"""The operations on the memory connector, as LoopBack's clients see them."""

from __future__ import annotations

import pytest

from tenant_runtime.errors import LoopbackError, MultipleErrors
from tenant_runtime.model.registry import Registry
from tests.tenant_runtime.registries import registry_of

CUSTOMER = {
    "name": "Customer",
    "properties": {"name": {"type": "string", "required": True}, "age": "number", "born": "date"},
    "relations": {"orders": {"type": "hasMany", "model": "Order", "foreignKey": ""}},
}
ORDER = {
    "name": "Order",
    "properties": {"text": "string"},
    "relations": {"customer": {"type": "belongsTo", "model": "Customer"}},
}


@pytest.fixture
def registry() -> Registry:
    return registry_of(CUSTOMER, ORDER)


async def test_create_coerces_and_numbers(registry: Registry) -> None:
    created = await registry.Customer.create({"name": "A", "age": "3", "born": "2020-01-01"})
    assert created.to_json() == {"name": "A", "age": 3, "born": "2020-01-01T00:00:00.000Z", "id": 1}
    found = await registry.Customer.find_by_id(1)
    assert found is not None and found.to_json() == created.to_json()


async def test_a_given_id_is_refused_where_the_store_makes_it(registry: Registry) -> None:
    with pytest.raises(LoopbackError) as caught:
        await registry.Customer.create({"name": "A", "id": 7})
    assert caught.value.status == 422
    assert caught.value.details["codes"] == {"id": ["absence"]}


async def test_a_batch_keeps_the_good_ones(registry: Registry) -> None:
    with pytest.raises(MultipleErrors) as caught:
        await registry.Customer.create([{"name": "A"}, {}, {"name": "B"}])
    assert [error is None for error in caught.value.errors] == [True, False]
    assert await registry.Customer.count() == 2


async def test_relations_and_includes(registry: Registry) -> None:
    customer = await registry.Customer.create({"name": "A"})
    orders = customer.relation("orders")
    await orders.create([{"text": "x"}, {"text": "y", "customerId": 99}])
    assert await orders.count() == 2
    [found] = await registry.Customer.find({"include": "orders"})
    assert [order["text"] for order in found.to_json()["orders"]] == ["x", "y"]
    [order] = await registry.Order.find(
        {"include": {"relation": "customer", "scope": {"fields": ["name"]}}, "limit": 1}
    )
    assert order.to_json()["customer"] == {"name": "A", "id": 1}


async def test_patch_of_an_unknown_id_with_a_forced_id(registry: Registry) -> None:
    with pytest.raises(LoopbackError) as caught:
        await registry.Customer.patch_or_create({"id": 9, "name": "x"})
    assert (caught.value.status, str(caught.value)) == (
        404,
        "Could not update attributes. Object with id 9 does not exist!",
    )


async def test_replace_forgets_what_is_not_given(registry: Registry) -> None:
    await registry.Customer.create({"name": "A", "age": 3})
    replaced = await registry.Customer.replace_by_id(1, {"name": "B"})
    assert replaced.to_json() == {"name": "B", "id": 1}
    with pytest.raises(LoopbackError, match="Could not replace"):
        await registry.Customer.replace_by_id(2, {"name": "B"})


async def test_hooks_in_order(registry: Registry) -> None:
    seen: list[str] = []
    for operation in ("access", "before save", "persist", "loaded", "after save"):
        registry.Customer.observe(operation, lambda ctx, name=operation: seen.append(name))
    await registry.Customer.create({"name": "A"})
    assert seen == ["before save", "persist", "loaded", "after save"]
    seen.clear()
    await registry.Customer.patch_or_create({"id": 1, "age": 4})
    assert seen == ["access", "loaded", "before save", "persist", "loaded", "after save"]
