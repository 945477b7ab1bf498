"""Which hooks an operation calls, in which order, with which members: recorded from the original."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tenant_runtime.errors import LoopbackError
from tenant_runtime.model.hooks import OPERATIONS, HookContext
from tenant_runtime.model.javascript import to_json_value
from tenant_runtime.model.model_class import ModelClass
from tests.tenant_runtime.registries import registry_of

RECORDED = json.loads((Path(__file__).parent / "hooks_of_loopback.json").read_text("utf-8"))
MEMBERS = ("currentInstance", "data", "info", "instance", "isNewInstance", "query", "where")
PROPERTIES = {"n": "number", "s": "string"}
MODELS = [
    {"name": "F", "properties": PROPERTIES},  # with a forced id
    {"name": "N", "properties": PROPERTIES, "forceId": False, "options": {"validateUpsert": True}},
]

Operation = Callable[[ModelClass, Any], Any]


async def save(model: ModelClass, instance: Any) -> None:
    instance.s = "sv"
    await instance.save()


#: In the order of the recording: each starts from what the ones before left.
OPERATIONS_OF_RECORDING: dict[str, Operation] = {
    "create": lambda m, i: m.create({"n": 1} if m.name == "F" else {"id": 1, "n": 1}),
    "create_many": lambda m, i: m.create([{"n": 2}, {"n": 3}]),
    "find": lambda m, i: m.find({"where": {"n": {"gt": 1}}}),
    "find_one": lambda m, i: m.find_one({"where": {"n": 2}}),
    "find_by_id": lambda m, i: m.find_by_id(1),
    "count": lambda m, i: m.count({"n": 1}),
    "exists": lambda m, i: m.exists(1),
    "update_all": lambda m, i: m.update_all({"n": 2}, {"s": "x"}),
    "patch_or_create_existing": lambda m, i: m.patch_or_create({"id": 1, "s": "p"}),
    "patch_or_create_new": lambda m, i: m.patch_or_create({"n": 9}),
    "patch_or_create_missing": lambda m, i: m.patch_or_create({"id": 77, "n": 9}),
    "replace_or_create_existing": lambda m, i: m.replace_or_create({"id": 1, "n": 5}),
    "replace_or_create_missing": lambda m, i: m.replace_or_create({"id": 88, "n": 5}),
    "replace_by_id": lambda m, i: m.replace_by_id(1, {"n": 6}),
    "upsert_with_where_existing": lambda m, i: m.upsert_with_where({"n": 6}, {"s": "u"}),
    "upsert_with_where_new": lambda m, i: m.upsert_with_where({"n": 66}, {"n": 66}),
    "find_or_create_existing": lambda m, i: m.find_or_create({"where": {"n": 6}}, {"n": 6}),
    "find_or_create_new": lambda m, i: m.find_or_create({"where": {"n": 67}}, {"n": 67}),
    "patch_attributes": lambda m, i: i.patch_attributes({"s": "q"}),
    "save": save,
    "new_save": lambda m, i: m({"n": 70}).save(),
    "replace_attributes": lambda m, i: i.replace_attributes({"n": 8}),
    "delete_by_id": lambda m, i: m.delete_by_id(2),
    "delete": lambda m, i: i.delete(),
    "destroy_all": lambda m, i: m.destroy_all({"n": 3}),
    "destroy_everything": lambda m, i: m.destroy_all(),
}


async def record(model: ModelClass) -> dict[str, list[Any]]:
    calls: list[Any] = []

    def note(operation: str, context: HookContext) -> None:
        members = {name: to_json_value(getattr(context, name)) for name in MEMBERS}
        calls.append([operation, {name: value for name, value in members.items() if value is not None}])

    for operation in OPERATIONS:
        model.observe(operation, lambda context, operation=operation: note(operation, context))
    seen = {}
    instance = None
    for name, operate in OPERATIONS_OF_RECORDING.items():
        if name == "patch_attributes":
            instance = await model.find_by_id(1)
        calls.clear()
        try:
            await operate(model, instance)
        except LoopbackError:
            assert name.endswith("_missing")
        seen[f"{model.name}.{name}"] = list(calls)
    return seen


@pytest.mark.parametrize("name", ["F", "N"])
async def test_as_the_original(name: str) -> None:
    seen = await record(registry_of(*MODELS)[name])
    for operation, calls in RECORDED:
        if operation.startswith(name):
            assert seen[operation] == calls, operation


async def test_bases_first_in_order_of_registration() -> None:
    registry = registry_of({"name": "A"}, {"name": "B", "base": "A"})
    order: list[str] = []
    registry.B.observe("access", lambda ctx: order.append("b"))
    registry.A.observe("access", lambda ctx: order.append("a1"))

    @registry.A.observe("access")  # type: ignore[untyped-decorator]
    async def second(ctx: HookContext) -> None:
        order.append("a2")

    await registry.B.find()
    assert order == ["a1", "a2", "b"]


async def test_an_error_ends_the_operation() -> None:
    model = registry_of({"name": "A"}).A

    def refuse(ctx: HookContext) -> None:
        raise LoopbackError("no", status=403)

    model.observe("before save", refuse)
    with pytest.raises(LoopbackError, match="no"):
        await model.create({})
    assert await model.count() == 0


async def test_hooks_may_narrow_queries_and_change_data() -> None:
    model = registry_of({"name": "A", "properties": {"n": "number"}}).A
    await model.create([{"n": 1}, {"n": 2}])

    def narrow(ctx: HookContext) -> None:
        ctx.query["where"] = {"n": "2"}

    def double(ctx: HookContext) -> None:
        if ctx.data is not None:
            ctx.data["n"] *= 2
        else:
            ctx.instance.n = 7

    model.observe("access", narrow)
    assert [row["n"] for row in await model.find()] == [2]
    assert await model.count() == 1
    model.observe("before save", double)
    assert (await model.create({}))["n"] == 7
    [found] = await model.find()
    assert (await found.patch_attributes({"n": 5}))["n"] == 10


async def test_state_and_options_are_shared_along_one_operation() -> None:
    model = registry_of({"name": "A"}).A
    seen: list[Any] = []
    model.observe("before save", lambda ctx: ctx.hook_state.update(mark=1))
    model.observe("after save", lambda ctx: seen.append((ctx.hookState, ctx.options, ctx.model)))
    await model.create({}, {"who": "me"})
    assert seen == [({"mark": 1}, {"who": "me"}, model)]


async def test_a_blocking_observer_runs_in_a_thread() -> None:
    model = registry_of({"name": "A"}).A
    threads: list[str] = []
    model.observe("access", lambda ctx: threads.append(threading.current_thread().name), blocking=True)
    await model.find()
    assert threads != [threading.main_thread().name]
