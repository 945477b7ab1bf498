"""Whether an answer is the recorded one.

In charge of: comparing. Bodies are equal up to key order and ``1`` against ``1.0``; ``unordered`` arrays
compare as multisets; a text under an ``ignore``d key is not looked at; ``{"$match": kind}`` stands for a
value that changes from run to run, which ``as`` binds and ``${name}`` repeats. Must not know: sockets.
"""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tests.conformance.variables import Variables

ABSENT = object()

SHAPES = {
    "objectid": re.compile(r"[0-9a-f]{24}"),
    "iso-date": re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z"),
    "token": re.compile(r"[A-Za-z0-9]{64}"),
    "uuid": re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"),
}
KINDS: dict[str, Callable[[Any], bool]] = {
    "any": lambda value: True,
    "any-string": lambda value: isinstance(value, str),
    "any-number": lambda value: isinstance(value, (int, float)) and not isinstance(value, bool),
    "any-array": lambda value: isinstance(value, list),
    "any-object": lambda value: isinstance(value, dict),
    **{
        name: lambda value, shape=shape: isinstance(value, str) and shape.fullmatch(value) is not None
        for name, shape in SHAPES.items()
    },
}
LISTS = ("vary", "allow")  # headers compared as sets, with those of CORS


@dataclass(frozen=True)
class Difference:
    at: str  # JSON pointer, "status" or "header:name"
    expected: Any
    actual: Any

    def __str__(self) -> str:
        return f"at {self.at or '/'}: expected {shown(self.expected)}, got {shown(self.actual)}"


def shown(value: Any) -> str:
    text = "nothing" if value is ABSENT else repr(value)
    return text if len(text) <= 300 else text[:300] + "…"


class Comparison:
    """Compares one answer; ``differences`` is empty when it is the recorded one."""

    def __init__(self, step: dict[str, Any], variables: Variables, prefix: str = "") -> None:
        unordered = step.get("unordered", [])
        self._unordered = ["*"] if unordered is True else list(unordered)
        self._ignored = set(step.get("ignore", []))
        self._variables = variables
        self._prefix = prefix  # of the tenant behind the gateway
        self.differences: list[Difference] = []

    def differ(self, at: str, expected: Any, actual: Any) -> None:
        self.differences.append(Difference(at, expected, actual))

    # -- bodies ---------------------------------------------------------------------------------------------

    def compare(self, expected: Any, actual: Any, at: str = "") -> None:
        if isinstance(expected, dict) and "$match" in expected:
            self._compare_match(expected, actual, at)
            return
        expected = self._variables.fill(expected) if isinstance(expected, str) else expected
        if isinstance(expected, dict) and isinstance(actual, dict):
            self._compare_objects(expected, actual, at)
        elif isinstance(expected, list) and isinstance(actual, list):
            self._compare_arrays(expected, actual, at)
        elif not self._equal(expected, actual):
            self.differ(at, expected, actual)

    def _equal(self, expected: Any, actual: Any) -> bool:
        if isinstance(expected, bool) or isinstance(actual, bool):
            return expected is actual
        if isinstance(expected, float) and isinstance(actual, (int, float)):
            return abs(expected - actual) <= 1e-9 * max(abs(expected), abs(actual))
        if isinstance(expected, str) and expected.startswith("/") and actual == self._prefix + expected:
            return True
        return bool(expected == actual)

    def _compare_objects(self, expected: dict[str, Any], actual: dict[str, Any], at: str) -> None:
        for key in {**expected, **actual}:
            inner = f"{at}/{key.replace('~', '~0').replace('/', '~1')}"
            wanted, got = expected.get(key, ABSENT), actual.get(key, ABSENT)
            if self._is_ignored(key, got if wanted is ABSENT else wanted, inner):
                continue
            if wanted is ABSENT or got is ABSENT:
                self.differ(inner, wanted, got)
            else:
                self.compare(wanted, got, inner)

    def _is_ignored(self, key: str, value: Any, at: str) -> bool:
        """An ignored key hides texts only: a property may have that name."""
        is_text = isinstance(value, str) or (isinstance(value, dict) and "$match" in value)
        return at in self._ignored or (key in self._ignored and is_text)

    def _compare_arrays(self, expected: list[Any], actual: list[Any], at: str) -> None:
        if len(expected) != len(actual):
            self.differ(at, expected, actual)
        elif any(fnmatch.fnmatchcase(at or "/", pattern) for pattern in self._unordered):
            self._compare_multisets(expected, actual, at)
        else:
            for index, (wanted, got) in enumerate(zip(expected, actual, strict=True)):
                self.compare(wanted, got, f"{at}/{index}")

    def _compare_multisets(self, expected: list[Any], actual: list[Any], at: str) -> None:
        left = list(actual)
        for index, wanted in enumerate(expected):
            inner = f"{at}/{index}"
            match = next((got for got in left if self._would_match(wanted, got, inner)), ABSENT)
            if match is ABSENT:
                self.differ(inner, wanted, "no item like it")
            else:
                left.remove(match)
                self.compare(wanted, match, inner)

    def _would_match(self, expected: Any, actual: Any, at: str) -> bool:
        kept, bound = self.differences, self._variables.copy()
        self.differences = []
        self.compare(expected, actual, at)
        matched, self.differences = not self.differences, kept
        self._variables.restore(bound)
        return matched

    def _compare_match(self, expected: dict[str, Any], actual: Any, at: str) -> None:
        kind = expected["$match"]
        if kind == "regex":
            pattern = str(self._variables.fill(expected["pattern"]))
            matches = isinstance(actual, str) and re.search(pattern, actual) is not None
        elif kind == "contains":
            matches = isinstance(actual, str) and all(
                str(self._variables.fill(part)) in actual for part in expected["parts"]
            )
        else:
            matches = actual is not ABSENT and KINDS[kind](actual)
        if not matches:
            self.differ(at, expected, actual)
        elif "as" in expected:
            self._variables[expected["as"]] = actual

    # -- headers --------------------------------------------------------------------------------------------

    def compare_headers(self, expected: dict[str, Any], actual: dict[str, str]) -> None:
        """Only those recorded; a null one must be absent; ``location`` may have the tenant's prefix."""
        for name, wanted in expected.items():
            got = actual.get(name, ABSENT)
            at = f"header:{name}"
            if wanted is None:
                if got is not ABSENT:
                    self.differ(at, ABSENT, got)
            elif isinstance(wanted, dict):
                self._compare_match(wanted, got, at)
            elif got is ABSENT or not self._same_header(name, str(self._variables.fill(wanted)), str(got)):
                self.differ(at, wanted, got)

    def _same_header(self, name: str, wanted: str, got: str) -> bool:
        if name == "location":
            return re.sub(r"^https?://[^/]+", "", got) in (wanted, self._prefix + wanted) or got == wanted
        return normal_header(name, wanted) == normal_header(name, got)


def normal_header(name: str, value: str) -> Any:
    if name == "content-type":
        return re.sub(r"\s*;\s*", ";", value.strip().lower())
    if name in LISTS or (name.startswith("access-control-") and "," in value):
        return sorted(part.strip().lower() for part in value.split(","))
    return value
