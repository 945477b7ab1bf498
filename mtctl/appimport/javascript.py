"""Finds in a LoopBack project's JavaScript what has to be written again in Python.

In charge of: which statements count (hooks, remote methods, validators, routes, …) and where they stand.
Must not know: what becomes of them (``stubs``). Pure: source text in, findings out. The grammar is
tree-sitter's, which reads on after a syntax error.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

import tree_sitter_javascript
from tree_sitter import Language, Node, Parser

Kind = Literal[
    "observe",
    "remote hook",
    "remote method",
    "disabled method",
    "static method",
    "prototype method",
    "setter",
    "validator",
    "event",
    "role resolver",
    "route",
    "middleware",
    "authentication",
    "status route",
]


@dataclass(frozen=True, slots=True)
class Function:
    """A function in the source; only its shape is known."""

    parameters: tuple[str, ...]
    first_line: int
    last_line: int


@dataclass(frozen=True, slots=True)
class Pattern:
    """A regular expression literal."""

    source: str
    flags: str


@dataclass(frozen=True, slots=True)
class Expression:
    """Anything else that is not a literal: its text."""

    text: str


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing found. ``name`` is the callee or the assigned name, ``receiver`` the text before its dot.

    ``arguments`` are Python values where the source has literals, else Function, Pattern or Expression.
    """

    kind: Kind
    receiver: str
    name: str
    arguments: tuple[Any, ...]
    first_line: int
    last_line: int


_CALLS: dict[str, Kind] = {
    "observe": "observe",
    "beforeRemote": "remote hook",
    "afterRemote": "remote hook",
    "afterRemoteError": "remote hook",
    "remoteMethod": "remote method",
    "disableRemoteMethod": "disabled method",
    "disableRemoteMethodByName": "disabled method",
    "validatesPresenceOf": "validator",
    "validatesAbsenceOf": "validator",
    "validatesLengthOf": "validator",
    "validatesNumericalityOf": "validator",
    "validatesInclusionOf": "validator",
    "validatesExclusionOf": "validator",
    "validatesFormatOf": "validator",
    "validatesUniquenessOf": "validator",
    "validatesDateOf": "validator",
    "validate": "validator",
    "validateAsync": "validator",
    "registerResolver": "role resolver",
    "enableAuth": "authentication",
}
_ROUTES = frozenset({"get", "post", "put", "patch", "delete", "all", "use"})

#: Receivers whose ``get('/x', …)`` is a route and whose ``on`` is an event of the application.
_APPLICATIONS = frozenset({"app", "server", "router"})

_FUNCTIONS = frozenset(
    {
        "function_expression",
        "arrow_function",
        "function_declaration",
        "generator_function",
        "method_definition",
    }
)
_language = Language(tree_sitter_javascript.language())


def scan(source: str) -> list[Finding]:
    """What the source declares, in its order."""
    root = Parser(_language).parse(source.encode()).root_node
    owner = _exported_parameter(root)
    return [finding for node in _walk(root) if (finding := _finding(node, owner)) is not None]


def has_syntax_errors(source: str) -> bool:
    return Parser(_language).parse(source.encode()).root_node.has_error


def _walk(node: Node) -> Iterator[Node]:
    """Depth first, in source order, without recursion: generated sources nest deeply."""
    pending = [node]
    while pending:
        current = pending.pop()
        yield current
        pending.extend(reversed(current.named_children))


def _exported_parameter(root: Node) -> str:
    """``Customer`` of ``module.exports = function(Customer) {…}``, or "" when nothing is exported so."""
    for node in _walk(root):
        if (
            node.type == "assignment_expression"
            and _text(node.child_by_field_name("left")) == "module.exports"
        ):
            value = node.child_by_field_name("right")
            if value is not None and value.type in _FUNCTIONS:
                parameters = _function(value).parameters
                return parameters[0] if parameters else ""
    return ""


def _finding(node: Node, owner: str) -> Finding | None:
    if node.type == "call_expression":
        return _call(node)
    if node.type == "assignment_expression" and owner:
        return _assignment(node, owner)
    return None


def _call(node: Node) -> Finding | None:
    callee = node.child_by_field_name("function")
    given = node.child_by_field_name("arguments")
    if callee is None or given is None or callee.type != "member_expression":
        return None
    receiver = _text(callee.child_by_field_name("object"))
    name = _text(callee.child_by_field_name("property"))
    arguments = tuple(_value(child) for child in given.named_children if child.type != "comment")
    kind = _kind_of_call(receiver, name, arguments)
    return None if kind is None else _make(kind, receiver, name, arguments, node)


