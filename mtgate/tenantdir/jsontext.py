"""JSON as text: where a value stands, and adding a member without touching the rest.

In charge of: line numbers of JSON pointers, complaints about syntax, insertion that keeps the author's
formatting. Must not know: what any file means. Pure.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from mtgate.tenantdir.complaint import Complaint, InvalidFile

_SPACE = re.compile(r"[ \t\r\n]*")
_SCALAR = re.compile(r"[^\s,\]}]+")
_STRING = re.compile(r'"(?:[^"\\]|\\.)*"')

#: Deeper nesting is refused: no file of an application needs it, and the standard parser recurses.
MAX_DEPTH = 100

_NESTING = re.compile(r'"(?:[^"\\]|\\.)*"|[\[\]{}]')


@dataclass(slots=True)
class _Node:
    """A value's span in the text; ``children`` by key or index. ``key_start`` is -1 for elements."""

    start: int
    end: int = 0
    key_start: int = -1
    children: dict[str | int, _Node] = field(default_factory=dict)


def parse(text: str, file: str) -> Any:
    """The value of a JSON text; raises InvalidFile naming ``file`` and the line of the fault."""
    text = text.removeprefix("\ufeff")
    if _depth(text) > MAX_DEPTH:
        raise InvalidFile(Complaint(f"nested more than {MAX_DEPTH} levels deep", file))
    try:
        return json.loads(text, parse_constant=_refuse_constant)
    except json.JSONDecodeError as error:
        message = f"not valid JSON: {error.msg} (column {error.colno})"
        raise InvalidFile(Complaint(message, file, "", error.lineno)) from None
    except ValueError as error:
        raise InvalidFile(Complaint(f"not valid JSON: {error}", file)) from None


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is not a JSON number")


def _depth(text: str) -> int:
    deepest = depth = 0
    for match in _NESTING.finditer(text):
        token = match.group()
        if token in "[{":
            depth += 1
            deepest = max(deepest, depth)
        elif token in "]}":
            depth -= 1
    return deepest


def line_of(text: str, path: Iterable[str | int]) -> int | None:
    """The line, from 1, of the value at ``path``, or of its nearest parent that exists.

    None when the text is not JSON.
    """
    try:
        parse(text, "")
    except InvalidFile:
        return None
    node = _scan(text)
    for part in path:
        child = node.children.get(part)
        if child is None:
            break
        node = child
    position = node.key_start if node.key_start >= 0 else node.start
    return text.count("\n", 0, position) + 1


def with_member(text: str, path: Iterable[str], key: str, value: Any) -> str:
    """The text with ``key: value`` added to, or replaced in, the object at ``path``; all else as it was.

    The text must be valid JSON and ``path`` lead to an object (KeyError otherwise). Indentation and line
    ends follow the neighbours.
    """
    node = _scan(text)
    for part in path:
        node = node.children[part]
    if text[node.start] != "{":
        raise KeyError(key)
    newline = "\r\n" if "\r\n" in text else "\n"
    if key in node.children:
        child = node.children[key]
        indent = _indent_before(text, child.key_start)
        return text[: child.start] + _rendered(value, indent, _unit(text), newline) + text[child.end :]
    outer = _indent_before(text, node.key_start if node.key_start >= 0 else node.start)
    if node.children:
        last = list(node.children.values())[-1]
        one_line = "\n" not in text[node.start : last.key_start]
        if one_line:
            return text[: last.end] + f", {json.dumps(key)}: {json.dumps(value)}" + text[last.end :]
        inner = _indent_before(text, last.key_start)
        member = f"{inner}{json.dumps(key)}: {_rendered(value, inner, _unit(text), newline)}"
        return text[: last.end] + "," + newline + member + text[last.end :]
    inner = outer + _unit(text)
    member = f"{inner}{json.dumps(key)}: {_rendered(value, inner, _unit(text), newline)}"
    return text[: node.start] + "{" + newline + member + newline + outer + "}" + text[node.end :]


def _rendered(value: Any, indent: str, unit: str, newline: str) -> str:
    text = json.dumps(value, indent=unit, ensure_ascii=False)
    return text.replace("\n", newline + indent)


def _indent_before(text: str, position: int) -> str:
    """The white space at the start of the line on which ``position`` is."""
    line = text[text.rfind("\n", 0, position) + 1 : position]
    return line[: len(line) - len(line.lstrip(" \t"))]


def _unit(text: str) -> str:
    """One level of the file's indentation: that of its first indented line; two spaces when it has none."""
    match = re.search(r"\n([ \t]+)\S", text)
    return match.group(1) if match else "  "


def _scan(text: str) -> _Node:
    """The tree of spans of a valid JSON text, without recursion."""
    position = _after_space(text, 1 if text.startswith("\ufeff") else 0)
    root = _Node(position)
    open_nodes: list[_Node] = []
    node = root
    while True:
        # ``position`` is at the first character of ``node``'s value.
        if text[position] in "{[":
            open_nodes.append(node)
            position = _after_space(text, position + 1)
            if text[position] not in "}]":
                node, position = _next_child(text, open_nodes[-1], position)
                continue
        else:
            position = _end_of_scalar(text, position)
            node.end = position
        while open_nodes:
            position = _after_space(text, position)
            if text[position] == ",":
                break
            position += 1
            open_nodes.pop().end = position
        if not open_nodes:
            return root
        node, position = _next_child(text, open_nodes[-1], _after_space(text, position + 1))


def _next_child(text: str, parent: _Node, position: int) -> tuple[_Node, int]:
    """The child whose key, or value in an array, starts at ``position``; and its value's start."""
    if text[parent.start] == "[":
        child = _Node(position)
        parent.children[len(parent.children)] = child
        return child, position
    end_of_key = _end_of_scalar(text, position)
    colon = _after_space(text, end_of_key)
    start = _after_space(text, colon + 1)
    child = _Node(start, key_start=position)
    key = json.loads(text[position:end_of_key])
    parent.children.pop(key, None)
    parent.children[key] = child
    return child, start


def _after_space(text: str, position: int) -> int:
    match = _SPACE.match(text, position)
    return match.end() if match else position


def _end_of_scalar(text: str, position: int) -> int:
    match = (_STRING if text[position] == '"' else _SCALAR).match(text, position)
    if match is None:
        raise ValueError(f"not JSON at character {position}")
    return match.end()
