from __future__ import annotations

import json
from pathlib import Path

import pytest

from mtctl.appimport.project import bring_over
from mtctl.appimport.translate import translate_config
from mtgate.tenantdir.complaint import InvalidFile

PROJECT = {
    "package.json": '{"dependencies": {"loopback": "^2.22.0"}}',
    "server/server.js": "var app = loopback(); app.get('/ping', function(q, s) {}); app.use(x());",
    "server/config.json": '{"remoting": {"cors": {"origin": true}, "json": {"limit": "1mb"}}}',
    "server/config.production.js": "module.exports = {};",
    "server/datasources.json": '{\n  // the only one\n  "db": {"connector": "memory"},\n}',
    "server/model-config.json": '{"Note": {"dataSource": "db"}}',
    "server/middleware.json": '{"final:after": {"errorhandler": {}}}',
    "server/boot/authentication.js": "module.exports = function(server) { server.enableAuth(); };",
    "server/boot/explorer.js": "module.exports = function(server) {};",
    "server/middleware/log.js": "module.exports = function() {};",
    "common/models/note.json": '{"name": "Note", "base": "PersistedModel"}',
    "common/models/note.js": "module.exports = function(Note) {\n  Note.observe('access', f);\n};",
    "common/mixins/time-stamp.js": "module.exports = function(Model, options) {};",
    "node_modules/loopback/index.js": "",
}


@pytest.fixture
def project(tmp_path: Path) -> Path:
    for name, text in PROJECT.items():
        path = tmp_path / "project" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return tmp_path / "project"


@pytest.fixture
def target(tmp_path: Path) -> Path:
    path = tmp_path / "copy"
    path.mkdir()
    return path


def test_a_project_is_brought_over(project: Path, target: Path) -> None:
    report = bring_over(project, target)
    assert report.loopback == "^2.22.0"
    assert report.written == [
        "common/models/note.py",
        "common/mixins/time-stamp.py",
        "server/boot/authentication.py",
        "server/middleware/log.py",
    ]
    assert report.todo == [
        "overlay in code, write it as config.production.json or .py: server/config.production.js:1",
        "hook access: common/models/note.js:2",
        "mixin: common/mixins/time-stamp.js:1",
        "middleware: server/middleware/log.js:1",
        "route in server.js, move it to a boot script: server/server.js:1",
        "middleware in server.js, move it to a boot script: server/server.js:1",
    ]
    assert json.loads((target / "server/datasources.json").read_text()) == {"db": {"connector": "memory"}}
    assert json.loads((target / "server/config.json").read_text()) == {"remoting": {"json": {"limit": "1mb"}}}
    assert json.loads((target / "server/middleware.json").read_text()) == {
        "final:after": {"strong-error-handler": {}}
    }
    assert not (target / "node_modules").exists()
    assert (project / "server/datasources.json").read_text() == PROJECT["server/datasources.json"]


def test_python_that_is_there_is_kept(project: Path, target: Path) -> None:
    (project / "common/models/note.py").write_text("mine = 1\n")
    report = bring_over(project, target)
    assert "common/models/note.py" not in report.written
    assert (target / "common/models/note.py").read_text() == "mine = 1\n"


def test_what_is_no_application_is_refused(tmp_path: Path, target: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(InvalidFile, match="not a LoopBack application"):
        bring_over(tmp_path / "empty", target)


def test_json_that_cannot_be_read_is_named(project: Path, target: Path) -> None:
    (project / "common/models/note.json").write_text("{name:")
    with pytest.raises(InvalidFile, match=r"common/models/note\.json"):
        bring_over(project, target)


@pytest.mark.parametrize("document", [None, [], {"remoting": 1}, {"remoting": {"cors": False}}])
def test_configuration_without_old_keys_stays(document: object) -> None:
    assert list(translate_config("config", document)) == []
