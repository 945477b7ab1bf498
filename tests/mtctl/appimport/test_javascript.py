from __future__ import annotations

from typing import Any

import pytest

from mtctl.appimport.javascript import Expression, Finding, Function, Pattern, has_syntax_errors, scan


def in_model(statement: str) -> list[Finding]:
    return scan(f"module.exports = function(Note) {{\n{statement}\n}};")


CALLS: list[tuple[str, Any, str, str, tuple[Any, ...]]] = [
    ("Note.observe('before save', function(c, next) {});", "observe", "Note", "observe",
     ("before save", Function(("c", "next"), 2, 2))),
    ("Note.beforeRemote('*.find', async c => {});", "remote hook", "Note", "beforeRemote",
     ("*.find", Function(("c",), 2, 2))),
    ("Note.greet = (who, cb) => cb();", "static method", "Note", "greet", (Function(("who", "cb"), 2, 2),)),
    ("Note.prototype.shout = function() {};", "prototype method", "Note", "shout", (Function((), 2, 2),)),
    ("Note.setter.mail = function(v) {};", "setter", "Note", "mail", (Function(("v",), 2, 2),)),
    ("Note.validatesFormatOf('zip', {with: /^\\d+$/i});", "validator", "Note", "validatesFormatOf",
     ("zip", {"with": Pattern("^\\d+$", "i")})),
    ("Note.disableRemoteMethod('x', true);", "disabled method", "Note", "disableRemoteMethod", ("x", True)),
    ("Note.on('changed', function(x) {});", "event", "Note", "on", ("changed", Function(("x",), 2, 2))),
    ("Note.app.models.Tag.observe('loaded', f);", "observe", "Note.app.models.Tag", "observe",
     ("loaded", Expression("f"))),
]  # fmt: skip


@pytest.mark.parametrize(("statement", "kind", "receiver", "name", "arguments"), CALLS)
def test_declarations_are_found(
    statement: str, kind: Any, receiver: str, name: str, arguments: tuple[Any, ...]
) -> None:
    assert in_model(statement) == [Finding(kind, receiver, name, arguments, 2, 2)]


@pytest.mark.parametrize(
    ("literal", "value"),
    [
        ("'it\\'s'", "it's"),
        ('"a\\u0041\\n"', "aA\n"),
        ("`plain`", "plain"),
        ("`a ${b}`", Expression("`a ${b}`")),
        ("'a' + 'b'", "ab"),
        ("-1", -1),
        ("0x10", 16),
        ("1.5", 1.5),
        ("!0", True),
        ("null", None),
        ("[1, 'a', /* no */ true]", [1, "a", True]),
        ("{a: {'b-c': [1]}, 2: x}", {"a": {"b-c": [1]}, "2": Expression("x")}),
        ("{...other}", Expression("{...other}")),
        ("{f() {}}", {"f": Function((), 2, 2)}),
    ],
)
def test_literals_become_values(literal: str, value: Any) -> None:
    (finding,) = in_model(f"Note.remoteMethod('x', {literal});")
    assert finding.arguments == ("x", value)


def test_boot_scripts() -> None:
    source = """
    module.exports = function(server) {
      const router = server.loopback.Router();
      router.get('/', server.loopback.status());
      server.use(router);
      server.enableAuth();
      server.get('/report', function(req, res) {});
      const port = server.get('port');
    };"""
    assert [(found.kind, found.first_line) for found in scan(source)] == [
        ("status route", 4),
        ("middleware", 5),
        ("authentication", 6),
        ("route", 7),
    ]


@pytest.mark.parametrize(
    "statement",
    [
        "const rows = map.get('key', 1);",
        "other.thing = function() {};",
        "socket.io.on('x', f);",
        "Note.n = 3;",
    ],
)
def test_ordinary_code_is_passed_over(statement: str) -> None:
    assert in_model(statement) == []


def test_syntax_errors_do_not_hide_the_rest() -> None:
    source = "module.exports = function(A) { A.observe('access', f); if ( };"
    assert has_syntax_errors(source)
    assert [found.name for found in scan(source)] == ["observe"]
    assert not has_syntax_errors("module.exports = 1;")