def _kind_of_call(receiver: str, name: str, arguments: tuple[Any, ...]) -> Kind | None:
    first = arguments[0] if arguments else None
    if name in _CALLS:
        return _CALLS[name]
    last_word = receiver.rsplit(".", 1)[-1]
    if name in _ROUTES and last_word in _APPLICATIONS:
        if any("loopback.status" in getattr(argument, "text", "") for argument in arguments):
            return "status route"
        if isinstance(first, str) and len(arguments) > 1:
            return "route"
        return "middleware" if name == "use" and first is not None and last_word != "router" else None
    if name in ("on", "once") and isinstance(first, str) and len(arguments) == 2 and "." not in receiver:
        return "event"
    return None


def _assignment(node: Node, owner: str) -> Finding | None:
    """``Owner.x = function``, ``Owner.prototype.x = function``, ``Owner.setter.x = function``."""
    target, value = _text(node.child_by_field_name("left")), node.child_by_field_name("right")
    if value is None or value.type not in _FUNCTIONS or not target.startswith(owner + "."):
        return None
    match target.split(".")[1:]:
        case [name]:
            kind: Kind = "static method"
        case ["prototype", name]:
            kind = "prototype method"
        case ["setter", name]:
            kind = "setter"
        case _:
            return None
    return _make(kind, owner, name, (_function(value),), node)


def _make(kind: Kind, receiver: str, name: str, arguments: tuple[Any, ...], node: Node) -> Finding:
    return Finding(kind, receiver, name, arguments, node.start_point.row + 1, node.end_point.row + 1)


def _text(node: Node | None) -> str:
    return "" if node is None or node.text is None else node.text.decode("utf-8", "replace")


def _function(node: Node) -> Function:
    given = node.child_by_field_name("parameters") or node.child_by_field_name("parameter")
    if given is None:
        names: tuple[str, ...] = ()
    elif given.type == "identifier":
        names = (_text(given),)
    else:
        names = tuple(_text(child) for child in given.named_children if child.type == "identifier")
    return Function(names, node.start_point.row + 1, node.end_point.row + 1)


_WORDS = {"true": True, "false": False, "null": None, "undefined": None}


def _value(node: Node) -> Any:
    """The literal as a Python value."""
    kind, text = node.type, _text(node)
    if kind in _WORDS:
        return _WORDS[kind]
    if kind in _FUNCTIONS:
        return _function(node)
    if kind == "number":
        return _number(text)
    if kind in ("string", "template_string"):
        return _string(node)
    if kind == "array":
        return [_value(child) for child in node.named_children if child.type != "comment"]
    if kind == "object":
        return _object(node)
    if kind == "regex":
        flags = node.child_by_field_name("flags")
        return Pattern(_text(node.child_by_field_name("pattern")), _text(flags))
    if kind in ("unary_expression", "binary_expression"):
        return _combined(node)
    return Expression(" ".join(text.split()))


def _number(text: str) -> Any:
    try:
        return int(text, 0)
    except ValueError:
        try:
            return float(text)
        except ValueError:
            return Expression(text)


_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f", "v": "\v", "0": "\0"}


def _string(node: Node) -> Any:
    if any(child.type == "template_substitution" for child in node.named_children):
        return Expression(_text(node))
    parts = []
    for child in node.named_children:
        text = _text(child)
        if child.type == "escape_sequence":
            escaped = text[1:]
            hexadecimal = escaped[1:].strip("{}")
            if escaped[:1] in ("u", "x") and hexadecimal:
                text = chr(int(hexadecimal, 16))
            else:
                text = _ESCAPES.get(escaped, "" if escaped == "\n" else escaped)
        parts.append(text)
    return "".join(parts)


def _object(node: Node) -> Any:
    found: dict[str, Any] = {}
    for child in node.named_children:
        if child.type == "pair":
            key, value = child.child_by_field_name("key"), child.child_by_field_name("value")
            if key is None or value is None or key.type == "computed_property_name":
                return Expression(" ".join(_text(node).split()))
            found[str(_value(key)) if key.type in ("string", "number") else _text(key)] = _value(value)
        elif child.type == "method_definition":
            found[_text(child.child_by_field_name("name"))] = _function(child)
        elif child.type != "comment":
            return Expression(" ".join(_text(node).split()))
    return found


def _combined(node: Node) -> Any:
    """``-1`` and ``"a" + "b"``."""
    operator = _text(node.child_by_field_name("operator"))
    operands = [_value(child) for child in node.named_children]
    match operator, operands:
        case "-", [int() | float() as number]:
            return -number
        case "+", [str() as left, str() as right]:
            return left + right
        case "!", [int(number)] if number in (0, 1):
            return not number
    return Expression(" ".join(_text(node).split()))
