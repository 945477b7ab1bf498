"""What LoopBack makes of values given to each property type: recorded from the original, memory connector."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tenant_runtime.errors import LoopbackError
from tenant_runtime.remoting.json import dumps
from tests.tenant_runtime.registries import registry_of

TYPES = {
    "any": "any",
    "o": "object",
    "j": "json",
    "t": "text",
    "ar": "array",
    "b": "buffer",
    "g": "geopoint",
    "ds": "datestring",
    "sa": ["string"],
    "na": ["number"],
    "da": ["date"],
    "ba": ["boolean"],
    "oa": ["object"],
    "n": "number",
    "nest": {"type": {"a": "string", "d": "date"}},
    "bo": "boolean",
    "d": "date",
    "s": "string",
}
RECORDED = json.loads((Path(__file__).parent / "values_of_loopback.json").read_text("utf-8"))
#: The texts of Node's own errors: here they say the same in fewer words.
NODES_OWN = ("The first argument must be of type string",)


def without_id(data: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in data.items() if name != "id"}


@pytest.mark.parametrize(("data", "expected"), RECORDED, ids=lambda value: json.dumps(value)[:40])
async def test_as_the_original(data: dict[str, Any], expected: dict[str, Any]) -> None:
    model = registry_of({"name": "T", "properties": TYPES}).T
    if "error" in expected:
        with pytest.raises(LoopbackError) as caught:
            await model.create(data)
        status, _, message = expected["error"].partition(" ")
        assert str(caught.value.status) == (status or "500")
        if not message.startswith(NODES_OWN):
            assert str(caught.value) == message
        return
    created = await model.create(data)
    assert without_id(created.to_json()) == expected["created"]
    found = await model.find_by_id(created.id)
    assert found is not None
    assert without_id(found.to_json()) == expected["found"]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=6),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text("abc", max_size=3), inner, max_size=3)
    ),
    max_leaves=5,
)


@given(st.dictionaries(st.sampled_from(list(TYPES)), JSON, max_size=4))
@example({"ar": 2**64})
@example({"ar": {"\ud800": 1}})
def test_any_data_makes_an_instance_or_an_error_with_a_status(data: dict[str, Any]) -> None:
    model = registry_of({"name": "T", "properties": TYPES}).T
    with contextlib.suppress(LoopbackError):
        model(data).to_json()


PLAIN = {"s": "string", "n": "number", "b": "boolean", "d": "date"}


@given(
    st.dictionaries(st.sampled_from([*PLAIN, "other"]), JSON, max_size=5),
    st.sampled_from([{}, {"hidden": ["n"]}, {"persistUndefinedAsNull": True}, {"strict": True}]),
)
def test_the_quick_json_form_is_the_json_form(data: dict[str, Any], settings: dict[str, Any]) -> None:
    model = registry_of({"name": "T", "properties": PLAIN, **settings}).T
    with contextlib.suppress(LoopbackError):
        instance = model(data)
        assert dumps(instance) == dumps(instance.to_json())
