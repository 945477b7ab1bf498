"""The order of routes and the match of paths, as strong-remoting and express have them."""

from __future__ import annotations

from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tenant_runtime.errors import LoopbackError
from tenant_runtime.remoting.routes import ClassRoutes, Entry, RouteTable, path_pattern

PATHS = [
    ("get", "/:id"),
    ("get", "/"),
    ("get", "/count"),
    ("get", "/findOne"),
    ("head", "/:id"),
    ("get", "/:id/orders"),
    ("get", "/:id/orders/count"),
    ("get", "/:id/orders/:fk"),
    ("put", "/:id"),
    ("all", "/anything"),
    ("get", "/files/*"),
    ("get", "/years/:year(\\d+)"),
    ("get", "/maybe/:it?"),
]

MATCHES = [
    ("GET", [], "get /", {}),
    ("GET", ["1"], "get /:id", {"id": "1"}),
    ("GET", ["COUNT"], "get /count", {}),
    ("GET", ["a%20b"], "get /:id", {"id": "a b"}),
    ("HEAD", ["count"], "head /:id", {"id": "count"}),
    ("HEAD", [], "get /", {}),
    ("GET", ["1", "orders", "count"], "get /:id/orders/count", {"id": "1"}),
    ("GET", ["1", "orders", "7"], "get /:id/orders/:fk", {"id": "1", "fk": "7"}),
    ("PUT", ["count"], "put /:id", {"id": "count"}),
    ("DELETE", ["anything"], "all /anything", {}),
    ("GET", ["files", "a", "b"], "get /files/*", {}),
    ("GET", ["years", "1999"], "get /years/:year(\\d+)", {"year": "1999"}),
    ("GET", ["years", "x"], None, None),
    ("GET", ["maybe"], "get /maybe/:it?", {}),
    ("GET", ["maybe", "so"], "get /maybe/:it?", {"it": "so"}),
    ("GET", ["1", "nothing"], None, None),
    ("DELETE", ["1"], None, None),
    ("GET", [""], None, None),
]


def table() -> ClassRoutes[str]:
    return ClassRoutes("Item", "Items", lambda: [Entry(verb, path, f"{verb} {path}") for verb, path in PATHS])


@pytest.mark.parametrize(("method", "segments", "target", "parameters"), MATCHES)
def test_match(
    method: str, segments: list[str], target: str | None, parameters: dict[str, str] | None
) -> None:
    found = table().match(method, segments)
    assert found == (None if target is None else (target, parameters))


def test_literal_parts_come_before_parameters_and_verbs_descend() -> None:
    ordered = [f"{entry.verb} {entry.path}" for entry in table().entries]
    assert ordered.index("head /:id") < ordered.index("get /:id") < ordered.index("all /anything")
    assert ordered.index("get /count") < ordered.index("get /:id")
    assert ordered.index("get /:id/orders/count") < ordered.index("get /:id/orders/:fk")


def test_a_broken_percent_sign_in_a_parameter_is_a_400() -> None:
    with pytest.raises(LoopbackError) as refusal:
        table().match("GET", ["%E0%A4%A"])
    assert refusal.value.status == 400


def test_the_first_class_whose_path_leads_takes_the_request() -> None:
    first, second = ClassRoutes[str]("A", "items", []), ClassRoutes[str]("B", "Items", [])
    nested = ClassRoutes[str]("C", "a/b", [])
    routes = RouteTable([first, second, nested])
    assert routes.find_class(["ITEMS", "1"]) == (first, 1)
    assert routes.find_class(["a", "B", "1"]) == (nested, 2)
    assert routes.find_class(["a"]) is None
    assert routes.find_class([""]) is None


@pytest.mark.parametrize(
    ("path", "text", "end", "matched"),
    [
        ("/api", "/api/x", False, "/api"),
        ("/api", "/apix", False, None),
        ("/API/", "/api", False, "/api"),
        ("/", "/", True, "/"),
        ("/", "/x", True, None),
        ("/a/:b", "/a/c/", True, "/a/c/"),
        ("/a.b", "/aXb", True, None),
        ("/a*", "/abc/d", True, "/abc/d"),
    ],
)
def test_path_language(path: str, text: str, end: bool, matched: str | None) -> None:
    found = path_pattern(path, end=end).match(text)
    assert (found and found[0]) == matched


@given(
    st.lists(st.text(min_size=1).filter(lambda text: "/" not in text), max_size=4),
    st.sampled_from(["GET", "X"]),
)
def test_no_path_breaks_the_table(segments: list[str], method: str) -> None:
    try:
        found = table().match(method, segments)
    except LoopbackError:
        return
    if found is not None and found[0] == "get /:id":
        assert found[1]["id"] == unquote(segments[0])
