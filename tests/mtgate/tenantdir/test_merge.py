"""loopback-boot's overlay rules and ``${name}``."""

from __future__ import annotations

from typing import Any

import pytest

from mtgate.tenantdir.complaint import InvalidFile
from mtgate.tenantdir.merge import UNDEFINED, merge, overlays, substitute


def test_names_of_overlays() -> None:
    assert overlays("config", "production") == ("config.local", "config.production")


@pytest.mark.parametrize(
    ("base", "overlay", "merged"),
    [
        ({"a": 1}, {"b": 2}, {"a": 1, "b": 2}),
        ({"a": {"b": 1, "c": 2}}, {"a": {"b": 3}}, {"a": {"b": 3, "c": 2}}),
        ({"a": [1, {"b": 2}]}, {"a": [3, {"c": 4}]}, {"a": [3, {"b": 2, "c": 4}]}),
        ({"a": {"b": 1}}, {"a": None}, {"a": None}),
        ({"a": None}, {"a": {"b": 1}}, {"a": {"b": 1}}),
        ({"a": 1}, {"a": "x"}, {"a": "x"}),
    ],
)
def test_overlays(base: dict[str, Any], overlay: dict[str, Any], merged: dict[str, Any]) -> None:
    assert merge("config", base, overlay, "config.local.json") == merged


@pytest.mark.parametrize(
    ("family", "base", "overlay", "complaint"),
    [
        ("config", {"a": [1]}, {"a": [1, 2]}, "f at /a: cannot merge arrays of different length (1"),
        ("config", {"a": {"b": [1]}}, {"a": {"b": 2}}, "f at /a/b: cannot merge values of incompatible"),
        ("config", {"a": {}}, {"a": 1}, "f at /a: cannot merge values of incompatible types"),
        ("middleware", {}, {"auth": {}}, 'f at /auth: the phase "auth" is not defined in middleware.json'),
        ("middleware", {"auth": {}}, {"auth": {"x": {}}}, 'f at /auth/x: the middleware "x" of phase'),
    ],
)
def test_refusals(family: str, base: dict[str, Any], overlay: dict[str, Any], complaint: str) -> None:
    with pytest.raises(InvalidFile) as caught:
        merge(family, base, overlay, "f")
    assert complaint in str(caught.value)


def test_middleware_lists_are_matched_by_name() -> None:
    base = {"files": {"static": [{"name": "a", "params": 1}, {"name": "b"}]}}
    overlay = {"files": {"static": [{"name": "a", "params": 2}, {"name": "c"}]}}
    expected = {"files": {"static": [{"name": "a", "params": 2}, {"name": "b"}, {"name": "c"}]}}
    assert merge("middleware", base, overlay, "f") == expected


def test_middleware_object_and_list() -> None:
    assert merge("middleware", {"p": {"m": {}}}, {"p": {"m": [{"name": "a"}]}}, "f") == {
        "p": {"m": [{"name": "a"}]}
    }


def test_the_arguments_stay_as_they_are() -> None:
    base: dict[str, Any] = {"a": {"b": 1}}
    merge("config", base, {"a": {"b": 2}}, "f")
    assert base == {"a": {"b": 1}}


def test_substitution_replaces_the_whole_value_with_its_type() -> None:
    missing: list[Any] = []
    known = {"PORT": 3306, "ROOT": "/api"}
    value = {
        "port": "${PORT}",
        "path": ["x${ROOT}", "${ROOT}/y", "${NONE}"],
        "url": "${URL}",
        "deep": {"n": None, "e": {}},
    }
    answer = substitute(value, lambda name: known.get(name, UNDEFINED), lambda *found: missing.append(found))
    assert answer == {"port": 3306, "path": ["/api", "${ROOT}/y", None], "deep": {"n": None, "e": {}}}
    assert missing == [("NONE", ("path", 2)), ("URL", ("url",))]
