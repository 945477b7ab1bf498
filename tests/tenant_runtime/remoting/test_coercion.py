"""strong-remoting's conversion tables, and a few words that are easy to get wrong."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tenant_runtime.errors import LoopbackError
from tenant_runtime.model.javascript import UNDEFINED
from tenant_runtime.remoting.coercion import ArgumentOptions, converter_for

MILLENNIUM = datetime(2000, 1, 1, tzinfo=UTC)
REFUSED = object()

SLOPPY: list[tuple[Any, Any, Any]] = [
    ("any", "", UNDEFINED),
    ("any", "null", None),
    ("any", "TRUE", True),
    ("any", "12", 12),
    ("any", "-12", -12),
    ("any", "007", "007"),
    ("any", "1.0", 1),
    ("any", ".5", 0.5),
    ("any", "1.", "1."),
    ("any", "9007199254740993", "9007199254740993"),
    ("any", '{"a":1}', {"a": 1}),
    ("any", "[1,2]", [1, 2]),
    ("any", "{bad}", "{bad}"),
    ("any", "text", "text"),
    ("string", "", UNDEFINED),
    ("string", "x", "x"),
    ("string", ["a", "b"], "a,b"),
    ("string", {"a": "b"}, "[object Object]"),
    ("string", None, REFUSED),
    ("number", "", UNDEFINED),
    ("number", "12.5", 12.5),
    ("number", "0x10", 16),
    ("number", "abc", REFUSED),
    ("number", None, 0),
    ("integer", "5", 5),
    ("integer", "5.5", REFUSED),
    ("integer", "9007199254740993", REFUSED),
    ("boolean", "1", True),
    ("boolean", "FALSE", False),
    ("boolean", "yes", REFUSED),
    ("boolean", None, REFUSED),
    ("date", "", UNDEFINED),
    ("date", "946684800000", MILLENNIUM),
    ("date", "2000-01-01", MILLENNIUM),
    ("date", "nonsense", REFUSED),
    ("object", "", UNDEFINED),
    ("object", "null", None),
    ("object", '{"a":1}', {"a": 1}),
    ("object", {"a": "1"}, {"a": "1"}),
    ("object", "{bad}", REFUSED),
    ("object", "text", REFUSED),
    ("object", ["a"], REFUSED),
    ("array", "", UNDEFINED),
    ("array", "null", None),
    ("array", "[1,2]", [1, 2]),
    ("array", "[bad]", REFUSED),
    ("array", "a", ["a"]),
    (["number"], ["1", "2"], [1, 2]),
    (["number"], ["1", "x"], REFUSED),
    (["boolean"], "true", [True]),
    ("geopoint", "52.5,13.4", {"lat": 52.5, "lng": 13.4}),
    ("geopoint", '{"lat":1,"lng":2}', {"lat": 1, "lng": 2}),
    ("geopoint", {"lat": "1", "lng": "2"}, {"lat": 1, "lng": 2}),
    ("geopoint", "nowhere", REFUSED),
    ("NoSuchType", "12", 12),
    ({"count": "number"}, '{"count":1}', {"count": 1}),
]

TYPED: list[tuple[Any, Any, Any]] = [
    ("any", "12", "12"),
    ("string", "", ""),
    ("string", 1, REFUSED),
    ("string", None, REFUSED),
    ("number", 1.5, 1.5),
    ("number", "1", REFUSED),
    ("number", True, REFUSED),
    ("integer", 2.0, 2),
    ("boolean", True, True),
    ("boolean", 1, REFUSED),
    ("date", 946684800000, MILLENNIUM),
    ("date", None, REFUSED),
    ("date", True, REFUSED),
    ("object", {"a": 1}, {"a": 1}),
    ("object", None, None),
    ("object", [1], REFUSED),
    ("object", 5, REFUSED),
    ("array", [1, "a"], [1, "a"]),
    ("array", {"0": 1}, REFUSED),
    (["string"], ["a", 1], REFUSED),
]


def converted(convert: Any, value: Any) -> Any:
    try:
        return convert(value)
    except LoopbackError as error:
        assert error.status == 400
        return REFUSED


@pytest.mark.parametrize(("type", "value", "expected"), SLOPPY)
def test_sloppy(type: Any, value: Any, expected: Any) -> None:
    result = converted(converter_for(type, ArgumentOptions(), {}).sloppy, value)
    assert result == expected
    assert result is expected or not isinstance(result, bool)


@pytest.mark.parametrize(("type", "value", "expected"), TYPED)
def test_typed(type: Any, value: Any, expected: Any) -> None:
    assert converted(converter_for(type, ArgumentOptions(), {}).typed, value) == expected


def test_an_array_of_objects_is_taken_where_the_argument_allows_it() -> None:
    convert = converter_for("object", ArgumentOptions(allow_array=True), {}).typed
    assert convert([{"a": 1}, {}]) == [{"a": 1}, {}]
    with pytest.raises(LoopbackError, match="Some of array items are not an object"):
        convert([{"a": 1}, 5])


def test_delimiters_split_texts_into_arrays() -> None:
    options = ArgumentOptions(array_item_delimiters=(",", "|"))
    assert converter_for(["number"], options, {}).sloppy("1,2|3") == [1, 2, 3]


def test_a_model_name_makes_an_instance() -> None:
    convert = converter_for("Point", ArgumentOptions(), {"point": lambda data: ("Point", data)})
    assert convert.sloppy('{"x":1}') == ("Point", {"x": 1})
    assert convert.typed(None) is None


@given(
    st.sampled_from(["any", "string", "number", "integer", "boolean", "date", "object", "array"]), st.text()
)
def test_any_text_is_converted_or_refused_with_a_400(type: str, text: str) -> None:
    converted(converter_for(type, ArgumentOptions(), {}).sloppy, text)
