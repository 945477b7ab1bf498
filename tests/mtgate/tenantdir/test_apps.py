"""Scaffold, copy and add a model."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from mtgate.tenantdir.apps import NewModel, add_definition, add_model, copy_app, scaffold
from mtgate.tenantdir.complaint import InvalidFile
from mtgate.tenantdir.template import file_name


def load(path: Path) -> Any:
    return json.loads(path.read_text())


def test_a_new_application_is_complete(tmp_path: Path) -> None:
    scaffold(tmp_path, "foo")
    found = sorted(str(p.relative_to(tmp_path / "foo")) for p in (tmp_path / "foo").rglob("*") if p.is_file())
    assert found == [
        "boot/authentication.py",
        "boot/root.py",
        "component-config.json",
        "config.json",
        "datasources.json",
        "middleware.json",
        "model-config.json",
    ]
    assert load(tmp_path / "foo/datasources.json")["db"]["connector"] == "memory"
    with pytest.raises(FileExistsError):
        scaffold(tmp_path, "foo")


def test_a_model_is_added_beside_what_is_there(tmp_path: Path) -> None:
    scaffold(tmp_path, "foo")
    folder = tmp_path / "foo"
    config = '{\n    "_meta": {"sources": ["./models"]},\n\n    "User": {"dataSource": "db"}\n}\n'
    (folder / "model-config.json").write_text(config)
    changes = add_model(folder, NewModel("CoffeeShop", {"name": {"type": "string", "required": True}}))
    assert changes.created == ["models/coffee-shop.json", "models/coffee-shop.py"]
    assert changes.changed == ["model-config.json"]
    written = (folder / "model-config.json").read_text()
    assert written.startswith(config.removesuffix("\n}\n"))
    assert load(folder / "model-config.json")["CoffeeShop"] == {"dataSource": "db", "public": True}
    model = load(folder / "models/coffee-shop.json")
    assert model["properties"] == {"name": {"type": "string", "required": True}}
    compile((folder / "models/coffee-shop.py").read_text(), "coffee-shop.py", "exec")


def test_a_model_that_exists_is_extended(tmp_path: Path) -> None:
    scaffold(tmp_path, "foo")
    folder = tmp_path / "foo"
    (folder / "models/shop.json").write_text('{"name": "Shop", "properties": {"a": "string"}, "mine": 1}')
    (folder / "models/shop.py").write_text("mine = 1")
    changes = add_model(folder, NewModel("Shop", {"a": {"type": "string"}, "b": {"type": "number"}}))
    assert (changes.created, changes.changed) == ([], ["models/shop.json", "model-config.json"])
    assert load(folder / "models/shop.json") == {
        "name": "Shop",
        "properties": {"a": "string", "b": {"type": "number"}},
        "mine": 1,
    }
    assert (folder / "models/shop.py").read_text() == "mine = 1"
    again = add_model(folder, NewModel("Shop", {"b": {"type": "number"}}))
    assert (again.created, again.changed) == ([], [])
    with pytest.raises(FileExistsError, match="another definition"):
        add_model(folder, NewModel("Shop", {"b": {"type": "date"}}))


def test_a_project_gets_its_model_in_common(tmp_path: Path) -> None:
    source = tmp_path / "app"
    for name in ("server", "common/models"):
        (source / name).mkdir(parents=True)
    (source / "common/models/old.json").write_text('{"name": "Old"}')
    (source / "server/datasources.json").write_text('{"mysql": {"connector": "mysql"}}')
    (source / "server/model-config.json").write_text('{"_meta": {"sources": ["../common/models"]}}')
    assert copy_app(source, tmp_path / "tenants", "foo") == []
    changes = add_model(tmp_path / "tenants/foo", NewModel("New"))
    assert "common/models/new.json" in changes.created
    assert load(tmp_path / "tenants/foo/server/model-config.json")["New"]["dataSource"] == "mysql"


@pytest.mark.parametrize(
    ("model", "complaint"),
    [
        (NewModel("a b"), "cannot be a model's name"),
        (NewModel("A", {"x.y": {}}), "cannot be a property's name"),
        (NewModel("A", data_source="dbb"), 'there is no data source "dbb". Did you mean "db"?'),
    ],
)
def test_what_cannot_be_added(tmp_path: Path, model: NewModel, complaint: str) -> None:
    scaffold(tmp_path, "foo")
    with pytest.raises(InvalidFile) as caught:
        add_model(tmp_path / "foo", model)
    assert complaint in str(caught.value)


def test_a_broken_file_is_named_and_left(tmp_path: Path) -> None:
    scaffold(tmp_path, "foo")
    (tmp_path / "foo/model-config.json").write_text('{\n "a": }')
    with pytest.raises(InvalidFile, match=r"model-config\.json:2: not valid JSON"):
        add_model(tmp_path / "foo", NewModel("A"))
    assert os.listdir(tmp_path / "foo/models") == []


def test_what_is_not_an_application(tmp_path: Path) -> None:
    with pytest.raises(InvalidFile, match="no such folder"):
        copy_app(tmp_path / "none", tmp_path / "tenants", "foo")
    (tmp_path / "empty").mkdir()
    with pytest.raises(InvalidFile, match="is not an application"):
        copy_app(tmp_path / "empty", tmp_path / "tenants", "foo")
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(InvalidFile, match="into itself"):
        copy_app(tmp_path, tmp_path / "tenants", "foo")


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("Customer", "customer"),
        ("CoffeeShop", "coffee-shop"),
        ("my_Model", "my-model"),
        ("HTTPLog", "httplog"),
    ],
)
def test_file_names(name: str, file: str) -> None:
    assert file_name(name) == file


def test_a_whole_definition_never_replaces_one(tmp_path: Path) -> None:
    scaffold(tmp_path, "foo")
    folder = tmp_path / "foo"
    definition = {
        "name": "OrderLine",
        "idInjection": False,
        "properties": {"id": {"type": "number", "id": 1}},
    }
    changes = add_definition(folder, definition, "db")
    assert (changes.created, changes.changed) == (["models/order-line.json"], ["model-config.json"])
    assert load(folder / "models/order-line.json") == definition
    assert load(folder / "model-config.json")["OrderLine"] == {"dataSource": "db", "public": True}
    again = add_definition(folder, definition | {"properties": {}}, "other")
    assert (again.created, again.changed) == ([], [])
    assert load(folder / "models/order-line.json") == definition
