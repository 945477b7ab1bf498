"""Which remote method a path means.

In charge of: the order of routes and the match, both as the original's (strong-remoting ``sortRoutes``,
express' router): paths without regard to case, trailing slashes tolerated, literal parts before parameters, a
class takes every path below its own. Must not know: requests, invocation.

The table is built once, each class's part when it is first asked for; a look-up is a dictionary access and a
comparison of segments.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Generic, TypeVar
from urllib.parse import unquote_to_bytes

from tenant_runtime.errors import LoopbackError

Target = TypeVar("Target")

SPECIAL = re.compile(r"[*?+()\\\[\]]|:\w+[^\w/]")
TOKEN = re.compile(r"(\\.)|([/.])?:(\w+)(\((?:\\.|[^()])+\))?([*+?])?|(\*)|([.+?=!:${}\[\]|/^])")


def segments_of(path: str) -> list[str]:
    """The parts of a path; empty ones at its end are dropped, those inside stay."""
    parts = path.split("/")[1:]
    while parts and parts[-1] == "":
        parts.pop()
    return parts


def path_pattern(path: str, *, end: bool) -> re.Pattern[str]:
    """express' path language (path-to-regexp 0.1): ``:name``, ``:name?``, ``:name(regex)``, ``*``."""

    def piece(match: re.Match[str]) -> str:
        escaped, separator, name, custom, modifier, star, symbol = match.groups()
        if escaped:
            return escaped
        if star:
            return "(?:.*)"
        if symbol:
            return re.escape(symbol)
        separator = re.escape(separator or "")
        body = custom[1:-1] if custom else r"[^\/]+?"
        if modifier in ("*", "+"):
            body = rf"{body}(?:\/{body})*"
        group = f"(?P<{name}>{body})"
        return f"(?:{separator}{group})?" if modifier in ("?", "*") else f"{separator}{group}"

    pattern = TOKEN.sub(piece, path.rstrip("/"))
    return re.compile(pattern + (r"/*\Z" if end else r"(?=/|\Z)"), re.IGNORECASE)


def decode_parameter(value: str) -> str:
    """``decodeURIComponent``; a 400 as express gives it for broken percent signs."""
    if "%" not in value:
        return value
    if re.search(r"%(?![0-9A-Fa-f]{2})", value):
        raise LoopbackError(f"Failed to decode param '{value}'", status=400, name="URIError")
    try:
        return unquote_to_bytes(value).decode()
    except UnicodeDecodeError:
        raise LoopbackError(f"Failed to decode param '{value}'", status=400, name="URIError") from None


@dataclass(slots=True)
class Entry(Generic[Target]):
    """One route: ``parts`` are lower-case literals, None where a parameter stands."""

    verb: str
    path: str
    target: Target
    parts: list[str | None] = field(default_factory=list)
    names: list[tuple[int, str]] = field(default_factory=list)
    pattern: re.Pattern[str] | None = None

    def __post_init__(self) -> None:
        if SPECIAL.search(self.path):
            self.pattern = path_pattern(self.path, end=True)
            return
        for index, part in enumerate(segments_of(self.path)):
            if part.startswith(":"):
                self.names.append((index, part[1:]))
                self.parts.append(None)
            else:
                self.parts.append(part.lower())

    def match(self, segments: list[str], lowered: list[str]) -> dict[str, str] | None:
        """The parameters, still percent-encoded, or None."""
        if self.pattern is not None:
            found = self.pattern.match("/" + "/".join(segments))
            return None if found is None else {k: v for k, v in found.groupdict().items() if v is not None}
        for part, actual in zip(self.parts, lowered, strict=True):
            if part is not None and part != actual:
                return None
            if actual == "":
                return None
        return {name: segments[index] for index, name in self.names}


def compare_routes(left: Entry[Target], right: Entry[Target]) -> int:
    """Verbs in descending order, then literal parts before parameters, then longer paths first."""
    if left.verb != right.verb:
        return -1 if left.verb > right.verb else 1
    first, second = left.path.split("/"), right.path.split("/")
    for one, other in zip(first, second, strict=False):
        if (one == "") != (other == ""):
            return 1 if one == "" else -1
        if one.startswith(":") != other.startswith(":"):
            return 1 if one.startswith(":") else -1
        if one != other:
            return 1 if one > other else -1
    return len(second) - len(first)


class ClassRoutes(Generic[Target]):
    """The routes of one class, in order; ``make`` gives them when the class is first asked for."""

    def __init__(self, name: str, path: str, make: Callable[[], Iterable[Entry[Target]]]) -> None:
        self.name = name
        self.path = path
        self._make = make
        self._candidates: dict[tuple[str, int], list[Entry[Target]]] = {}

    @functools.cached_property
    def entries(self) -> list[Entry[Target]]:
        return sorted(self._make(), key=functools.cmp_to_key(compare_routes))

    def candidates(self, method: str, count: int) -> list[Entry[Target]]:
        """The routes that may match a path of ``count`` segments; kept, for known methods and sane depths."""
        key = (method, count)
        found = self._candidates.get(key)
        if found is None:
            verbs = {method.lower(), "all"} | ({"get"} if method == "HEAD" else set())
            found = [
                entry
                for entry in self.entries
                if entry.verb in verbs and (entry.pattern is not None or len(entry.parts) == count)
            ]
            if count < 32 and len(self._candidates) < 512:
                self._candidates[key] = found
        return found

    def match(self, method: str, segments: list[str]) -> tuple[Target, dict[str, str]] | None:
        lowered = [segment.lower() for segment in segments]
        for entry in self.candidates(method, len(segments)):
            raw = entry.match(segments, lowered)
            if raw is not None:
                return entry.target, {name: decode_parameter(value) for name, value in raw.items()}
        return None


class RouteTable(Generic[Target]):
    """All classes, in the order of their definition: the first whose path leads the request's takes it."""

    def __init__(self, classes: Iterable[ClassRoutes[Target]]) -> None:
        self._by_first: dict[str, list[tuple[list[str], ClassRoutes[Target]]]] = {}
        for one in classes:
            parts = [part.lower() for part in segments_of("/" + one.path.strip("/"))]
            self._by_first.setdefault(parts[0] if parts else "", []).append((parts, one))

    def find_class(self, segments: list[str]) -> tuple[ClassRoutes[Target], int] | None:
        """The class and how many segments are its own."""
        lowered = [segment.lower() for segment in segments[:8]]
        for first in (lowered[0] if lowered else "", ""):
            for parts, one in self._by_first.get(first, ()):
                if lowered[: len(parts)] == parts:
                    return one, len(parts)
        return None
