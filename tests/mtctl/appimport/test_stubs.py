from __future__ import annotations

import ast

import pytest

from mtctl.appimport import stubs
from mtctl.appimport.javascript import scan


def model(statement: str) -> stubs.Module:
    source = f"module.exports = function(Note) {{\n{statement}\n}};"
    module = stubs.model_module("Note", "common/models/note.js", scan(source))
    ast.parse(module.text)
    return module


@pytest.mark.parametrize(
    ("statement", "line"),
    [
        (
            "Note.validatesUniquenessOf('a', {message: 'no'});",
            "Note.validates_uniqueness_of('a', message='no')",
        ),
        ("Note.validatesInclusionOf('a', {in: [1]});", "Note.validates_inclusion_of('a', in_=[1])"),
        ("Note.validatesFormatOf('a', {with: /x+/gi});", "Note.validates_format_of('a', with_='(?i)x+')"),
        ("Note.disableRemoteMethodByName('find');", "Note.disable_remote_method('find')"),
        ("Note.disableRemoteMethod('x', false);", "Note.disable_remote_method('x', static=False)"),
    ],
)
def test_declarations_are_translated_whole(statement: str, line: str) -> None:
    module = model(statement)
    assert line in module.text
    assert module.todo == []
    assert "TODO" not in module.text


STUBS = [
    ("Note.observe('before save', f);", "hook before save", ["async def before_save(ctx):"]),
    ("Note.afterRemote('**', f);", "afterRemote **", ["@Note.after_remote('**')"]),
    ("Note.greet = function(who, cb) {};", "static method greet",
     ["async def greet(Note, who):", "Note.define('greet', greet)", "status=501"]),
    ("Note.prototype.is = function(from) {};", "prototype method is",
     ["async def is_2(self, from_):", "Note.define('prototype.is', is_2)"]),
    ("Note.validate('a', function(err) {});", "validate a", ["Called once"]),
    ("Note.remoteMethod('m', {accepts: {arg: 'a', http: function() {}}});", "remote method m: accepts.http",
     ["{'accepts': {'arg': 'a'}},"]),
    ("Note.on('changed', f);", "event changed", ["@Note.on('changed')"]),
]  # fmt: skip


@pytest.mark.parametrize(("statement", "todo", "lines"), STUBS)
def test_code_becomes_a_stub_with_its_place(statement: str, todo: str, lines: list[str]) -> None:
    module = model(statement)
    assert module.todo == [f"{todo}: common/models/note.js:2"]
    assert repr(module.todo[0]) in module.text
    for line in lines:
        assert line in module.text


def test_two_hooks_of_one_kind_keep_their_names_apart() -> None:
    module = model("Note.observe('access', f); Note.observe('access', g);")
    assert "async def access(ctx):" in module.text
    assert "async def access_2(ctx):" in module.text


def test_generated_boot_scripts_need_no_hand() -> None:
    source = "module.exports = function(s) { s.enableAuth(); var router = s.loopback.Router(); "
    source += "router.get('/', s.loopback.status()); s.use(router); };"
    module = stubs.boot_module("server/boot/root.js", scan(source))
    ast.parse(module.text)
    assert module.todo == []
    assert "app.enable_auth()" in module.text
    assert "app.router.get('/', app.status)" in module.text


@pytest.mark.parametrize(
    "module",
    [
        stubs.boot_module("boot/x.js", []),
        stubs.mixin_module("Stamp", "mixins/stamp.js", []),
        stubs.middleware_module("middleware/x.js"),
        stubs.component_module("components/x.js"),
    ],
)
def test_code_without_known_declarations_is_named(module: stubs.Module) -> None:
    ast.parse(module.text)
    assert len(module.todo) == 1
    assert module.todo[0].endswith(".js:1")
