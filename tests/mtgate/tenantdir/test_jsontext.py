"""Lines of pointers, and insertion that keeps the author's formatting."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mtgate.tenantdir.complaint import InvalidFile
from mtgate.tenantdir.jsontext import line_of, parse, with_member

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=10,
)

TEXT = """{
  "a": [1, {"b": "x,}"}],
  "c": {
    "d": null
  }
}
"""


@pytest.mark.parametrize(
    ("path", "line"),
    [((), 1), (("a",), 2), (("a", 1, "b"), 2), (("c", "d"), 4), (("c", "gone"), 3)],
)
def test_lines(path: tuple[str | int, ...], line: int) -> None:
    assert line_of(TEXT, path) == line


def test_no_line_in_what_is_not_json() -> None:
    assert line_of("{", ()) is None


def test_a_fault_names_file_line_and_column() -> None:
    with pytest.raises(InvalidFile, match=r"x\.json:2: not valid JSON: .* \(column 3\)"):
        parse("{\n  a: 1}", "x.json")


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("{}", '{\n  "k": 1\n}'),
        ('{\n    "a": 1\n}\n', '{\n    "a": 1,\n    "k": 1\n}\n'),
        ('{"a": 1}', '{"a": 1, "k": 1}'),
        ('{\r\n\t"a": 1\r\n}', '{\r\n\t"a": 1,\r\n\t"k": 1\r\n}'),
        ('{\n  "k": [2], "z": 1\n}', '{\n  "k": 1, "z": 1\n}'),
    ],
)
def test_a_member_is_added_and_the_rest_stays(before: str, after: str) -> None:
    assert with_member(before, (), "k", 1) == after


def test_a_member_of_an_inner_object() -> None:
    text = with_member(TEXT, ("c",), "e", {"f": 1})
    assert text == TEXT.replace('"d": null', '"d": null,\n    "e": {\n      "f": 1\n    }')


@given(st.dictionaries(st.text(max_size=4), JSON, max_size=4), st.text(max_size=4), JSON, st.integers(0, 3))
def test_adding_is_adding_for_every_document(document: dict[str, Any], key: str, value: Any, i: int) -> None:
    text = json.dumps(document, indent=i or None, ensure_ascii=bool(i % 2))
    assert json.loads(with_member(text, (), key, value)) == {**document, key: value}


@given(JSON)
def test_every_document_has_lines(document: Any) -> None:
    text = json.dumps(document, indent=1)
    assert line_of(text, ()) == 1
    if isinstance(document, dict):
        for key in document:
            line = line_of(text, (key,))
            assert line is not None
            assert text.split("\n")[line - 1].lstrip().startswith(json.dumps(key))
