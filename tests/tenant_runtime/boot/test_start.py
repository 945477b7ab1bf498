"""From files to a running app; and what is said of files that are wrong."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tenant_runtime.boot.loader import class_name
from tenant_runtime.boot.start import boot
from tenant_runtime.errors import ConfigurationError
from tests.tenant_runtime.apps import FILES, MIDDLEWARE, write_app

ITEM = FILES["models/item.json"]

#: Files; file, pointer and line of the complaint; words of its message.
WRONG: list[tuple[dict[str, Any], str, str, int | None, str]] = [
    ({"config.json": '{\n"a": 1,\n}'}, "config.json", "", 3, "not valid JSON"),
    ({"config.json": "[]"}, "config.json", "", 1, "must be a JSON object"),
    ({"config.json": {"restApiRoot": "api"}}, "config.json", "/restApiRoot", 2, 'starts with "/"'),
    (
        {"datasources.json": {"db": {"connector": "nosuch"}}},
        "datasources.json",
        "/db/connector",
        3,
        "unknown connector",
    ),
    ({"datasources.json": {"db": 5}}, "datasources.json", "/db", 2, "must be an object"),
    (
        {"model-config.json": {"Nope": {"dataSource": "db"}}},
        "model-config.json",
        "/Nope",
        2,
        "no file defines it",
    ),
    (
        {"model-config.json": {"Item": {"dataSource": "dc"}}},
        "model-config.json",
        "/Item/dataSource",
        3,
        "unknown data source",
    ),
    ({"model-config.json": {"Item": 5}}, "model-config.json", "/Item", 2, "must be an object"),
    ({"models/item.json": {**ITEM, "base": "Nope"}}, "models/item.json", "/base", 9, "unknown model"),
    (
        {"models/item.json": {**ITEM, "mixins": {"Nope": True}}},
        "models/item.json",
        "/mixins/Nope",
        10,
        "neither built in",
    ),
    (
        {"models/item.py": "def setup(Model):\n    raise ValueError('boom')\n"},
        "models/item.py",
        "",
        2,
        "ValueError: boom",
    ),
    ({"models/item.py": "def setup(Model)\n"}, "models/item.py", "", 1, "SyntaxError"),
    ({"models/item.py": "x = 1\n"}, "models/item.py", "", None, "must define setup(Model)"),
    ({"boot/a.py": "def boot(app):\n    app.nosuch\n"}, "boot/a.py", "", 2, "AttributeError"),
    (
        {"middleware.json": {"routes": {"loopback#rst": {}}}},
        "middleware.json",
        "/routes/loopback#rst",
        3,
        'Did you mean "loopback#rest"?',
    ),
    (
        {"middleware.json": {"files": {"loopback#static": {}}}},
        "middleware.json",
        "/files/loopback#static",
        3,
        "needs a folder",
    ),
    (
        {"middleware.json": {"auth": {"./middleware/none": {}}}},
        "middleware.json",
        "/auth/.~1middleware~1none",
        3,
        "there is no",
    ),
    ({"component-config.json": {"loopback-component-explorr": {}, "x": None}}, "", "", None, ""),
    (
        {"component-config.json": {"nosuch": {"a": 1}}},
        "component-config.json",
        "/nosuch",
        2,
        "unknown component",
    ),
    ({"config.local.json": {"remoting": 5}}, "config.local.json", "/remoting", 2, "incompatible types"),
    (
        {"config.json": {"remoting": {"sharedMethods": {"find": "no"}}}},
        "model-config.json",
        "/remoting/sharedMethods/find",
        None,
        "must be true or false",
    ),
]


@pytest.mark.parametrize(("files", "file", "pointer", "line", "words"), [case for case in WRONG if case[1]])
async def test_complaints_say_where(
    tmp_path: Path, files: dict[str, Any], file: str, pointer: str, line: int | None, words: str
) -> None:
    with pytest.raises(ConfigurationError) as found:
        await boot(write_app(tmp_path, files))
    complaint = found.value
    assert words in complaint.message
    assert (complaint.file, complaint.pointer) == (file, pointer)
    if line is not None:
        assert complaint.line == line


async def test_a_folder_without_an_app_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"neither config\.json"):
        await boot(tmp_path)


async def test_models_that_extend_each_other_are_refused(tmp_path: Path) -> None:
    files = {
        "models/a.json": {"name": "A", "base": "B"},
        "models/b.json": {"name": "B", "base": "A"},
        "model-config.json": {"A": {"dataSource": "db"}},
    }
    with pytest.raises(ConfigurationError, match="extend each other: A → B → A"):
        await boot(write_app(tmp_path, files))


async def test_overlays_variables_and_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GREETING", "hello")
    files = {
        "config.json": {"restApiRoot": "/api", "colour": "red", "number": 1},
        "config.local.json": {"colour": "green"},
        "config.test.py": "config = {'colour': 'blue', 'number': 2}\n",
        "datasources.json": {
            "db": {"connector": "memory", "text": "${GREETING}", "n": "${number}", "u": "${nope}"}
        },
        "models/base.json": {"name": "Base", "properties": {"a": "string"}},
        "models/item.json": {"name": "Item", "base": "Base"},
        "boot/b.py": "def boot(app):\n    app.set('order', [*(app.get('order') or []), 'b'])\n",
        "boot/A.py": "async def boot(app):\n    app.set('order', [*(app.get('order') or []), 'A'])\n",
        "boot/_skipped.py": "raise ValueError\n",
        "boot/test/c.py": "def boot(app):\n    app.set('order', [*(app.get('order') or []), 'c'])\n",
    }
    app, read = await boot(write_app(tmp_path, files), "test")
    assert (app.get("colour"), app.get("number"), app.get("env")) == ("blue", 2, "test")
    assert app.get("order") == ["A", "b", "c"]
    settings = app.data_sources["db"].settings
    assert (settings["text"], settings["n"], "u" in settings) == ("hello", 2, False)
    assert app.models.Item.base is app.models.Base
    assert any('"${nope}"' in warning.message for warning in read.warnings)


async def test_a_loopback_project_is_read_as_it_stands(tmp_path: Path) -> None:
    files: dict[str, Any] = dict.fromkeys(FILES)
    for name, content in FILES.items():
        files["common/" + name if name.startswith("models/") else "server/" + name] = content
    files["server/model-config.json"] = {
        "_meta": {"sources": ["loopback/common/models", "../common/models", "./models"]},
        "Item": {"dataSource": "db"},
    }
    files["common/models/item.js"] = "module.exports = function(Item) {};"
    app, read = await boot(write_app(tmp_path, files))
    assert app.models.Item.definition.source == "common/models/item.json"
    assert [warning.file for warning in read.warnings] == ["common/models/item.js"]


async def test_leftovers_of_loopback_2_are_reported(tmp_path: Path) -> None:
    files = {"config.json": {"remoting": {"cors": True, "context": {"enableHttpContext": True}}}}
    _, read = await boot(write_app(tmp_path, files))
    assert [warning.pointer for warning in read.warnings] == ["/remoting/context", "/remoting/cors"]


async def test_middleware_entries(tmp_path: Path) -> None:
    middleware = {
        "auth": {
            "./middleware/audit": {"params": {"folder": "$!./files"}},
            "passport": {},
            "gone": {"optional": True},
        },
        **MIDDLEWARE,
        "initial": {"cors": {"enabled": False, "parms": 1}},
    }
    code = "def factory(params):\n    return lambda request, call_next: params['folder']\n"
    app, read = await boot(write_app(tmp_path, {"middleware.json": middleware, "middleware/audit.py": code}))
    assert {warning.pointer for warning in read.warnings} == {
        "/auth/passport",
        "/auth/gone",
        "/initial/cors/parms",
    }
    assert [placed.name for placed in app.placed if placed.phase == "initial"] == []


@pytest.mark.parametrize(
    ("stem", "name"),
    [
        ("item", "Item"),
        ("purchase-order", "PurchaseOrder"),
        ("purchase_order", "PurchaseOrder"),
        ("URLEntry", "URLEntry"),
    ],
)
def test_class_names(stem: str, name: str) -> None:
    assert class_name(stem) == name


async def test_what_was_not_brought_over_is_said_at_each_start(tmp_path: Path) -> None:
    code = "TODO = ['hook access: models/item.js:3']\n\n\ndef setup(Model):\n    pass\n"
    write_app(tmp_path, {"models/item.py": code})
    _, files = await boot(tmp_path)
    warnings = [(warning.file, warning.message) for warning in files.warnings]
    assert ("models/item.py", "not brought over yet: hook access: models/item.js:3") in warnings
